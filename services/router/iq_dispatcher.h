#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/router/features/feature.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"

namespace parley::router {

// Gives each iq get and set that the server has to answer exactly one answer (RFC 6120 8.2.3), by an exact match of
// target, type, namespace and name. Nobody else answers.
class IqDispatcher {
 public:
  // Throws std::logic_error if two features claim the same requests.
  IqDispatcher(Sender& sender, RosterClient& rosters, std::shared_ptr<const std::vector<Feature>> features);

  // False: something has to be waited for.
  bool AnswerNow(Account& account, Target target, Held& held);
  Task<void> Answer(Account& account, Target target, Held held);

 private:
  struct Route {
    const IqRoute* route;
    prometheus::Counter* count;
  };
  enum class Permission { kGranted, kForbidden, kUnavailable, kUnknown };

  static std::string Key(Target target, link::v1::Type type, std::string_view ns, std::string_view name);
  const Route* Find(Target target, const Envelope& envelope) const;
  static Permission OfExisting(const IqRoute& route);
  Permission Judge(const Account& account, Target target, const IqRoute& route, const Envelope& envelope) const;
  // What could not be judged from what is in memory.
  Task<Permission> Inquire(Account& account, const IqRoute& route, const Envelope& envelope);
  bool Refuse(Account& account, Held& held, Permission permission);
  void Send(Account& account, const Held& held, IqAnswer answer);
  void SendBehind(Account& account, const Held& held, std::vector<Envelope> envelopes);

  Sender& sender_;
  RosterClient& rosters_;
  std::shared_ptr<const std::vector<Feature>> features_;
  std::unordered_map<std::string, Route> routes_;
  prometheus::Counter& unknown_;
};

}  // namespace parley::router
