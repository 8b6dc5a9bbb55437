#include "libs/xml/namespaces.h"

namespace parley::xml {
namespace {

constexpr std::string_view kXmlns = "xmlns";

// Namespaces in XML 1.0 section 3, constraints "Reserved Prefixes and Namespace Names" and "No Prefix Undeclaring".
bool MayDeclare(std::string_view prefix, std::string_view uri) {
  if (prefix == kXmlns) return false;
  if (prefix == "xml") return uri == kXmlNamespace;
  if (uri == kXmlNamespace || uri == kXmlnsNamespace) return false;
  return prefix.empty() || !uri.empty();
}

}  // namespace

bool IsDeclaration(const NameSpan& name, std::string_view data) {
  if (name.whole.size < kXmlns.size() || !name.In(data).starts_with(kXmlns)) return false;
  return name.prefix_size == kXmlns.size() || name.whole.size == kXmlns.size();
}

std::string_view DeclaredPrefix(const NameSpan& name, std::string_view data) {
  return name.prefix_size == 0 ? std::string_view() : name.Local(data);
}

void Namespaces::Reset(const std::vector<NamespaceBinding>* around) {
  around_ = around;
  bindings_.clear();
  arena_.clear();
}

bool Namespaces::Declare(const AttributeSpan& attribute, std::string_view data) {
  Binding binding{{}, attribute.value, attribute.verbatim};
  if (attribute.name.prefix_size != 0) {
    const std::uint32_t skip = attribute.name.prefix_size + 1;
    binding.prefix = {attribute.name.whole.at + skip, attribute.name.whole.size - skip};
  }
  if (!binding.verbatim) {
    const std::string uri = Unescape(attribute.value.In(data), Use::kAttribute);
    binding.uri = {static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(uri.size())};
    arena_ += uri;
  }
  bindings_.push_back(binding);
  return MayDeclare(binding.prefix.In(data), UriOf(binding, data));
}

std::optional<Namespaces::Found> Namespaces::Resolve(std::string_view prefix, std::string_view data) const {
  for (auto binding = bindings_.rbegin(); binding != bindings_.rend(); ++binding) {
    if (binding->prefix.In(data) == prefix) {
      return Found{UriOf(*binding, data), binding->verbatim ? Place::kElement : Place::kArena};
    }
  }
  if (prefix == "xml") return Found{kXmlNamespace, Place::kFixed};
  if (around_ != nullptr) {
    for (const NamespaceBinding& binding : *around_) {
      if (binding.prefix == prefix) return Found{binding.uri, Place::kAround};
    }
  }
  if (prefix.empty()) return Found{{}, Place::kFixed};
  return std::nullopt;
}

void Namespaces::Shrink(std::size_t size) {
  if (bindings_.size() == size) return;
  // The arena is a stack as well: what the outermost removed declaration wrote is the lowest.
  for (std::size_t i = size; i < bindings_.size(); ++i) {
    if (bindings_[i].verbatim) continue;
    arena_.resize(bindings_[i].uri.at);
    break;
  }
  bindings_.resize(size);
}

std::vector<NamespaceBinding> Namespaces::Copy(std::string_view data) const {
  std::vector<NamespaceBinding> copies;
  copies.reserve(bindings_.size());
  for (const Binding& binding : bindings_) {
    copies.push_back({std::string(binding.prefix.In(data)), std::string(UriOf(binding, data))});
  }
  return copies;
}

std::string_view Namespaces::UriOf(const Binding& binding, std::string_view data) const {
  return binding.verbatim ? binding.uri.In(data) : binding.uri.In(arena_);
}

}  // namespace parley::xml
