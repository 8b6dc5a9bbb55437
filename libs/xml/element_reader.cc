#include "libs/xml/element_reader.h"

namespace parley::xml {

using Event = ElementReader::Event;
using Token = Tokenizer::Token;

void ElementReader::Reset(const Limits& limits, const std::vector<NamespaceBinding>* around) {
  tokenizer_.Reset(limits.max_attributes);
  namespaces_.Reset(around);
  open_.clear();
  limits_ = limits;
  ends_at_once_ = false;
  uses_around_ = false;
}

Event ElementReader::Next(std::string_view data) {
  if (ends_at_once_) {
    ends_at_once_ = false;
    return End();
  }
  switch (tokenizer_.Next(data)) {
    case Token::kStartTag:
      return Start(data);
    case Token::kEmptyTag:
      ends_at_once_ = true;
      return Start(data);
    case Token::kEndTag:
      return open_.empty() ? Event::kStrayEnd : MatchEnd(data);
    case Token::kText:
      return Event::kText;
    case Token::kCdata:
      return open_.empty() ? Fail(Fault::kNotWellFormed) : Event::kCdata;
    case Token::kFault:
      return Fail(tokenizer_.fault());
    case Token::kMore:
    case Token::kNone:
      break;
  }
  return Event::kMore;
}

Namespaces::Found ElementReader::ns(std::string_view data) const {
  return *namespaces_.Resolve(name().Prefix(data), data);  // Start() has seen that it is declared
}

std::size_t ElementReader::memory() const {
  return tokenizer_.memory() + namespaces_.memory() + open_.capacity() * sizeof(Open) +
         expanded_.capacity() * sizeof(ExpandedName);
}

Event ElementReader::Start(std::string_view data) {
  if (open_.size() == limits_.max_depth) return Fail(Fault::kTooDeep);
  open_.push_back({name().whole, static_cast<std::uint32_t>(namespaces_.size())});
  if (!attributes().empty() && !(DeclareAll(data) && CheckAttributes(data))) return Event::kFault;
  if (name().prefix_size != 0 && !UsePrefix(name().Prefix(data), data)) return Event::kFault;
  return Event::kStart;
}

Event ElementReader::End() {
  namespaces_.Shrink(open_.back().declarations);
  open_.pop_back();
  return Event::kEnd;
}

Event ElementReader::MatchEnd(std::string_view data) {
  if (open_.back().name.In(data) != name().In(data)) return Fail(Fault::kNotWellFormed);
  return End();
}

bool ElementReader::DeclareAll(std::string_view data) {
  for (const AttributeSpan& attribute : attributes()) {
    if (!IsDeclaration(attribute.name, data)) continue;
    // Each prefix is looked up among all declarations in scope: their number must not grow with the depth.
    if (namespaces_.size() == limits_.max_attributes) {
      fault_ = Fault::kTooManyAttributes;
      return false;
    }
    if (!namespaces_.Declare(attribute, data)) {
      fault_ = Fault::kNotWellFormed;
      return false;
    }
  }
  return true;
}

std::optional<Namespaces::Found> ElementReader::UsePrefix(std::string_view prefix, std::string_view data) {
  const auto found = namespaces_.Resolve(prefix, data);
  if (!found) {
    fault_ = Fault::kBadNamespacePrefix;
  } else if (found->place == Namespaces::Place::kAround) {
    uses_around_ = true;
  }
  return found;
}

bool ElementReader::CheckAttributes(std::string_view data) {
  expanded_.clear();
  for (std::size_t i = 0; i < attributes().size(); ++i) {
    const NameSpan& name = attributes()[i].name;
    for (std::size_t j = 0; j < i; ++j) {
      if (attributes()[j].name.In(data) == name.In(data)) {  // XML 1.0 3.1, WFC: Unique Att Spec
        fault_ = Fault::kNotWellFormed;
        return false;
      }
    }
    if (name.prefix_size == 0 || IsDeclaration(name, data)) continue;
    const auto found = UsePrefix(name.Prefix(data), data);
    if (!found || !IsNewName({found->uri, name.Local(data)})) return false;
  }
  return true;
}

// Namespaces in XML 1.0 section 6.3: two prefixes may stand for one namespace.
bool ElementReader::IsNewName(const ExpandedName& name) {
  for (const ExpandedName& other : expanded_) {
    if (other.local == name.local && other.ns == name.ns) {
      fault_ = Fault::kNotWellFormed;
      return false;
    }
  }
  expanded_.push_back(name);
  return true;
}

Event ElementReader::Fail(Fault fault) {
  fault_ = fault;
  return Event::kFault;
}

}  // namespace parley::xml
