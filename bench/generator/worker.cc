#include "bench/generator/worker.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "bench/generator/scenario.h"

namespace parley::bench {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kGoodbye = 300 * kMillisecond;

bool NeedsManagement(const Options& options) { return options.scenario == "resume" || options.scenario == "storm"; }

}  // namespace

Worker::Worker(const Options& options, std::uint32_t from, std::uint32_t to, int control)
    : options_(options),
      from_(from),
      control_(control),
      tls_(options.ca_file, options.tls_resumption),
      salted_(options.salted_cache),
      setting_{.loop = loop_,
               .flusher = {},
               .tls = tls_,
               .salted = salted_,
               .domain = options.domain,
               .password = options.password,
               .mechanism = options.mechanism,
               .security = options.security,
               .management = NeedsManagement(options) ? Management::kOn : options.management,
               .protocol = options.protocol} {
  for (const auto& name : options.servers) servers_.push_back(ResolveServer(name));
  scenario_ = MakeScenario(options.scenario, *this);
  const bool paired = ShapeOf(options.scenario, options.group).together == 2;
  for (std::uint32_t index = from; index < to; ++index) {
    Server& server = paired ? ServerFor(index / 2, index % 2) : ServerFor(index, 0);
    const int source = options.sources == 0 ? 0 : 1 + static_cast<int>(index % options.sources);
    const std::string user = options.user_prefix + std::to_string(options.first + index);
    Client::Owner& owner = *this;
    clients_.push_back(std::make_unique<Client>(setting_, owner, server, user, source));
    clients_.back()->index = index - from;
  }
  started_.resize(clients_.size());
  loop_.SetEndOfTurn([this] { setting_.flusher.FlushAll(); });
  loop_.Watch(control_, *this, EPOLLIN);
}

Worker::~Worker() = default;

Server& Worker::ServerFor(std::uint32_t pair, std::uint32_t end) {
  const std::uint32_t shift = options_.placement == Placement::kCross ? end : 0;
  return servers_[(pair + shift) % servers_.size()];
}

void Worker::Run() {
  if (scenario_->NeedsClients()) {
    LoginAll();
  } else {
    Report("ready");
  }
  loop_.Run();
}

void Worker::LoginAll() {
  logging_in_ = true;
  next_ = 0;
  finished_ = 0;
  StartMore();
}

void Worker::StartMore() {
  while (next_ < clients_.size() && next_ - finished_ < options_.concurrency) {
    Client& client = *clients_[next_];
    started_[next_++] = Now();
    if (options_.scenario == "register") {
      client.Register();
    } else {
      client.Login();
    }
  }
  if (!logging_in_ || finished_ < clients_.size()) return;
  logging_in_ = false;
  if (scenario_->NeedsClients()) return Report("ready");
  scenario_->OnAllIn();
}

void Worker::OnLogin(Client& client) {
  scenario_->OnLogin(client, Now() - started_[client.index]);
  if (!logging_in_) return;
  ++finished_;
  StartMore();
}

void Worker::OnRegistered(Client& client) {
  scenario_->OnRegistered(client, Now() - started_[client.index]);
  ++finished_;
  StartMore();
}

void Worker::OnRoster(Client& client, const Stanza& stanza) { scenario_->OnRoster(client, stanza); }

void Worker::OnStanza(Client& client, const Stanza& stanza) { scenario_->OnStanza(client, stanza); }

void Worker::OnEnd(Client& client, std::string_view why) {
  if (quitting_) return;
  if (scenario_->ExpectsEnd(client)) return;
  stats_.Fail(client.user() + ": " + std::string(why));
  scenario_->OnFailed(client);
  if (!logging_in_) return;
  // The next login not from within this one's failure: all may fail at once.
  loop_.Post([this] {
    ++finished_;
    StartMore();
  });
}

void Worker::Report(std::string_view word) {
  const std::string line = std::string(word) + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const auto wrote = write(control_, line.data() + done, line.size() - done);
    if (wrote <= 0) return loop_.Stop();
    done += static_cast<std::size_t>(wrote);
  }
}

// Commands are single letters.
void Worker::OnEvents(std::uint32_t) {
  char words[16];
  const auto got = read(control_, words, sizeof words);
  if (got <= 0) return loop_.Stop();
  for (char word : std::string_view(words, static_cast<std::size_t>(got))) {
    switch (word) {
      case 'g':
        scenario_->Start();
        break;
      case 'b':
        cpu_at_begin_ = CpuSeconds();
        tls_resumed_at_begin_ = tls_.resumed();
        stats_.recording = true;
        break;
      case 'e':
        stats_.recording = false;
        stats_.cpu_seconds = CpuSeconds() - cpu_at_begin_;
        scenario_->Stop();
        Drain(Now() + static_cast<Nanoseconds>(options_.drain * 1e9));
        break;
      case 'q':
        Quit();
        break;
    }
  }
}

void Worker::Drain(Nanoseconds deadline) {
  bool acknowledged = true;
  for (const auto& client : clients_) {
    client->AskForAck();
    acknowledged &= client->unacknowledged() == 0 || !client->online();
  }
  if ((scenario_->Settled() && acknowledged) || Now() > deadline) return SendReport();
  loop_.At(Now() + 20 * kMillisecond, [this, deadline] { Drain(deadline); });
}

void Worker::SendReport() {
  scenario_->CountLost();
  stats_.tls_resumed = tls_.resumed() - tls_resumed_at_begin_;
  for (const auto& client : clients_) stats_.unacknowledged += client->online() ? client->unacknowledged() : 0;
  Report(stats_.ToJson().dump());
}

void Worker::Quit() {
  quitting_ = true;
  for (auto& client : clients_) client->Leave();
  loop_.At(Now() + kGoodbye, [this] { loop_.Stop(); });
}

double Worker::CpuSeconds() const {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + time.tv_usec / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace parley::bench
