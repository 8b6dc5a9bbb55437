#pragma once

#include <string>

#include "libs/base/loop.h"
#include "libs/config/config.h"

namespace parley::net {
class TlsContexts;
}
namespace parley::rpc {
class AccountsClient;
}
namespace parley::storage {
class Redis;
}
namespace parley::tracing {
class Tracer;
}

namespace parley::c2s {

class Admission;
class Node;
class Routers;
class SessionTable;
class Streams;
class Wheel;
class Workers;
struct Metrics;

// The parts of the edge that streams and sessions use. All live longer than any stream.
struct Context {
  Loop& loop;
  const config::Config& config;
  Metrics& metrics;
  Wheel& wheel;
  storage::Redis& redis;
  Workers& workers;
  net::TlsContexts& tls;
  rpc::AccountsClient& accounts;
  Admission& admission;
  Streams& streams;
  SessionTable& sessions;
  Routers& routers;
  Node& node;
  tracing::Tracer& tracer;
};

}  // namespace parley::c2s
