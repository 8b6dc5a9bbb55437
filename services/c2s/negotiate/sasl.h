#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "services/c2s/negotiate/feature.h"
#include "services/c2s/sasl/mechanism.h"

namespace parley::c2s {

class Stream;

// SASL (RFC 6120 section 6): the exchange of elements around a mechanism, and what failures cost.
class Sasl final : public Feature, public Exchange, public std::enable_shared_from_this<Sasl> {
 public:
  explicit Sasl(Stream& stream) : stream_(stream) {}

  void Advertise(std::string& features) const override;
  bool Take(const xml::Child& child) override;
  void Abandon() override;

  // From the mechanism.
  void Challenge(std::string_view data) override;
  void Succeed(Identity identity, std::string_view data) override;
  void Refuse(const SaslFailure& failure) override;

 private:
  void Begin(const xml::Child& child);
  void Respond(const xml::Child& child);
  void Step(std::string data);
  void Fail(const SaslFailure& failure);
  void SendFailure(const SaslFailure& failure);

  Stream& stream_;
  std::shared_ptr<Mechanism> mechanism_;  // of the exchange under way
  std::string_view name_ = "unknown";     // its name, for metrics
  std::chrono::steady_clock::time_point begun_;
  std::uint32_t attempts_ = 0;
  Loop::Timer delay_;
};

}  // namespace parley::c2s
