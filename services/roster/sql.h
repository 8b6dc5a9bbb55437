#pragma once

#include <cstdint>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "libs/xmpp/jid.h"

// What libpqxx 6 lacks: arrays and bytea as statement parameters.
namespace parley::roster::sql {

// bytea in text form.
std::string Bytes(std::string_view bytes);
std::string FromBytes(std::string_view text);

// Array literals for text[], bytea[] and number types.
std::string TextArray(const std::vector<std::string_view>& values);
std::string TextArray(const std::vector<std::string>& values);
std::string BytesArray(const std::vector<std::string_view>& values);
std::vector<std::string> FromTextArray(const char* text);

// Of either library.
template <class Field>
std::string FromBytes(const Field& field) {
  return FromBytes(std::string_view(field.c_str(), field.size()));
}

template <class Number>
requires std::is_arithmetic_v<Number> std::string NumberArray(const std::vector<Number>& values) {
  std::string out = "{";
  for (const auto value : values) {
    if (out.size() > 1) out += ',';
    out += std::to_string(value);
  }
  return out += '}';
}

// The parts of a prepared bare JID as statement parameters.
inline std::string Domain(std::string_view jid) { return std::string(xmpp::DomainOf(jid)); }
inline std::string Local(std::string_view jid) { return std::string(xmpp::LocalOf(jid)); }

}  // namespace parley::roster::sql
