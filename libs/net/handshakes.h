#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "libs/base/loop.h"

namespace parley::net {

// The TLS handshakes of a loop that can go on. A step of one costs as much as a hundred stanzas: only so many are made
// in a turn, at its end, behind what it had to send; the others wait for the next, in which everybody else comes first.
// Who began first goes first, so that many at once are done one after the other and not all at the end.
// Loop's thread only.
class Handshakes {
 public:
  class Step {
   public:
    // Whether it cost anything: one that only found that more must come does not count.
    virtual bool ContinueHandshake() = 0;

   protected:
    ~Step() = default;
  };

  // A handshake begins: its number. `per_turn` holds for all from now on.
  std::uint64_t Begin(std::uint32_t per_turn);
  // What this one waited for has come.
  void Add(Loop& loop, std::uint64_t number, std::shared_ptr<Step> step);
  // Steps that found a turn's number taken.
  std::uint64_t delayed() const { return delayed_; }
  void Clear() { ready_.clear(); }

 private:
  void RunAtEndOfTurn(Loop& loop);
  void Run(Loop& loop);

  std::map<std::uint64_t, std::shared_ptr<Step>> ready_;
  std::uint64_t begun_ = 0;
  std::uint64_t delayed_ = 0;
  std::uint32_t per_turn_ = 1;
  bool scheduled_ = false;
};

}  // namespace parley::net
