#pragma once

#include <functional>
#include <memory>

#include "libs/xmpp/stanza.h"
#include "services/c2s/sm/enable.h"
#include "services/c2s/stream/stage.h"

namespace parley::xmpp {
struct ParsedStanza;
}

namespace parley::c2s {

class Session;
class Stream;

// The stage of a bound session: judges each stanza of the client, answers what is the edge's to answer, and passes the
// rest on.
class Established final : public Stage {
 public:
  Established(Stream& stream, std::shared_ptr<Session> session);
  void OnChild(const xml::Child& child) override;
  void OnSilence() override;
  bool WantsRest() const override { return true; }
  void OnLeave(std::function<void()> done) override;
  void OnEnd(std::string_view reason) override;

 private:
  bool IsOwn(std::string_view client_from) const;
  void TakeElement(const xml::Child& child);
  void Acknowledge(const xml::Child& child);
  // True: done with it.
  bool Answer(const xmpp::ParsedStanza& stanza);
  bool AnswerPing(const xmpp::Envelope& ping);
  bool RefuseLargePresence(const xmpp::ParsedStanza& stanza);

  Stream& stream_;
  std::shared_ptr<Session> session_;
  std::shared_ptr<Enable> enabling_;
};

}  // namespace parley::c2s
