#pragma once

#include <gmock/gmock.h>

#include <string>
#include <string_view>

namespace parley::router::testing {

// An element in one form: attributes sorted, namespaces resolved. The text itself if it is no element.
std::string Normal(std::string_view xml);

// Equal but for the order of attributes, prefixes and quotes.
MATCHER_P(XmlEq, expected, "is XML like " + std::string(expected)) { return Normal(arg) == Normal(expected); }

// Of a stanza of that name, an attribute; "" if it has none.
std::string Attr(std::string_view xml, std::string_view name);

}  // namespace parley::router::testing
