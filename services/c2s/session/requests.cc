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

std::vector<Requests::Request> Requests::Note(Request request, std::size_t max_bytes) {
  if (!list_) list_ = std::make_unique<List>();
  list_->bytes += SizeOf(request);
  list_->requests.push_back(std::move(request));
  std::vector<Request> forgotten;
  while (list_ && list_->bytes > max_bytes) forgotten.push_back(Remove(0));
  return forgotten;
}

const Requests::Request* Requests::Answer(const xmpp::Envelope& stanza) {
  if (!list_ || !IsAnswer(stanza)) return nullptr;
  for (Request& request : list_->requests) {
    if (request.answer != 0 || request.id != stanza.id() || request.from != stanza.to()) continue;
    request.answer = stanza.origin_seq();
    return &request;
  }
  return nullptr;
}

std::optional<Requests::Request> Requests::Settle(std::uint64_t number) {
  if (!list_) return std::nullopt;
  for (std::size_t i = 0; i < list_->requests.size(); ++i) {
    if (list_->requests[i].answer == number) return Remove(i);
  }
  return std::nullopt;
}

Requests::Request Requests::Remove(std::size_t index) {
  const auto place = list_->requests.begin() + static_cast<std::ptrdiff_t>(index);
  Request removed = std::move(*place);
  list_->bytes -= SizeOf(removed);
  list_->requests.erase(place);
  if (list_->requests.empty()) list_.reset();
  return removed;
}

void Requests::Add(session::v1::QueueHeader& header, const Request& request) {
  auto& asked = request.answer == 0 ? *header.add_asked() : *header.add_answering();
  asked.set_id(request.id);
  asked.set_from(request.from);
  asked.set_answer(request.answer);
}

std::vector<Requests::Request> Requests::Take() {
  const auto list = std::exchange(list_, nullptr);
  if (!list) return {};
  std::erase_if(list->requests, [](const Request& request) { return request.answer != 0; });
  return std::move(list->requests);
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
