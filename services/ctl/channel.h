#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace parley::ctl {

// A connection to the first that answers. Throws Failure (kUnreachable) if none does.
std::shared_ptr<grpc::Channel> Connect(const std::vector<std::string>& targets, const std::string& service);

// The limits of one call.
void SetDeadline(grpc::ClientContext& context, std::chrono::seconds limit);

// Throws Failure if the call failed.
void Check(const grpc::Status& status, const std::string& service);

}  // namespace parley::ctl
