#include "libs/rpc/channel.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/rpc/security_state.h"
#include "libs/rpc/transport.h"

namespace parley::rpc {
namespace {

int Milliseconds(std::chrono::milliseconds duration) { return static_cast<int>(duration.count()); }

using Arguments = std::vector<std::pair<const char*, int>>;

Arguments Common(const LinkOptions& options) {
  return {
      {GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive)},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout)},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0},
      // Nor should it measure by pings.
      {GRPC_ARG_HTTP2_BDP_PROBE, 0},
      {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kHttp2WindowBytes},
      {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, kMaxFrameBytes},
      {GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1},
  };
}

// gRPC should not resolve what is an address already.
std::string Target(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return address;
  std::string host = address.substr(0, colon);
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return "ipv4:" + address;
  if (!host.empty() && host.front() == '[') return "ipv6:" + address;
  return address;
}

}  // namespace

void SetServerArguments(const LinkOptions& options, grpc::ServerBuilder& builder) {
  for (const auto& [name, value] : Common(options)) builder.AddChannelArgument(name, value);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  // A second process on the same port is a mistake.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMaxFrameBytes);
}

std::shared_ptr<grpc::Channel> MakeChannel(const LinkOptions& options, const std::string& address,
                                           const std::string& service) {
  grpc::ChannelArguments arguments;
  for (const auto& [name, value] : Common(options)) arguments.SetInt(name, value);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, std::max(Milliseconds(options.reconnect_min), 100));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, std::max(Milliseconds(options.reconnect_max), 100));
  // Also the limit of one attempt to connect.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, std::max(Milliseconds(options.hello_timeout), 100));
  ExpectPeer(options.security.get(), service, arguments);
  return grpc::CreateCustomChannel(Target(address), ChannelCredentialsOf(options.security.get()), arguments);
}

}  // namespace parley::rpc
