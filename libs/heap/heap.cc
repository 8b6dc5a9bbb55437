#include <jemalloc/jemalloc.h>

// jemalloc reads its settings here before main begins; the environment's MALLOC_CONF goes before them.
//
// One arena, as one thread has nearly all to do. What a burst left goes back to the system, half of it within some
// seconds, by a thread of jemalloc's that sleeps as long as there is nothing to give back: a service that has become
// idle frees nothing itself any more. glibc's allocator keeps what lies below anything that lives, and costs a fifth
// more CPU for each message (bench/RESULTS.md).
extern "C" {
extern const char* malloc_conf;  // jemalloc looks for a variable of this name
const char* malloc_conf = "narenas:1,background_thread:true";
}
