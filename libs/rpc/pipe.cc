#include "libs/rpc/pipe.h"

#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "libs/net/address.h"
#include "libs/rpc/pipe_tls.h"

namespace parley::rpc {
namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 65536;
// Then others get their turn: at most a MiB, or a quarter of it by TLS, whose records are smaller; more at once would
// save nothing.
constexpr int kMaxReads = 16;
constexpr char kPeerClosed[] = "the peer closed the connection";

// "192.0.2.1:50051" or "[2001:db8::1]:50051".
std::optional<tcp::endpoint> Parse(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = address.substr(0, colon);
  const std::string_view digits = address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(digits.begin(), digits.end(), port);
  if (failed != std::errc() || end != digits.end()) return std::nullopt;
  error_code error;
  const auto ip = asio::ip::make_address(std::string(host), error);
  if (error) return std::nullopt;
  return tcp::endpoint(ip, port);
}

std::string ToString(const tcp::endpoint& endpoint) {
  const std::string ip = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(endpoint.port());
}

// Who ends TLS without a word ends it like TCP: HTTP/2 knows what it has not said.
std::string WhyOver(const error_code& error) {
  const bool ended = error == asio::error::eof || error == ssl::error::stream_truncated;
  return ended ? kPeerClosed : error.message();
}

}  // namespace

// Shared with the handlers that wait.
class Pipe::State : public std::enable_shared_from_this<Pipe::State> {
 public:
  State(Loop& loop, Owner& owner, std::shared_ptr<const PipeTls> tls, ssl::stream_base::handshake_type side)
      : loop_(loop), owner_(&owner), tls_context_(std::move(tls)), side_(side), socket_(loop.io()) {}

  void Dial(const std::string& address, const std::string& peer_name);
  void Take(int fd);
  void Write(std::string_view bytes);
  bool busy() const { return !writing_.empty(); }
  const std::string& address() const { return address_; }
  const PeerNames* peer() const { return peer_ ? &*peer_ : nullptr; }
  // Nothing more is told.
  void Disown();

 private:
  void Begin();
  void Handshake();
  void Connected();
  void Read();
  void ReadRest();
  void Flush();
  bool WriteAtOnce();
  void OnWritten();
  void Close(const std::string& reason);
  void CloseSocket();
  std::string Explain(const error_code& error);

  // Runs `operate` with the stream that bytes go through.
  template <class Operate>
  void OnStream(Operate operate) {
    tls_ ? operate(*tls_) : operate(socket_);
  }

  Loop& loop_;
  Owner* owner_;
  const std::shared_ptr<const PipeTls> tls_context_;
  const ssl::stream_base::handshake_type side_;
  std::string address_;
  std::string expected_name_;  // in the peer's certificate; empty: any
  std::optional<PeerNames> peer_;
  tcp::socket socket_;
  std::optional<ssl::stream<tcp::socket&>> tls_;
  std::array<char, kReadBytes> buffer_;
  std::string gathered_;
  std::string writing_;
  bool flush_planned_ = false;
};

void Pipe::State::Dial(const std::string& address, const std::string& peer_name) {
  address_ = address;
  expected_name_ = peer_name;
  const auto endpoint = Parse(address);
  if (!endpoint) {
    return loop_.Post([self = shared_from_this()] { self->Close(self->address_ + " is no address with a port"); });
  }
  socket_.async_connect(*endpoint, [self = shared_from_this()](const error_code& error) {
    if (self->owner_ == nullptr) return;
    error ? self->Close(error.message()) : self->Begin();
  });
}

void Pipe::State::Take(int fd) {
  error_code error;
  socket_.assign(net::LocalOf(fd).get()->sa_family == AF_INET6 ? tcp::v6() : tcp::v4(), fd, error);
  if (error) {
    ::close(fd);
  } else {
    address_ = ToString(socket_.remote_endpoint(error));
  }
  loop_.Post([self = shared_from_this(), error] {
    if (self->owner_ == nullptr) return;
    error ? self->Close(error.message()) : self->Begin();
  });
}

void Pipe::State::Begin() {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  tls_context_ ? Handshake() : Connected();
}

void Pipe::State::Handshake() {
  tls_.emplace(socket_, static_cast<const PipeTlsContext&>(*tls_context_).context());
  if (!expected_name_.empty()) {
    tls_->set_verify_callback(ssl::host_name_verification(expected_name_));
    SSL_set_tlsext_host_name(tls_->native_handle(), expected_name_.c_str());
  }
  tls_->async_handshake(side_, [self = shared_from_this()](const error_code& error) {
    if (self->owner_ == nullptr) return;
    if (error) return self->Close(self->Explain(error));
    if (!SpeaksHttp2(self->tls_->native_handle())) return self->Close("TLS: the peer does not name h2 (ALPN)");
    const std::unique_ptr<X509, void (*)(X509*)> certificate(SSL_get1_peer_certificate(self->tls_->native_handle()),
                                                             X509_free);
    self->peer_ = certificate ? NamesIn(certificate.get()) : PeerNames();
    self->Connected();
  });
}

std::string Pipe::State::Explain(const error_code& error) {
  const long verdict = SSL_get_verify_result(tls_->native_handle());
  std::string text = "TLS: " + error.message();
  if (verdict != X509_V_OK) text += std::string(": ") + X509_verify_cert_error_string(verdict);
  return expected_name_.empty() ? text : text + " (the certificate must be for " + expected_name_ + ")";
}

void Pipe::State::Connected() {
  Read();
  owner_->OnConnected();
}

void Pipe::State::Read() {
  const auto on_read = [self = shared_from_this()](const error_code& error, std::size_t bytes) {
    if (self->owner_ == nullptr) return;
    if (error) return self->Close(WhyOver(error));
    self->owner_->OnBytes(std::string_view(self->buffer_.data(), bytes));
    self->ReadRest();
  };
  OnStream([&](auto& stream) { stream.async_read_some(asio::buffer(buffer_), on_read); });
}

// All that is there now, unless it is too much, and whether the peer has gone behind it.
void Pipe::State::ReadRest() {
  error_code error;
  for (int reads = 0; reads < kMaxReads && owner_ != nullptr; ++reads) {
    std::size_t bytes = 0;
    OnStream([&](auto& stream) { bytes = stream.read_some(asio::buffer(buffer_), error); });
    if (error == asio::error::would_block || error == asio::error::try_again) break;
    if (error) return Close(WhyOver(error));
    owner_->OnBytes(std::string_view(buffer_.data(), bytes));
  }
  if (owner_ != nullptr) owner_->OnPause();
  if (owner_ != nullptr) Read();
}

void Pipe::State::Write(std::string_view bytes) {
  gathered_ += bytes;
  if (!writing_.empty() || std::exchange(flush_planned_, true)) return;
  loop_.AtEndOfTurn<&State::Flush>(shared_from_this());
}

void Pipe::State::Flush() {
  flush_planned_ = false;
  if (owner_ == nullptr || !writing_.empty() || gathered_.empty()) return;
  writing_.swap(gathered_);
  if (!tls_ && WriteAtOnce()) return OnWritten();
  const auto on_written = [self = shared_from_this()](const error_code& error, std::size_t) {
    if (self->owner_ == nullptr) return;
    error ? self->Close(error.message()) : self->OnWritten();
  };
  OnStream([&](auto& stream) { asio::async_write(stream, asio::buffer(writing_), on_written); });
}

// True: all of it went. Most often the kernel has room, and there is nothing to wait for.
bool Pipe::State::WriteAtOnce() {
  error_code error;
  writing_.erase(0, socket_.write_some(asio::buffer(writing_), error));
  return writing_.empty();
}

void Pipe::State::OnWritten() {
  writing_.clear();
  gathered_.empty() ? owner_->OnDrained() : Flush();
}

void Pipe::State::Close(const std::string& reason) {
  Owner* owner = std::exchange(owner_, nullptr);
  if (owner == nullptr) return;
  CloseSocket();
  owner->OnClosed(reason);
}

void Pipe::State::Disown() {
  owner_ = nullptr;
  CloseSocket();
}

void Pipe::State::CloseSocket() {
  error_code ignored;
  socket_.close(ignored);
}

Pipe::Pipe(Loop& loop, Owner& owner, const std::string& address, std::shared_ptr<const PipeTls> tls,
           const std::string& peer_name)
    : state_(std::make_shared<State>(loop, owner, std::move(tls), ssl::stream_base::client)) {
  state_->Dial(address, peer_name);
}

Pipe::Pipe(Loop& loop, Owner& owner, int fd, std::shared_ptr<const PipeTls> tls)
    : state_(std::make_shared<State>(loop, owner, std::move(tls), ssl::stream_base::server)) {
  state_->Take(fd);
}

Pipe::~Pipe() { state_->Disown(); }

void Pipe::Write(std::string_view bytes) { state_->Write(bytes); }
bool Pipe::busy() const { return state_->busy(); }
const std::string& Pipe::address() const { return state_->address(); }
const PeerNames* Pipe::peer() const { return state_->peer(); }

}  // namespace parley::rpc
