#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "libs/xml/element.h"
#include "libs/xml/scanner.h"

namespace parley::xml {

// As Element::Parse, for a child of a stream: `around` are the declarations of the stream header (Scanner's
// stream_namespaces()), whose prefixes the child may use.
std::optional<Element> ParseWithin(const std::vector<NamespaceBinding>& around, std::string_view raw);

}  // namespace parley::xml
