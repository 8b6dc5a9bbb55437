#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "libs/base/result.h"
#include "libs/base/task.h"
#include "libs/rpc/link.h"
#include "libs/storage/redis.h"
#include "parley/session/v1/session.pb.h"
#include "services/router/metrics.h"

namespace parley::router {

using session::v1::Record;

// Sessions in Redis (ARCHITECTURE.md, "Sessions in Redis"). A field's value is "<session id> <revision>\n" and the
// record: the first line is what the scripts compare.
class SessionStore {
 public:
  enum class Write { kDone, kConflict };
  // What a resource's field must hold for a write to happen.
  struct Expected {
    std::string session;  // empty: nothing
    std::uint64_t revision = 0;
  };

  SessionStore(Tasks& tasks, storage::Redis& redis, Metrics& metrics);

  bool up() const { return redis_.up(); }
  Task<Result<std::vector<Record>>> Load(std::string bare);
  Task<Result<Write>> Put(std::string bare, Record next, Expected expected);
  // Before a bind or restore: so that the session is found if its node dies.
  void Index(const std::string& bare, const Record& record);
  // After the end of a session. Tries until it is done; `receipt` is kept until then. Load does not see the session any
  // more from now on.
  void Erase(std::string bare, Record record, rpc::Receipt receipt);
  // From now on Load does not see this session, which is about to be erased.
  void HideFromLoad(const std::string& session) { ending_.insert(session); }
  // The process is about to end: nothing is erased any more on account of what is dropped.
  void Close() { closed_ = true; }
  // Makes other routers forget what they have of the account, its roster too.
  void Touch(const std::string& bare);

 private:
  Task<void> EraseUntilDone(std::string bare, Record record, rpc::Receipt receipt);
  void Measure(std::chrono::steady_clock::time_point since);

  Tasks& tasks_;
  storage::Redis& redis_;
  Metrics& metrics_;
  std::unordered_set<std::string> ending_;  // ids
  bool closed_ = false;
};

// The member of a node's index for a session: "<session id> <full JID>".
std::string IndexMember(std::string_view bare, const Record& record);
struct IndexEntry {
  std::string session;
  std::string jid;
};
IndexEntry ParseIndexMember(std::string_view member);
// The set of all nodes ("<instance>/<epoch>") that have an index.
inline constexpr char kIndexedNodes[] = "parley:n";

}  // namespace parley::router
