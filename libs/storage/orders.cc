#include "libs/storage/orders.h"

namespace parley::storage {

const Script& ReadOrders() {
  static const Script script(R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now)) > 0 then redis.call('INCR', KEYS[3]) end
local version = redis.call('GET', KEYS[3]) or '0'
local bans = false
if version ~= ARGV[2] then bans = redis.call('ZRANGE', KEYS[1], 0, ARGV[3] - 1) end
return {redis.call('SISMEMBER', KEYS[2], ARGV[1]), version, bans}
)");
  return script;
}

const Script& AddBan() {
  static const Script script(R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expiry = '9007199254740991'
if ARGV[2] ~= '0' then expiry = string.format('%d', now + ARGV[2] * 1000) end
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not before and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return -1 end
redis.call('ZADD', KEYS[1], expiry, ARGV[1])
if before then return 0 end
redis.call('INCR', KEYS[2])
return 1
)");
  return script;
}

const Script& LiftBan() {
  static const Script script(R"(
local gone = redis.call('ZREM', KEYS[1], ARGV[1])
if gone == 1 then redis.call('INCR', KEYS[2]) end
return gone
)");
  return script;
}

}  // namespace parley::storage
