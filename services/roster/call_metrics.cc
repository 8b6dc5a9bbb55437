#include "services/roster/call_metrics.h"

#include <cctype>
#include <utility>

namespace parley::roster {
namespace {

std::string OutcomeOf(std::string_view problem) {
  constexpr std::string_view kPrefix = "PROBLEM_";
  if (problem.starts_with(kPrefix)) problem.remove_prefix(kPrefix.size());
  if (problem == "UNSPECIFIED") return "ok";
  std::string outcome(problem);
  for (char& c : outcome) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return outcome;
}

}  // namespace

CallMetrics::CallMetrics(telemetry::Metrics& metrics, std::string prefix, std::string label, std::string what)
    : metrics_(metrics),
      prefix_(std::move(prefix)),
      label_(std::move(label)),
      what_(std::move(what)),
      under_way_gauge_(metrics.Gauge(prefix_ + "_under_way", what_ + " not answered yet")) {}

void CallMetrics::Started() { under_way_gauge_.Set(static_cast<double>(++under_way_)); }

void CallMetrics::Finished(std::string_view call, std::string_view problem, Clock::time_point started) {
  under_way_gauge_.Set(static_cast<double>(--under_way_));
  auto seconds = seconds_.find(call);
  if (seconds == seconds_.end()) {
    auto& made =
        metrics_.Histogram(prefix_ + "_seconds", what_ + ": time to the answer", {{label_, std::string(call)}});
    seconds = seconds_.emplace(std::string(call), &made).first;
  }
  seconds->second->Observe(std::chrono::duration<double>(Clock::now() - started).count());
  const std::string key = std::string(call).append(" ").append(problem);
  auto outcome = outcomes_.find(key);
  if (outcome == outcomes_.end()) {
    auto& made = metrics_.Counter(prefix_ + "_total", what_ + ", by outcome",
                                  {{label_, std::string(call)}, {"outcome", OutcomeOf(problem)}});
    outcome = outcomes_.emplace(key, &made).first;
  }
  outcome->second->Increment();
}

}  // namespace parley::roster
