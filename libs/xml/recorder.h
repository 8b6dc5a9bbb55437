#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/scanner.h"

// For tests: what a scanner reports, as text.
namespace parley::xml {

class Recorder : public Handler {
 public:
  void OnStreamOpen(const StartTag& header) override { events.push_back("open " + Describe(header)); }

  void OnChild(const Child& child) override {
    std::string event = "child " + Describe(child.start);
    if (!child.payload_name.empty()) event += " payload " + Name(child.payload_ns, child.payload_name);
    if (child.uses_stream_namespaces) event += " uses-stream";
    events.push_back(event + " = " + std::string(child.raw));
    if (stop_at == child.start.local_name) scanner->Stop();
  }

  void OnStreamClose() override { events.push_back("close"); }

  static std::string Name(std::string_view ns, std::string_view name) {
    return "{" + std::string(ns) + "}" + std::string(name);
  }

  static std::string Describe(const StartTag& tag) {
    std::string text = Name(tag.ns, tag.local_name) + " " + std::string(tag.name);
    for (const Attribute& attribute : *tag.attributes) {
      text += " [" + std::string(attribute.name) + "=" + std::string(attribute.value) + "]";
    }
    return text + " " + std::string(tag.raw);
  }

  std::vector<std::string> events;
  std::string stop_at;         // local name of a child
  Scanner* scanner = nullptr;  // needed to stop
};

}  // namespace parley::xml
