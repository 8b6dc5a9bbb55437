#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/net/address_range.h"
#include "libs/net/connection.h"
#include "libs/net/proxy_reader.h"
#include "services/c2s/context.h"
#include "services/c2s/streams.h"
#include "services/c2s/waiting_room.h"

namespace parley::c2s {

// Listens, and turns connections into streams as fast as admission lets it.
class Acceptor {
 public:
  // Throws std::runtime_error if an address cannot be had.
  explicit Acceptor(Context& context);
  ~Acceptor();

  bool listening() const { return !listeners_.empty(); }
  std::vector<int> ports(Streams::Kind kind) const;
  void Stop();
  // After Stop. Throws as above.
  void Start();
  // Of what is counted without a look at the metrics.
  void Measure();

 private:
  struct Listening {
    Streams::Kind kind;
    std::unique_ptr<net::Listener> listener;
  };
  void Listen(const std::string& address, Streams::Kind kind);
  // A connection of a listener. Behind proxies, its header comes first.
  void OnConnected(int fd, const std::string& peer, Streams::Kind kind);
  void OnHeader(int fd, net::ProxyReader::Outcome outcome, const std::string& text, const std::string& proxy,
                Streams::Kind kind);
  // Closed without a word: what the peer speaks is not known.
  void Drop(int fd, const std::string& peer, const std::string& outcome, const std::string& reason);
  // It is told apart from a proxy's.
  void OnAccepted(const Newcomer& newcomer);
  // Its turn has come.
  void Admit(const Newcomer& newcomer);
  // False: it may not be, and is closed.
  bool Judge(const Newcomer& newcomer);
  void Refuse(const Newcomer& newcomer, std::string_view condition);

  Context& context_;
  net::AddressRanges trusted_proxies_;
  net::ProxyReader proxy_headers_;
  std::vector<Listening> listeners_;
  WaitingRoom waiting_;
  std::uint64_t full_batches_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t dropped_ = 0;  // not in the log yet
  std::chrono::steady_clock::time_point warned_;
};

}  // namespace parley::c2s
