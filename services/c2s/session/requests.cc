#include "services/c2s/session/requests.h"

#include <utility>

namespace parley::c2s {
namespace {

bool IsAnswer(const xmpp::Envelope& envelope) {
  const bool type = envelope.type() == link::v1::TYPE_RESULT || envelope.type() == link::v1::TYPE_ERROR;
  return envelope.kind() == link::v1::KIND_IQ && type;
}

}  // namespace

bool IsRequestOfOthers(const xmpp::Envelope& envelope) {
  const bool type = envelope.type() == link::v1::TYPE_GET || envelope.type() == link::v1::TYPE_SET;
  return envelope.kind() == link::v1::KIND_IQ && type && !envelope.origin().empty();
}

std::size_t Requests::SizeOf(const Request& request) {
  return sizeof(Request) + request.id.size() + request.from.size();
}

Requests::Kept Requests::Note(const xmpp::Envelope& delivery, std::size_t max_bytes) {
  if (!IsRequestOfOthers(delivery)) return Kept::kAll;
  Request request{delivery.id(), delivery.from()};
  if (!list_) list_ = std::make_unique<List>();
  list_->bytes += SizeOf(request);
  list_->requests.push_back(std::move(request));
  if (list_->bytes <= max_bytes) return Kept::kAll;
  while (list_ && list_->bytes > max_bytes) Erase(0);
  return Kept::kFewer;
}

bool Requests::Answer(const xmpp::Envelope& stanza) {
  if (!list_ || !IsAnswer(stanza)) return false;
  for (std::size_t i = 0; i < list_->requests.size(); ++i) {
    const Request& request = list_->requests[i];
    if (request.id != stanza.id() || request.from != stanza.to()) continue;
    Erase(i);
    return true;
  }
  return false;
}

void Requests::Erase(std::size_t index) {
  const auto place = list_->requests.begin() + static_cast<std::ptrdiff_t>(index);
  list_->bytes -= SizeOf(*place);
  list_->requests.erase(place);
  if (list_->requests.empty()) list_.reset();
}

std::vector<Requests::Request> Requests::Take() {
  const auto list = std::exchange(list_, nullptr);
  return list ? std::move(list->requests) : std::vector<Request>();
}

xmpp::Envelope AnswerFor(const std::string& owner, const Requests::Request& request, const xmpp::StanzaError& error) {
  xmpp::Envelope asked;
  asked.set_kind(link::v1::KIND_IQ);
  asked.set_type(link::v1::TYPE_GET);
  asked.set_from(request.from);
  asked.set_to(owner);
  asked.set_id(request.id);
  return *xmpp::MakeError(asked, error);
}

}  // namespace parley::c2s
