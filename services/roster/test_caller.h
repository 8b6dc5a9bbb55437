#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/methods.h"
#include "tests/support/run_until.h"

// For tests: the other side of a call; keeps what is answered.
namespace parley::roster {

class TestCaller final : public rpc::Responder {
 public:
  bool Send(std::string message) override {
    answers.push_back(std::move(message));
    return true;
  }
  void Finish() override { finished = true; }
  void Fail(const std::string&) override { failed = true; }
  void Next() override { ++ready; }
  std::size_t unsent() const override { return 0; }

  // The last, once there are `count`.
  template <class Response>
  Response Answer(Loop& loop, std::size_t count = 1) {
    test::RunUntil(loop, [&] { return answers.size() == count; });
    Response response;
    EXPECT_TRUE(response.ParseFromString(answers.back()));
    return response;
  }

  std::vector<std::string> answers;
  int ready = 0;
  bool finished = false;
  bool failed = false;
};

}  // namespace parley::roster
