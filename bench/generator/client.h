#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "bench/generator/connection.h"
#include "bench/generator/scram.h"
#include "bench/generator/stanzas.h"

namespace parley::bench {

enum class Mechanism { kPlain, kScramSha1, kScramSha256 };
enum class Management { kOff, kOn };  // XEP-0198
// kRelay: of parley-relay, which knows no XMPP: a client says its name on a line, and is in when anything is answered.
enum class Protocol { kXmpp, kRelay };
enum class Security { kStartTls, kDirectTls };

// What all clients of a process have in common.
struct Setting {
  Loop& loop;
  Connection::Flusher flusher;
  Tls& tls;
  SaltedPasswords& salted;
  std::string domain;
  std::string password;
  Mechanism mechanism = Mechanism::kScramSha1;
  Security security = Security::kStartTls;
  Management management = Management::kOff;
  Protocol protocol = Protocol::kXmpp;
  bool roster = true;    // asked for at login
  bool presence = true;  // sent at login
};

// One user's client: logs in, says when it is done, and passes stanzas on. It acknowledges as a good client does when
// stream management is on.
class Client : private Connection::Owner {
 public:
  class Owner {
   public:
    // Logged in, with roster and presence as set.
    virtual void OnLogin(Client& client) = 0;
    // The answer at login, before OnLogin().
    virtual void OnRoster(Client&, const Stanza&) {}
    virtual void OnStanza(Client& client, const Stanza& stanza) = 0;
    // Its stream is over, or never came to be.
    virtual void OnEnd(Client& client, std::string_view why) = 0;
    // In-band registration is done.
    virtual void OnRegistered(Client&) {}

   protected:
    ~Owner() = default;
  };

  Client(Setting& setting, Owner& owner, Server& server, std::string user, int source);

  std::uint32_t index = 0;  // for its owner

  void Login();
  // Registers the account instead (XEP-0077).
  void Register();
  // Closes the stream as one should.
  void Leave();
  // As if the network had gone; Login() resumes the session if it can be.
  void Cut();
  // Where the next Login() goes.
  void MoveTo(Server& server) { server_ = &server; }
  void Send(std::string_view stanza);
  // If the server has not acknowledged all (XEP-0198).
  void AskForAck();

  const std::string& jid() const { return jid_; }
  const std::string& user() const { return user_; }
  std::string bare() const { return user_ + "@" + setting_.domain; }
  bool online() const { return step_ == Step::kOnline; }
  bool resumable() const { return !resume_id_.empty(); }
  bool resumed() const { return resumed_; }
  // Stanzas that the server has not acknowledged (XEP-0198).
  std::size_t unacknowledged() const { return unacknowledged_.size(); }
  std::uint64_t acks_sent() const { return acks_sent_; }

 private:
  enum class Step : std::uint8_t { kOff, kConnecting, kStartTls, kAuth, kBind, kEnable, kSetup, kOnline, kRegister };

  void OnConnected() override;
  void OnSecured() override;
  void OnBytes(std::string_view bytes) override;
  void OnClosed(std::string_view why) override;

  void Connect();
  void OpenStream();
  void Announce();
  // False: the rest of what came belongs to no stream.
  bool OnChild(const Stanza& stanza);
  void AnswerPing(const Stanza& ping);
  bool OnNegotiation(const Stanza& stanza);
  void OnFeatures(const Stanza& stanza);
  void Authenticate();
  void OnChallenge(const Stanza& stanza);
  bool OnSuccess(const Stanza& stanza);
  void Bind();
  void OnBound(const Stanza& stanza);
  void SetUp();
  void Online();
  void Fail(std::string_view why);

  bool OnManagement(const Stanza& stanza);
  void OnResumed(const Stanza& stanza);
  void OnAcknowledged(std::string_view h);
  void RequestAck();
  void Acknowledge();

  Setting& setting_;
  Owner& owner_;
  Server* server_;
  Server& tickets_;  // of TLS: those of the first address, taken along to others
  Connection connection_;
  StanzaReader reader_;
  std::unique_ptr<Scram> scram_;
  const std::string user_;
  std::string jid_;
  const int source_;
  Step step_ = Step::kOff;
  bool registering_ = false;

  // XEP-0198; counters wrap at 2^32 by themselves.
  bool managed_ = false;
  bool resumed_ = false;
  bool ack_requested_ = false;
  std::uint32_t received_ = 0;
  std::uint32_t acknowledged_ = 0;
  std::uint64_t acks_sent_ = 0;
  std::string resume_id_;
  std::deque<std::string> unacknowledged_;
};

}  // namespace parley::bench
