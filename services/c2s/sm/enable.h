#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libs/base/result.h"
#include "libs/xml/scanner.h"
#include "parley/session/v1/session.pb.h"

namespace parley::c2s {

class Session;
class Stream;

// <enable/> (XEP-0198 section 3): the home router gives the session a queue in Redis. Nothing more is read from the
// client until it has. Owned by the stage; an answer that comes after that is lost on nobody.
class Enable final : public std::enable_shared_from_this<Enable> {
 public:
  Enable(Stream& stream, std::shared_ptr<Session> session) : stream_(stream), session_(std::move(session)) {}
  void Start(const xml::StartTag& tag);

 private:
  std::uint64_t ResumeMs(const xml::StartTag& tag) const;
  session::v1::Ask Request() const;
  void OnAnswer(const Result<std::string>& body);

  Stream& stream_;
  std::shared_ptr<Session> session_;
  std::string queue_;
  std::uint64_t base_ = 0;
  std::uint64_t resume_ms_ = 0;
};

}  // namespace parley::c2s
