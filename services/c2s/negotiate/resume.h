#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "services/c2s/negotiate/feature.h"
#include "services/c2s/sm/claim.h"

namespace parley::c2s {

class Session;
class Stream;

// <resume/> in place of binding (XEP-0198 section 5): a session that is here is attached to the new stream; another one
// is claimed first. Also announces stream management.
class Resume final : public Feature, public std::enable_shared_from_this<Resume> {
 public:
  explicit Resume(Stream& stream) : stream_(stream) {}
  void Advertise(std::string& features) const override;
  bool Take(const xml::Child& child) override;
  void Abandon() override;

 private:
  void Try();
  void TryLater();
  void OnQuiet();
  void StartClaim();
  void OnClaimed(Claim::Outcome outcome);
  void Attach(std::string_view outcome);
  void Postpone();
  void Refuse(std::string_view condition, std::optional<std::uint32_t> handled);

  Stream& stream_;
  std::string previous_;                         // id of the session
  std::uint32_t handled_ = 0;                    // what its client got
  std::chrono::steady_clock::time_point until_;  // it is worth while to try again
  std::shared_ptr<Session> session_;
  Loop::Timer retry_;
};

}  // namespace parley::c2s
