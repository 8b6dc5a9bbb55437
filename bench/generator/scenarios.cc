#include <map>

#include "bench/generator/scenario_types.h"

namespace parley::bench {

std::unique_ptr<Scenario> MakeScenario(std::string_view name, Worker& worker) {
  if (name == "chat") return MakeChat(worker);
  if (name == "iq") return MakeIq(worker);
  if (name == "presence") return MakePresence(worker);
  if (name == "contacts") return MakeContacts(worker);
  if (name == "resume") return MakeResume(worker);
  if (name == "storm") return MakeStorm(worker);
  return MakeLogin(worker);  // idle, login, register
}

Shape ShapeOf(std::string_view name, std::uint32_t group) {
  if (name == "chat") return {"message", 2, true};
  if (name == "iq") return {"ping", 1, true};
  if (name == "presence") return {"presence", group, true};
  if (name == "contacts") return {"subscription", group, false};
  if (name == "resume") return {"resumption", 2, false};
  if (name == "storm") return {"return", 2, false};
  if (name == "register") return {"account", 1, false};
  return {"login", 1, false};
}

}  // namespace parley::bench
