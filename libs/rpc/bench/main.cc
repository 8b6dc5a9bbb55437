// CPU time per envelope over one link between two processes: parley-link-bench [seconds [ack|echo in-flight]].
// The client keeps so many envelopes unacknowledged; the server acknowledges each at once, or sends each back.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "libs/base/log.h"
#include "libs/rpc/server.h"

namespace parley::rpc {
namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + time.tv_usec / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Side : public LinkHandler {
 public:
  void OnUp(Link& link) override { up = &link; }
  void OnEnvelope(Link& link, std::unique_ptr<Envelope> envelope, Receipt receipt) override {
    if (echo) link.Send(std::move(envelope), std::move(receipt));
    Recycle(std::move(envelope));
    if (on_envelope) on_envelope();
  }
  void OnRefused(Link&, Held, RefusalReason) override {}
  void OnRequest(Link&, const std::string& body, Respond respond) override {
    if (body != "cpu") echo = body == "echo";
    respond(std::to_string(CpuSeconds()));
  }
  void OnDraining(Link&) override {}
  void OnWritable(Link&) override {}
  void OnDown(Link&, std::vector<Held>) override { std::exit(1); }

  Link* up = nullptr;
  bool echo = false;
  std::function<void()> on_envelope;
};

int Serve(int port_pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Loop loop;
  Side side;
  Server server(loop, {"router", "router-1", "e"}, "127.0.0.1:0", {}, Methods(), &side);
  const int port = server.port();
  if (write(port_pipe, &port, sizeof port) != sizeof port) return 1;
  loop.Run();
  return 0;
}

class Client {
 public:
  explicit Client(int port) : link_(loop_, {"c2s", "c2s-1", "e"}, "127.0.0.1:" + std::to_string(port), {}, side_) {
    while (side_.up == nullptr) Turn(std::chrono::milliseconds(5));
  }

  void Measure(const char* mode, int in_flight, double seconds) {
    ServerCpu(mode);
    in_flight_ = in_flight;
    done_ = 0;
    running_ = true;
    const bool echo = std::string(mode) == "echo";
    side_.on_envelope = echo ? std::function<void()>([this] { Next(); }) : nullptr;
    const double server_before = ServerCpu("cpu");
    const double before = CpuSeconds();
    for (int i = 0; i < in_flight_; ++i) Send(echo);
    Turn(std::chrono::milliseconds(static_cast<int>(seconds * 1000)));
    running_ = false;
    const double mine = CpuSeconds() - before;
    const double servers = ServerCpu("cpu") - server_before;
    const double count = static_cast<double>(std::max<long>(done_, 1));
    std::printf("%-5s %5d in flight: %8.0f/s   client %6.2f us   server %6.2f us\n", mode, in_flight, count / seconds,
                mine * 1e6 / count, servers * 1e6 / count);
    while (side_.up->unacknowledged() > 0) Turn(std::chrono::milliseconds(5));
    Turn(std::chrono::milliseconds(20));
  }

 private:
  void Send(bool echo) {
    auto envelope = NewEnvelope();
    envelope->set_kind(link::v1::KIND_MESSAGE);
    envelope->set_type(link::v1::TYPE_CHAT);
    envelope->set_from("romeo-the-montague@home.example/balcony-1234");
    envelope->set_to("juliet-the-capulet@home.example/window-5678");
    envelope->set_id("0123456789abcdef");
    envelope->set_origin("AbCdEfGhIjKlMnO");
    envelope->set_origin_seq(++sequence_);
    envelope->set_stanza(stanza_);
    side_.up->Send(std::move(envelope), echo ? Receipt() : Receipt([this](RefusalReason) { Next(); }));
  }
  void Next() {
    ++done_;
    if (running_) Send(side_.on_envelope != nullptr);
  }
  double ServerCpu(const std::string& body) {
    double seconds = -1;
    side_.up->Ask(body, std::chrono::seconds(5), [&](Result<std::string> answer) { seconds = std::stod(*answer); });
    while (seconds < 0) Turn(std::chrono::milliseconds(1));
    return seconds;
  }
  void Turn(std::chrono::milliseconds time) {
    const auto timer = loop_.After(time, [this] { loop_.Stop(); });
    loop_.Run();
  }

  Loop loop_;
  Side side_;
  LinkClient link_;
  const std::string stanza_ = "<message>" + std::string(380, 'x') + "</message>";
  std::uint64_t sequence_ = 0;
  int in_flight_ = 0;
  long done_ = 0;
  bool running_ = false;
};

}  // namespace
}  // namespace parley::rpc

int main(int argc, char** argv) {
  using namespace parley;
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  int port_pipe[2];
  if (pipe(port_pipe) != 0) return 1;
  // Before gRPC has any thread.
  const pid_t server = fork();
  if (server == 0) return rpc::Serve(port_pipe[1]);
  int port = 0;
  if (read(port_pipe[0], &port, sizeof port) != sizeof port) return 1;
  {
    rpc::Client client(port);
    if (argc > 3) client.Measure(argv[2], std::atoi(argv[3]), seconds);
    for (const char* mode : {"ack", "echo"}) {
      for (const int in_flight : {1, 4, 16, 64, 256, 1024}) {
        if (argc <= 3) client.Measure(mode, in_flight, seconds);
      }
    }
  }
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
}
