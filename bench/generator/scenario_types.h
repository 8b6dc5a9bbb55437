#pragma once

#include <memory>

#include "bench/generator/scenario.h"

// The scenarios, each in the file of its name.
namespace parley::bench {

std::unique_ptr<Scenario> MakeChat(Worker& worker);
std::unique_ptr<Scenario> MakeContacts(Worker& worker);
std::unique_ptr<Scenario> MakeIq(Worker& worker);
std::unique_ptr<Scenario> MakeLogin(Worker& worker);
std::unique_ptr<Scenario> MakePresence(Worker& worker);
std::unique_ptr<Scenario> MakeResume(Worker& worker);
std::unique_ptr<Scenario> MakeStorm(Worker& worker);

}  // namespace parley::bench
