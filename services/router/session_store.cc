#include "services/router/session_store.h"

#include <algorithm>
#include <cstdlib>

#include "libs/base/log.h"
#include "libs/session/acknowledged.h"
#include "libs/session/asked.h"
#include "libs/storage/redis_await.h"
#include "services/router/session_scripts.h"

namespace parley::router {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetry{500};

// parley:e:{user@host}:<session>
std::string EndedKey(const std::string& bare, const std::string& session) {
  return "parley:e:{" + bare + "}:" + session;
}

// parley:p:{user@host}:<session>
std::string PastKey(const std::string& bare, const std::string& session) {
  return "parley:p:{" + bare + "}:" + session;
}

// Always the same name: so that it can be done again.
std::string RetiredQueue(const std::string& session) { return "ended:" + session; }

std::string Stamp(const std::string& session, std::uint64_t revision) {
  return session.empty() ? std::string() : session + " " + std::to_string(revision);
}

std::string Value(const Record& record) {
  return Stamp(record.session(), record.revision()) + "\n" + record.SerializeAsString();
}

bool ParseValue(std::string_view value, Record& record) {
  const auto line = value.find('\n');
  if (line == std::string_view::npos) return false;
  const auto body = value.substr(line + 1);
  return record.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

// Nothing: there is no such queue, or none that can be read.
std::optional<session::QueueContents> Decoded(const std::string& bare, const std::string& key,
                                              const storage::Reply& reply) {
  if (reply.items.empty()) return std::nullopt;
  auto contents = session::DecodeQueue(reply);
  if (contents) return std::move(*contents);
  log::Error("queue_unreadable", {{"account", bare}, {"key", key}, {"reason", contents.error().message()}});
  return std::nullopt;
}

}  // namespace

SessionStore::SessionStore(Tasks& tasks, storage::Redis& redis, const Options& options, Metrics& metrics)
    : tasks_(tasks),
      redis_(redis),
      remember_queue_(options.sm_remember_queue),
      remember_acknowledged_(options.sm_remember_acknowledged),
      remember_ends_(options.sm_remember_ends),
      metrics_(metrics),
      max_doubtful_(options.max_doubtful_queues),
      index_(redis, options.remember_nodes, metrics.limits_nodes),
      alive_(std::make_shared<SessionStore*>(this)) {}

Task<Result<SessionStore::Loaded>> SessionStore::Load(std::string bare) {
  const auto start = Clock::now();
  metrics_.account_loads.Increment();
  std::vector<std::string> words{"HGETALL", storage::SessionsKey(bare)};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  Measure(start);
  if (!reply) co_return reply.error();
  co_return LoadedFrom(bare, *reply);
}

SessionStore::Loaded SessionStore::LoadedFrom(const std::string& bare, const storage::Reply& fields) const {
  Loaded loaded;
  for (std::size_t i = 1; i < fields.items.size(); i += 2) {
    const std::string& field = fields.items[i - 1].text;
    Record record;
    if (!ParseValue(fields.items[i].text, record)) {
      log::Error("session_record_unreadable", {{"account", bare}, {"resource", field}});
      continue;
    }
    if (ending_.contains(record.session())) continue;
    auto& place = field.starts_with('\n') ? loaded.retired : loaded.sessions;
    place.push_back(std::move(record));
  }
  return loaded;
}

Task<Result<SessionStore::Loaded>> SessionStore::LoadOrPut(std::string bare, Record first) {
  const auto start = Clock::now();
  metrics_.account_loads.Increment();
  index_.Add(bare, first);
  std::vector<std::string> keys{storage::SessionsKey(bare)};
  std::vector<std::string> arguments{first.resource(), Value(first)};
  const auto reply = co_await storage::AwaitEval(redis_, LoadOrPutScript(), std::move(keys), std::move(arguments));
  Measure(start);
  if (!reply) co_return reply.error();
  Loaded loaded = LoadedFrom(bare, *reply);
  if (reply->items.empty()) {
    loaded.sessions.push_back(std::move(first));
  } else if (std::none_of(loaded.sessions.begin(), loaded.sessions.end(),
                          [&](const Record& record) { return record.session() == first.session(); })) {
    // Whoever binds it then says so again; not if it was bound before, by a router that died.
    index_.Remove(bare, first);
  }
  co_return loaded;
}

Task<Result<SessionStore::Write>> SessionStore::RunWrite(const storage::Script& script, std::vector<std::string> keys,
                                                         std::vector<std::string> arguments) {
  const auto start = Clock::now();
  const auto reply = co_await storage::AwaitEval(redis_, script, std::move(keys), std::move(arguments));
  Measure(start);
  if (!reply) co_return reply.error();
  if (reply->integer == 1) co_return Write::kDone;
  if (reply->integer == 2) co_return Write::kNoQueue;
  metrics_.conflicts.Increment();
  co_return Write::kConflict;
}

Task<Result<SessionStore::Write>> SessionStore::Put(std::string bare, Record next, Expected expected) {
  std::vector<std::string> keys{storage::SessionsKey(bare)};
  std::vector<std::string> arguments{next.resource(), Stamp(expected.session, expected.revision), Value(next)};
  co_return co_await RunWrite(PutScript(), std::move(keys), std::move(arguments));
}

Task<Result<SessionStore::Write>> SessionStore::PutWithQueue(std::string bare, Record next, Expected expected,
                                                             session::v1::QueueHeader header) {
  std::vector<std::string> keys{storage::SessionsKey(bare), session::QueueKey(bare, next.queue())};
  std::vector<std::string> arguments{next.resource(), Stamp(expected.session, expected.revision), Value(next),
                                     session::Encode(header)};
  const auto written = co_await RunWrite(PutScript(), std::move(keys), std::move(arguments));
  if (!written) NoteDoubtful(next);
  co_return written;
}

void SessionStore::NoteDoubtful(const Record& record) {
  if (doubtful_.size() >= max_doubtful_) return metrics_.limits_doubtful.Increment();
  doubtful_.emplace(record.session(), record.queue());
}

bool SessionStore::IsDoubtful(const Record& record) const {
  const auto [begin, end] = doubtful_.equal_range(record.session());
  return std::any_of(begin, end, [&record](const auto& doubtful) { return doubtful.second == record.queue(); });
}

void SessionStore::ForgetDoubtful(const std::string& bare, const Record& record) {
  const auto [begin, end] = doubtful_.equal_range(record.session());
  for (auto doubtful = begin; doubtful != end; ++doubtful) {
    if (doubtful->second == record.queue()) continue;
    const std::string key = session::QueueKey(bare, doubtful->second);
    redis_.Command({"DEL", key}, storage::LogFailure);
  }
  doubtful_.erase(begin, end);
}

Task<Result<SessionStore::Write>> SessionStore::Claim(std::string bare, Record next, Expected expected,
                                                      std::string from) {
  std::vector<std::string> keys{storage::SessionsKey(bare), session::QueueKey(bare, from),
                                session::QueueKey(bare, next.queue())};
  std::vector<std::string> arguments{next.resource(), Stamp(expected.session, expected.revision), Value(next)};
  co_return co_await RunWrite(ClaimScript(), std::move(keys), std::move(arguments));
}

Record SessionStore::Retired(Record record) {
  record.set_queue(RetiredQueue(record.session()));
  record.set_resume_ms(0);
  return record;
}

Task<Result<SessionStore::Write>> SessionStore::Retire(std::string bare, Record record, Expected expected,
                                                       Record next) {
  const Record retired = Retired(record);
  std::vector<std::string> keys{storage::SessionsKey(bare), session::QueueKey(bare, record.queue()),
                                session::QueueKey(bare, retired.queue())};
  std::vector<std::string> arguments{record.resource(), Stamp(expected.session, expected.revision),
                                     session::RetiredField(record.session()), Value(retired),
                                     next.session().empty() ? std::string() : Value(next)};
  co_return co_await RunWrite(RetireScript(), std::move(keys), std::move(arguments));
}

Task<Result<bool>> SessionStore::IsFinished(std::string bare, std::string session) {
  std::vector<std::string> words{"EXISTS", PastKey(bare, session)};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  if (!reply) co_return reply.error();
  co_return reply->integer == 1;
}

Task<Result<std::optional<session::QueueContents>>> SessionStore::LoadQueue(std::string bare, std::string queue) {
  co_return co_await LoadList(bare, session::QueueKey(bare, queue));
}

Task<Result<std::optional<session::QueueContents>>> SessionStore::LoadPastQueue(std::string bare, std::string session) {
  auto retired = co_await LoadList(bare, session::QueueKey(bare, RetiredQueue(session)));
  if (!retired || retired->has_value()) co_return retired;  // somebody is at it yet
  co_return co_await LoadList(bare, PastKey(bare, session));
}

Task<Result<std::optional<session::QueueContents>>> SessionStore::LoadList(std::string bare, std::string key) {
  std::vector<std::string> words{"LRANGE", key, "0", "-1"};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  if (!reply) co_return reply.error();
  co_return Decoded(bare, key, *reply);
}

Task<Result<std::uint64_t>> SessionStore::Append(std::string bare, std::string queue, std::string element) {
  const std::string key = session::QueueKey(bare, queue);
  std::function<void(std::function<void(Result<std::uint64_t>)>)> start = [&](auto done) {
    session::Append(redis_, key, {{element}}, std::move(done));
  };
  co_return co_await Await<Result<std::uint64_t>>(start);
}

Task<Result<std::vector<session::v1::Asked>>> SessionStore::TakeAsked(std::string bare, std::string session,
                                                                      std::string taker) {
  const std::string aside = session::TakenKey(bare, session, taker);
  std::vector<std::string> keys{session::AskedKey(bare, session), aside};
  std::vector<std::string> arguments{std::to_string(session::kTakenKept.count())};
  const auto taken =
      co_await storage::AwaitEval(redis_, session::TakeAskedAsideScript(), std::move(keys), std::move(arguments));
  if (!taken) co_return taken.error();
  if (!taken->items.empty()) session::ForgetAllAsked(redis_, aside);
  co_return session::DecodeAsked(*taken);
}

void SessionStore::RememberEnded(const std::string& bare, const std::string& session, std::uint32_t handled,
                                 std::chrono::milliseconds time) {
  const std::string key = EndedKey(bare, session);
  redis_.Command({"SET", key, std::to_string(handled), "PX", std::to_string(time.count())}, storage::LogFailure);
}

Task<Result<std::optional<std::uint32_t>>> SessionStore::RecallEnded(std::string bare, std::string session) {
  std::vector<std::string> words{"GET", EndedKey(bare, session)};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  if (!reply) co_return reply.error();
  std::optional<std::uint32_t> handled;
  if (!reply->is_nil()) handled = static_cast<std::uint32_t>(std::strtoul(reply->text.c_str(), nullptr, 10));
  co_return handled;
}

void SessionStore::RememberAcknowledged(const std::string& session, const session::v1::Acknowledged& acknowledged) {
  const auto ending = ending_.find(session);
  if (ending != ending_.end()) ending->second.acknowledged = acknowledged.SerializeAsString();
}

Task<Result<std::vector<session::v1::Acknowledged>>> SessionStore::LoadAcknowledged(std::string bare) {
  std::vector<std::string> words{"LRANGE", session::AcknowledgedKey(bare), "0", "-1"};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  if (!reply) co_return reply.error();
  std::vector<session::v1::Acknowledged> ends;
  for (const auto& item : reply->items) {
    if (!ends.emplace_back().ParseFromString(item.text)) ends.pop_back();
  }
  for (const auto& [session, ending] : ending_) {
    if (!ending.acknowledged.empty() && ending.bare == bare) ends.emplace_back().ParseFromString(ending.acknowledged);
  }
  co_return ends;
}

rpc::Receipt SessionStore::EraseWhenSettled(const std::string& bare, const Record& record, rpc::Receipt receipt,
                                            PutBack put_back) {
  ending_[record.session()].bare = bare;
  auto settled = [alive = std::weak_ptr(alive_), bare, record, receipt = std::move(receipt),
                  put_back = std::move(put_back)](rpc::RefusalReason) {
    const auto store = alive.lock();
    if (store) (*store)->tasks_.Spawn("erase_session", (*store)->EraseUntilDone(bare, record, receipt, put_back));
  };
  return rpc::Receipt(std::function<void(rpc::RefusalReason)>(std::move(settled)));
}

std::string SessionStore::AcknowledgedBy(const std::string& session) const {
  const auto ending = ending_.find(session);
  return ending == ending_.end() ? std::string() : ending->second.acknowledged;
}

Task<Result<storage::Reply>> SessionStore::Erase(const std::string& bare, const Record& record, bool put_back) {
  if (!record.queue().empty()) co_return co_await EraseRetired(bare, record);
  std::vector<std::string> keys{storage::SessionsKey(bare), session::AskedKey(bare, record.session())};
  std::vector<std::string> arguments{record.resource(), record.session(),
                                     put_back ? std::to_string(record.revision()) : std::string()};
  co_return co_await storage::AwaitEval(redis_, EraseScript(), std::move(keys), std::move(arguments));
}

Task<Result<storage::Reply>> SessionStore::EraseRetired(const std::string& bare, const Record& record) {
  const std::string acknowledged = AcknowledgedBy(record.session());
  // What was noted before it had a queue its edge has taken into that one's header, unless it died before, or was not
  // told that there is a queue.
  std::vector<std::string> keys{storage::SessionsKey(bare), session::QueueKey(bare, record.queue()),
                                PastKey(bare, record.session()), session::AskedKey(bare, record.session())};
  if (!acknowledged.empty()) keys.push_back(session::AcknowledgedKey(bare));
  std::vector<std::string> arguments{session::RetiredField(record.session()), std::to_string(remember_queue_.count()),
                                     acknowledged, std::to_string(remember_ends_),
                                     std::to_string(remember_acknowledged_.count())};
  co_return co_await storage::AwaitEval(redis_, EraseRetiredScript(), std::move(keys), std::move(arguments));
}

// `receipt` goes when this is done.
Task<void> SessionStore::EraseUntilDone(std::string bare, Record record, rpc::Receipt receipt, PutBack put_back) {
  bool gone = false;
  while (true) {
    const auto erased = co_await Erase(bare, record, put_back != nullptr);
    if (erased) gone = erased->integer != 0;
    if (erased && erased->integer == 2) metrics_.limits_ends.Increment();
    if (erased) break;
    co_await SleepFor(kRetry);
  }
  ending_.erase(record.session());
  if (!gone) {
    put_back();
    co_return;
  }
  receipt = rpc::Receipt();
  co_await ForgetUntilDone(std::move(bare), std::move(record));
}

// What nobody looks at any more.
Task<void> SessionStore::ForgetUntilDone(std::string bare, Record record) {
  ForgetDoubtful(bare, record);
  bool removed = co_await index_.RemoveForGood(bare, record);
  while (!removed) {
    co_await SleepFor(kRetry);
    removed = co_await index_.RemoveForGood(bare, record);
  }
}

void SessionStore::Touch(const std::string& bare) {
  redis_.Eval(TouchScript(), {storage::SessionsKey(bare)}, {}, storage::LogFailure);
}

void SessionStore::Measure(Clock::time_point since) {
  metrics_.redis_seconds.Observe(std::chrono::duration<double>(Clock::now() - since).count());
}

}  // namespace parley::router
