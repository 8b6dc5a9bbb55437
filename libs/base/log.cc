#include "libs/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <ctime>

namespace parley::log {
namespace {

Options& Current() {
  static Options options;
  return options;
}

spdlog::logger& Sink() {
  static auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("parley", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

spdlog::level::level_enum SpdLevel(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "info";
}

std::string Timestamp() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const std::time_t seconds = system_clock::to_time_t(now);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[80];
  const auto millis = static_cast<int>(duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000);
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis);
  return text;
}

// JSON string escapes; in text lines they keep hostile input on one line.
void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (unsigned char c : text) {
    if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f) return true;
  }
  return false;
}

std::string JsonLine(Level level, std::string_view event, Fields fields) {
  std::string line =
      "{\"time\":\"" + Timestamp() + "\",\"level\":\"" + std::string(LevelName(level)) + "\",\"service\":";
  AppendQuoted(line, Current().service);
  line += ",\"instance\":";
  AppendQuoted(line, Current().instance);
  line += ",\"event\":";
  AppendQuoted(line, event);
  for (const auto& field : fields) {
    if (field.key.empty()) continue;
    line += ',';
    AppendQuoted(line, field.key);
    line += ':';
    if (field.quoted) {
      AppendQuoted(line, field.value);
    } else {
      line += field.value;
    }
  }
  return line + '}';
}

std::string TextLine(Level level, std::string_view event, Fields fields) {
  std::string line = Timestamp() + ' ' + std::string(LevelName(level)) + ' ' + Current().instance + ' ';
  line += event;
  for (const auto& field : fields) {
    if (field.key.empty()) continue;
    line += ' ';
    line += field.key;
    line += '=';
    if (NeedsQuotes(field.value)) {
      AppendQuoted(line, field.value);
    } else {
      line += field.value;
    }
  }
  return line;
}

void Write(Level level, std::string_view event, Fields fields) {
  if (!Enabled(level)) return;
  const auto line = Current().json ? JsonLine(level, event, fields) : TextLine(level, event, fields);
  Sink().log(SpdLevel(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void Init(const Options& options) {
  Current() = options;
  Sink().set_level(SpdLevel(options.level));
}

Field::Field(std::string_view key_, std::string_view value_) : key(key_), value(value_) {}
Field::Field(std::string_view key_, const char* value_) : key(key_), value(value_) {}
Field::Field(std::string_view key_, const std::string& value_) : key(key_), value(value_) {}
Field::Field(std::string_view key_, bool value_) : key(key_), value(value_ ? "true" : "false"), quoted(false) {}

bool Enabled(Level level) { return Sink().should_log(SpdLevel(level)); }
void Debug(std::string_view event, Fields fields) { Write(Level::kDebug, event, fields); }
void Info(std::string_view event, Fields fields) { Write(Level::kInfo, event, fields); }
void Warn(std::string_view event, Fields fields) { Write(Level::kWarn, event, fields); }
void Error(std::string_view event, Fields fields) { Write(Level::kError, event, fields); }

}  // namespace parley::log
