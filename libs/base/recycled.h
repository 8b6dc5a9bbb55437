#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace parley {

// Base of what is made for each stanza and lives as long as that is under way: new ones get the memory of former ones,
// of which each thread keeps that of kMaxKept at most.
template <class T, std::size_t kMaxKept = 1024>
class Recycled {
 public:
// AddressSanitizer is to see what is used after its end.
#ifndef __SANITIZE_ADDRESS__
  static void* operator new(std::size_t size) {
    static_assert(std::is_final_v<T> && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__ && sizeof(T) >= sizeof(Free));
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
