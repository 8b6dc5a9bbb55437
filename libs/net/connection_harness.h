#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "libs/net/connection.h"
#include "tests/support/certificates.h"
#include "tests/support/on_loop.h"
#include "tests/support/tls_client.h"

// For tests: servers with a listener and connections on the test's thread, against clients that block on a thread of
// their own.
namespace parley::net::test {

using parley::test::Certificate;
using parley::test::CertificateAuthority;
using parley::test::TempDirectory;
using parley::test::TlsClient;
using parley::test::TlsClientOptions;

// The server's end of a connection: records, and does what the test says.
class ServerEnd : public Connection::Reader {
 public:
  ServerEnd(Loop& loop, int fd) : connection(std::make_unique<Connection>(loop, fd, *this)) {}

  void OnBytes(std::string_view bytes) override {
    received += bytes;
    if (on_bytes) on_bytes(bytes);
  }
  void OnSecured() override {
    ++secured;
    if (connection->tls() != nullptr) tls = *connection->tls();
    exporter = connection->TlsExporter();
    if (on_secured) on_secured();
  }
  void OnDrained() override {
    ++drained;
    if (on_drained) on_drained();
  }
  void OnClosed(std::string_view reason) override {
    ++closed;
    close_reason = reason;
    if (on_closed) on_closed();
  }

  std::unique_ptr<Connection> connection;
  std::string received;
  std::string close_reason;
  TlsInfo tls;
  std::string exporter;
  int secured = 0;
  int drained = 0;
  int closed = 0;
  std::function<void(std::string_view)> on_bytes;
  std::function<void()> on_secured;
  std::function<void()> on_drained;
  std::function<void()> on_closed;
};

class Server {
 public:
  // `start` prepares each accepted end and starts it.
  explicit Server(std::function<void(ServerEnd&)> start)
      : start_(std::move(start)), listener_(loop_, "127.0.0.1:0", [this](int fd, std::string) { Accept(fd); }) {}

  // Runs the loop while `client` runs on another thread.
  void Serve(std::function<void()> client) {
    std::thread thread([this, client = std::move(client)] {
      client();
      loop_.Post([this] { loop_.Stop(); });
    });
    loop_.Run();
    thread.join();
  }

  // From the client's thread: what `question` says on the loop's.
  template <class Question>
  auto OnLoop(Question question) {
    return parley::test::OnLoop(loop_, std::move(question));
  }
  // The same: whether `condition` comes true there within ten seconds.
  bool Eventually(const std::function<bool()>& condition) { return parley::test::Eventually(loop_, condition); }

  int port() const { return listener_.port(); }
  Loop& loop() { return loop_; }
  ServerEnd& end(std::size_t index = 0) { return *ends_.at(index); }
  std::size_t ends() const { return ends_.size(); }

 private:
  void Accept(int fd) {
    ends_.push_back(std::make_unique<ServerEnd>(loop_, fd));
    start_(*ends_.back());
  }

  Loop loop_;
  std::function<void(ServerEnd&)> start_;
  std::vector<std::unique_ptr<ServerEnd>> ends_;
  Listener listener_;
};

inline void StartEcho(ServerEnd& end) {
  end.on_bytes = [&end](std::string_view bytes) { end.connection->Write(bytes); };
  end.connection->Start();
}

// Certificates of several hosts in files.
class Hosts {
 public:
  TlsHost Add(const std::string& domain, const std::string& client_ca = {}) {
    TlsHost host{.domain = domain, .certificate_file = File(domain, "crt"), .key_file = File(domain, "key")};
    if (!client_ca.empty()) host.client_ca_file = files_.Write(domain + ".ca", client_ca);
    Renew(domain, domain);
    return host;
  }
  // New files in the place of the old ones.
  void Renew(const std::string& domain, const std::string& common_name) {
    const Certificate issued = ca_.Issue({.common_name = common_name, .dns_names = {domain}});
    files_.Write(domain + ".crt", issued.certificate);
    files_.Write(domain + ".key", issued.key);
  }
  std::string File(const std::string& domain, const std::string& kind) const {
    return files_.path() + "/" + domain + "." + kind;
  }
  const CertificateAuthority& ca() const { return ca_; }
  const TempDirectory& files() const { return files_; }

 private:
  CertificateAuthority ca_;
  TempDirectory files_;
};

}  // namespace parley::net::test
