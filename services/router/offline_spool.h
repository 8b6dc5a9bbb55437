#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/options.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"
#include "services/router/store_outage.h"
#include "services/router/store_room.h"

namespace parley::router {

// Messages on their way into the offline store. What comes for an account in one turn of the loop is given to the
// roster service together, so that one commit has it all; what comes next waits until all of that is stored or refused:
// an ask that was not answered, or that the store could not do just now, is made again, and nothing is to overtake it.
// Loop's thread only.
class OfflineSpool {
 public:
  OfflineSpool(Loop& loop, Tasks& tasks, AccountTable& accounts, Sender& sender, RosterClient& rosters,
               const Options& options);

  // True: taken (and moved from). Its receipt goes when it is stored, or its sender was told why it is not. False: it
  // has to wait (Room).
  bool Take(const std::string& owner, Held& held);
  // In the owner's turn, which holds a visit meanwhile: until it is worth while to try again; sessions may have been
  // bound by then. False: it has waited too long for a place (Refuse).
  Task<bool> Room(std::string owner);
  StoreRoom::Visit Visit(std::string owner) { return {room_, std::move(owner)}; }
  // There was no room for it.
  void Refuse(Held held);
  bool on_its_way(const std::string& owner) const { return rounds_.contains(owner); }
  // In the owner's turn: until all that was taken for it is stored or refused.
  Task<void> Stored(std::string owner);
  // In the owner's turn: the store cannot be read, for which somebody asks since then. True, after a while: it may be
  // away for a moment only, ask again.
  Task<bool> MayPass(std::string owner, std::chrono::steady_clock::time_point since);
  bool idle() const { return rounds_.empty(); }
  // While this ask is in doubt: whether something may be let in (AccountTable::LetIn) before it is asked again. The
  // account's turn waits for it, and no later message would overtake it meanwhile.
  bool MayLetIn(const roster::v1::StoreOffline& ask) const;

 private:
  using Resume = std::function<void(bool)>;
  struct Message {
    enum class State { kAsked, kFailed, kStored, kOver };
    Held held;
    State state = State::kAsked;
  };
  // What an account's messages were given together.
  struct Round {
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
    std::deque<Message> messages;
    std::size_t unanswered = 0;
    bool closed = false;
    Resume waiting;  // the account's turn; null: it does not
  };
  using RoundPtr = std::shared_ptr<Round>;

  RoundPtr Begin();
  void Store(const std::string& owner, Message& message);
  Task<void> Ask(std::string owner, Message& message);
  // As what the roster service knows it.
  struct Name {
    std::string origin;
    std::uint64_t number;
    bool operator==(const Name&) const = default;
  };
  static Name NameOf(const Envelope& message);
  static roster::v1::Ask AskOf(const std::string& owner, const Envelope& message);
  void Settle(Held message, roster::v1::Problem problem);
  void OnAnswered(const std::string& owner);
  void GoOn(const std::string& owner, const RoundPtr& round);
  bool HasMore(Round& round);
  Task<void> Pause(std::string owner, RoundPtr round);
  void AskAgain(const std::string& owner, const RoundPtr& round);
  void GiveUp(Message& message);
  void End(Message& message);

  Loop& loop_;
  Tasks& tasks_;
  AccountTable& accounts_;
  Sender& sender_;
  RosterClient& rosters_;
  const std::size_t batch_;
  const std::chrono::steady_clock::duration patience_;
  StoreOutage outage_;
  const std::shared_ptr<StoreRoom> room_;
  std::map<std::string, RoundPtr> rounds_;  // by owner
};

}  // namespace parley::router
