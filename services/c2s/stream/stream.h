#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libs/net/connection.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/errors.h"
#include "services/c2s/admission.h"
#include "services/c2s/context.h"
#include "services/c2s/stream/header.h"
#include "services/c2s/stream/identity.h"
#include "services/c2s/stream/stage.h"
#include "services/c2s/stream/throttle.h"
#include "services/c2s/stream/watchdog.h"

namespace parley::c2s {

// One connection and the XML streams on it (RFC 6120 section 4): headers, restarts, errors, the closing handshake.
// What the children of the stream mean is its stage's business.
class Stream final : public net::Connection::Reader, public xml::Handler, public std::enable_shared_from_this<Stream> {
 public:
  // Why bytes are left with the client for now.
  enum class Pause : std::uint8_t {
    kStage = 1,   // the stage waits for an answer
    kRate = 2,    // it sends faster than it may
    kUplink = 4,  // the routers do not keep up, or order demands it
    kUnread = 8,  // it does not read what it asks for
  };

  Stream(Context& context, int fd, const std::string& address);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Start();
  // Direct TLS (XEP-0368).
  void StartSecured();

  // What negotiation has found out.
  const config::Host& host() const { return *host_; }
  bool secure() const { return connection_.secure(); }
  const net::TlsInfo* tls() const { return connection_.tls(); }
  std::string TlsExporter() const { return connection_.TlsExporter(); }
  // The host whose certificate, and whose trust in client certificates, the TLS session has.
  const config::Host* tls_host() const { return tls_host_; }
  const xmpp::Jid& claimed_from() const { return claimed_from_; }
  const std::string& lang() const { return lang_; }
  const std::vector<xml::NamespaceBinding>& namespaces() const { return scanner_.stream_namespaces(); }
  const Identity* identity() const { return identity_.get(); }
  // Follows the client through the logs; never sent to it.
  const std::string& id() const { return id_; }
  std::string address() const { return connection_.address(); }
  std::size_t queued() const { return connection_.queued(); }
  std::uint64_t bytes_sent() const { return connection_.bytes_out(); }
  bool tls_released() const { return connection_.tls_released(); }
  Context& context() const { return context_; }
  Admission::Ticket& ticket() { return ticket_; }

  // For stages.
  void Write(std::string_view xml);
  void Enter(std::shared_ptr<Stage> stage);
  // After <starttls/>: <proceed/>, then the handshake, then a new stream.
  void Secure();
  // After SASL: the next thing from the client is a new stream header.
  void Authenticated(Identity identity);
  // A resource is bound: limits of the negotiation end, and `stage` takes over.
  void Established(std::shared_ptr<Stage> stage);
  // Stop and go on reading; several reasons may hold at once.
  void Hold(Pause reason);
  void Release(Pause reason);
  // Ends the stream with an error; sends our header first if it is still owed (RFC 6120 4.9.1.2).
  void Fail(const xmpp::StreamError& error);
  // Ends the stream without an error: closes our side and waits for the client's (RFC 6120 4.4).
  void End();
  bool open() const { return !gone_ && phase_ >= Phase::kOpening && phase_ <= Phase::kLeaving; }
  bool paused() const { return pauses_ != 0; }
  // There is nobody left to answer, though this has not come to be read.
  bool Abandoned() const { return !open() || connection_.PeerEnded(); }
  // Its end has not begun.
  bool alive() const { return phase_ < Phase::kClosing; }

  // From the watchdog.
  void OnNegotiationTimeout();
  void OnSilence();
  void OnDead();
  void OnStuck();
  void OnCloseTimeout();

  // From Streams, when Release() asked for it.
  void Resume();

 private:
  enum class Phase : std::uint8_t {
    kSecuring,  // TLS handshake
    kOpening,   // a stream header is due
    kOpen,      // headers are exchanged
    kLeaving,   // the client closed its side, and is owed something
    kClosing,   // we closed our side, the client has not
    kClosed,    // nothing is said or heard any more
  };

  // net::Connection::Reader
  void OnBytes(std::string_view bytes) override;
  void OnSecured() override;
  void OnDrained() override;
  void OnClosed(std::string_view reason) override;
  // xml::Handler
  void OnStreamOpen(const xml::StartTag& tag) override;
  void OnChild(const xml::Child& child) override;
  void OnStreamClose() override;

  void Parse(std::string_view bytes);
  void Handshake(std::string_view rest);
  void Accept(Header header);
  void OfferFeatures();
  void SendHeader();
  void OnStreamError(const xml::Child& child);
  void FinishLeaving();
  void Finish(std::string_view reason);
  void EndStage(std::string_view reason);
  bool TooManyUnauthenticatedBytes(std::size_t count);

  Context& context_;
  Admission::Ticket ticket_;
  net::Connection connection_;
  xml::Scanner scanner_;
  Throttle throttle_;
  Watchdog watchdog_;
  std::shared_ptr<Stage> stage_;
  const config::Host* host_;
  const config::Host* tls_host_ = nullptr;
  std::unique_ptr<Identity> identity_;
  std::string id_;
  std::string lang_;
  xmpp::Jid claimed_from_;
  std::string backlog_;  // bytes that came after reading was paused
  std::uint32_t unauthenticated_bytes_ = 0;
  Phase phase_ = Phase::kOpening;
  std::uint8_t pauses_ = 0;
  bool bound_ = false;
  bool header_sent_ = false;
  bool parsing_ = false;
  bool restart_ = false;  // the scanner is to begin a new stream once Feed() has returned
  bool resuming_ = false;
  bool gone_ = false;  // the connection is, and the backlog is all that is left
};

}  // namespace parley::c2s
