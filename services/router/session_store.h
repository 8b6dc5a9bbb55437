#pragma once

#include <functional>
#include <memory>
#include <set>
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
  // After the end of a session: when the last copy of the receipt that is returned goes, the record goes too, however
  // long it takes, and then `receipt`. Load does not see the session any more from now on.
  rpc::Receipt EraseWhenSettled(const std::string& bare, const Record& record, rpc::Receipt receipt);
  // The process is about to end: nothing is erased any more on account of what is dropped.
  void Close() { alive_.reset(); }
  // Redis may have lost its data.
  void ForgetIndexes() { indexed_nodes_.clear(); }
  // Makes other routers forget what they have of the account, its roster too.
  void Touch(const std::string& bare);

 private:
  void Erase(std::string bare, Record record, rpc::Receipt receipt);
  Task<void> EraseUntilDone(std::string bare, Record record, rpc::Receipt receipt);
  void Measure(std::chrono::steady_clock::time_point since);

  Tasks& tasks_;
  storage::Redis& redis_;
  Metrics& metrics_;
  std::unordered_set<std::string> ending_;  // ids
  std::set<std::string> indexed_nodes_;
  std::shared_ptr<SessionStore*> alive_;
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
