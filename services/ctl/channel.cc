#include "services/ctl/channel.h"

#include "services/ctl/failure.h"
#include "services/ctl/identity.h"

namespace parley::ctl {
namespace {

constexpr std::chrono::seconds kConnectLimit{5};

bool Answers(grpc::Channel& channel) {
  const auto deadline = std::chrono::system_clock::now() + kConnectLimit;
  for (auto state = channel.GetState(true); state != GRPC_CHANNEL_READY; state = channel.GetState(true)) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return false;
    if (!channel.WaitForStateChange(state, deadline)) return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<grpc::Channel> Connect(const std::vector<std::string>& targets, const std::string& service) {
  std::string tried;
  for (const auto& target : targets) {
    for (const auto& way : Ways()) {
      auto channel = ChannelTo(target, service, *way);
      if (Answers(*channel)) return channel;
    }
    tried += (tried.empty() ? "" : ", ") + target;
  }
  throw Failure(kUnreachable,
                "no " + service + " answers at " + tried +
                    ": see that it runs, that the address is right and, if the " +
                    "cluster has mutual TLS, that --identity names an operator's certificate of its authority");
}

void SetDeadline(grpc::ClientContext& context, std::chrono::seconds limit) {
  context.set_deadline(std::chrono::system_clock::now() + limit);
}

void Check(const grpc::Status& status, const std::string& service) {
  if (status.ok()) return;
  const std::string why = status.error_message().empty() ? "no reason given" : status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
      throw Failure(kUnreachable, "the connection to the " + service + " broke (" + why + "): try again");
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      throw Failure(kUnreachable, "the " + service + " did not answer in time: try again, and look at its log");
    case grpc::StatusCode::UNAUTHENTICATED:
      throw Failure(kRefused, "the " + service + " does not know you (" + why +
                                  "): give an operator's certificate with --identity, or a token with --token-file");
    case grpc::StatusCode::PERMISSION_DENIED:
      throw Failure(kRefused, "the " + service + " does not allow it (" + why + "): use the identity of an admin");
    case grpc::StatusCode::UNIMPLEMENTED:
      throw Failure(kUsage, "what answers there is no " + service + ": check the address");
    default:
      throw Failure(kRefused, "the " + service + " refused: " + why);
  }
}

}  // namespace parley::ctl
