#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace parley {

// Unguessable (RAND_bytes), 90 bits in 15 URL-safe characters: stream ids, session ids, epochs, generated resources.
std::string RandomId();

// The same on every machine and in every release: placement (rendezvous hashing) depends on it.
std::uint64_t StableHash(std::string_view text, std::uint64_t seed = 0);

}  // namespace parley
