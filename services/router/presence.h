#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/fanout.h"
#include "services/router/offline.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"
#include "services/router/sessions.h"
#include "services/router/stranded.h"

namespace parley::router {

// Presence without subscription meaning (RFC 6121 section 4): what a user's server does with that of its clients, and
// with the questions of others.
class Presence {
 public:
  struct Parts {
    Tasks& tasks;
    AccountTable& accounts;
    Sender& sender;
    RosterClient& rosters;
    Sessions& sessions;
    Fanout& fanout;
    Offline& offline;
    Stranded& stranded;
  };
  Presence(const Parts& parts, const Options& options);

  // From a client, without `to`: 4.2, 4.4, 4.5.
  Task<void> Broadcast(Account& account, Held held);
  // From a client to somebody: 4.6.
  Task<void> Directed(Account& account, Held held);
  // A probe, or an initial presence with a probe in it, for this account: 4.3.2. False: its roster has to be read.
  bool AnswerProbeNow(Account& account, const Envelope& probe, const Receipt& receipt);
  Task<void> AnswerProbe(Account& account, Held held);
  // A session has become available, or says something new: everybody who may see it does; if it is new, what waited for
  // it comes.
  Task<void> Introduce(Account& account, std::string session, bool initial, Origin origin, Receipt receipt);

  // A session was put back, or resumed.
  enum class Absence {
    kUnnoticed,
    kNoticed,  // it may have been called unavailable meanwhile
  };
  Task<void> Resume(Account& account, std::string session, Absence absence);

 private:
  Task<void> Available(Account& account, Held held);
  Task<void> Unavailable(Account& account, Held held);
  Task<void> IntroduceLater(std::string bare, std::string session, bool initial, Origin origin, Receipt receipt);
  Task<void> DeliverPending(Account& account, std::string session, Receipt receipt);
  Task<bool> Remember(Account& account, const Envelope& presence);
  bool Full(const Record& record, const std::string& another) const;
  Task<void> Forget(Account& account, std::string session, std::string to);

  Parts parts_;
  int max_directed_;
};

// Into its session's record, if that is what `envelope` is: a client's presence for all who may see it.
void PutPresence(const Envelope& envelope, Record& record);

// RFC 6121 4.7.2.3; nullopt: not a number from -128 to 127.
std::optional<int> PriorityOf(std::string_view presence);

}  // namespace parley::router
