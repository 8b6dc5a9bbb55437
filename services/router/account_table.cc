#include "services/router/account_table.h"

#include "libs/base/task_failure.h"
#include "services/router/reread.h"

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kRetry{100};

// parley:s:{user@host}
std::string_view BareOfKey(std::string_view key) {
  const auto open = key.find('{');
  if (open == std::string_view::npos || !key.ends_with('}')) return {};
  return key.substr(open + 1, key.size() - open - 2);
}

// While it lives, something is let in for an account.
class LettingIn {
 public:
  LettingIn(std::shared_ptr<std::set<std::string>> all, std::string bare)
      : all_(std::move(all)), bare_(std::move(bare)) {
    all_->insert(bare_);
  }
  ~LettingIn() { all_->erase(bare_); }
  LettingIn(const LettingIn&) = delete;
  LettingIn& operator=(const LettingIn&) = delete;

 private:
  std::shared_ptr<std::set<std::string>> all_;
  std::string bare_;
};

}  // namespace

AccountTable::AccountTable(Tasks& tasks, SessionStore& store, const Options& options, Metrics& metrics, Forget forget)
    : tasks_(tasks),
      store_(store),
      options_(options),
      metrics_(metrics),
      forget_(std::move(forget)),
      unsaved_(tasks, *this, options, metrics) {}

AccountTable::~AccountTable() = default;

AccountTable::Slot& AccountTable::Obtain(std::string_view bare) {
  const auto found = slots_.find(bare);
  if (found != slots_.end()) {
    Slot& slot = *found->second;
    lru_.splice(lru_.begin(), lru_, slot.place);
    return slot;
  }
  if (slots_.size() >= options_.max_accounts) Evict();
  auto made = std::make_unique<Slot>(std::string(bare));
  Slot& slot = *made;
  lru_.push_front(&slot);
  slot.place = lru_.begin();
  slots_.emplace(slot.account.bare(), std::move(made));
  metrics_.accounts.Set(static_cast<double>(slots_.size()));
  return slot;
}

bool AccountTable::Fresh(const Slot& slot) const {
  if (slot.generation == 0) return false;
  // Without Redis the last that was known has to do.
  return !store_.up() || (!slot.stale && slot.generation == generation_);
}

void AccountTable::Post(std::string_view bare, rpc::Held held) {
  Slot& slot = Obtain(bare);
  if (!slot.busy && slot.idle() && Fresh(slot)) {
    // Busy meanwhile: what comes of it for this very account has to wait.
    slot.busy = true;
    const bool done = handler_->HandleNow(slot.account, held);
    slot.busy = false;
    if (done) {
      if (!slot.idle()) Start(slot);
      return;
    }
    slot.mailbox.PushFront(Waiting(std::move(held)));
    ++waiting_;
    return Start(slot);
  }
  if (slot.mailbox.TakesPlace(held)) return metrics_.mailbox_repeats.Increment();
  if (slot.mailbox.size() >= options_.max_mailbox) {
    metrics_.mailbox_full.Increment();
    return handler_->Unreachable(std::move(held));
  }
  slot.mailbox.PushBack(Waiting(std::move(held)));
  OnWaiting(slot);
}

void AccountTable::Post(std::string_view bare, Job job) {
  Slot& slot = Obtain(bare);
  Work work = Waiting({});
  work.job = std::move(job);
  slot.mailbox.PushBack(std::move(work));
  OnWaiting(slot);
}

void AccountTable::PostReturned(std::string_view bare, rpc::Held held) {
  Slot& slot = Obtain(bare);
  slot.returned.push_back(Waiting(std::move(held)));
  OnWaiting(slot);
}

void AccountTable::PostReturned(std::string_view bare, Job job) {
  Slot& slot = Obtain(bare);
  slot.returned.push_back(Waiting({}));
  slot.returned.back().job = std::move(job);
  OnWaiting(slot);
}

void AccountTable::PostReturned(std::string_view bare, std::vector<rpc::Held> held) {
  for (auto& each : held) PostReturned(bare, std::move(each));
}

void AccountTable::PostFirst(std::string_view bare, std::vector<rpc::Held> oldest) {
  if (oldest.empty()) return;
  Slot& slot = Obtain(bare);
  std::list<Work> first;
  for (auto& held : oldest) first.push_back(Waiting(std::move(held)));
  waiting_ += first.size();
  slot.returned.splice(slot.returned.begin(), first);
  if (!slot.busy) Start(slot);
}

bool AccountTable::HasReturned(const Account& account) const {
  const auto found = slots_.find(account.bare());
  return found != slots_.end() && !found->second->returned.empty();
}

const rpc::Envelope* AccountTable::Next(const Account& account) const {
  const auto found = slots_.find(account.bare());
  if (found == slots_.end() || found->second->idle()) return nullptr;
  const Slot& slot = *found->second;
  const Work& next = slot.returned.empty() ? slot.mailbox.front() : slot.returned.front();
  return next.held.envelope.get();
}

Work AccountTable::Waiting(rpc::Held held) const { return Work{std::move(held), {}, Clock::now()}; }

void AccountTable::OnWaiting(Slot& slot) {
  metrics_.mailbox.Set(static_cast<double>(++waiting_));
  if (!slot.busy) Start(slot);
}

void AccountTable::Start(Slot& slot) {
  slot.busy = true;
  ++busy_;
  tasks_.Spawn("account", Pump(slot), [this, &slot] { Stop(slot); });
}

Task<void> AccountTable::Pump(Slot& slot) {
  while (!slot.idle()) {
    Work& next = First(slot);
    const bool usable = co_await MakeFresh(slot, next);
    // What was waited for may have brought something that comes before it, which need not wait in vain, too.
    if (!usable && &next != &First(slot)) continue;
    Work work = PopNext(slot);
    if (usable) {
      slot.handling = true;
      co_await DoWork(slot, std::move(work));
      slot.handling = false;
    } else {
      Fail(std::move(work));
    }
  }
}

Work& AccountTable::First(Slot& slot) { return slot.returned.empty() ? slot.mailbox.front() : slot.returned.front(); }

Work AccountTable::PopNext(Slot& slot) {
  --waiting_;
  if (slot.returned.empty()) return slot.mailbox.PopFront();
  Work work = std::move(slot.returned.front());
  slot.returned.pop_front();
  return work;
}

// Also when a handler threw: what waits behind it is not to suffer.
void AccountTable::Stop(Slot& slot) {
  metrics_.mailbox.Set(static_cast<double>(waiting_));
  slot.busy = false;
  slot.handling = false;
  --busy_;
  if (!slot.idle()) return Start(slot);
  if (slot.stale && store_.up()) Drop(slot);
}

// What waited so long, or while we stood still, may have been handled by another router: as the link that it came by
// broke, or as its client goes on at another edge, which no longer waited for us, and has another router for it.
bool AccountTable::MayBeSaidAgain(const Work& work) const {
  const auto& held = work.held;
  if (held.receipt.severed()) return true;
  const bool message = held.envelope && held.envelope->kind() == link::v1::KIND_MESSAGE;
  return message && Clock::now() >= work.since + options_.settle_wait;
}

Task<void> AccountTable::DoWork(Slot& slot, Work work) {
  if (MayBeSaidAgain(work)) work.held.envelope->set_repeat(true);
  if (work.job.run) {
    co_await work.job.run(slot.account);
  } else if (!handler_->HandleNow(slot.account, work.held)) {
    co_await handler_->Handle(slot.account, std::move(work.held));
  }
  // Found by a Reload.
  if (slot.account.changed_elsewhere()) co_await handler_->AfterLoad(slot.account);
}

Task<bool> AccountTable::MakeFresh(Slot& slot, Work& work) {
  if (work.job.wait) co_await work.job.wait();
  while (!Fresh(slot) && !Abandoned(work)) {
    const bool loaded = co_await Load(slot, work.job);
    if (loaded) {
      co_await handler_->AfterLoad(slot.account);
      continue;
    }
    // Its sender has sent it again, to a router that can read the account.
    if (work.held.receipt.severed()) co_return false;
    if (Clock::now() >= work.since + options_.delivery_timeout) co_return false;
    co_await SleepFor(kRetry);
  }
  co_return !Abandoned(work);
}

Task<bool> AccountTable::Load(Slot& slot, Job& job) {
  const std::uint64_t generation = generation_;
  if (slot.stale) forget_(&slot.account.bare());  // it may have been read again before it was known to be stale
  slot.stale = false;                             // an invalidation that comes while we read counts
  if (slot.account.local().empty()) {             // a domain: nobody binds there
    slot.generation = generation;
    co_return true;
  }
  // Once: if it fails, the account may still be readable.
  const auto first = std::exchange(job.load, nullptr);
  auto loading = first && slot.generation == 0 && store_.up() ? first() : store_.Load(slot.account.bare());
  auto loaded = co_await std::move(loading);
  if (!loaded) {
    slot.stale = slot.generation != 0;
    co_return false;
  }
  Reread(slot.account, std::move(*loaded),
         slot.generation == generation_ ? RedisMeanwhile::kThere : RedisMeanwhile::kAway);
  slot.generation = generation;
  co_await SaveUnsaved(slot.account);
  co_return true;
}

Task<void> AccountTable::SaveUnsaved(Account& account) {
  for (auto& session : account.sessions()) {
    if (!session.unsaved) continue;
    Record next = session.record;
    next.set_revision(next.revision() + 1);
    SessionStore::Expected expected;
    expected.session = session.id();
    expected.revision = session.record.revision();
    const auto written = co_await store_.Put(account.bare(), next, expected);
    if (!written || *written == SessionStore::Write::kConflict) continue;
    session.record = std::move(next);
    session.unsaved = false;
    session.outdated = false;
  }
  if (account.unsaved()) SaveLater(account);
}

Task<bool> AccountTable::Reload(Account& account) {
  const auto found = slots_.find(account.bare());
  if (found == slots_.end()) co_return false;
  Job none;
  co_return co_await Load(*found->second, none);
}

bool AccountTable::HasOvertakers(const std::string& bare) const {
  const auto found = slots_.find(bare);
  return found != slots_.end() && found->second->handling && found->second->mailbox.has_overtakers();
}

Task<void> AccountTable::LetIn(std::string bare) {
  if (!HasOvertakers(bare) || letting_in_->contains(bare)) co_return;
  const LettingIn only_here(letting_in_, bare);
  Slot& slot = *slots_.find(bare)->second;  // stays, as it is busy
  bool more = true;
  while (more) more = co_await LetInNext(slot);
}

// False: there is none, for now.
Task<bool> AccountTable::LetInNext(Slot& slot) {
  try {
    // After a failure of Redis, which is back, all are to be read again; the handler may wait for long yet.
    Job none;
    if (!Fresh(slot)) co_await Load(slot, none);
    if (!Fresh(slot)) co_return false;
    auto work = slot.mailbox.PopOvertaker(slot.account);
    if (!work) co_return false;
    --waiting_;
    if (work->job.wait) co_await work->job.wait();
    if (Abandoned(*work)) {
      Fail(std::move(*work));
    } else {
      co_await work->job.run(slot.account);
    }
    co_return true;
  } catch (...) {
    if (!LogTaskFailure("let_in", std::current_exception())) throw;
  }
  co_return false;
}

void AccountTable::Fail(Work work) {
  if (work.held.receipt.severed()) return;
  if (!work.job.run) return handler_->Unreachable(std::move(work.held));
  if (work.job.failed) work.job.failed();
}

void AccountTable::Invalidate(const std::string* key) {
  if (key == nullptr) {
    ++generation_;
    return forget_(nullptr);
  }
  const std::string_view bare = BareOfKey(*key);
  const auto found = slots_.find(bare);
  if (found == slots_.end()) return;
  metrics_.invalidated.Increment();
  Slot& slot = *found->second;
  forget_(&slot.account.bare());
  slot.stale = true;
  if (!slot.busy) Drop(slot);
}

void AccountTable::DoubtUnsaved() {
  for (auto& [bare, slot] : slots_) {
    for (auto& session : slot->account.sessions()) session.outdated = true;
  }
}

// Not who had a session, as long as that may give something back, nor what is written nowhere else.
void AccountTable::Drop(Slot& slot) {
  if (!handler_->MayGetBack(slot.account) && !slot.account.unsaved()) Erase(slot);
}

// The least recently used that nothing happens to.
void AccountTable::Evict() {
  if (!store_.up()) return;  // it could not be read again
  std::size_t tries = 16;
  for (auto place = lru_.end(); place != lru_.begin() && tries-- > 0;) {
    Slot& slot = **--place;
    if (slot.busy || slot.account.unsaved()) continue;
    forget_(&slot.account.bare());
    return Erase(slot);
  }
}

void AccountTable::Erase(Slot& slot) {
  lru_.erase(slot.place);
  slots_.erase(slots_.find(slot.account.bare()));
  metrics_.accounts.Set(static_cast<double>(slots_.size()));
}

}  // namespace parley::router
