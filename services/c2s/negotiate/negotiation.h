#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/c2s/negotiate/feature.h"
#include "services/c2s/stream/stage.h"

namespace parley::c2s {

class Stream;

// The stage between a stream header and a bound resource: what is offered, and to whom each element goes.
class Negotiation final : public Stage {
 public:
  Negotiation(Stream& stream, std::vector<std::shared_ptr<Feature>> features);
  // <stream:features/>
  std::string Features() const;

  void OnChild(const xml::Child& child) override;
  void OnEnd(std::string_view reason) override;

 private:
  Stream& stream_;
  std::vector<std::shared_ptr<Feature>> features_;
};

// With the features that fit what the stream already has: TLS or not, logged in or not.
std::shared_ptr<Negotiation> MakeNegotiation(Stream& stream);

}  // namespace parley::c2s
