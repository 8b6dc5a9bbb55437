#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"

namespace parley::storage {

// A Redis reply (RESP2). An error reply comes as Result's Error; kError is only found inside an array.
struct Reply {
  enum class Kind { kNil, kInteger, kString, kArray, kError };
  Kind kind = Kind::kNil;
  std::int64_t integer = 0;
  std::string text;
  std::vector<Reply> items;
  bool is_nil() const { return kind == Kind::kNil; }
};

// A Lua script, sent by its SHA-1 and in full only when Redis does not know it yet.
class Script {
 public:
  explicit Script(std::string source);
  const std::string& source() const { return *source_; }
  const std::string& sha1() const { return sha1_; }

 private:
  friend class Redis;
  std::shared_ptr<const std::string> source_;
  std::string sha1_;
};

struct RedisOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string unix_socket;  // instead of host and port
  std::string username;
  std::string password;
  bool tls = false;
  std::string server_name;  // in its certificate; empty: host
  std::string ca_file;      // empty: the system's authorities
  std::string certificate_file;
  std::string key_file;
  int database = 0;
  std::chrono::milliseconds connect_timeout{2000};
  std::chrono::milliseconds command_timeout{2000};
  std::chrono::milliseconds reconnect_min{50};
  std::chrono::milliseconds reconnect_max{500};
  std::chrono::milliseconds keepalive{1000};  // a connection that says nothing for so long is pinged
  std::size_t max_pending = 100000;           // commands awaiting replies; more fail at once
};

// For metrics; only ever rise.
struct RedisCounters {
  std::uint64_t commands = 0;
  std::uint64_t errors = 0;        // error replies, and commands that a break cut off
  std::uint64_t rejected = 0;      // failed at once: down, or max_pending
  std::uint64_t timeouts = 0;      // connections given up because Redis did not answer in time
  std::uint64_t connects = 0;      // successful ones
  std::uint64_t scripts_sent = 0;  // in full
  std::uint64_t invalidations = 0;
};

// One pipelined connection: commands of a loop turn leave in one write. Reconnects by itself; what was in flight when
// it broke fails: it may or may not have been done, but is not done later (CLIENT KILL of the old connection). While it
// is down, commands fail at once. Loop's thread only. hiredis reads RESP.
//
// Callbacks never come from inside the call that they were given to, and none comes after the destructor.
class Redis {
 public:
  using Done = std::function<void(Result<Reply>)>;
  Redis(Loop& loop, RedisOptions options);
  ~Redis();

  // Commands are done in the order given, with one exception: scripts whose cache was flushed while they were in flight
  // (SCRIPT FLUSH) are sent again, in order among scripts and before any command given later, but after the plain
  // commands that were in flight behind them.
  void Command(const std::vector<std::string_view>& words, Done done);
  void Eval(const Script& script, const std::vector<std::string_view>& keys,
            const std::vector<std::string_view>& arguments, Done done);

  // Client-side caching (CLIENT TRACKING, remembering mode, NOLOOP, redirected to a second connection): `invalidated`
  // names each key that was read through this connection and then changed by someone else; nullptr: forget everything
  // (either connection broke). Once; from then on up() means that tracking works, too. Three traps:
  //  * An invalidation can overtake the reply that it makes stale, for it comes by the other connection. Mark a key
  //    before reading it, and read again if it is invalidated before the reply is there.
  //  * Redis names a key once and then no more until it is read again.
  //  * A write of our own is not announced to us, but ends the tracking of its key all the same: read the key (HLEN,
  //    EXISTS) after the write in the same script or pipeline to go on being told.
  void Track(std::function<void(const std::string* key)> invalidated);
  // Called with true once connected (and ready), false when lost; soon, if it is up already. Any number of listeners,
  // for the life of this object.
  void OnState(std::function<void(bool up)> changed);
  // Called for each reply with the time since its command was sent. Once.
  void OnReply(std::function<void(std::chrono::steady_clock::duration)> replied);
  bool up() const;
  // Why it is not; "" if it is, or was never tried.
  const std::string& failure() const;
  std::size_t pending() const;
  const RedisCounters& counters() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// Of a command that failed, for people: what Redis answered, or why it could not.
std::string Explain(const Error& error);
// For a command whose reply nobody needs.
void LogFailure(Result<Reply> reply);

}  // namespace parley::storage
