#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/rpc/link.h"
#include "services/c2s/context.h"
#include "services/c2s/session/life.h"
#include "services/c2s/session/uplink.h"
#include "services/c2s/sm/stored_queue.h"

namespace parley::c2s {

class Session;

// How a session leaves this edge: it ends, goes on at another one, or is left for another one to take. Whoever has it
// next is to find in Redis all that we took for its client and from it.
class Departure {
 public:
  Departure(Session& session, Context& context) : session_(session), context_(context) {}

  // Calls back once the routers have taken all that the client sent.
  void WhenSettled(std::function<void()> done);
  // The routers have.
  void OnIdle();
  // Calls back once all that it sent is taken, or that takes too long, and Redis has what it has for its client. False:
  // Redis cannot be asked, or the queue is another's.
  using Quiet = std::function<void(bool noted)>;
  void Quiesce(StoredQueue::Close close, Quiet done);
  // The same for a client that waits: its session goes on, here or elsewhere.
  void QuiesceToResume(StoredQueue::Close close, Quiet done);
  // We are about to stop: notes what another edge needs. True: that is done.
  bool Settle();
  // Its client is back before that.
  void OnReturn();

  // It goes on at another edge (XEP-0198 section 5): `receipt` is settled once nothing more comes of us. Refused as
  // OVERLOADED while Redis is away: only we know how it stands. As NO_SESSION if it is over, but not before Redis has
  // what we took.
  void HandOver(const std::string& queue, rpc::Receipt receipt);
  // The router has ended it, and waits for what we hold for it.
  void OnDismissed() { dismissed_ = true; }
  // It is over: tells the home router. Idempotent. Nobody resumes what its client has closed, nor asks how much of it
  // was taken: so its presence, behind which its end is sent, is not waited for. The router that has it may stand
  // still, while what is for the session comes by the next home.
  void End(life::Event event, std::string_view reason);
  // A router is asked to put it back, or has answered or cannot. That it is over is said behind that, by whichever
  // router: one that handled the question last would put back what has ended.
  void OnAsked() { ++asked_; }
  void OnAnswered();
  // That it ended, or goes on elsewhere, was said: Redis has what we took, or cannot be asked.
  bool told() const { return told_; }
  // That it ended was: Redis has all that is to be handled again.
  bool over() const { return over_; }
  // It never was ours: nobody is told.
  void Forget();
  // It may be ours at the router, but we do not take it.
  void LetGo();

 private:
  struct Patience {
    std::chrono::milliseconds time;
    const char* limit;
    bool (Uplink::*quiet)() const = &Uplink::idle;
  };
  void Quiesce(StoredQueue::Close close, const Patience& patience, Quiet done);
  void FinishHandOver(rpc::Receipt receipt);
  void EndUnmanaged(const std::string& reason);
  void SayEnded(const std::string& reason);

  Session& session_;
  Context& context_;
  std::vector<std::function<void()>> on_idle_;  // once the routers have taken all
  Loop::Timer patience_;                        // with that
  std::unique_ptr<std::string> last_words_;     // for which it ended, while a router is asked
  std::uint16_t asked_ = 0;
  bool settling_ = false;  // Settle() is under way
  bool settled_ = false;   // and done
  bool dismissed_ = false;
  bool told_ = false;  // ended, and nothing more is to be sent for it
  bool over_ = false;  // and it goes on nowhere
  bool noted_ = true;  // and the header of its queue says how it stood
};

}  // namespace parley::c2s
