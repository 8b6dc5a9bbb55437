#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libs/base/result.h"
#include "libs/base/task.h"
#include "libs/xmpp/errors.h"

namespace parley::router {

struct Iq;

// The values of a form that was submitted (XEP-0004), by field.
using FormValues = std::map<std::string, std::vector<std::string>, std::less<>>;

// What a finished command says: a note, and a form of results if there is one.
struct CommandResult {
  std::string note;
  std::string form;  // <x xmlns='jabber:x:data' type='result'/>, or nothing
};
using CommandAnswer = Result<CommandResult, xmpp::StanzaError>;

// An ad-hoc command (XEP-0050) for the administrators of a host. One form at most; so nothing has to be remembered
// between its two stages, and any router can take the second.
struct Command {
  std::string node;
  std::string name;
  std::string form;  // the form to fill in; empty: it is done at once
  std::function<Task<CommandAnswer>(const Iq&, FormValues)> run;
};

}  // namespace parley::router
