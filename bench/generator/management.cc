// Stream management (XEP-0198) of a Client.
#include <charconv>

#include "bench/generator/client.h"

namespace parley::bench {
namespace {

constexpr std::size_t kRequestEvery = 5;  // stanzas, as common clients do

}  // namespace

void Client::Send(std::string_view stanza) {
  connection_.Write(stanza);
  if (!managed_) return;
  unacknowledged_.emplace_back(stanza);
  if (unacknowledged_.size() >= kRequestEvery && !ack_requested_) RequestAck();
}

void Client::AskForAck() {
  if (managed_ && online() && !unacknowledged_.empty() && !ack_requested_) RequestAck();
}

void Client::RequestAck() {
  ack_requested_ = true;
  connection_.Write("<r xmlns='urn:xmpp:sm:3'/>");
}

void Client::Acknowledge() {
  connection_.Write("<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(received_) + "'/>");
}

// True: it was no stanza.
bool Client::OnManagement(const Stanza& stanza) {
  if (stanza.name == "r") {
    ++acks_sent_;
    Acknowledge();
    return true;
  }
  if (stanza.name == "a") {
    ack_requested_ = false;
    OnAcknowledged(stanza.Attribute("h"));
    if (unacknowledged_.size() >= kRequestEvery && !ack_requested_) RequestAck();
    return true;
  }
  const bool counted = stanza.name == "message" || stanza.name == "presence" || stanza.name == "iq";
  if (counted && step_ != Step::kBind && step_ != Step::kAuth) ++received_;
  return false;
}

void Client::OnAcknowledged(std::string_view text) {
  std::uint32_t h = 0;
  std::from_chars(text.data(), text.data() + text.size(), h);
  const std::uint32_t taken = h - acknowledged_;
  if (taken > unacknowledged_.size()) return Fail("the server acknowledges what was never sent");
  acknowledged_ = h;
  for (std::uint32_t i = 0; i < taken; ++i) unacknowledged_.pop_front();
}

void Client::OnResumed(const Stanza& stanza) {
  step_ = Step::kOnline;
  resumed_ = true;
  ack_requested_ = false;
  OnAcknowledged(stanza.Attribute("h"));
  if (!connection_.open()) return;
  for (const auto& unsent : unacknowledged_) connection_.Write(unsent);
  if (!unacknowledged_.empty()) RequestAck();
  owner_.OnLogin(*this);
}

}  // namespace parley::bench
