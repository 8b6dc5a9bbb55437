#include "bench/generator/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

namespace parley::bench {
namespace {

constexpr std::uint32_t kMostConnections = 18000;  // of one process: 20,000 descriptors are a common hard limit

constexpr const char* kScenarios = R"(scenarios:
  idle      N clients log in and do nothing: memory per connection, CPU of doing nothing
  login     N clients log in, --concurrency at a time: CPU and time per login
  chat      N/2 conversations: --window messages in flight each, or --rate messages a second in all
  presence  every user broadcasts to --contacts contacts (made by `contacts`)
  iq        every client pings the server, --window in flight each
  resume    XEP-0198: connections are cut and sessions resumed, messages sent meanwhile must arrive
  storm     the process behind the first address is killed (--kill); its clients resume at the next one, all at once
  register  makes the accounts (XEP-0077)
  contacts  makes the rosters for `presence`: mutual subscriptions within groups

Users are PREFIX0, PREFIX1, ... with one password. Every delivery is checked; one that is lost, repeated or out of order
makes the exit status 1.)";

template <typename T>
std::map<std::string, T> Names(std::initializer_list<std::pair<const std::string, T>> names) {
  return names;
}

std::string Contents(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
  } else {
    std::ifstream stream(file);
    if (!stream) throw std::runtime_error("cannot read " + file);
    text << stream.rdbuf();
  }
  return text.str();
}

// What `./parley status --json` prints.
void TakeCluster(const std::string& file, Options& options) {
  const auto status = nlohmann::json::parse(Contents(file));
  options.domain = status.at("domain");
  const std::string port = options.security == Security::kDirectTls ? "xmpps" : "xmpp";
  for (const auto& service : status.at("services")) {
    if (service.at("pid").is_null())
      throw std::runtime_error(service.at("instance").get<std::string>() + " is stopped");
    options.processes.push_back({service.at("instance"), {service.at("pid").get<int>()}});
    if (service.at("service") == "c2s") options.servers.push_back(service.at("addresses").at(port));
  }
}

Watched ParseWatched(const std::string& text) {
  const std::size_t equals = text.find('=');
  Watched watched;
  watched.name = equals == std::string::npos ? "server" : text.substr(0, equals);
  std::istringstream numbers(equals == std::string::npos ? text : text.substr(equals + 1));
  for (std::string number; std::getline(numbers, number, ',');) watched.pids.push_back(std::stoi(number));
  return watched;
}

void Check(const Options& options) {
  if (options.servers.empty()) throw std::runtime_error("no server: give --server HOST:PORT or --cluster FILE");
  if (options.connections > kMostConnections * options.processes_of_load) {
    throw std::runtime_error("one process holds at most 18000 connections: raise --processes");
  }
  if (options.scenario == "storm" && (options.kill <= 0 || options.servers.size() < 2)) {
    throw std::runtime_error("a storm needs two addresses, and --kill PID of the process behind the first");
  }
  if (options.contacts % 2 != 0 || options.contacts >= options.group) {
    throw std::runtime_error("--contacts must be even and less than --group");
  }
}

void AddServerOptions(CLI::App& app, Options& options) {
  app.add_option("--server", options.servers, "HOST:PORT of the server; several spread the clients");
  app.add_option("--domain", options.domain, "XMPP domain");
  app.add_option("--ca", options.ca_file, "verify certificates against this file");
  app.add_option("--users", options.user_prefix, "prefix of the users' names");
  app.add_option("--first", options.first, "number of the first user");
  app.add_option("--password", options.password, "of all users");
  app.add_option("--salted-cache", options.salted_cache, "file that keeps salted passwords between runs");
  app.add_option("--mechanism", options.mechanism, "SASL mechanism")
      ->transform(CLI::CheckedTransformer(Names<Mechanism>({{"PLAIN", Mechanism::kPlain},
                                                            {"SCRAM-SHA-1", Mechanism::kScramSha1},
                                                            {"SCRAM-SHA-256", Mechanism::kScramSha256}})));
  app.add_flag("--direct-tls{1}", options.security, "TLS at once instead of STARTTLS");
  app.add_flag("--tls-resume{1}", options.tls_resumption, "resume TLS sessions where the server gives tickets");
  app.add_flag("--relay{1}", options.protocol,
               "the server is parley-relay, with --direct-tls: scenarios idle, login, chat");
  app.add_flag("--sm{1}", options.management, "enable stream management (XEP-0198)");
}

void AddLoadOptions(CLI::App& app, Options& options) {
  app.add_option("-n,--connections", options.connections, "clients");
  app.add_option("--concurrency", options.concurrency, "logins under way at a time");
  app.add_option("--sources", options.sources, "source addresses to use towards a server on loopback")
      ->check(CLI::Range(0, 250));
  app.add_option("--processes", options.processes_of_load, "processes that make the load")->check(CLI::Range(1, 64));
  app.add_option("--placement", options.placement, "the two ends of a conversation: cross (addresses) or same")
      ->transform(
          CLI::CheckedTransformer(Names<Placement>({{"cross", Placement::kCross}, {"same", Placement::kSame}})));
  app.add_option("--window", options.window, "in flight per conversation or client");
  app.add_option("--rate", options.rate, "messages a second of all (open loop)");
  app.add_option("--bytes", options.body_bytes, "size of a message's body");
  app.add_option("--contacts", options.contacts, "contacts of each user");
  app.add_option("--group", options.group, "users among whom contacts are");
  app.add_option("--away", options.away, "messages to each client that is cut off");
  app.add_flag("--elsewhere", options.elsewhere, "resume at the next address");
  app.add_option("--kill", options.kill, "process id behind the first address (scenario storm)");
  app.add_option("--warmup", options.warmup, "seconds before the measurement");
  app.add_option("--seconds", options.seconds, "of the measurement");
  app.add_option("--hold", options.hold, "seconds to stay idle after the logins (scenario idle: at least 2)");
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  Options options;
  CLI::App app("Load generator for XMPP servers: throughput, latency, CPU per delivery, memory per connection.");
  app.footer(kScenarios);
  app.add_option("scenario", options.scenario)
      ->required()
      ->check(CLI::IsMember({"idle", "login", "chat", "presence", "iq", "resume", "storm", "register", "contacts"}));
  std::string cluster;
  std::vector<std::string> pids;
  app.add_option("--cluster", cluster, "file with the output of `./parley status --json`, - for standard input");
  app.add_option("--pids", pids, "[NAME=]PID,... of the server, to charge its CPU and memory; with their children");
  AddServerOptions(app, options);
  AddLoadOptions(app, options);
  app.add_flag("--json", options.json, "print one JSON object");
  try {
    app.parse(argc, argv);
    if (!cluster.empty()) TakeCluster(cluster, options);
    for (const auto& text : pids) options.processes.push_back(ParseWatched(text));
    Check(options);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  } catch (const std::exception& error) {
    std::cerr << "parley-bench: " << error.what() << "\n";
    std::exit(2);
  }
  return options;
}

}  // namespace parley::bench
