#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/result.h"
#include "libs/base/task.h"
#include "libs/config/config.h"
#include "libs/xml/element.h"
#include "libs/xmpp/errors.h"
#include "services/router/account.h"
#include "services/router/features/command.h"
#include "services/router/sender.h"

namespace parley::router {

// Whom an iq get or set is for.
enum class Target {
  kServer,   // a domain of ours
  kAccount,  // a bare JID: the server answers for it (RFC 6121 8.5.2.1.3)
};

// Who may ask an account (a user may always ask its own).
enum class Access {
  kOwner,       // others: forbidden, if it exists
  kSubscriber,  // who may see its presence; others do not even learn whether it exists (XEP-0030 section 8)
  kAnyone,      // if it exists
};

struct Iq {
  Account& account;  // kServer: the asker's; kAccount: the one that is asked
  const Envelope& envelope;
  const Receipt& receipt;         // for what is sent besides the answer
  std::vector<Envelope>& behind;  // what the handler leaves here is sent to the asking session behind the answer

  std::string_view asker() const { return envelope.from(); }
  bool own() const;
  // The child of the request.
  std::optional<xml::Element> Payload() const;
};

// The payload of the result (may be empty), or the error. The dispatcher sends it.
using IqAnswer = Result<std::string, xmpp::StanzaError>;
inline IqAnswer EmptyResult() { return std::string(); }

struct IqRoute {
  Target target = Target::kServer;
  link::v1::Type type = link::v1::TYPE_GET;
  std::string ns;
  std::string name;
  Access access = Access::kAnyone;
  // One of the two: at once, or after waiting for something.
  std::function<IqAnswer(const Iq&)> now;
  std::function<Task<IqAnswer>(const Iq&)> later;
};

// What one XEP adds to this service.
struct Feature {
  std::string xep;  // "0199"
  std::vector<std::string> server_disco;
  std::vector<std::string> account_disco;
  // Where it is offered at all; null: everywhere.
  std::function<bool(const config::Host&)> offered;
  // XEP-0128: an extended form in the host's disco#info; "" for none.
  std::function<std::string(const config::Host&)> server_form;
  std::vector<IqRoute> iq;
  // XEP-0050, for the administrators of a host.
  std::vector<Command> commands;
};

}  // namespace parley::router
