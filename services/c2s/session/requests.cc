#include "services/c2s/session/requests.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "libs/xmpp/request.h"

namespace parley::c2s {

bool IsAnswer(const xmpp::Envelope& envelope) {
  const bool type = envelope.type() == link::v1::TYPE_RESULT || envelope.type() == link::v1::TYPE_ERROR;
  return envelope.kind() == link::v1::KIND_IQ && type;
}

bool IsRequestOfOthers(const xmpp::Envelope& envelope) {
  return envelope.kind() == link::v1::KIND_IQ && xmpp::IsRequest(envelope.type()) && !envelope.origin().empty();
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
  if (!list_ || !IsAnswer(stanza) || IsOnItsWay(stanza.origin_seq())) return nullptr;
  for (Request& request : list_->requests) {
    if (request.answer != 0 || request.id != stanza.id() || request.from != stanza.to()) continue;
    request.answer = stanza.origin_seq();
    return &request;
  }
  return nullptr;
}

bool Requests::IsOnItsWay(std::uint64_t answer) const {
  return std::any_of(list_->requests.begin(), list_->requests.end(),
                     [answer](const Request& request) { return request.answer == answer; });
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
  std::vector<Request> unanswered;
  if (!list_) return unanswered;
  auto& all = list_->requests;
  const auto rest = std::stable_partition(all.begin(), all.end(), [](const Request& each) { return each.answer != 0; });
  unanswered.assign(std::make_move_iterator(rest), std::make_move_iterator(all.end()));
  all.erase(rest, all.end());
  for (const Request& request : unanswered) list_->bytes -= SizeOf(request);
  if (all.empty()) list_.reset();
  return unanswered;
}

std::vector<session::Mark> Requests::Marks() const {
  std::vector<session::Mark> marks;
  if (!list_) return marks;
  for (const Request& request : list_->requests) marks.push_back(request.mark);
  return marks;
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
