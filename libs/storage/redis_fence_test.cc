#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <list>
#include <optional>

#include "libs/storage/redis.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

using boost::system::error_code;
using std::chrono::milliseconds;
using Socket = boost::asio::local::stream_protocol::socket;
using test::RunUntil;

// Between Redis and its client, as a network that keeps what the client had sent when it gave up.
class Relay {
 public:
  Relay(Loop& loop, const std::string& listen, const std::string& to)
      : loop_(loop), to_(to), acceptor_(loop.io(), listen) {
    Accept();
  }

  // From now on nothing of what clients on the connections of now say arrives.
  void Hold() {
    for (auto& pair : pairs_) pair.held = true;
  }
  // What they said does, whether they are there or not.
  void Release() {
    for (auto& pair : pairs_) {
      pair.held = false;
      error_code ignored;  // Redis may have hung up
      boost::asio::write(pair.server, boost::asio::buffer(pair.kept), ignored);
    }
  }
  bool kept() const { return !pairs_.empty() && !pairs_.front().kept.empty(); }

 private:
  struct Pair {
    explicit Pair(Loop& loop) : client(loop.io()), server(loop.io()) {}
    Socket client, server;
    std::array<char, 4096> from_client, from_server;
    std::string kept;
    bool held = false;
  };

  void Accept() {
    auto& pair = pairs_.emplace_back(loop_);
    acceptor_.async_accept(pair.client, [this, &pair](const error_code& error) {
      if (error) return;
      pair.server.connect(boost::asio::local::stream_protocol::endpoint(to_));
      ReadClient(pair);
      ReadServer(pair);
      Accept();
    });
  }
  void ReadClient(Pair& pair) {
    pair.client.async_read_some(boost::asio::buffer(pair.from_client),
                                [this, &pair](const error_code& error, size_t n) {
                                  if (error) return;
                                  if (pair.held) {
                                    pair.kept.append(pair.from_client.data(), n);
                                  } else {
                                    boost::asio::write(pair.server, boost::asio::buffer(pair.from_client, n));
                                  }
                                  ReadClient(pair);
                                });
  }
  void ReadServer(Pair& pair) {
    pair.server.async_read_some(boost::asio::buffer(pair.from_server),
                                [this, &pair](const error_code& error, size_t n) {
                                  if (error) return;
                                  error_code ignored;  // the client may have hung up
                                  boost::asio::write(pair.client, boost::asio::buffer(pair.from_server, n), ignored);
                                  ReadServer(pair);
                                });
  }

  Loop& loop_;
  std::string to_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  std::list<Pair> pairs_;
};

TEST(RedisFenceTest, WhatABrokenConnectionHadUnderWayIsNotDoneLater) {
  test::RedisServer server;
  test::TemporaryDirectory directory;
  Loop loop;
  Relay relay(loop, directory.path() + "/relay", server.socket());
  RedisOptions options = server.options();
  options.unix_socket = directory.path() + "/relay";
  options.command_timeout = milliseconds(100);
  options.reconnect_min = options.reconnect_max = milliseconds(5);
  Redis redis(loop, options);
  RunUntil(loop, [&] { return redis.up(); });
  std::optional<bool> done;
  const auto note = [&done](const Result<Reply>& reply) { done = static_cast<bool>(reply); };
  redis.Command({"SET", "key", "first"}, note);
  RunUntil(loop, [&] { return done.has_value(); });
  relay.Hold();
  done.reset();
  redis.Command({"SET", "key", "late"}, note);
  RunUntil(loop, [&] { return done.has_value() && redis.up() && relay.kept(); });
  EXPECT_FALSE(*done);
  done.reset();
  redis.Command({"SET", "key", "last"}, note);
  RunUntil(loop, [&] { return done.has_value(); });
  relay.Release();
  EXPECT_EQ(server.Call({"GET", "key"}), "last");
}

}  // namespace
}  // namespace parley::storage
