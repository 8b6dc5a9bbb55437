#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/session/queue.h"
#include "parley/session/v1/session.pb.h"

// Which messages and requests a client acknowledged, one by one. What is sent again after its session has ended is
// recognised by it, and by nothing less: another session may have had a lower number of the same origin, or nobody.
namespace parley::session {

// The latest numbers of an origin are known: those in `blocks` blocks of 64. False: an older block is forgotten for it.
bool NoteAcknowledged(v1::Seen& seen, std::uint64_t number, std::uint32_t blocks);
// False: not as far as is known.
bool HasAcknowledged(const v1::Seen& seen, std::uint64_t number);
// The same of the 64 latest numbers: bit n is seen.seq() - n.
std::uint64_t LatestAcknowledged(const v1::Seen& seen);
// Copies of what other sessions of the account got, too, are noted under a name of their own: that this client
// acknowledged one says nothing of theirs, but who ends without having acknowledged its own owes it to nobody any more.
std::uint64_t OriginOfCopies(std::uint64_t origin);
// Of what an ended session left: the mark with which it came to that, and maybe to others. None of anything else.
Mark FirstMarkOf(const link::v1::Envelope& left);
// Of all origins of a header those of which something is known, and that since `old` (unix milliseconds).
v1::Acknowledged AcknowledgedSince(const v1::QueueHeader& header, std::int64_t old);
// One more, at that moment.
void Add(v1::Acknowledged& acknowledged, const Mark& mark, std::int64_t at);

// parley:k:{user@host}: a list of v1.Acknowledged, the session that ended last at its end.
std::string AcknowledgedKey(std::string_view bare_jid);

}  // namespace parley::session
