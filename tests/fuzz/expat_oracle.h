#pragma once

#include <expat.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/element.h"

// What expat makes of a stream: the judge of our own scanner.
namespace parley::xml {

// The stream's start tag, a child, or the end of the stream, which ends before byte `end`.
struct StreamEvent {
  enum class Kind { kOpen, kChild, kClose };
  Kind kind = Kind::kClose;
  std::size_t end = 0;
  std::string raw;
  Element element;  // kOpen: without children
};

class ExpatOracle {
 public:
  // Namespace names cannot hold this character.
  static constexpr char kSeparator = '\x01';
  static constexpr std::size_t kMaxDepth = 200;
  static constexpr int kMaxAttributes = 300;

  ExpatOracle() : parser_(XML_ParserCreateNS("UTF-8", kSeparator), XML_ParserFree) {}

  // True: expat accepts `document`, as a whole or, not `final`, so far.
  bool Read(std::string_view document, bool final) {
    Reset(document);
    const int size = static_cast<int>(document.size());
    return XML_Parse(parser_.get(), document.data(), size, final ? XML_TRUE : XML_FALSE) == XML_STATUS_OK;
  }

  // Of the last document.
  const std::vector<StreamEvent>& events() const { return events_; }
  // It holds what XMPP excludes, or what exceeds the limits of the tests.
  bool is_outside() const { return outside_; }

 private:
  void Reset(std::string_view document) {
    XML_ParserReset(parser_.get(), "UTF-8");
    document_ = document;
    events_.clear();
    open_.clear();
    declarations_ = 0;
    outside_ = document.starts_with("\xEF\xBB\xBF");
    XML_Parser p = parser_.get();
    XML_SetUserData(p, this);
    XML_SetElementHandler(p, OnStart, OnEnd);
    XML_SetCharacterDataHandler(p, OnText);
    XML_SetCdataSectionHandler(p, OnCdata, [](void*) {});
    XML_SetCommentHandler(p, [](void* self, const char*) { Self(self).outside_ = true; });
    XML_SetProcessingInstructionHandler(p, [](void* self, const char*, const char*) { Self(self).outside_ = true; });
    XML_SetStartDoctypeDeclHandler(
        p, [](void* self, const char*, const char*, const char*, int) { Self(self).outside_ = true; });
    XML_SetXmlDeclHandler(p, OnDeclaration);
    XML_SetStartNamespaceDeclHandler(p, [](void* self, const char*, const char*) {
      if (++Self(self).declarations_ > kMaxAttributes) Self(self).outside_ = true;
    });
  }

  static ExpatOracle& Self(void* self) { return *static_cast<ExpatOracle*>(self); }

  static Element::Attr Split(const char* name) {
    const std::string_view text = name;
    const std::size_t at = text.find(kSeparator);
    if (at == text.npos) return {{}, std::string(text), {}};
    return {std::string(text.substr(0, at)), std::string(text.substr(at + 1)), {}};
  }

  static void OnStart(void* user, const char* name, const char** attributes) {
    ExpatOracle& self = Self(user);
    const Element::Attr split = Split(name);
    Element element(split.name, split.ns);
    for (int i = 0; attributes[i] != nullptr; i += 2) {
      Element::Attr attribute = Split(attributes[i]);
      attribute.value = attributes[i + 1];
      element.AddAttr(std::move(attribute));
      if (i > 2 * kMaxAttributes) self.outside_ = true;
    }
    if (self.open_.empty()) self.Add(StreamEvent::Kind::kOpen, self.TokenStart(), element);
    if (self.open_.size() == 1) self.child_start_ = self.TokenStart();
    self.open_.push_back(std::move(element));
    if (self.open_.size() > kMaxDepth) self.outside_ = true;
  }

  static void OnEnd(void* user, const char*) {
    ExpatOracle& self = Self(user);
    Element element = std::move(self.open_.back());
    self.open_.pop_back();
    if (self.open_.empty()) {
      self.Add(StreamEvent::Kind::kClose, self.TokenStart(), {});
    } else if (self.open_.size() == 1) {
      self.Add(StreamEvent::Kind::kChild, self.child_start_, std::move(element));
    } else {
      self.open_.back().AddChild(std::move(element));
    }
  }

  static void OnText(void* user, const char* text, int size) {
    ExpatOracle& self = Self(user);
    if (self.open_.size() > 1) {
      self.open_.back().AddText({text, static_cast<std::size_t>(size)});
    } else if (std::string_view(text, size).find_first_not_of(" \t\r\n") != std::string_view::npos ||
               self.document_[self.TokenStart()] == '&') {
      self.outside_ = true;
    }
  }

  static void OnCdata(void* user) {
    if (Self(user).open_.size() == 1) Self(user).outside_ = true;
  }

  static void OnDeclaration(void* user, const char* version, const char* encoding, int) {
    const std::string_view number = version == nullptr ? "" : version;
    const bool version_1 = number.size() > 2 && number.starts_with("1.") &&
                           number.find_first_not_of("0123456789", 2) == std::string_view::npos;
    if (!version_1 || (encoding != nullptr && strcasecmp(encoding, "UTF-8") != 0)) Self(user).outside_ = true;
  }

  std::size_t TokenStart() const { return XML_GetCurrentByteIndex(parser_.get()); }

  void Add(StreamEvent::Kind kind, std::size_t start, Element element) {
    const std::size_t end = TokenStart() + XML_GetCurrentByteCount(parser_.get());
    events_.push_back({kind, end, std::string(document_.substr(start, end - start)), std::move(element)});
  }

  std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser_;
  std::string_view document_;
  std::vector<StreamEvent> events_;
  std::vector<Element> open_;
  std::size_t child_start_ = 0;
  int declarations_ = 0;
  bool outside_ = false;
};

}  // namespace parley::xml
