#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace parley::c2s {

// Memory that several share: it goes with the last of them. It is a loop's alone, and so counts them without atomic
// operations, as those of std::shared_ptr, which wait until what was just written into it is in the cache.
// boost::local_shared_ptr<char[]> has 56 bytes more of each page, not 8, and atomic operations when it comes and goes.
class Page {
 public:
  Page() = default;  // none
  explicit Page(std::size_t bytes) : head_(new (::operator new(sizeof(Head) + bytes)) Head{1}) {}
  Page(const Page& other) : head_(other.head_) {
    if (head_ != nullptr) ++head_->users;
  }
  Page(Page&& other) noexcept : head_(std::exchange(other.head_, nullptr)) {}
  Page& operator=(Page other) noexcept {
    std::swap(head_, other.head_);
    return *this;
  }
  ~Page() {
    if (head_ != nullptr && --head_->users == 0) ::operator delete(head_);
  }

  char* bytes() const { return reinterpret_cast<char*>(head_ + 1); }
  // That the heap gives for nothing but a page of the system's.
  static constexpr std::size_t kWhole = 4096 - sizeof(std::uint64_t);

 private:
  struct Head {
    std::uint64_t users;
  };
  Head* head_ = nullptr;
};

}  // namespace parley::c2s
