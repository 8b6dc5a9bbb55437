#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parley/session/v1/session.pb.h"
#include "services/router/life.h"

namespace parley::router {

using session::v1::Record;

class QueueMemory;
class Diverted;
class Acknowledged;

// A bound resource.
struct Session {
  Record record;
  // Redis was away when it changed last, or refused that: to be written when the account is read again.
  bool unsaved = false;
  // And others may have served the account since: what they have written counts.
  bool outdated = false;
  // Whether it has what was stored for its account when it became able to take that.
  enum class Stored : std::uint8_t {
    kUnknown,  // it was read from Redis: another router may have been about to give it that
    kGiven,
    kLeft,   // its edge did not take all: the rest comes before anything newer
    kLater,  // the roster service was away: when that is back
  };
  Stored stored = Stored::kUnknown;
  // Its presence is written, but those who may see it were not told yet: their turn comes with the client's stanza.
  bool unannounced = false;
  // What its queue holds, once it had to be known while the session has no edge.
  std::shared_ptr<QueueMemory> queued;

  const std::string& id() const { return record.session(); }
  life::State state() const { return life::StateOf(record); }
  // RFC 6121 4.2: it sent presence, and no unavailable since.
  bool available() const { return !record.presence().empty(); }
  bool takes_messages() const { return available() && record.priority() >= 0; }
  // An orphan: what is for it goes straight into its queue.
  bool away() const { return record.away_since() != 0; }
  // Something older than whatever comes for it now may be stored.
  bool may_lack_stored() const { return takes_messages() && (stored == Stored::kUnknown || stored == Stored::kLeft); }
};

// Which resources an account has, as RFC 6121 8.5.2 tells them apart.
enum class Reach { kNoResource, kNegativeOnly, kNonNegative };

// What the home router knows of an account: its sessions. Handlers have it to themselves (see AccountTable).
class Account {
 public:
  explicit Account(std::string bare);
  const std::string& bare() const { return bare_; }
  std::string_view local() const;
  std::string_view domain() const;

  std::vector<Session>& sessions() { return sessions_; }
  const std::vector<Session>& sessions() const { return sessions_; }
  Session* WithResource(std::string_view resource);
  Session* WithId(std::string_view session);
  // Also one that Redis has lost and that its edge has not put back yet: its requests are answered all the same.
  const Session* Asking(std::string_view session);
  std::string FullJid(const Session& session) const;
  Reach reach() const;
  int highest_priority() const;
  // Some session's last change is in no other place than here.
  bool unsaved() const;
  // Of an anonymous user: there is no account behind it, no roster, no offline messages.
  bool anonymous() const;

  // That no message waits in the offline store, as the roster service said with the roster. Believed for a moment, and
  // only until one is stored or the account is read again.
  void NoteNothingStored();
  void DoubtNothingStored() { nothing_stored_until_ = {}; }
  bool nothing_stored() const { return std::chrono::steady_clock::now() < nothing_stored_until_; }

  // Sessions that were in memory but not in Redis when it came back: what they were, for their edge's Restore.
  std::vector<Session>& vanished() { return vanished_; }
  // Their end was begun, by a router that may have died meanwhile (SessionStore::Retire).
  std::vector<Record>& retired() { return retired_; }
  // Sessions that another router gave to another edge, as they were until then.
  std::vector<Record>& moved() { return moved_; }
  // Sessions that another router ended, or made orphans, as they were until then: no edge has them any more.
  std::vector<Record>& parted() { return parted_; }
  // Whether any of these three came up.
  bool changed_elsewhere() const { return !retired_.empty() || !moved_.empty() || !parted_.empty(); }
  // Null: nothing was. An idle account needs no room for it.
  std::shared_ptr<Diverted>& diverted() { return diverted_; }
  // Null: not read since the account was.
  std::shared_ptr<Acknowledged>& acknowledged() { return acknowledged_; }
  const std::shared_ptr<Acknowledged>& acknowledged() const { return acknowledged_; }

 private:
  std::string bare_;
  std::vector<Session> sessions_;
  std::vector<Session> vanished_;
  std::vector<Record> retired_;
  std::vector<Record> moved_;
  std::vector<Record> parted_;
  std::shared_ptr<Diverted> diverted_;
  std::shared_ptr<Acknowledged> acknowledged_;
  std::chrono::steady_clock::time_point nothing_stored_until_;
};

}  // namespace parley::router
