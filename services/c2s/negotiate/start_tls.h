#pragma once

#include "services/c2s/negotiate/feature.h"

namespace parley::c2s {

class Stream;

// STARTTLS (RFC 6120 section 5). Once secured, a stream is not offered it again.
class StartTls final : public Feature {
 public:
  explicit StartTls(Stream& stream) : stream_(stream) {}
  void Advertise(std::string& features) const override;
  bool Take(const xml::Child& child) override;
  void Abandon() override {}

 private:
  Stream& stream_;
};

}  // namespace parley::c2s
