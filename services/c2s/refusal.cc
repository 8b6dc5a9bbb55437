#include "services/c2s/refusal.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace parley::c2s {
namespace {

// RFC 8446 5.1 and 6.2: an alert, of TLS 1.2 as far as the record tells, two bytes; fatal, internal_error. It is the
// one for what has nothing to do with the peer, "such as a memory allocation failure".
constexpr std::string_view kAlert("\x15\x03\x03\x00\x02\x02\x50", 7);

constexpr std::size_t kMostDiscarded = 1 << 20;

std::string StreamError(std::string_view condition) {
  std::string text =
      "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
      "version='1.0' xml:lang='en'><stream:error><";
  text.append(condition).append(" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
  return text;
}

// Closing over unread bytes would send a reset, which may overtake what we said.
void DiscardInput(int fd) { ::recv(fd, nullptr, kMostDiscarded, MSG_TRUNC | MSG_DONTWAIT); }

}  // namespace

std::string_view Refuse(int fd, Streams::Kind kind, std::string_view condition) {
  const bool tls = kind == Streams::Kind::kDirectTls;
  const std::string said = tls ? std::string(kAlert) : StreamError(condition);
  DiscardInput(fd);
  ::send(fd, said.data(), said.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(fd);
  return tls ? "tls-alert" : "stream-error";
}

}  // namespace parley::c2s
