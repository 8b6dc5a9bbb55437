#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "parley/session/v1/session.pb.h"
#include "services/c2s/negotiate/feature.h"

namespace parley::c2s {

class Session;
class Stream;

// Resource binding (RFC 6120 section 7), decided by the home router of the account.
class Bind final : public Feature, public std::enable_shared_from_this<Bind> {
 public:
  explicit Bind(Stream& stream) : stream_(stream) {}
  void Advertise(std::string& features) const override;
  bool Take(const xml::Child& child) override;
  void Abandon() override;

 private:
  void Start(const std::string& resource);
  void Ask();
  void OnAnswer(const Result<std::string>& body);
  void OnUnanswered(const std::string& why);
  void OnBound(const session::v1::Bound& bound);
  void Refuse(std::string_view condition, const std::string& text);
  session::v1::Ask Request() const;

  Stream& stream_;
  std::string id_;        // of the client's iq
  std::string resource_;  // that it wants; empty: any
  std::shared_ptr<Session> session_;
  std::string epoch_;  // of this node, as asked
  std::chrono::steady_clock::time_point deadline_;
  Loop::Timer retry_;
};

}  // namespace parley::c2s
