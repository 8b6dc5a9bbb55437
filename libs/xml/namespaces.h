#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/tokenizer.h"

namespace parley::xml {

inline constexpr std::string_view kXmlNamespace = "http://www.w3.org/XML/1998/namespace";
inline constexpr std::string_view kXmlnsNamespace = "http://www.w3.org/2000/xmlns/";

// "xmlns" or "xmlns:...".
bool IsDeclaration(const NameSpan& name, std::string_view data);
// What a declaration declares; empty: the default namespace.
std::string_view DeclaredPrefix(const NameSpan& name, std::string_view data);

// The declarations in scope at one place of an element, inside of those around it (Namespaces in XML 1.0).
class Namespaces {
 public:
  enum class Place : std::uint8_t {
    kElement,  // the name is in the element's own bytes
    kArena,    // the name was written with references: valid until the declaration goes
    kAround,   // declared around the element
    kFixed,    // nobody needs to declare it
  };
  struct Found {
    std::string_view uri;
    Place place;
  };

  // `around` outlives the use; null: none.
  void Reset(const std::vector<NamespaceBinding>* around);
  // False: a declaration that section 3 forbids.
  bool Declare(const AttributeSpan& attribute, std::string_view data);
  // nullopt: not declared. No prefix: the default namespace, which may be empty.
  std::optional<Found> Resolve(std::string_view prefix, std::string_view data) const;

  std::size_t size() const { return bindings_.size(); }
  // Back to `size` declarations, when an element ends.
  void Shrink(std::size_t size);
  // All declarations made inside, as values.
  std::vector<NamespaceBinding> Copy(std::string_view data) const;
  std::size_t memory() const { return bindings_.capacity() * sizeof(Binding) + arena_.capacity(); }

 private:
  struct Binding {
    Span prefix;
    Span uri;
    bool verbatim;  // `uri` is in the element's bytes, else in arena_
  };
  std::string_view UriOf(const Binding& binding, std::string_view data) const;

  const std::vector<NamespaceBinding>* around_ = nullptr;
  std::vector<Binding> bindings_;
  std::string arena_;  // names that were written with references
};

}  // namespace parley::xml
