#include "services/c2s/stream/stream.h"

#include <algorithm>
#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/negotiate/negotiation.h"
#include "services/c2s/stream/faults.h"
#include "services/c2s/streams.h"

namespace parley::c2s {
namespace {

constexpr std::string_view kStreamEnd = "</stream:stream>";
constexpr std::size_t kMaxLang = 35;       // RFC 5646 4.4.1
constexpr std::size_t kMaxCondition = 64;  // of what a client says, in the log

xml::Limits ScannerLimits(const config::C2s& config) {
  xml::Limits limits;
  limits.max_stanza_bytes = config.max_stanza_bytes;
  limits.max_header_bytes = config.max_stream_header_bytes;
  limits.max_depth = config.max_depth;
  limits.max_attributes = config.max_attributes;
  return limits;
}

std::string_view WithoutLeadingSpace(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text;
}

}  // namespace

Stream::Stream(Context& context, int fd, const std::string& address)
    : context_(context),
      ticket_(context.admission, address),
      connection_(context.loop, fd, *this, address),
      scanner_(ScannerLimits(context.config.c2s)),
      throttle_(*this, context.wheel, context.config.c2s, context.metrics),
      watchdog_(*this, context.wheel, context.config.c2s),
      host_(&context.config.hosts.front()),
      id_(RandomId()) {
  context_.metrics.connections.Increment();
  context_.metrics.streams_negotiating.Increment();
}

Stream::~Stream() {
  if (!bound_) context_.metrics.streams_negotiating.Decrement();
}

void Stream::Start() {
  log::Debug("client_connected", {{"session", id_}, {"address", address()}});
  connection_.Start();
}

void Stream::StartSecured() {
  log::Debug("client_connected", {{"session", id_}, {"address", address()}, {"tls", true}});
  phase_ = Phase::kSecuring;
  tls_host_ = host_;
  connection_.StartTls(context_.tls, {});
  connection_.Start();
}

// Input

void Stream::OnBytes(std::string_view bytes) {
  if (phase_ == Phase::kClosed || phase_ == Phase::kLeaving) return;
  context_.metrics.bytes_in.Add(static_cast<double>(bytes.size()));
  watchdog_.Heard();
  if (TooManyUnauthenticatedBytes(bytes.size())) return;
  if (pauses_ != 0 || !backlog_.empty()) {
    backlog_.append(bytes);
  } else {
    Parse(bytes);
  }
  throttle_.OnBytes(bytes.size());
}

bool Stream::TooManyUnauthenticatedBytes(std::size_t count) {
  if (bound_) return false;
  unauthenticated_bytes_ += static_cast<std::uint32_t>(count);
  if (unauthenticated_bytes_ <= context_.config.c2s.max_unauthenticated_bytes) return false;
  context_.metrics.limits.Add("unauthenticated_bytes");
  Fail(xmpp::StreamError("policy-violation", "too many bytes before a resource is bound"));
  return true;
}

void Stream::Parse(std::string_view bytes) {
  while (pauses_ == 0 && phase_ != Phase::kClosed && phase_ != Phase::kLeaving) {
    // COMPAT(go-xmpp): a line break after <auth/> or <response/> comes before the XML declaration of the next stream.
    if (phase_ == Phase::kOpening && !scanner_.incomplete()) bytes = WithoutLeadingSpace(bytes);
    if (bytes.empty()) break;
    std::size_t consumed = 0;
    parsing_ = true;
    const auto status = scanner_.Feed(bytes, *this, consumed);
    parsing_ = false;
    bytes.remove_prefix(consumed);
    if (phase_ == Phase::kClosed) return;
    if (status == xml::Scanner::Status::kFault) {
      if (scanner_.fault() == xml::Fault::kTooLarge) context_.metrics.limits.Add("stanza_size");
      return Fail(FaultError(scanner_.fault()));
    }
    if (std::exchange(restart_, false)) scanner_.Restart();
    if (phase_ == Phase::kSecuring) return Handshake(bytes);
  }
  if (phase_ < Phase::kLeaving) backlog_.assign(bytes);
}

void Stream::OnStreamOpen(const xml::StartTag& tag) {
  if (phase_ != Phase::kOpening) return;
  auto header = ReadHeader(tag, scanner_.stream_namespaces());
  if (!header) return Fail(header.error());
  Accept(std::move(*header));
}

void Stream::Accept(Header header) {
  const auto* host = context_.config.FindHost(header.to);
  if (!host) return Fail(xmpp::StreamError("host-unknown"));
  host_ = host;
  lang_ = header.lang.size() <= kMaxLang ? std::move(header.lang) : std::string();
  claimed_from_ = std::move(header.from);
  if (identity_) {
    // Whoever has logged in stays who they are, and where.
    if (header.to != identity_->account.domain()) return Fail(xmpp::StreamError("host-unknown"));
    const bool other = !claimed_from_.empty() && claimed_from_.bare() != identity_->account.str();
    if (other && !identity_->anonymous) {
      return Fail(xmpp::StreamError("invalid-from", "the stream is from " + claimed_from_.str() +
                                                        ", the login was by " + identity_->account.str()));
    }
  }
  SendHeader();
  phase_ = Phase::kOpen;
  OfferFeatures();
}

void Stream::OfferFeatures() {
  auto negotiation = MakeNegotiation(*this);
  Write(negotiation->Features());
  Enter(std::move(negotiation));
}

void Stream::SendHeader() {
  // RFC 6120 4.7.3: an id that cannot be guessed, new for each stream.
  const std::string stream_id = RandomId();
  Response response;
  response.id = stream_id;
  response.from = host_->domain;
  response.to = claimed_from_.bare();
  response.lang = lang_;
  header_sent_ = true;
  Write(WriteHeader(response));
}

void Stream::OnChild(const xml::Child& child) {
  if (phase_ != Phase::kOpen) return;
  throttle_.OnStanza();
  if (identity_) unauthenticated_bytes_ = 0;  // who has logged in may say more, but not more at a time
  if (child.start.ns == kStreamsNs && child.start.local_name == "error") return OnStreamError(child);
  stage_->OnChild(child);
}

// RFC 6120 4.9.1.1: whoever says so closes its stream with it; nothing is left to answer but that.
void Stream::OnStreamError(const xml::Child& child) {
  log::Info("stream_error_received",
            {{"session", id_}, {"address", address()}, {"condition", child.payload_name.substr(0, kMaxCondition)}});
  OnStreamClose();
}

void Stream::OnStreamClose() {
  if (phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kClosing || gone_ || !stage_) return FinishLeaving();
  phase_ = Phase::kLeaving;
  if (parsing_) scanner_.Stop();
  watchdog_.Closing();
  stage_->OnLeave(WhileAlive(shared_from_this(), [](Stream& self) { self.FinishLeaving(); }));
}

void Stream::FinishLeaving() {
  if (phase_ == Phase::kClosed) return;
  if (phase_ != Phase::kClosing) Write(kStreamEnd);
  context_.metrics.stream_ends.Add("client");
  Finish("closed");
}

// Output

void Stream::Write(std::string_view xml) {
  if (phase_ == Phase::kClosed) return;
  context_.metrics.bytes_out.Add(static_cast<double>(xml.size()));
  connection_.Write(xml);
  if (connection_.queued() <= context_.config.c2s.max_unread_bytes) return;
  const bool waited = (pauses_ & static_cast<std::uint8_t>(Pause::kUnread)) != 0;
  if (!waited) context_.metrics.limits.Add("unread");
  Hold(Pause::kUnread);
  watchdog_.Waiting(connection_.bytes_out());
}

void Stream::OnDrained() {
  watchdog_.Drained();
  Release(Pause::kUnread);
}

// TLS

void Stream::Secure() {
  phase_ = Phase::kSecuring;
  scanner_.Stop();
}

void Stream::Handshake(std::string_view rest) {
  // COMPAT(go-xmpp): it ends <starttls/> with a line break. White space cannot mean anything under TLS.
  if (!WithoutLeadingSpace(rest).empty()) {
    // RFC 6120 5.4.2.2: what follows <starttls/> in the clear would be taken for something said under TLS.
    log::Warn("starttls_injection", {{"session", id_}, {"address", address()}});
    phase_ = Phase::kOpen;
    Write("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    Write(kStreamEnd);
    context_.metrics.stream_ends.Add("error");
    return Finish("error");
  }
  Write("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  tls_host_ = host_;
  connection_.StartTls(context_.tls, host_->domain);
}

void Stream::OnSecured() {
  const auto* tls = connection_.tls();
  context_.metrics.tls.Add(tls->version);
  if (tls->resumed) context_.metrics.tls_resumed.Increment();
  log::Debug("client_secured", {{"session", id_}, {"version", tls->version}, {"cipher", tls->cipher}});
  // The certificate was chosen by SNI first (net::TlsContexts).
  const auto name = xmpp::PrepareDomain(tls->sni);
  if (const auto* named = name ? context_.config.FindHost(*name) : nullptr) tls_host_ = named;
  claimed_from_ = {};  // said in the clear: worth nothing
  header_sent_ = false;
  phase_ = Phase::kOpening;
  scanner_.Restart();
}

// Stages

void Stream::Enter(std::shared_ptr<Stage> stage) {
  // The old one may be the caller.
  if (stage_) context_.streams.Retire(std::move(stage_));
  stage_ = std::move(stage);
}

void Stream::Authenticated(Identity identity) {
  identity_ = std::make_unique<Identity>(std::move(identity));
  unauthenticated_bytes_ = 0;
  // RFC 6120 6.4.6: a new stream on the same connection.
  phase_ = Phase::kOpening;
  header_sent_ = false;
  if (parsing_) {
    restart_ = true;
    scanner_.Stop();
  } else {
    scanner_.Restart();
  }
}

void Stream::Established(std::shared_ptr<Stage> stage) {
  bound_ = true;
  // Not before: an account may have many connections without a resource, but only so many with one.
  ticket_.Authenticated();
  context_.metrics.streams_negotiating.Decrement();
  watchdog_.Established();
  identity_.reset();
  connection_.ReleaseTls();
  Enter(std::move(stage));
}

void Stream::Hold(Pause reason) {
  if (pauses_ == 0) connection_.PauseReading();
  pauses_ |= static_cast<std::uint8_t>(reason);
  if (parsing_) scanner_.Stop();
}

void Stream::Release(Pause reason) {
  const auto bit = static_cast<std::uint8_t>(reason);
  if ((pauses_ & bit) == 0) return;
  pauses_ &= static_cast<std::uint8_t>(~bit);
  if (pauses_ != 0 || std::exchange(resuming_, true)) return;
  context_.streams.ResumeSoon(shared_from_this());
}

void Stream::Resume() {
  resuming_ = false;
  if (pauses_ != 0 || phase_ == Phase::kClosed) return;
  const std::string bytes = std::exchange(backlog_, {});
  if (!bytes.empty()) Parse(bytes);
  if (phase_ == Phase::kClosed || pauses_ != 0) return;
  gone_ ? OnClosed("connection gone") : connection_.ResumeReading();
}

// The end

void Stream::Fail(const xmpp::StreamError& error) {
  if (phase_ == Phase::kClosed) return;
  log::Info("stream_failed",
            {{"session", id_}, {"address", address()}, {"condition", error.condition()}, {"text", error.text()}});
  context_.metrics.stream_errors.Add(error.condition());
  context_.metrics.stream_ends.Add("error");
  if (phase_ == Phase::kSecuring) {
    connection_.Abort();
  } else if (phase_ != Phase::kClosing) {
    if (!header_sent_) SendHeader();
    Write(error.ToXml());
    Write(kStreamEnd);
  }
  Finish(error.condition());
}

void Stream::End() {
  if (!open()) return;
  Write(kStreamEnd);
  EndStage("closed");
  phase_ = Phase::kClosing;
  watchdog_.Closing();
}

void Stream::Finish(std::string_view reason) {
  EndStage(reason);
  phase_ = Phase::kClosed;
  watchdog_.Stop();
  backlog_ = std::string();
  if (parsing_) scanner_.Stop();
  connection_.Close(context_.config.c2s.close_timeout);
  if (gone_) context_.streams.Remove(*this);  // its OnClosed() was
}

void Stream::EndStage(std::string_view reason) {
  if (!stage_) return;
  auto stage = std::exchange(stage_, nullptr);
  stage->OnEnd(phase_ == Phase::kLeaving ? "closed" : reason);  // whatever came in between
  context_.streams.Retire(std::move(stage));
}

void Stream::OnClosed(std::string_view reason) {
  if (reason == net::kTooManyWithoutData) context_.metrics.limits.Add("tls_records");
  // Who says something and goes at once has said it; it only had to wait, for order or its rate (see Pause).
  if (phase_ == Phase::kOpen && !backlog_.empty() && stage_ && stage_->WantsRest()) {
    gone_ = true;
    return OnDrained();
  }
  if (phase_ != Phase::kClosed) {
    context_.metrics.stream_ends.Add("connection");
    EndStage("lost");
  }
  phase_ = Phase::kClosed;
  log::Debug("client_disconnected", {{"session", id_}, {"reason", reason}});
  context_.streams.Remove(*this);
}

void Stream::OnNegotiationTimeout() {
  context_.metrics.limits.Add("unauthenticated_time");
  Fail(xmpp::StreamError("connection-timeout", "login took too long"));
}

void Stream::OnSilence() { stage_->OnSilence(); }

void Stream::OnDead() {
  context_.metrics.limits.Add("idle");
  Fail(xmpp::StreamError("connection-timeout", "nothing was heard for too long"));
}

void Stream::OnStuck() {
  context_.metrics.limits.Add("slow_reader");
  Fail(xmpp::StreamError("resource-constraint", "what was sent was not read"));
}

void Stream::OnCloseTimeout() { phase_ == Phase::kLeaving ? FinishLeaving() : Finish("timeout"); }

}  // namespace parley::c2s
