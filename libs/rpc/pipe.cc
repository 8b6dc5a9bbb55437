#include "libs/rpc/pipe.h"

#include <openssl/x509_vfy.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <optional>
#include <utility>

namespace parley::rpc {
namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 65536;

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

ssl::context ContextOf(const IdentityFiles::Pem& files) {
  ssl::context context(ssl::context::tls_client);
  context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context.set_verify_mode(ssl::verify_peer);
  context.add_certificate_authority(asio::buffer(files.authorities));
  context.use_certificate_chain(asio::buffer(files.certificate));
  context.use_private_key(asio::buffer(files.key), ssl::context::pem);
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};  // RFC 9113 section 3.2
  SSL_CTX_set_alpn_protos(context.native_handle(), kAlpn, sizeof kAlpn);
  return context;
}

}  // namespace

// Shared with the handlers that wait.
class Pipe::State : public std::enable_shared_from_this<Pipe::State> {
 public:
  State(Loop& loop, Owner& owner, std::string peer_name)
      : loop_(loop), owner_(&owner), peer_name_(std::move(peer_name)), socket_(loop.io()) {}

  void Dial(const std::string& address, const DialIdentity& identity, std::chrono::milliseconds timeout);
  void Write(std::string_view bytes);
  // Nothing more is told.
  void Disown();

 private:
  void Handshake();
  void Connected();
  void Read();
  void Flush();
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
  const std::string peer_name_;
  tcp::socket socket_;
  std::optional<ssl::context> context_;
  std::optional<ssl::stream<tcp::socket&>> tls_;
  Loop::Timer deadline_;
  std::array<char, kReadBytes> buffer_;
  std::string gathered_;
  std::string writing_;
  bool flush_planned_ = false;
};

void Pipe::State::Dial(const std::string& address, const DialIdentity& identity, std::chrono::milliseconds timeout) {
  deadline_ = loop_.After(timeout, [this] { Close("failed to connect: timeout"); });
  const auto fail = [&](const std::string& reason) {
    loop_.Post([self = shared_from_this(), reason] { self->Close("failed to connect: " + reason); });
  };
  const auto endpoint = Parse(address);
  if (!endpoint) return fail(address + " is no address with a port");
  if (identity.files) {
    try {
      context_.emplace(ContextOf(*identity.files));
    } catch (const boost::system::system_error& error) {
      return fail(error.what());
    }
  }
  socket_.async_connect(*endpoint, [self = shared_from_this()](const error_code& error) {
    if (self->owner_ == nullptr) return;
    if (error) return self->Close("failed to connect: " + error.message());
    error_code ignored;
    self->socket_.set_option(tcp::no_delay(true), ignored);
    self->context_ ? self->Handshake() : self->Connected();
  });
}

void Pipe::State::Handshake() {
  tls_.emplace(socket_, *context_);
  tls_->set_verify_callback(ssl::host_name_verification(peer_name_));
  SSL_set_tlsext_host_name(tls_->native_handle(), peer_name_.c_str());
  tls_->async_handshake(ssl::stream_base::client, [self = shared_from_this()](const error_code& error) {
    if (self->owner_ == nullptr) return;
    error ? self->Close(self->Explain(error)) : self->Connected();
  });
}

std::string Pipe::State::Explain(const error_code& error) {
  const long verdict = SSL_get_verify_result(tls_->native_handle());
  std::string text = "failed to connect: TLS: " + error.message();
  if (verdict != X509_V_OK) text += std::string(": ") + X509_verify_cert_error_string(verdict);
  return text + " (the certificate must be for " + peer_name_ + ")";
}

void Pipe::State::Connected() {
  deadline_.Cancel();
  Read();
  owner_->OnConnected();
}

void Pipe::State::Read() {
  const auto on_read = [self = shared_from_this()](const error_code& error, std::size_t bytes) {
    if (self->owner_ == nullptr) return;
    if (error) return self->Close(error == asio::error::eof ? "the peer closed the connection" : error.message());
    self->owner_->OnBytes(std::string_view(self->buffer_.data(), bytes));
    if (self->owner_ != nullptr) self->Read();
  };
  OnStream([&](auto& stream) { stream.async_read_some(asio::buffer(buffer_), on_read); });
}

void Pipe::State::Write(std::string_view bytes) {
  gathered_ += bytes;
  if (!writing_.empty() || std::exchange(flush_planned_, true)) return;
  loop_.AtEndOfTurn([self = shared_from_this()] { self->Flush(); });
}

void Pipe::State::Flush() {
  flush_planned_ = false;
  if (owner_ == nullptr || !writing_.empty() || gathered_.empty()) return;
  writing_.swap(gathered_);
  const auto on_written = [self = shared_from_this()](const error_code& error, std::size_t) {
    if (self->owner_ == nullptr) return;
    error ? self->Close(error.message()) : self->OnWritten();
  };
  OnStream([&](auto& stream) { asio::async_write(stream, asio::buffer(writing_), on_written); });
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
  deadline_.Cancel();
  error_code ignored;
  socket_.close(ignored);
}

Pipe::Pipe(Loop& loop, Owner& owner, const std::string& address, const DialIdentity& identity,
           std::chrono::milliseconds timeout)
    : state_(std::make_shared<State>(loop, owner, identity.peer_name)) {
  state_->Dial(address, identity, timeout);
}

Pipe::~Pipe() { state_->Disown(); }

void Pipe::Write(std::string_view bytes) { state_->Write(bytes); }

}  // namespace parley::rpc
