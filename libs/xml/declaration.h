#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "libs/xml/scanner.h"

namespace parley::xml {

// The XML declaration at the start of a stream.
class Declaration {
 public:
  enum class Status { kMore, kFault, kComplete };

  // `data` begins with "<?" and has grown since the last call.
  Status Read(std::string_view data);
  Fault fault() const { return fault_; }
  std::size_t size() const { return size_; }  // with the brackets

 private:
  Status Fail(Fault fault);

  Fault fault_ = Fault::kNotWellFormed;
  std::size_t size_ = 0;  // while incomplete: searched for the end so far
};

}  // namespace parley::xml
