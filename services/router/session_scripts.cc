#include "services/router/session_scripts.h"

namespace parley::router {

const storage::Script& PutScript() {
  static const storage::Script script(R"(
    local current = redis.call('HGET', KEYS[1], ARGV[1])
    local stamp = ''
    if current then stamp = string.match(current, '^[^\n]*') end
    if stamp ~= ARGV[2] then return 0 end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
    if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 0 then redis.call('RPUSH', KEYS[2], ARGV[4]) end
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

const storage::Script& LoadOrPutScript() {
  static const storage::Script script(R"(
    local all = redis.call('HGETALL', KEYS[1])
    if #all > 0 then return all end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    redis.call('HLEN', KEYS[1])
    return all)");
  return script;
}

const storage::Script& ClaimScript() {
  static const storage::Script script(R"(
    local current = redis.call('HGET', KEYS[1], ARGV[1])
    if not current or string.match(current, '^[^\n]*') ~= ARGV[2] then return 0 end
    if redis.call('EXISTS', KEYS[2]) == 0 then return 2 end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
    redis.call('RENAME', KEYS[2], KEYS[3])
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

const storage::Script& RetireScript() {
  static const storage::Script script(R"(
    local retired = redis.call('HGET', KEYS[1], ARGV[3])
    if retired then return ARGV[5] == '' and string.match(retired, '^[^\n]*') == ARGV[2] and 1 or 0 end
    local current = redis.call('HGET', KEYS[1], ARGV[1])
    if not current or string.match(current, '^[^\n]*') ~= ARGV[2] then return 0 end
    if ARGV[5] == '' then
      redis.call('HDEL', KEYS[1], ARGV[1])
    else
      redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
    end
    redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
    if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[3]) end
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

const storage::Script& EraseScript() {
  static const storage::Script script(R"(
    local session, revision = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^([^ ]*) (%d*)')
    if session == ARGV[2] then
      if ARGV[3] ~= '' and revision ~= ARGV[3] then return 0 end
      redis.call('HDEL', KEYS[1], ARGV[1])
    end
    redis.call('DEL', KEYS[2])
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

const storage::Script& EraseRetiredScript() {
  static const storage::Script script(R"(
    local done = 1
    redis.call('HDEL', KEYS[1], ARGV[1])
    if redis.call('EXISTS', KEYS[2]) == 1 then
      redis.call('RENAME', KEYS[2], KEYS[3])
      redis.call('PEXPIRE', KEYS[3], ARGV[2])
      if KEYS[5] then
        if redis.call('RPUSH', KEYS[5], ARGV[3]) > tonumber(ARGV[4]) then done = 2 end
        redis.call('LTRIM', KEYS[5], -ARGV[4], -1)
        redis.call('PEXPIRE', KEYS[5], ARGV[5])
      end
    end
    redis.call('DEL', KEYS[4])
    redis.call('HLEN', KEYS[1])
    return done)");
  return script;
}

const storage::Script& TouchScript() {
  static const storage::Script script(R"(
    redis.call('HSET', KEYS[1], '', '')
    redis.call('HDEL', KEYS[1], '')
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

}  // namespace parley::router
