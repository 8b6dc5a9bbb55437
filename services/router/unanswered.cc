#include "services/router/unanswered.h"

#include "libs/base/ids.h"

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kRetry{500};

}  // namespace

void Unanswered::Answer(const std::string& bare, const Record& ended, const std::vector<session::v1::Asked>& all,
                        std::uint64_t number, const Receipt& told) {
  for (const auto& asked : all) {
    Held held;
    held.envelope = std::make_unique<Envelope>();
    held.receipt = told;
    Envelope& request = *held.envelope;
    request.set_kind(link::v1::KIND_IQ);
    request.set_type(link::v1::TYPE_GET);
    request.set_from(asked.from());
    request.set_to(bare + "/" + ended.resource());
    request.set_id(asked.id());
    request.set_unacknowledged_by(ended.session());
    request.set_unacknowledged_number(number++);
    if (asked.answer() != 0) {
      AnswerAgain(request, ended.session(), asked.answer(), told);
    } else {
      parts_.sender.Bounce(std::move(held), xmpp::ServiceUnavailable());
    }
  }
}

// The client's own answer, its stanza `number`, may have arrived: who got that knows this for a repeat of it.
void Unanswered::AnswerAgain(const Envelope& request, const std::string& session, std::uint64_t number,
                             const Receipt& told) {
  auto answer = xmpp::MakeError(request, xmpp::ServiceUnavailable());
  if (!answer || !parts_.sender.Reachable(answer->to())) return;
  answer->set_origin(session);
  answer->set_origin_seq(number);
  answer->set_repeat(true);
  parts_.metrics.unacknowledged_bounced.Increment();
  parts_.sender.Forward(std::move(*answer), told);
}

Task<void> Unanswered::AnswerFor(std::string bare, Record ended, Receipt told) {
  std::string taker = RandomId();
  const bool done = co_await TryToAnswer(bare, ended, taker, told);
  if (done) co_return;
  auto later = AnswerLater(std::move(bare), std::move(ended), std::move(taker), std::move(told));
  parts_.tasks.Spawn("answer_for_session", std::move(later));
}

Task<bool> Unanswered::TryToAnswer(std::string bare, Record ended, std::string taker, Receipt told) {
  const auto asked = co_await parts_.store.TakeAsked(bare, ended.session(), std::move(taker));
  if (!asked) co_return false;
  if (asked->empty()) co_return true;
  // One that its edge had noted, but not acknowledged to us, comes back to us, too.
  session::QueueContents noted;
  for (const auto& each : *asked) {
    auto& envelope = *noted.stanzas.emplace_back().mutable_envelope();
    envelope.set_origin(each.origin());
    envelope.set_origin_seq(each.origin_seq());
  }
  parts_.past.Remember(ended.session(), noted);
  Answer(bare, ended, *asked, 1, told);
  co_return true;
}

Task<void> Unanswered::AnswerLater(std::string bare, Record ended, std::string taker, Receipt told) {
  while (true) {
    co_await SleepFor(kRetry);
    const bool done = co_await TryToAnswer(bare, ended, taker, told);
    if (done) co_return;
  }
}

}  // namespace parley::router
