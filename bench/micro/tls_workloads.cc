// Records of TLS 1.3 once the connection is the edge's own: what net::Connection does for each write and read.
#include <openssl/tls1.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/micro/workloads.h"
#include "libs/net/tls_records.h"

namespace parley::bench {
namespace {

// Both ends: ours as a connection has it, the client's made by hand.
class Connection {
 public:
  Connection() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()) != 0) throw std::runtime_error("socketpair");
    socket_ = std::make_unique<net::Socket>(ends_[0]);
    records_ = std::make_unique<net::TlsRecords>(*socket_, Suite(), ClientSecret(), ServerSecret(), 64);
  }
  ~Connection() {
    for (const int end : ends_) ::close(end);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void SealOne() {
    std::size_t moved = 0;
    records_->Write(kChat, moved);
    Keep(moved);
  }
  void Drain() {
    std::array<char, 4096> buffer{};
    while (::recv(ends_[1], buffer.data(), buffer.size(), 0) > 0) {
    }
  }
  void ClientSays() {
    wire_.clear();
    client_.Seal(net::TlsContent::kData, kChat, wire_);
    if (::send(ends_[1], wire_.data(), wire_.size(), 0) < 0) throw std::runtime_error("send");
    socket_->SetReadable();
  }
  void OpenOne() {
    std::size_t moved = 0;
    records_->Read(room_.data(), room_.size(), moved);
    Keep(moved);
  }

 private:
  static const net::TlsSuite& Suite() { return *net::TlsSuite::Find(TLS1_3_CK_AES_128_GCM_SHA256); }
  static net::TlsSecret ClientSecret() { return {std::string(Suite().secret_size, 'c')}; }
  static net::TlsSecret ServerSecret() { return {std::string(Suite().secret_size, 's')}; }

  std::array<int, 2> ends_{};
  std::unique_ptr<net::Socket> socket_;
  std::unique_ptr<net::TlsRecords> records_;
  net::TlsTraffic client_{Suite(), ClientSecret()};
  std::string wire_;
  std::array<char, 16384> room_{};
};

}  // namespace

std::vector<Workload> TlsWorkloads() {
  const auto connection = std::make_shared<Connection>();
  return {{"tls_seal_chat", [connection] { connection->SealOne(); },
           [connection](const auto& counted) {
             counted();
             connection->Drain();
           }},
          {"tls_open_chat", [connection] { connection->OpenOne(); },
           [connection](const auto& counted) {
             connection->ClientSays();
             counted();
           }}};
}

}  // namespace parley::bench
