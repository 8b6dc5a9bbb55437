#include "bench/generator/report.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/generator/scenario.h"

namespace parley::bench {
namespace {

double Round(double value, int digits) {
  const double factor = std::pow(10, digits);
  return std::round(value * factor) / factor;
}

nlohmann::json LatencyOf(const Histogram& latency) {
  const auto at = [&](double share) { return Round(static_cast<double>(latency.Percentile(share)) / 1e6, 3); };
  return {{"p50", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"p999", at(0.999)}, {"max", at(1)}};
}

// Who used what.
nlohmann::json ProcessesOf(const Outcome& outcome, double units) {
  nlohmann::json all = nlohmann::json::array();
  for (const auto& process : outcome.processes) {
    const double cpu = process.end.cpu_seconds - process.begin.cpu_seconds;
    all.push_back({{"name", process.name},
                   {"cpu_seconds", Round(cpu, 4)},
                   {"cpu_us_per_unit", units > 0 ? Round(cpu * 1e6 / units, 2) : 0},
                   {"pss_kib_before", process.before.pss_kib},
                   {"pss_kib", process.end.pss_kib},
                   {"idle_cpu_percent",
                    outcome.hold_seconds > 0 ? Round(100 * process.hold_cpu_seconds / outcome.hold_seconds, 2) : 0}});
  }
  return all;
}

double Sum(const nlohmann::json& processes, const char* key) {
  double sum = 0;
  for (const auto& process : processes) sum += process.at(key).get<double>();
  return sum;
}

nlohmann::json Load(const Options& options) {
  return {{"connections", options.connections},
          {"window", options.window},
          {"rate", options.rate},
          {"placement", options.placement == Placement::kCross ? "cross" : "same"},
          {"sm", options.management == Management::kOn},
          {"bytes", options.body_bytes},
          {"servers", options.servers}};
}

std::string Format(const char* format, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

void AppendProcesses(std::string& text, const nlohmann::json& processes) {
  for (const auto& process : processes) {
    text += Format("    %-12s %9.2f us   %9.0f KiB (%+.0f)\n", process.at("name").get<std::string>().c_str(),
                   process.at("cpu_us_per_unit").get<double>(), process.at("pss_kib").get<double>(),
                   process.at("pss_kib").get<double>() - process.at("pss_kib_before").get<double>());
  }
}

}  // namespace

nlohmann::json ToJson(const Options& options, const Outcome& outcome) {
  const Stats& stats = outcome.stats;
  const auto units = static_cast<double>(stats.delivered);
  const auto processes = ProcessesOf(outcome, units);
  const double growth = Sum(processes, "pss_kib") - Sum(processes, "pss_kib_before");
  return {
      {"scenario", options.scenario},
      {"load", Load(options)},
      {"unit", ShapeOf(options.scenario, options.group).unit},
      {"seconds", Round(outcome.seconds, 3)},
      {"from", Round(outcome.from, 6)},
      {"sent", stats.sent},
      {"delivered", stats.delivered},
      {"per_second", Round(units / outcome.seconds, 1)},
      {"latency_ms", LatencyOf(stats.latency)},
      {"others_latency_ms", LatencyOf(stats.others)},
      {"cpu_us_per_unit", Round(Sum(processes, "cpu_us_per_unit"), 2)},
      {"load_cpu_us_per_unit", units > 0 ? Round(stats.cpu_seconds * 1e6 / units, 2) : 0},
      {"hold_seconds", Round(outcome.hold_seconds, 3)},
      {"idle_cpu_percent", Round(Sum(processes, "idle_cpu_percent"), 2)},
      {"pss_kib", Sum(processes, "pss_kib")},
      {"pss_kib_per_connection", Round(growth / options.connections, 2)},
      {"kernel_kib_per_connection",
       Round((outcome.kernel_kib_end - outcome.kernel_kib_before) / options.connections, 2)},
      {"processes", processes},
      {"errors",
       {{"lost", stats.lost},
        {"repeated", stats.repeated},
        {"reordered", stats.reordered},
        {"refused", stats.refused},
        {"failed", stats.failed},
        {"unacknowledged", stats.unacknowledged},
        {"not_resumed", stats.not_resumed},
        {"first", stats.first_failure}}},
      {"retried", stats.retried},
      {"tls_resumed", stats.tls_resumed},
      {"ok", stats.clean()},
  };
}

std::string ToText(const nlohmann::json& report) {
  const auto number = [&](const char* key) { return report.at(key).get<double>(); };
  const auto& latency = report.at("latency_ms");
  const std::string unit = report.at("unit");
  std::string text = Format("%s: %.0f %ss in %.2f s, %.1f a second\n", report.at("scenario").get<std::string>().c_str(),
                            number("delivered"), unit.c_str(), number("seconds"), number("per_second"));
  text += Format("  latency    p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms\n",
                 latency.at("p50").get<double>(), latency.at("p90").get<double>(), latency.at("p99").get<double>(),
                 latency.at("p999").get<double>(), latency.at("max").get<double>());
  text += Format("  server CPU %.2f us per %s (generator %.2f)\n", number("cpu_us_per_unit"), unit.c_str(),
                 number("load_cpu_us_per_unit"));
  text += Format("  memory     %.0f KiB in all, %.2f KiB more per connection (kernel, both ends: %.2f)\n",
                 number("pss_kib"), number("pss_kib_per_connection"), number("kernel_kib_per_connection"));
  if (number("hold_seconds") > 0) {
    text += Format("  idle       %.2f %% of a core for all connections, for %.1f s\n", number("idle_cpu_percent"),
                   number("hold_seconds"));
  }
  text += Format("  returns    %.0f TLS sessions resumed, %.0f refused and came again\n", number("tls_resumed"),
                 number("retried"));
  AppendProcesses(text, report.at("processes"));
  if (report.at("ok")) return text + "  every delivery was right\n";
  return text + "  NOT RIGHT: " + report.at("errors").dump() + "\n";
}

}  // namespace parley::bench
