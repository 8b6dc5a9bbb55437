#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace parley::router {

// The limits of one router, from config::Router.
struct Options {
  std::uint32_t max_bans = 10000;
  std::string instance;
  std::size_t max_resources = 32;
  std::size_t max_accounts = 500000;
  std::size_t max_rosters = 50000;
  std::size_t max_mailbox = 10000;
  int max_directed = 1000;
  std::size_t max_deferred = 100000;  // left by ended sessions, waiting for Redis
  std::size_t remember_diverted = 16;
  std::size_t remember_left = 100000;  // by ended sessions
  std::size_t remember_queues = 10000;
  std::size_t remember_nodes = 10000;
  std::size_t max_doubtful_queues = 10000;
  std::size_t max_parked = 100000;  // envelopes that wait for one edge
  std::uint32_t offline_batch = 100;
  std::chrono::milliseconds recheck_stored{30000};
  std::size_t max_storing = 200;
  std::chrono::milliseconds roster_timeout{5000};
  std::chrono::milliseconds roster_doubt_timeout{30000};
  std::chrono::milliseconds delivery_timeout{10000};
  std::chrono::milliseconds settle_wait{1000};  // an edge that hands a session over waits so long for us
  std::chrono::milliseconds unsaved_retry{1000};
  std::chrono::milliseconds edge_timeout{60000};
  std::chrono::milliseconds redis_patience{500};
  std::chrono::milliseconds join_timeout{10000};
  std::chrono::milliseconds redis_return{2000};
  std::chrono::milliseconds redis_return_max{30000};
  std::chrono::milliseconds reap_claim{10000};
  std::chrono::milliseconds reap_search{15000};
  std::chrono::milliseconds reap_retry{2000};
  std::chrono::milliseconds handover_timeout{6000};
  std::chrono::milliseconds link_silence{2900};  // the link to an edge that cannot be reached is broken by then
  // What Redis said of a session's end holds for that long: other routers take one that stands still for dead.
  std::chrono::milliseconds standstill{650};
  std::chrono::milliseconds sm_orphan_grace{15000};
  std::chrono::milliseconds sm_remember_queue{60000};
  std::chrono::milliseconds sm_remember_ended{600000};
  std::chrono::milliseconds sm_remember_acknowledged{600000};
  std::size_t sm_remember_ends = 16;  // of an account
  std::size_t sm_max_stanzas = 1000;  // in a session's queue
  std::size_t sm_max_bytes = 4194304;
  std::uint32_t reap_batch = 200;
  std::chrono::milliseconds bind_retry_min{5};
  std::chrono::milliseconds bind_retry_max{200};
  std::chrono::milliseconds bind_timeout{5000};
  std::chrono::milliseconds admin_timeout{10000};
  std::chrono::milliseconds drain_timeout{20000};
};

}  // namespace parley::router
