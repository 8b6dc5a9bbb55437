#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace parley {

// Base of what is made for each stanza and lives as long as that is under way: new ones get the memory of former ones,
// of which each thread keeps that of kMaxKept at most. For T itself, not for classes derived from it.
template <class T, std::size_t kMaxKept = 1024>
class Recycled {
 public:
// AddressSanitizer is to see what is used after its end.
#ifndef __SANITIZE_ADDRESS__
  static void* operator new(std::size_t size) {
    if (kept == nullptr) return ::operator new(size);
    --count;
    return std::exchange(kept, kept->next);
  }
  static void operator delete(void* memory) {
    if (count >= kMaxKept) return ::operator delete(memory);
    ++count;
    kept = new (memory) Free{kept};
  }
#endif

 private:
  struct Free {
    Free* next;
  };
  static inline thread_local Free* kept = nullptr;
  static inline thread_local std::size_t count = 0;
};

}  // namespace parley
