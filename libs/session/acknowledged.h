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
// The highest number of that origin (an entry for copies does not say it, but has it), and which of the 64 up to it
// were acknowledged: bit n is that number - n.
std::uint64_t Highest(const v1::Seen& seen);
std::uint64_t LatestAcknowledged(const v1::Seen& seen);
// Copies of what other sessions of the account got, too, are noted under a name of their own: that this client
// acknowledged one says nothing of theirs, but who ends without having acknowledged its own owes it to nobody any more.
std::uint64_t OriginOfCopies(std::uint64_t origin);
// What a header says of an origin. nullptr: nothing.
const v1::Seen* FindSeen(const v1::QueueHeader& header, std::uint64_t origin);
// What is noted one by one: messages and requests.
bool IsNotedOneByOne(const link::v1::Envelope& envelope);
// Numbers of one origin come in order, mostly. So what is older than the latest counts as acknowledged where nothing is
// known of it: of messages and requests, up to this number. Above it, what is not known to be acknowledged may yet
// come: as where the router that had it stood still, and what is newer came by another. `copies`: may be nullptr.
std::uint64_t UnknownUpTo(const v1::Seen& seen, const v1::Seen* copies);
// Whether it counts as acknowledged by this. What was stored (Envelope.kept) may be older than what its origin has said
// since: only its very number counts.
bool CountsAsAcknowledged(const link::v1::Envelope& envelope, const v1::Seen& seen, const v1::Seen* copies);
// Of what an ended session left: the mark with which it came to that, and maybe to others. None of anything else.
Mark FirstMarkOf(const link::v1::Envelope& left);
// Of all origins of a header those of which something is known, and that since `old` (unix milliseconds).
v1::Acknowledged AcknowledgedSince(const v1::QueueHeader& header, std::int64_t old);
// One more, at that moment.
void Add(v1::Acknowledged& acknowledged, const Mark& mark, std::int64_t at);

// parley:k:{user@host}: a list of v1.Acknowledged, the session that ended last at its end.
std::string AcknowledgedKey(std::string_view bare_jid);

}  // namespace parley::session
