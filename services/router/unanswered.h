#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/task.h"
#include "services/router/metrics.h"
#include "services/router/past_queues.h"
#include "services/router/sender.h"
#include "services/router/session_store.h"

namespace parley::router {

// What clients were asked, with and without stream management, and cannot answer any more as their sessions have ended:
// it is answered in their name, once (RFC 6120 8.2.3).
class Unanswered {
 public:
  struct Parts {
    Tasks& tasks;
    SessionStore& store;
    PastQueues& past;
    Sender& sender;
    Metrics& metrics;
  };
  explicit Unanswered(const Parts& parts) : parts_(parts) {}

  // `number`: of the first of them, among what the session got. `told` goes when it is done.
  void Answer(const std::string& bare, const Record& ended, const std::vector<session::v1::Asked>& asked,
              std::uint64_t number, const Receipt& told);
  // Of a session without stream management whose edge has not said itself that it ended. Without Redis later.
  Task<void> AnswerFor(std::string bare, Record ended, Receipt told);

 private:
  void AnswerAgain(const Envelope& request, const std::string& session, std::uint64_t number, const Receipt& told);
  // `taker`: the same for each try.
  Task<bool> TryToAnswer(std::string bare, Record ended, std::string taker, Receipt told);
  Task<void> AnswerLater(std::string bare, Record ended, std::string taker, Receipt told);

  Parts parts_;
};

}  // namespace parley::router
