#include "libs/telemetry/admin.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>

#include "libs/telemetry/http_connection.h"
#include "libs/telemetry/loop_lag.h"
#include "libs/telemetry/readiness.h"

namespace parley::telemetry {
namespace {

using boost::asio::ip::tcp;

constexpr std::chrono::milliseconds kPause{100};

tcp::endpoint Resolve(Loop& loop, const std::string& listen) {
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("write it as host:port or [v6 address]:port");
  std::string host = listen.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  tcp::resolver resolver(loop.io());
  return resolver.resolve(host, listen.substr(colon + 1), tcp::resolver::passive | tcp::resolver::numeric_service)
      .begin()
      ->endpoint();
}

std::string Remedy(const boost::system::error_code& code, const std::string& key) {
  if (code != boost::asio::error::address_in_use) return {};
  return "; another process listens there: give this one an address of its own, as by --set " + key + "=127.0.0.1:9101";
}

tcp::acceptor Listen(Loop& loop, const std::string& listen, const std::string& key) {
  const std::string problem = key + ": cannot serve /metrics and probes on \"" + listen + "\": ";
  try {
    return tcp::acceptor(loop.io(), Resolve(loop, listen));
  } catch (const boost::system::system_error& error) {
    // Not what(), which has places in Boost's source.
    throw std::runtime_error(problem + error.code().message() + Remedy(error.code(), key));
  } catch (const std::exception& error) {
    throw std::runtime_error(problem + error.what());
  }
}

}  // namespace

struct Admin::State : std::enable_shared_from_this<Admin::State> {
  State(Loop& loop_, Metrics& metrics_, const std::string& listen, const AdminOptions& options_)
      : loop(loop_),
        metrics(metrics_),
        options(options_),
        acceptor(Listen(loop_, listen, options_.key)),
        lag(std::in_place, loop_, metrics_),
        full(metrics_.Counter("parley_admin_connections_full_total",
                              "Times that admin.max_connections kept the next from being accepted")) {}

  void Accept() {
    if (!acceptor.is_open()) return;
    // The next ones wait in the listen queue until one of these is done or timed out.
    if (open.use_count() > static_cast<long>(options.max_connections)) return WaitForRoom();
    acceptor.async_accept([self = shared_from_this()](const boost::system::error_code& error, tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (error) return self->AcceptLater();  // out of descriptors
      self->waiting_for_room = false;
      self->Serve(std::move(socket));
      self->Accept();
    });
  }

  void WaitForRoom() {
    if (!std::exchange(waiting_for_room, true)) full.Increment();
    AcceptLater();
  }

  void AcceptLater() {
    retry = loop.After(kPause, [self = weak_from_this()] {
      if (auto state = self.lock()) state->Accept();
    });
  }

  void Serve(tcp::socket socket) {
    // The Admin may go while a client stays.
    const auto handler = [self = weak_from_this()](std::string_view path) -> HttpAnswer {
      const auto state = self.lock();
      if (!state || !state->acceptor.is_open()) return {.status = 503, .body = "stopped\n"};
      return state->Answer(path);
    };
    ServeHttp(std::move(socket), handler, options, open);
  }

  HttpAnswer Answer(std::string_view path) const {
    if (path == "/livez") return {.body = "ok\n"};
    if (path == "/readyz") {
      std::string missing = readiness.Missing();
      if (missing.empty()) return {.body = "ok\n"};
      return {.status = 503, .body = std::move(missing)};
    }
    if (path == "/metrics") {
      return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics.Text()};
    }
    return {.status = 404, .body = "there are /metrics, /livez and /readyz\n"};
  }

  Loop& loop;
  Metrics& metrics;
  const AdminOptions options;
  tcp::acceptor acceptor;
  std::optional<LoopLag> lag;
  prometheus::Counter& full;
  bool waiting_for_room = false;
  Readiness readiness;
  Loop::Timer retry;
  std::shared_ptr<void> open = std::make_shared<char>();  // shared by each connection
};

Admin::Admin(Loop& loop, Metrics& metrics, const std::string& listen, const AdminOptions& options)
    : state_(std::make_shared<State>(loop, metrics, listen, options)) {
  state_->Accept();
}

Admin::~Admin() {
  boost::system::error_code ignored;
  // The state lives on in waiting handlers; what it refers to may not.
  state_->acceptor.close(ignored);
  state_->retry.Cancel();
  state_->lag.reset();
}

int Admin::port() const { return state_->acceptor.local_endpoint().port(); }
void Admin::AddReadyCheck(std::string name, std::function<std::string()> check) {
  state_->readiness.Add(std::move(name), std::move(check));
}
void Admin::SetStopping() { state_->readiness.SetStopping(); }

}  // namespace parley::telemetry
