#pragma once

#include <exception>
#include <string_view>

namespace parley {

// Logs what a task, or a part of one that is to harm nothing else, has thrown. False, and not logged: it was ended by
// ~Tasks (throw it on).
bool LogTaskFailure(std::string_view name, const std::exception_ptr& thrown);

}  // namespace parley
