#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

// Structured logging: an event name in snake_case and fields. JSON or text lines on standard error.
// Never a password, token or key; message bodies at debug level only. The only file that names spdlog is log.cc.
namespace parley::log {

enum class Level { kDebug, kInfo, kWarn, kError };

struct Options {
  Level level = Level::kInfo;
  bool json = false;
  // Added to each line: which replica speaks.
  std::string service;
  std::string instance;
};
void Init(const Options& options);

class Field {
 public:
  Field(std::string_view key, std::string_view value);
  Field(std::string_view key, const char* value);
  Field(std::string_view key, const std::string& value);
  Field(std::string_view key, bool value);
  template <class Number>
  requires std::is_arithmetic_v<Number> Field(std::string_view key, Number value)
      : key(key), value(std::to_string(value)), quoted(false) {}

  std::string_view key;
  std::string value;
  bool quoted = true;
};
// One without a key is left out.
using Fields = std::initializer_list<Field>;

bool Enabled(Level level);
void Debug(std::string_view event, Fields fields = {});
void Info(std::string_view event, Fields fields = {});
void Warn(std::string_view event, Fields fields = {});
void Error(std::string_view event, Fields fields = {});

}  // namespace parley::log
