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

void TlsSession::FreeSsl::operator()(SSL* ssl) const { SSL_free(ssl); }

TlsSession::TlsSession(Socket& socket, const TlsContexts& contexts, std::string_view expected_host, Alpn alpn)
    : socket_(socket),
      ssl_(SSL_new(contexts.For(expected_host))),
      hello_(std::make_unique<ClientHello>(ClientHello{contexts, alpn, {}})),
      max_without_data_(contexts.options().max_without_data) {
  BIO* bio = BIO_new(SocketMethod());
  if (ssl_ == nullptr || bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (contexts.options().release) {
    secrets_ = std::make_unique<TlsSecrets>(ssl_.get());
    hello_->secrets = secrets_.get();
  }
  SSL_set_app_data(ssl_.get(), hello_.get());
  SSL_set_accept_state(ssl_.get());
}

TlsSession::~TlsSession() = default;

TlsSession::Status TlsSession::Handshake() {
  ForgetOldErrors();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) return Failed(result);
  info_ = std::make_unique<TlsInfo>(DescribeTls(ssl_.get(), std::move(hello_->sni)));
  SSL_set_app_data(ssl_.get(), nullptr);
  hello_.reset();
  SSL_free_buffers(ssl_.get());
  return Status::kDone;
}

void TlsSession::Release() {
  info_.reset();
  releasing_ = true;
  ReleaseBetweenRecords();
}

void TlsSession::ReleaseBetweenRecords() {
  if (!releasing_ || ssl_ == nullptr || writing_ || pending()) return;
  releasing_ = false;
  const TlsSuite* suite = TlsSuite::Find(SSL_CIPHER_get_id(SSL_get_current_cipher(ssl_.get())));
  if (suite == nullptr || secrets_ == nullptr || !secrets_->complete()) return;
  records_ = std::make_unique<TlsRecords>(socket_, *suite, secrets_->client(), secrets_->server(), max_without_data_);
  ssl_.reset();
  secrets_.reset();
}

TlsSession::Status TlsSession::Read(char* to, std::size_t size, std::size_t& moved) {
  if (released()) return records_->Read(to, size, moved);
  ForgetOldErrors();
  const int result = SSL_read_ex(ssl_.get(), to, size, &moved);
  const Status status = result == 1 ? Status::kDone : Failed(result);
  if (result != 1) moved = 0;
  if (status == Status::kDone || status == Status::kBlockedOnRead) ReleaseBetweenRecords();
  return status;
}

TlsSession::Status TlsSession::Write(std::string_view bytes, std::size_t& moved) {
  if (released()) return records_->Write(bytes, moved);
  ForgetOldErrors();
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &moved);
  writing_ = result != 1;
  if (result == 1) return Status::kDone;
  moved = 0;
  return Failed(result);
}

TlsSession::Status TlsSession::SendCloseNotify() {
  if (released()) return records_->SendCloseNotify();
  ForgetOldErrors();
  // Zero: ours is sent, the peer's has not come; nobody needs it.
  const int result = SSL_shutdown(ssl_.get());
  return result >= 0 ? Status::kDone : Failed(result);
}

// Nobody waits for a ticket of TLS 1.3, which comes behind the handshake (RFC 8446 4.6.1). The client speaks first.
Socket::Push TlsSession::push() const {
  const bool ticket =
      SSL_get_state(ssl_.get()) == TLS_ST_SW_SESSION_TICKET && SSL_version(ssl_.get()) >= TLS1_3_VERSION;
  return ticket ? Socket::Push::kWithNext : Socket::Push::kNow;
}

std::string TlsSession::Exporter() const { return released() ? std::string() : ExporterBinding(ssl_.get()); }

bool TlsSession::pending() const { return released() ? records_->pending() : SSL_has_pending(ssl_.get()) == 1; }

TlsSession::Status TlsSession::Failed(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
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
  if (released()) return records_->failure();
  if (socket_.failed()) return socket_.failure();
  if (socket_.ended()) return "closed";
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return std::string("tls: ") + (reason != nullptr ? reason : "protocol error");
}

}  // namespace parley::net
