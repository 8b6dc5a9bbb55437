#include "bench/generator/client.h"

#include <utility>

namespace parley::bench {
namespace {

constexpr std::string_view kSasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";

std::string_view NameOf(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kPlain:
      return "PLAIN";
    case Mechanism::kScramSha1:
      return "SCRAM-SHA-1";
    case Mechanism::kScramSha256:
      break;
  }
  return "SCRAM-SHA-256";
}

}  // namespace

Client::Client(Setting& setting, Owner& owner, Server& server, std::string user, int source)
    : setting_(setting),
      owner_(owner),
      server_(&server),
      tickets_(server),
      connection_(setting.loop, setting.flusher, *this),
      user_(std::move(user)),
      source_(source) {}

void Client::Login() {
  registering_ = false;
  Connect();
}

void Client::Register() {
  registering_ = true;
  Connect();
}

void Client::Connect() {
  step_ = Step::kConnecting;
  resumed_ = false;
  reader_.Reset();
  connection_.Connect(*server_, source_);
}

void Client::Leave() {
  if (setting_.protocol == Protocol::kRelay) {
    Cut();
  } else if (connection_.open()) {
    if (managed_) Acknowledge();  // or the server keeps for the user what it does not know to have arrived
    connection_.Write("</stream:stream>");
  }
  managed_ = false;
  resume_id_.clear();
  step_ = Step::kOff;
}

void Client::Cut() {
  connection_.Drop();
  step_ = Step::kOff;
}

void Client::Fail(std::string_view why) {
  const std::string reason(why);
  Cut();
  owner_.OnEnd(*this, reason);
}

void Client::OnConnected() {
  if (setting_.security == Security::kDirectTls) return connection_.StartTls(setting_.tls, tickets_, setting_.domain);
  OpenStream();
}

void Client::OnSecured() { setting_.protocol == Protocol::kRelay ? Announce() : OpenStream(); }

void Client::Announce() {
  jid_ = bare();
  step_ = Step::kSetup;
  connection_.Write(user_ + "\n");
}

void Client::OpenStream() {
  reader_.Reset();
  std::string header = "<?xml version='1.0'?><stream:stream to='";
  header += setting_.domain;
  header += "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
  connection_.Write(header);
}

void Client::OnBytes(std::string_view bytes) {
  const bool open = reader_.Feed(bytes, [this](const Stanza& stanza) { return OnChild(stanza); });
  if (open || !connection_.open()) return;
  const bool expected = step_ == Step::kOff;
  connection_.Drop();
  step_ = Step::kOff;
  if (!expected) owner_.OnEnd(*this, "the server closed the stream");
}

void Client::OnClosed(std::string_view why) {
  const bool expected = step_ == Step::kOff;
  step_ = Step::kOff;
  if (!expected) owner_.OnEnd(*this, why);
}

bool Client::OnChild(const Stanza& stanza) {
  if (stanza.name == "stream:error") {
    Fail(stanza.text);
    return false;
  }
  if (managed_ && OnManagement(stanza)) return connection_.open();
  if (step_ != Step::kOnline) return OnNegotiation(stanza);
  if (stanza.name == "iq" && stanza.Attribute("type") == "get") {
    AnswerPing(stanza);
    return connection_.open();
  }
  owner_.OnStanza(*this, stanza);
  return connection_.open();
}

// XEP-0199, by which servers tell the silent from the dead.
void Client::AnswerPing(const Stanza& ping) {
  std::string answer = "<iq type='result' id='";
  answer.append(ping.Attribute("id")).append("'");
  if (const auto from = ping.Attribute("from"); !from.empty()) answer.append(" to='").append(from).append("'");
  Send(answer + "/>");
}

bool Client::OnNegotiation(const Stanza& stanza) {
  if (setting_.protocol == Protocol::kRelay) {
    Online();
  } else if (stanza.name == "stream:features") {
    OnFeatures(stanza);
  } else if (stanza.name == "proceed") {
    connection_.StartTls(setting_.tls, tickets_, setting_.domain);
    return false;
  } else if (stanza.name == "challenge") {
    OnChallenge(stanza);
  } else if (stanza.name == "success") {
    return OnSuccess(stanza);
  } else if (stanza.name == "failure" || (stanza.name == "failed" && step_ == Step::kEnable)) {
    Fail(stanza.text);
  } else if (stanza.name == "failed" && step_ == Step::kBind) {
    // XEP-0198 section 5: not resumed, so a new session. What the server did not take is for its owner to judge.
    Bind();
  } else if (stanza.name == "resumed") {
    OnResumed(stanza);
  } else if (stanza.name == "enabled") {
    managed_ = true;
    resume_id_ = stanza.Attribute("id");
    SetUp();
  } else if (stanza.name == "iq" && stanza.Attribute("id") == "register") {
    if (stanza.Attribute("type") != "result") return Fail(stanza.text), false;
    Leave();
    owner_.OnRegistered(*this);
  } else if (stanza.name == "iq" && stanza.Attribute("id") == "bind") {
    OnBound(stanza);
  } else if (stanza.name == "iq" && stanza.Attribute("id") == "roster") {
    if (stanza.Attribute("type") != "result") return Fail(stanza.text), false;
    owner_.OnRoster(*this, stanza);
    Online();
  }
  return connection_.open();
}

void Client::OnFeatures(const Stanza& stanza) {
  if (!connection_.secure()) {
    step_ = Step::kStartTls;
    return connection_.Write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  }
  if (registering_) {
    step_ = Step::kRegister;
    return connection_.Write("<iq type='set' id='register'><query xmlns='jabber:iq:register'><username>" + user_ +
                             "</username><password>" + setting_.password + "</password></query></iq>");
  }
  if (step_ != Step::kBind) {
    step_ = Step::kAuth;
    return Authenticate();
  }
  if (setting_.management == Management::kOn && !stanza.Contains("urn:xmpp:sm:3")) {
    return Fail("the server offers no stream management");
  }
  if (resumable()) {
    return connection_.Write("<resume xmlns='urn:xmpp:sm:3' h='" + std::to_string(received_) + "' previd='" +
                             resume_id_ + "'/>");
  }
  Bind();
}

void Client::Authenticate() {
  std::string first;
  if (setting_.mechanism == Mechanism::kPlain) {
    first.append(1, '\0').append(user_).append(1, '\0').append(setting_.password);
  } else {
    const Hash hash = setting_.mechanism == Mechanism::kScramSha1 ? Hash::kSha1 : Hash::kSha256;
    scram_ = std::make_unique<Scram>(hash, user_, setting_.password);
    first = scram_->First();
  }
  std::string auth = "<auth ";
  auth.append(kSasl).append(" mechanism='").append(NameOf(setting_.mechanism));
  connection_.Write(auth + "'>" + Base64(first) + "</auth>");
}

void Client::OnChallenge(const Stanza& stanza) {
  if (!scram_) return Fail("a challenge that nobody asked for");
  const std::string answer = scram_->Final(FromBase64(stanza.Text("challenge")), setting_.salted);
  if (answer.empty()) return Fail("a challenge that makes no sense");
  std::string response = "<response ";
  response.append(kSasl).append(">");
  connection_.Write(response + Base64(answer) + "</response>");
}

bool Client::OnSuccess(const Stanza& stanza) {
  if (scram_ && !scram_->Proven(FromBase64(stanza.Text("success")))) return Fail("the server proved nothing"), false;
  scram_.reset();
  step_ = Step::kBind;
  OpenStream();
  return false;
}

void Client::Bind() {
  managed_ = false;
  resume_id_.clear();
  unacknowledged_.clear();
  connection_.Write(
      "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>");
}

void Client::OnBound(const Stanza& stanza) {
  jid_ = stanza.Text("jid");
  if (jid_.empty()) return Fail(stanza.text);
  if (setting_.management == Management::kOff) return SetUp();
  step_ = Step::kEnable;
  received_ = 0;
  acknowledged_ = 0;
  ack_requested_ = false;
  connection_.Write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
}

void Client::SetUp() {
  step_ = Step::kSetup;
  if (setting_.roster) Send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
  if (setting_.presence) Send("<presence/>");
  if (!setting_.roster) Online();
}

void Client::Online() {
  step_ = Step::kOnline;
  owner_.OnLogin(*this);
}

}  // namespace parley::bench
