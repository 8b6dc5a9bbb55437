#include "libs/net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <new>
#include <utility>

#include "libs/net/tls_info.h"

namespace parley::net {
namespace {

// For a BIO, zero is the end of the stream and -1 anything else.
int ToBioResult(Socket::Status status) {
  if (status == Socket::Status::kDone) return 1;
  return status == Socket::Status::kEnd ? 0 : -1;
}

TlsSession& SessionOf(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }
Socket& SocketOf(BIO* bio) { return SessionOf(bio).socket(); }

int BioRead(BIO* bio, char* to, std::size_t size, std::size_t* moved) {
  BIO_clear_retry_flags(bio);
  const auto status = SocketOf(bio).Receive(to, size, *moved);
  if (status == Socket::Status::kBlocked) BIO_set_retry_read(bio);
  return ToBioResult(status);
}

int BioWrite(BIO* bio, const char* from, std::size_t size, std::size_t* moved) {
  BIO_clear_retry_flags(bio);
  const auto status = SocketOf(bio).Send(from, size, *moved, SessionOf(bio).push());
  if (status == Socket::Status::kBlocked) BIO_set_retry_write(bio);
  return ToBioResult(status);
}

long BioControl(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return SocketOf(bio).ended();
    default:
      return 0;
  }
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "parley socket");
    BIO_meth_set_read_ex(made, BioRead);
    BIO_meth_set_write_ex(made, BioWrite);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

// SSL_get_error() misreads what others have left in the thread's error queue.
void ForgetOldErrors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

TlsSession::TlsSession(Socket& socket, const TlsContexts& contexts, std::string_view expected_host, Alpn alpn)
    : socket_(socket),
      ssl_(SSL_new(contexts.For(expected_host))),
      hello_(std::make_unique<ClientHello>(ClientHello{contexts, alpn, {}})) {
  BIO* bio = BIO_new(SocketMethod());
  if (ssl_ == nullptr || bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, hello_.get());
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

TlsSession::Status TlsSession::Handshake() {
  ForgetOldErrors();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) return Failed(result);
  info_ = std::make_unique<TlsInfo>(DescribeTls(ssl_, std::move(hello_->sni)));
  SSL_set_app_data(ssl_, nullptr);
  hello_.reset();
  SSL_free_buffers(ssl_);
  return Status::kDone;
}

TlsSession::Status TlsSession::Read(char* to, std::size_t size, std::size_t& moved) {
  ForgetOldErrors();
  const int result = SSL_read_ex(ssl_, to, size, &moved);
  if (result == 1) return Status::kDone;
  moved = 0;
  return Failed(result);
}

TlsSession::Status TlsSession::Write(std::string_view bytes, std::size_t& moved) {
  ForgetOldErrors();
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &moved);
  if (result == 1) return Status::kDone;
  moved = 0;
  return Failed(result);
}

TlsSession::Status TlsSession::SendCloseNotify() {
  ForgetOldErrors();
  // Zero: ours is sent, the peer's has not come; nobody needs it.
  const int result = SSL_shutdown(ssl_);
  return result >= 0 ? Status::kDone : Failed(result);
}

// Nobody waits for a ticket of TLS 1.3, which comes behind the handshake (RFC 8446 4.6.1). The client speaks first.
Socket::Push TlsSession::push() const {
  const bool ticket = SSL_get_state(ssl_) == TLS_ST_SW_SESSION_TICKET && SSL_version(ssl_) >= TLS1_3_VERSION;
  return ticket ? Socket::Push::kWithNext : Socket::Push::kNow;
}

std::string TlsSession::Exporter() const { return ExporterBinding(ssl_); }

bool TlsSession::pending() const { return SSL_has_pending(ssl_) == 1; }

TlsSession::Status TlsSession::Failed(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Status::kBlockedOnRead;
    case SSL_ERROR_WANT_WRITE:
      return Status::kBlockedOnWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Status::kEnd;
    default:
      return Status::kFailed;
  }
}

std::string TlsSession::failure() const {
  if (socket_.failed()) return socket_.failure();
  if (socket_.ended()) return "closed";
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return std::string("tls: ") + (reason != nullptr ? reason : "protocol error");
}

}  // namespace parley::net
