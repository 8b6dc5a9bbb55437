#include "services/c2s/farewell.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "services/c2s/stream/stream.h"
#include "services/c2s/streams.h"
#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using std::chrono::seconds;

TEST(FarewellTest, AllAreToldWithinTheirShareOfTheTime) {
  for (const std::size_t streams : {7'000, 30'000, 100'000}) {
    const std::size_t per_step = Farewell::PerStep(streams, seconds(25));
    const std::size_t steps = (streams + per_step - 1) / per_step;
    EXPECT_LE(steps * Farewell::kStep, seconds(15)) << streams;
    EXPECT_GT(steps * Farewell::kStep, seconds(5)) << streams << " come back at once";
  }
}

TEST(FarewellTest, AFewAreToldAtOnceHoweverMuchTimeThereIs) {
  EXPECT_EQ(Farewell::PerStep(0, seconds(25)), 50u);
  EXPECT_EQ(Farewell::PerStep(20, std::chrono::hours(1)), 50u);
}

TEST(FarewellTest, WithoutTimeAllAreToldAtOnce) {
  EXPECT_GE(Farewell::PerStep(1000, std::chrono::milliseconds(0)), 1000u);
}

TEST(FarewellTest, EachStepTellsTheNextOnes) {
  EdgeHarness edge;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 120; ++i) clients.push_back(std::make_unique<Client>(edge.port()));
  Context& context = edge.edge().context();
  ASSERT_TRUE(edge.Eventually([&] { return context.streams.size() == 120; }));
  const auto open = [&] { return context.streams.Some(1000, [](Stream& stream) { return stream.alive(); }).size(); };
  edge.OnLoop([&] {
    Farewell farewell(context);
    farewell.Begin();
    for (const std::size_t left : {70u, 20u, 0u, 0u}) {
      farewell.Step();
      EXPECT_EQ(open(), left);
    }
  });
  for (auto& client : clients) EXPECT_EQ(StreamErrorIn(client->Rest()), "system-shutdown");
}

}  // namespace
}  // namespace parley::c2s::testing
