#pragma once

#include "libs/storage/redis.h"

// Operators' orders to edges, in Redis; all in one slot.
namespace parley::storage {

inline constexpr char kBansKey[] = "parley:{orders}:bans";        // sorted set: network, score = expiry (Redis' ms)
inline constexpr char kDrainKey[] = "parley:{orders}:drain";      // set of instances of edges
inline constexpr char kOrdersVersionKey[] = "parley:{orders}:v";  // rises with each change of the bans
inline constexpr char kNever[] = "9007199254740991";              // expiry of a ban that stays: a double holds it

// Keys: bans, drain, version. Arguments: the instance, the version that is known, how many bans at most.
// Gives [draining, version, bans or nil when the version is known]. Drops what has expired.
const Script& ReadOrders();
// Keys: bans, version. Arguments: the network, seconds ("0": for ever), how many bans at most.
// Gives 1, 0 if it was so before, -1 if there are too many.
const Script& AddBan();
// Keys: bans, version. Arguments: the network. Gives 1, or 0 if there was none.
const Script& LiftBan();

}  // namespace parley::storage
