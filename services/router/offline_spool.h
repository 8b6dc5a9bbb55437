#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "libs/base/task.h"
#include "services/router/options.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"

namespace parley::router {

// Messages on their way into the offline store. What comes for an account in one turn of the loop is given to the
// roster service together, so that one commit has it all; what comes next waits until all of that is answered: an ask
// that was not is made again, and nothing is to overtake it. Loop's thread only.
class OfflineSpool {
 public:
  OfflineSpool(Loop& loop, Tasks& tasks, Sender& sender, RosterClient& rosters, const Options& options);

  // True: taken (and moved from). Its receipt goes when it is stored, or its sender was told why it is not. False: it
  // has to wait (Room).
  bool Take(const std::string& owner, Held& held);
  // In the owner's turn: until it is worth while to try again.
  Task<void> Room(std::string owner);
  bool storing(const std::string& owner) const { return rounds_.contains(owner); }
  // In the owner's turn: until all that was taken for it is stored or refused.
  Task<void> Stored(std::string owner);
  bool idle() const { return rounds_.empty(); }
  // Somebody waits in Room or Stored.
  bool HoldsTurn(const std::string& owner) const;

 private:
  using Resume = std::function<void(bool)>;
  // What an account's messages were given together.
  struct Round {
    std::deque<Held> messages;
    std::size_t unanswered = 0;
    bool closed = false;
    Resume waiting;  // the account's turn; null: it does not
  };

  void Store(const std::string& owner, Held& message);
  Task<void> Ask(std::string owner, Held& message);
  static roster::v1::Ask AskOf(const std::string& owner, const Envelope& message);
  void Settle(Held message, roster::v1::Problem problem);
  void OnAnswered(const std::string& owner);
  void Wake(Resume waiting);

  Loop& loop_;
  Tasks& tasks_;
  Sender& sender_;
  RosterClient& rosters_;
  const std::size_t batch_;
  const std::size_t max_asked_;
  std::map<std::string, std::shared_ptr<Round>> rounds_;  // by owner
  std::size_t asked_ = 0;                                 // in all
  std::deque<Resume> waiting_;                            // turns of accounts without a round
};

}  // namespace parley::router
