#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libs/base/result.h"
#include "libs/session/queue.h"
#include "services/c2s/context.h"
#include "services/c2s/stream/identity.h"

namespace parley::c2s {

class Session;

// Takes a session over from another edge, or from one that died (XEP-0198 section 5): the home router gives it to us,
// and its queue in Redis says how it stands. Lives until that is decided, also if the client that asked for it is gone
// by then.
class Claim final : public std::enable_shared_from_this<Claim> {
 public:
  enum class Lack {
    kUnanswered,  // nobody could say whose it is
    kGone,        // there is no such session
    kTaken,       // another claimed it meanwhile, or it is over: whoever asks again is told
  };
  struct Outcome {
    std::shared_ptr<Session> session;      // ours, and away; nullptr: it could not be had
    Lack lack = Lack::kUnanswered;         // why not
    std::optional<std::uint32_t> handled;  // of the one that is gone, if that is known
  };
  using Done = std::function<void(Outcome)>;
  // Whether its client still waits for it; else there are no more tries, lest it is taken from a newer connection.
  using Wanted = std::function<bool()>;
  Claim(Context& context, const Identity& identity, std::string session, std::string address);

  void Start(Wanted wanted, Done done);

 private:
  void Ask();
  void OnAnswer(const Result<std::string>& body);
  void LoadQueue();
  void OnQueue(Result<session::QueueContents> contents);
  void TryAgain(void (Claim::*what)(), const std::string& why);
  void GiveUp(Outcome outcome);

  Context& context_;
  Identity identity_;
  std::string address_;
  std::string queue_;
  std::string epoch_;
  std::shared_ptr<Session> session_;
  session::v1::Record record_;
  bool stays_ = false;  // with another edge, for now
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point deadline_;
  Loop::Timer retry_;
  Wanted wanted_;
  Done done_;
};

}  // namespace parley::c2s
