#include "libs/xml/workspace.h"

#include <utility>

namespace parley::xml {
namespace {

// More than one is wanted only after several streams were inside incomplete elements.
constexpr std::size_t kMaxSpare = 16;
// A workspace that had to grow beyond is not worth keeping.
constexpr std::size_t kMaxSpareBytes = 32768;

std::vector<std::unique_ptr<Workspace>>& Spare() {
  static thread_local std::vector<std::unique_ptr<Workspace>> spare;
  return spare;
}

}  // namespace

void KeptUri::Keep(const Namespaces::Found& found, std::string_view data) {
  place_ = found.place;
  switch (place_) {
    case Namespaces::Place::kElement:
      span_ = {static_cast<std::uint32_t>(found.uri.data() - data.data()),
               static_cast<std::uint32_t>(found.uri.size())};
      break;
    case Namespaces::Place::kArena:
      copy_ = found.uri;
      break;
    case Namespaces::Place::kAround:
    case Namespaces::Place::kFixed:
      outside_ = found.uri;
      break;
  }
}

std::string_view KeptUri::In(std::string_view data) const {
  switch (place_) {
    case Namespaces::Place::kElement:
      return span_.In(data);
    case Namespaces::Place::kArena:
      return copy_;
    case Namespaces::Place::kAround:
    case Namespaces::Place::kFixed:
      break;
  }
  return outside_;
}

void Workspace::Reset(const Limits& limits, const std::vector<NamespaceBinding>* around) {
  buffer.clear();
  declaration = Declaration();
  reader.Reset(limits, around);
  is_declaration = false;
  is_stream_end = false;
  payload = NameSpan();
}

std::size_t Workspace::memory() const {
  return sizeof(*this) + buffer.capacity() + reader.memory() + root_attributes.capacity() * sizeof(AttributeSpan) +
         attributes.capacity() * sizeof(Attribute);
}

std::unique_ptr<Workspace> TakeWorkspace(const Limits& limits, const std::vector<NamespaceBinding>* around) {
  auto& spare = Spare();
  std::unique_ptr<Workspace> workspace;
  if (spare.empty()) {
    workspace = std::make_unique<Workspace>(limits);
  } else {
    workspace = std::move(spare.back());
    spare.pop_back();
  }
  workspace->Reset(limits, around);
  return workspace;
}

void ReturnWorkspace(std::unique_ptr<Workspace> workspace) {
  if (Spare().size() < kMaxSpare && workspace->memory() <= kMaxSpareBytes) Spare().push_back(std::move(workspace));
}

}  // namespace parley::xml
