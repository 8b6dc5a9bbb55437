#pragma once

#include <memory>

#include "libs/base/result.h"
#include "libs/rpc/accounts_client.h"
#include "services/c2s/negotiate/feature.h"
#include "services/c2s/negotiate/iq.h"

namespace parley::c2s {

class Stream;

// In-band registration before login (XEP-0077), where the host allows it and the stream is as safe as a login must be.
// Changing a password and leaving come after login, and are the router's.
class Registration final : public Feature, public std::enable_shared_from_this<Registration> {
 public:
  explicit Registration(Stream& stream) : stream_(stream) {}
  void Advertise(std::string& features) const override;
  bool Take(const xml::Child& child) override;
  void Abandon() override {}

 private:
  bool Offered() const;
  bool IsForUs(const xml::Child& child) const;
  void Create(const IqRequest& request);
  void Answer(const std::string& id, const Result<rpc::AccountProblem>& problem);
  void Refuse(const std::string& id, const xmpp::StanzaError& error);

  Stream& stream_;
  std::uint32_t attempts_ = 0;
};

}  // namespace parley::c2s
