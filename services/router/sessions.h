#pragma once

#include <functional>
#include <optional>
#include <string>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/edges.h"
#include "services/router/fanout.h"
#include "services/router/metrics.h"
#include "services/router/nodes.h"
#include "services/router/options.h"
#include "services/router/redis_watch.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"
#include "services/router/session_store.h"
#include "services/router/unacknowledged.h"

namespace parley::router {

// The life of a bound resource: bound, changed, put back, ended; in Redis and in memory. All run in the account's turn.
class Sessions {
 public:
  struct Parts {
    Tasks& tasks;
    AccountTable& accounts;
    SessionStore& store;
    Nodes& nodes;
    Edges& edges;
    Sender& sender;
    RosterClient& rosters;
    Fanout& fanout;
    Unacknowledged& unacknowledged;
    Unanswered& unanswered;
    Metrics& metrics;
    const RedisWatch& redis;
    // Everybody who may see this session is told that it is there.
    std::function<Task<void>(Account& account, std::string session)> show;
  };
  Sessions(const Parts& parts, const Options& options);

  // RFC 6120 section 7. Neither a JID nor a condition: the resource's last session is just being ended, and its record
  // stays until all contacts were told; to be asked again soon, in another turn of the account.
  Task<session::v1::Bound> Bind(Account& account, session::v1::Bind bind);
  // Reads an account that is not in memory; if it has no session, this is its first. Bind finds it bound then.
  Task<Result<SessionStore::Loaded>> LoadOrBind(session::v1::Bind bind);
  enum class Restored {
    kRefused,     // another session has the resource
    kFailed,      // Redis is away
    kUnnoticed,   // it was never gone for anybody
    kReappeared,  // it may have been ended meanwhile: contacts have to be told that it is there
  };
  Task<Restored> Restore(Account& account, Record record);

  // Changes a session's record, in Redis first (if no router has Redis, or it refuses that: in memory, to be saved
  // later). False: there is no such session (any more).
  using Change = std::function<void(Record&)>;
  Task<bool> Update(Account& account, std::string session, Change change);

  // Its edge serves it without Redis (link.v1.Unlogged). Does not wait until it is known which router has Redis: false,
  // if another may have to be told.
  Task<bool> NoteUnlogged(Account& account, std::string session, link::v1::Unlogged unlogged);

  // It is over: contacts see unavailable, its record goes, what waits for it or was not acknowledged by its client is
  // handled as for an absent resource. Nothing if it is over already, or was resumed elsewhere. `said`: by its edge.
  Task<void> End(Account& account, std::string session, life::Event event, Receipt receipt,
                 link::v1::SessionEnded said = link::v1::SessionEnded());
  // Ends its stream too, wherever that is.
  Task<void> Kick(Account& account, std::string session, std::string condition, std::string text);
  // What a router that died had begun to end.
  Task<void> EndRetired(Account& account);

  // Tells everybody that `gone` is not available any more, later if the roster cannot be had now.
  Task<void> SayGone(Account& account, Record gone, std::string stanza, Origin origin, Receipt receipt);

 private:
  // kNoRedis: it is away, or refuses to write.
  enum class Written { kDone, kNoSession, kNoRedis };
  Task<Written> Write(Account& account, std::string session, Change change);
  void KeepUnsaved(const Account& account, Session& session, Record next);
  void NoteBound(const session::v1::Bind& bind);
  enum class Verdict { kBind, kRefuse, kFull };
  Verdict Judge(Account& account, session::v1::Conflict policy, std::string& resource) const;
  static bool Remember(Account& account, Record& record);
  Task<Restored> Move(Account& account, Record record);
  Task<Result<bool>> IsOver(Account& account, Record record);
  Task<Result<SessionStore::Write>> Occupy(Account& account, Record next);

  // A session that is over: what Redis has of it.
  struct Gone {
    Record record;
    SessionStore::Expected as;  // if its queue is to be retired yet
    std::string reason;
    std::string header;                // Unacknowledged::Ended
    std::optional<life::Event> event;  // nullopt: a router that died had begun to end it
  };
  bool MayHappen(const Session& session, life::Event event) const;
  enum class Retired { kDone, kLater, kElsewhere };
  Task<Retired> Retire(Account& account, std::string session);
  Gone Take(Account& account, const std::string& session, life::Event event, std::string reason);
  struct Buried {
    Receipt told;
    Unacknowledged::Whose whose = Unacknowledged::Whose::kOurs;  // who tells its contacts
  };
  Task<Buried> Bury(Account& account, Gone gone, Receipt receipt);
  Task<Unacknowledged::Whose> HandleLeft(Account& account, const Gone& gone, Receipt told);
  SessionStore::PutBack ShowAgain(const Account& account, const Gone& gone);
  Task<void> Displace(Account& account, std::string session);
  Task<void> SayGoneLater(std::string bare, Record gone, std::string stanza, Origin origin, Receipt receipt);
  Task<void> Farewell(Account& account, Record gone, Buried buried);
  void PostFarewell(const std::string& bare, Record gone, Buried buried);
  std::string UnavailableStanza(const Account& account, const Record& gone) const;

  Parts parts_;
  Options options_;
};

}  // namespace parley::router
