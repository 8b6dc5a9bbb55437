#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "libs/xml/namespaces.h"
#include "libs/xml/tokenizer.h"

namespace parley::xml {

// Reads one element: what the tokenizer sees, plus matching of tags, namespaces and the limits on shape. Resumable;
// reusable for one element after the other without allocating.
class ElementReader {
 public:
  enum class Event : std::uint8_t {
    kMore,
    kFault,
    kStart,     // name(), attributes(), ns(); depth() counts it
    kEnd,       // depth() no longer counts it; 0: the element is complete
    kText,      // text(), raw
    kCdata,     // text(), to be taken literally
    kStrayEnd,  // an end tag instead of an element; name()
  };

  explicit ElementReader(const Limits& limits) : tokenizer_(limits.max_attributes), limits_(limits) {}
  // For the next element. `around`: the declarations that surround it.
  void Reset(const Limits& limits, const std::vector<NamespaceBinding>* around);
  // `data` begins with the element's '<'; it may have grown or moved since the last call.
  Event Next(std::string_view data);

  Fault fault() const { return fault_; }
  std::size_t position() const { return tokenizer_.position(); }
  std::size_t depth() const { return open_.size(); }
  const NameSpan& name() const { return tokenizer_.name(); }
  std::vector<AttributeSpan>& attributes() { return tokenizer_.attributes(); }
  const Span& text() const { return tokenizer_.text(); }
  // The namespace of the element that starts. Valid until the next call.
  Namespaces::Found ns(std::string_view data) const;
  bool is_empty_tag() const { return ends_at_once_; }  // that of the element that starts
  const Namespaces& namespaces() const { return namespaces_; }
  // A prefix was used that is declared around the element.
  bool uses_around() const { return uses_around_; }
  std::size_t memory() const;

 private:
  struct Open {
    Span name;
    std::uint32_t declarations;  // in scope outside of it
  };
  struct ExpandedName {
    std::string_view ns;
    std::string_view local;
  };

  Event Start(std::string_view data);
  Event End();
  Event MatchEnd(std::string_view data);
  bool DeclareAll(std::string_view data);
  // nullopt: not declared.
  std::optional<Namespaces::Found> UsePrefix(std::string_view prefix, std::string_view data);
  bool CheckAttributes(std::string_view data);
  bool IsNewName(const ExpandedName& name);
  Event Fail(Fault fault);

  Tokenizer tokenizer_;
  Namespaces namespaces_;
  std::vector<Open> open_;
  std::vector<ExpandedName> expanded_;  // prefixed attributes of the element that starts
  Limits limits_;
  Fault fault_ = Fault::kNotWellFormed;
  bool ends_at_once_ = false;  // the tag that started is an empty-element tag
  bool uses_around_ = false;
};

}  // namespace parley::xml
