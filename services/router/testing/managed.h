#pragma once

#include <string>
#include <vector>

#include "services/router/testing/cluster.h"

namespace parley::router::testing {

// Sessions with stream management (XEP-0198). Romeo has them; Juliet is his contact and writes to him.
class ManagedTest : public ClusterTest {
 protected:
  static constexpr char kOrchard[] = "romeo@home.example/orchard";
  static constexpr std::uint64_t kLong = 600000;  // longer than any test
  static constexpr std::uint64_t kShort = 1;      // over as soon as somebody looks

  // Two edges more than c2s-1, where Juliet is.
  void SetUp() override;
  void Begin();
  Client& Managed(Edge& edge, const std::string& jid, std::uint64_t resume_ms = kLong, int priority = 0);
  // And its answer is there.
  Client& Resumed(Edge& edge, const Client& session, const std::string& queue = {});

  void Chat(int number, const std::string& to = kOrchard);
  // The first edge stands still, with so many messages on their way to it.
  void FreezeFirstWith(int messages, const std::string& to = kOrchard);
  static std::vector<std::string> Ids(const std::vector<std::string>& stanzas);
  static std::vector<std::string> Numbers(int from, int to);
  // Until these messages were received, in this order, and nothing else is under way.
  void ExpectIds(Client& client, const std::vector<std::string>& ids);
  // What is stored for Romeo, by logging in as somebody new.
  std::vector<std::string> TakeOffline();

  session::v1::Record RecordOf(const std::string& resource = "orchard");
  std::string QueueLength(const std::string& queue);
  // Nothing is left of Romeo but what remembers ended sessions.
  bool RedisIsClean();
  void RunUntilOrphaned(int sessions = 1);
  // As another router that has taken care of all that this session of Romeo's left.
  void FinishElsewhere(const Client& ended);

  Client& juliet() { return *juliet_; }
  Edge& first() { return *first_; }
  Edge& second() { return *second_; }

 private:
  Client* juliet_ = nullptr;
  Edge* first_ = nullptr;
  Edge* second_ = nullptr;
};

}  // namespace parley::router::testing
