#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/element.h"
#include "libs/xml/scanner.h"
#include "tests/fuzz/expat_oracle.h"

namespace parley::xml {

// Compares the scanner with expat, and with itself when the bytes come one by one.
class ScannerDifferential {
 public:
  // What is wrong; empty: nothing.
  std::string Check(std::string_view document) {
    const Seen whole = ScanWhole(document);
    if (std::string problem = CompareEvents(document, whole); !problem.empty()) return problem;
    if (whole.fault && IsRefusedWrongly(document, whole)) {
      return "refused, fault " + std::to_string(static_cast<int>(*whole.fault));
    }
    return {};
  }

  std::string CheckByteByByte(std::string_view document) {
    const Seen whole = ScanWhole(document);
    const Seen pieces = ScanByteByByte(document);
    if (whole.fault != pieces.fault) return "another fault byte by byte";
    if (whole.events.size() != pieces.events.size()) return "other events byte by byte";
    for (std::size_t i = 0; i < whole.events.size(); ++i) {
      if (whole.events[i].raw != pieces.events[i].raw || whole.events[i].element != pieces.events[i].element) {
        return "another event byte by byte";
      }
    }
    return {};
  }

 private:
  struct Seen {
    std::optional<Fault> fault;
    std::vector<StreamEvent> events;
    std::size_t complete = 0;  // bytes up to the last event's end
    bool closed = false;
    std::string name;     // the stream's, as written
    std::string problem;  // parts of one event contradict each other
  };

  class Collector : public Handler {
   public:
    Collector(Seen& seen, const Scanner& scanner) : seen_(seen), scanner_(scanner) {}

    void OnStreamOpen(const StartTag& header) override {
      seen_.name = header.name;
      std::string closed(header.raw);
      if (closed.ends_with("/>")) {
        Add(StreamEvent::Kind::kOpen, header.raw, Parse(closed));
      } else {
        closed += "</" + seen_.name + ">";
        Add(StreamEvent::Kind::kOpen, header.raw, Parse(closed));
      }
      CheckTag(header, seen_.events.back().element);
    }

    void OnChild(const Child& child) override {
      std::string around = "<around";
      for (const NamespaceBinding& binding : scanner_.stream_namespaces()) {
        if (binding.prefix == "xml") continue;
        around += binding.prefix.empty() ? " xmlns='" : " xmlns:" + binding.prefix + "='";
        around += Escape(binding.uri, Use::kAttribute) + "'";
      }
      const Element parsed = Parse(around + ">" + std::string(child.raw) + "</around>");
      const Element element = parsed.FirstChild() == nullptr ? Element() : *parsed.FirstChild();
      CheckTag(child.start, element);
      const Element* payload = element.FirstChild();
      const Element none;
      if (payload == nullptr) payload = &none;
      if (!payload->Is(child.payload_name, child.payload_ns)) seen_.problem = "payload";
      // What is said not to need the stream's declarations must mean the same without.
      if (!child.uses_stream_namespaces && Element::Parse(child.raw, child.start.ns) != element) {
        seen_.problem = "uses_stream_namespaces";
      }
      Add(StreamEvent::Kind::kChild, child.raw, element);
    }

    void OnStreamClose() override {
      seen_.closed = true;
      Add(StreamEvent::Kind::kClose, {}, {});
    }

   private:
    static Element Parse(const std::string& text) { return Element::Parse(text, "").value_or(Element()); }

    void CheckTag(const StartTag& tag, const Element& element) {
      if (!element.Is(tag.local_name, tag.ns)) seen_.problem = "name";
      for (const Attribute& attribute : *tag.attributes) {
        const bool plain = attribute.name.find(':') == attribute.name.npos && attribute.name != "xmlns";
        if (plain && element.attr(attribute.name) != Unescape(attribute.value, Use::kAttribute)) {
          seen_.problem = "attribute";
        }
      }
    }

    void Add(StreamEvent::Kind kind, std::string_view raw, Element element) {
      seen_.events.push_back({kind, 0, std::string(raw), std::move(element)});
    }

    Seen& seen_;
    const Scanner& scanner_;
  };

  static Limits TestLimits() {
    return {.max_stanza_bytes = 1 << 20,
            .max_header_bytes = 1 << 20,
            .max_depth = ExpatOracle::kMaxDepth,
            .max_attributes = ExpatOracle::kMaxAttributes};
  }

  static Seen ScanWhole(std::string_view document) {
    Seen seen;
    Scanner scanner(TestLimits());
    Ends handler(seen, scanner);
    // Stopped after each event, which tells where it ended.
    for (Scanner::Status status = Scanner::Status::kStopped; status == Scanner::Status::kStopped;) {
      std::size_t consumed = 0;
      const std::size_t before = seen.events.size();
      status = scanner.Feed(document.substr(seen.complete), handler, consumed);
      if (status == Scanner::Status::kFault) seen.fault = scanner.fault();
      if (seen.events.size() == before) break;
      seen.complete += consumed;
      seen.events.back().end = seen.complete;
    }
    return seen;
  }

  static Seen ScanByteByByte(std::string_view document) {
    Seen seen;
    Scanner scanner(TestLimits());
    Collector handler(seen, scanner);
    for (std::size_t i = 0; i < document.size() && !seen.fault; ++i) {
      std::size_t consumed = 0;
      const std::string byte(1, document[i]);
      if (scanner.Feed(byte, handler, consumed) == Scanner::Status::kFault) seen.fault = scanner.fault();
    }
    return seen;
  }

  class Ends : public Collector {
   public:
    Ends(Seen& seen, Scanner& scanner) : Collector(seen, scanner), scanner_(scanner) {}
    void OnStreamOpen(const StartTag& header) override {
      Collector::OnStreamOpen(header);
      scanner_.Stop();
    }
    void OnChild(const Child& child) override {
      Collector::OnChild(child);
      scanner_.Stop();
    }
    void OnStreamClose() override {
      Collector::OnStreamClose();
      scanner_.Stop();
    }

   private:
    Scanner& scanner_;
  };

  // Up to its last event the document means the same to expat.
  std::string CompareEvents(std::string_view document, const Seen& seen) {
    if (!seen.problem.empty()) return "inconsistent " + seen.problem;
    if (seen.events.empty()) return {};
    if (!expat_.Read(document.substr(0, seen.complete), seen.closed)) return "expat refuses";
    if (expat_.is_outside()) return "not of the subset";
    if (expat_.events().size() != seen.events.size()) return "expat sees another number of events";
    for (std::size_t i = 0; i < seen.events.size(); ++i) {
      const StreamEvent& ours = seen.events[i];
      const StreamEvent& theirs = expat_.events()[i];
      if (ours.kind != theirs.kind) return "expat sees another event";
      if (ours.end != theirs.end) return "expat sees another end";
      if (ours.kind == StreamEvent::Kind::kClose) continue;
      if (ours.raw != theirs.raw) return "expat sees another beginning";
      if (ours.element != theirs.element) {
        return "expat sees " + theirs.element.ToString("") + " but we " + ours.element.ToString("");
      }
    }
    return {};
  }

  bool IsRefusedWrongly(std::string_view document, const Seen& seen) {
    if (seen.fault == Fault::kSecondHeader) return false;  // XML, but not XMPP
    if (expat_.Read(document, true) && !expat_.is_outside()) return true;
    const std::string closed = std::string(document) + "</" + seen.name + ">";
    return !seen.name.empty() && expat_.Read(closed, true) && !expat_.is_outside();
  }

  ExpatOracle expat_;
};

}  // namespace parley::xml
