#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace parley::c2s {

// What Redis knows of how many of the client's stanzas are handled, and who waits for it to know more.
class Noting {
 public:
  using Done = std::function<void(bool noted)>;
  explicit Noting(std::uint64_t stored) : stored_(stored) {}

  std::uint64_t stored() const { return stored_; }
  void SetStored(std::uint64_t handled) { stored_ = std::max(stored_, handled); }
  bool empty() const { return waiting_.empty(); }
  void Add(Done done) { waiting_.push_back(std::move(done)); }

  // Something that is on its way to Redis and says that all up to `handled` is, and who waits for that.
  struct Note {
    std::uint64_t handled;
    std::vector<Done> done;
  };
  Note Start(std::uint64_t handled) { return {handled, std::exchange(waiting_, {})}; }
  void Finish(const Note& note, bool noted) {
    if (noted) SetStored(note.handled);
    for (const auto& done : note.done) done(noted);
  }

 private:
  std::uint64_t stored_;
  std::vector<Done> waiting_;
};

}  // namespace parley::c2s
