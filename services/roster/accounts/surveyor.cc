#include "services/roster/accounts/surveyor.h"

#include <algorithm>
#include <utility>

namespace parley::roster {
namespace {

constexpr std::uint32_t kAccounts = 2000;  // of each host: proportions to about a hundredth
constexpr std::chrono::milliseconds kRetry{1000};

}  // namespace

Surveyor::Surveyor(Loop& loop, AccountStore& store, std::chrono::milliseconds period,
                   std::function<void(IterationSurvey)> surveyed)
    : loop_(loop), store_(store), period_(period), surveyed_(std::move(surveyed)) {}

void Surveyor::Look() {
  store_.Survey(kAccounts, [this](Result<IterationSurvey, AccountProblem> survey) {
    const bool done = static_cast<bool>(survey);
    if (done) surveyed_(std::move(*survey));
    timer_ = loop_.After(done ? period_ : std::min(period_, kRetry), [this] { Look(); });
  });
}

}  // namespace parley::roster
