#include <iterator>

#include "services/router/edges.h"

namespace parley::router {
namespace {

Edges::HandOver OutcomeOf(rpc::RefusalReason refusal) {
  switch (refusal) {
    case link::v1::REFUSAL_REASON_UNSPECIFIED:
      return Edges::HandOver::kDone;
    case link::v1::REFUSAL_REASON_OVERLOADED:
      return Edges::HandOver::kLate;
    case link::v1::REFUSAL_REASON_DRAINING:  // what a link that is broken says (see OnDown)
      return Edges::HandOver::kBroken;
    default:
      return Edges::HandOver::kGone;
  }
}

}  // namespace

void Edges::AskToHandOver(const Record& record, HandedOver done) {
  Leaving& leaving = leaving_[record.session()];
  leaving.done.push_back(std::move(done));
  if (leaving.done.size() > 1) return;
  leaving.record = record;
  leaving.asked = ++asked_;
  const auto settle = [this, session = record.session(), asked = leaving.asked](HandOver outcome) {
    OnHandedOver(session, asked, outcome);
  };
  leaving.timer = loop_.After(options_.handover_timeout, [settle] { settle(HandOver::kLate); });
  rpc::Held question;
  question.envelope = std::make_unique<rpc::Envelope>();
  question.envelope->set_kind(link::v1::KIND_CONTROL);
  question.envelope->set_leg(link::v1::LEG_DELIVER);
  question.envelope->set_session(record.session());
  question.envelope->mutable_hand_over()->set_queue(record.queue());
  question.receipt = rpc::Receipt([settle](rpc::RefusalReason refusal) { settle(OutcomeOf(refusal)); });
  edges_[record.node()].link->SendHeld(std::move(question));
}

// A copy of the name: what calls this may end with the question.
void Edges::OnHandedOver(std::string session, std::uint64_t asked, HandOver outcome) {
  const auto place = leaving_.find(session);
  if (place == leaving_.end() || place->second.asked != asked) return;
  place->second.timer.Cancel();
  const auto done = std::exchange(place->second.done, {});
  if (done.empty()) return;  // it was late, and they know
  auto& counter = outcome == HandOver::kDone   ? metrics_.handed_over
                  : outcome == HandOver::kLate ? metrics_.handed_over_late
                                               : metrics_.handed_over_gone;
  counter.Increment();
  for (const auto& each : done) each(outcome);
}

void Edges::Hold(const Record& record) {
  Leaving& leaving = leaving_[record.session()];
  leaving.record = record;
  Parked::Items parked = Extract(record);
  leaving.waiting.insert(leaving.waiting.begin(), std::make_move_iterator(parked.begin()),
                         std::make_move_iterator(parked.end()));
}

bool Edges::IsAsked(const std::string& session) const {
  const auto place = leaving_.find(session);
  return place != leaving_.end() && !place->second.done.empty();
}

void Edges::Release(const std::string& session) {
  const auto place = leaving_.find(session);
  if (place == leaving_.end() || !place->second.done.empty()) return;  // or it was asked again meanwhile
  auto leaving = leaving_.extract(place);
  auto& waiting = leaving.mapped().waiting;
  const std::string& node = leaving.mapped().record.node();
  CountParked(-static_cast<int>(waiting.size()));
  for (auto& each : waiting) HandLate(edges_[node], std::move(each.held));
}

}  // namespace parley::router
