#include "libs/net/connection.h"

#include <utility>

#include "libs/net/address.h"
#include "libs/net/connection_state.h"

namespace parley::net {

Connection::Connection(Loop& loop, int fd, Reader& reader) : Connection(loop, fd, reader, PeerOf(fd).host()) {}
Connection::Connection(Loop& loop, int fd, Reader& reader, std::string address)
    : state_(std::make_shared<State>(loop, fd, reader, std::move(address))) {}
Connection::~Connection() { state_->Detach(); }

void Connection::Start() { state_->Start(); }
void Connection::StartTls(const TlsContexts& contexts, std::string_view expected_host) {
  state_->StartTls(contexts, expected_host);
}
void Connection::Write(std::string_view bytes) { state_->Write(bytes); }
std::size_t Connection::queued() const { return state_->queued(); }
void Connection::PauseReading() { state_->Pause(); }
void Connection::ResumeReading() { state_->Resume(); }
bool Connection::PeerEnded() const { return state_->socket().PeerEnded(); }
void Connection::Close(Loop::Duration linger) { state_->Close(linger); }
void Connection::Abort() { state_->Abort(); }

bool Connection::secure() const { return state_->secure(); }
std::string Connection::address() const { return state_->address(); }
const TlsInfo* Connection::tls() const { return state_->tls() != nullptr ? state_->tls()->info() : nullptr; }
std::string Connection::TlsExporter() const {
  return state_->tls() != nullptr ? state_->tls()->Exporter() : std::string();
}
void Connection::ReleaseTls() {
  if (state_->tls() != nullptr) state_->tls()->Release();
}
bool Connection::tls_released() const { return state_->tls() != nullptr && state_->tls()->released(); }
std::uint64_t Connection::bytes_in() const { return state_->socket().bytes_in(); }
std::uint64_t Connection::bytes_out() const { return state_->socket().bytes_out(); }

}  // namespace parley::net
