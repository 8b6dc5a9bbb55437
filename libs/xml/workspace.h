#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/declaration.h"
#include "libs/xml/element_reader.h"
#include "libs/xml/scanner.h"

namespace parley::xml {

// A namespace name that stays valid while its element's bytes grow and declarations go.
class KeptUri {
 public:
  void Keep(const Namespaces::Found& found, std::string_view data);
  std::string_view In(std::string_view data) const;

 private:
  Namespaces::Place place_ = Namespaces::Place::kFixed;
  Span span_;                 // kElement
  std::string_view outside_;  // kAround, kFixed
  std::string copy_;          // kArena
};

// What scanning one child or header needs. Only streams inside an incomplete one hold a workspace; the others share
// those of their thread.
struct Workspace {
  explicit Workspace(const Limits& limits) : reader(limits) {}
  void Reset(const Limits& limits, const std::vector<NamespaceBinding>* around);
  std::size_t memory() const;

  // The bytes so far, if they came in pieces.
  std::string buffer;
  Declaration declaration;
  ElementReader reader;
  bool is_declaration = false;
  bool is_stream_end = false;

  NameSpan root;
  KeptUri root_ns;
  std::vector<AttributeSpan> root_attributes;
  std::size_t root_tag_size = 0;
  NameSpan payload;  // the root's first child
  KeptUri payload_ns;

  std::vector<Attribute> attributes;  // room for what handlers see
};

std::unique_ptr<Workspace> TakeWorkspace(const Limits& limits, const std::vector<NamespaceBinding>* around);
void ReturnWorkspace(std::unique_ptr<Workspace> workspace);

}  // namespace parley::xml
