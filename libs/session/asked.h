#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/result.h"
#include "libs/storage/redis.h"
#include "parley/session/v1/session.pb.h"

// Requests that the client of a session without stream management got and has not answered, in Redis: so that they are
// answered (RFC 6120 8.2.3) when its edge dies. Who takes them away answers them, and nobody else does.
namespace parley::session {

// parley:a:{user@host}:<session>
std::string AskedKey(std::string_view bare_jid, std::string_view session);

// `done` also when Redis could not be told.
void NoteAsked(storage::Redis& redis, const std::string& key, std::uint64_t number, const v1::Asked& asked,
               std::function<void()> done);
// The client answers it by its stanza `answer`. `done` also when Redis could not be told.
void NoteAnswer(storage::Redis& redis, const std::string& key, std::uint64_t number, std::uint64_t answer,
                std::function<void()> done);
void ForgetAsked(storage::Redis& redis, const std::string& key, std::uint64_t number);
void ForgetAllAsked(storage::Redis& redis, const std::string& key);
// Script and reply of taking all, oldest first.
const storage::Script& TakeAskedScript();
// The same for who asks again under its name (`taker`) if the reply is lost: what it takes stays aside until it says
// that it has it (ForgetAllAsked), and for so long at most. Others find nothing, whichever script they use.
// Keys: AskedKey, TakenKey. Argument: kTakenKept. Not a setting: it is left there only by who died just then.
inline constexpr std::chrono::milliseconds kTakenKept{std::chrono::hours(1)};
std::string TakenKey(std::string_view bare_jid, std::string_view session, std::string_view taker);
const storage::Script& TakeAskedAsideScript();
std::vector<v1::Asked> DecodeAsked(const storage::Reply& reply);

}  // namespace parley::session
