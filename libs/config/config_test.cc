#include "libs/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

#include "libs/config/parse.h"
#include "libs/config/schema.h"
#include "tests/support/certificates.h"

namespace parley::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr char kHost[] = "hosts: [{domain: example.org}]\n";

Config With(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  return Parse(kHost + yaml, overrides);
}

// What an operator sees; "" if the configuration is fine.
std::string Complaint(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  try {
    Parse(yaml, overrides);
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

std::string ReadText(const std::string& path) {
  std::ifstream in(std::string(PARLEY_SOURCE_DIR "/") + path);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A file that goes with the test.
class SecretFile {
 public:
  explicit SecretFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / "parley_secret_XXXXXX") {
    const int fd = mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(fd);
  }
  ~SecretFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ConfigEnvironmentTest : public testing::Test {
 protected:
  ~ConfigEnvironmentTest() override {
    unsetenv("PARLEY_REDIS_PASSWORD");
    unsetenv("PARLEY_REDIS_PASSWORD_FILE");
    unsetenv("PARLEY_POSTGRES_PASSWORD");
  }
};

TEST(ConfigTest, DefaultsHoldForWhatIsNotGiven) {
  const Config config = With("");
  EXPECT_EQ(config.c2s.max_depth, 64u);
  EXPECT_EQ(config.redis.host, "127.0.0.1");
  EXPECT_THAT(config.c2s.listen, ElementsAre("0.0.0.0:5222"));
}

TEST(ConfigTest, ReadsEveryKindOfValue) {
  const Config config = With(R"(
log: {level: warn, json: true}
redis: {port: 7000, database: 3, command_timeout: 750ms}
link: {window_bytes: 8MiB}
tracing: {endpoint: 'http://collector:4318', sample_ratio: 0.005}
c2s:
  listen: ["127.0.0.1:0", "[::1]:5222"]
  max_stanza_bytes: 64KiB
  max_outbound_bytes: 100000
  max_unauthenticated_bytes: 64kB
  idle_ping: 2m
  certificate_check: 60s
  resource_conflict: refuse-new
  starttls_required: no
)");
  EXPECT_EQ(config.log.level, log::Level::kWarn);
  EXPECT_TRUE(config.log.json);
  EXPECT_EQ(config.redis.port, 7000);
  EXPECT_EQ(config.redis.database, 3);
  EXPECT_EQ(config.redis.command_timeout, Milliseconds(750));
  EXPECT_EQ(config.link.window_bytes, 8u << 20);
  EXPECT_EQ(config.tracing.endpoint, "http://collector:4318");
  EXPECT_EQ(config.tracing.sample_ratio, 0.005);
  EXPECT_THAT(config.c2s.listen, ElementsAre("127.0.0.1:0", "[::1]:5222"));
  EXPECT_EQ(config.c2s.max_stanza_bytes, 65536u);
  EXPECT_EQ(config.c2s.max_unauthenticated_bytes, 64000u);
  EXPECT_EQ(config.c2s.idle_ping, Milliseconds(120000));
  EXPECT_EQ(config.c2s.certificate_check, Seconds(60));
  EXPECT_EQ(config.c2s.resource_conflict, "refuse-new");
  EXPECT_FALSE(config.c2s.starttls_required);
}

TEST(ConfigTest, PreparesDomainsAndFindsHosts) {
  const Config config = Parse("hosts: [{domain: Example.ORG, registration: true}, {domain: other.example}]");
  ASSERT_NE(config.FindHost("example.org"), nullptr);
  EXPECT_TRUE(config.FindHost("example.org")->registration);
  EXPECT_FALSE(config.FindHost("other.example")->registration);
  EXPECT_EQ(config.FindHost("else.example"), nullptr);
}

TEST(ConfigTest, InstanceIsTheMachinesNameUnlessGiven) {
  EXPECT_FALSE(With("").cluster.instance.empty());
  EXPECT_EQ(With("cluster: {instance: c2s-7}").cluster.instance, "c2s-7");
}

TEST(ConfigTest, SectionWithoutKeysIsNoError) { EXPECT_EQ(Complaint(std::string(kHost) + "c2s:\n  # nothing\n"), ""); }

TEST(ConfigTest, OverridesWinOverTheFile) {
  const Config config = With("c2s: {max_depth: 20}", {"c2s.max_depth=10", "c2s.listen=127.0.0.1:1, 127.0.0.1:2",
                                                      "cluster.routers=[\"a:1\", 'b:2']", "c2s.listen_tls="});
  EXPECT_EQ(config.c2s.max_depth, 10u);
  EXPECT_THAT(config.c2s.listen, ElementsAre("127.0.0.1:1", "127.0.0.1:2"));
  EXPECT_THAT(config.cluster.routers, ElementsAre("a:1", "b:2"));
  EXPECT_THAT(config.c2s.listen_tls, IsEmpty());
}

TEST(ConfigTest, OverridesReachHosts) {
  const std::string yaml = "hosts: [{domain: a.example}, {domain: b.example}]";
  EXPECT_TRUE(Parse(yaml, {"hosts.*.registration=true"}).FindHost("b.example")->registration);
  const Config one = Parse(yaml, {"hosts.b.example.anonymous=true"});
  EXPECT_FALSE(one.FindHost("a.example")->anonymous);
  EXPECT_TRUE(one.FindHost("b.example")->anonymous);
  EXPECT_NE(Parse("", {"hosts=[{domain: c.example}]"}).FindHost("c.example"), nullptr);
}

struct Wrong {
  const char* name;
  const char* yaml;
  const char* start;
  const char* remedy;
};
void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class ConfigErrorTest : public testing::TestWithParam<Wrong> {};

TEST_P(ConfigErrorTest, NamesPlaceAndRemedyInOneLine) {
  const std::string complaint = Complaint(GetParam().yaml);
  EXPECT_THAT(complaint, AllOf(StartsWith(GetParam().start), HasSubstr(GetParam().remedy)));
  EXPECT_EQ(complaint.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigErrorTest,
    testing::Values(
        Wrong{"UnknownKey", "hosts: [{domain: a.b}]\nc2s:\n  max_dept: 3\n", "config:3: unknown key 'c2s.max_dept'",
              "did you mean 'c2s.max_depth'?"},
        Wrong{"WrongSection", "max_depth: 3\n", "config:1: unknown key 'max_depth'", "did you mean 'c2s.max_depth'?"},
        Wrong{"UnknownSection", "ruter: {}\n", "config:1: unknown key 'ruter'", "did you mean 'router'?"},
        Wrong{"NothingLikeIt", "xyzzyplugh: 1\n", "config:1: unknown key", "--print-config-reference"},
        Wrong{"UnknownHostKey", "hosts:\n  - domain: a.b\n    registation: true\n",
              "config:3: unknown key 'hosts.registation'", "did you mean 'hosts.registration'?"},
        Wrong{"HostKeyLikeASection", "hosts:\n  - domain: a.b\n    admin: [c@a.b]\n",
              "config:3: unknown key 'hosts.admin'", "did you mean 'hosts.admins'?"},
        Wrong{"NotANumber", "c2s:\n  max_depth: deep\n", "config:2: c2s.max_depth: 'deep'", "whole number"},
        Wrong{"OutOfRange", "c2s: {max_depth: 1}\n", "config:1: c2s.max_depth: '1' is out of range", "8 to 256"},
        Wrong{"HugeNumber", "c2s: {max_depth: 99999999999999999999}\n", "config:1: c2s.max_depth", "whole number"},
        Wrong{"Negative", "c2s: {max_depth: -5}\n", "config:1: c2s.max_depth", "8 to 256"},
        Wrong{"DurationWithoutUnit", "c2s: {idle_ping: 30}\n", "config:1: c2s.idle_ping: '30'", "500ms, 30s"},
        Wrong{"PartOfASecond", "c2s: {certificate_check: 1500ms}\n", "config:1: c2s.certificate_check",
              "whole seconds"},
        Wrong{"BadSize", "c2s: {max_stanza_bytes: 1XB}\n", "config:1: c2s.max_stanza_bytes: '1XB'", "64KiB"},
        Wrong{"SizeOverflow", "c2s: {max_stanza_bytes: 9999999999GiB}\n", "config:1: c2s.max_stanza_bytes", "64KiB"},
        Wrong{"BadFlag", "roster: {migrate: perhaps}\n", "config:1: roster.migrate: 'perhaps'", "true nor false"},
        Wrong{"BadChoice", "c2s: {resource_conflict: fight}\n", "config:1: c2s.resource_conflict: 'fight'",
              "replace-old, refuse-new, new-resource"},
        Wrong{"ListForValue", "c2s: {max_depth: [1]}\n", "config:1: c2s.max_depth: a list is not possible",
              "give a number"},
        Wrong{"MapForValue", "c2s: {max_depth: {a: 1}}\n", "config:1: c2s.max_depth: a mapping is not possible",
              "give a number"},
        Wrong{"ValueForSection", "c2s: 5\n", "config:1: 'c2s' is a section", "below it"},
        Wrong{"NoValue", "c2s:\n  max_depth:\n", "config:2: c2s.max_depth: no value", "remove the line"},
        Wrong{"Twice", "c2s:\n  max_depth: 9\n  max_depth: 9\n", "config:3: 'max_depth' is given twice", "keep one"},
        Wrong{"BadAddress", "c2s:\n  listen: [localhost]\n", "config:2: c2s.listen: 'localhost'", "host:port"},
        Wrong{"BadPort", "router: {listen: 'a:70000'}\n", "config:1: router.listen: 'a:70000'", "0 to 65535"},
        Wrong{"BareIpv6", "router: {listen: '::1:5222'}\n", "config:1: router.listen", "[::1]:5222"},
        Wrong{"BadInstance", "cluster: {instance: a/b}\n", "config:1: cluster.instance: 'a/b'", "letters, digits"},
        Wrong{"BadDomain", "hosts:\n  - domain: 'a b'\n", "config:2: hosts.domain: 'a b'", "RFC 7622"},
        Wrong{"NoDomain", "hosts:\n  - registration: true\n", "config:2: a host has no 'domain'",
              "domain: example.org"},
        Wrong{"HostsNotAList", "hosts: example.org\n", "config:1: 'hosts' is a list", "- domain: example.org"},
        Wrong{"HostNotAMap", "hosts:\n- example.org\n", "config:2: each of 'hosts'", "domain: example.org"},
        Wrong{"HostTwice", "hosts:\n- domain: a.b\n- domain: A.B\n", "config:3: host 'a.b' is given twice", "keep one"},
        Wrong{"NoHost", "log: {json: true}\n", "hosts names no domain", "- domain: example.org"},
        Wrong{"KeyWithoutCertificate", "hosts:\n- {domain: a.b, key_file: /k}\n", "config:2: hosts.a.b",
              "certificate_file and key_file together"},
        Wrong{"ExternalWithoutCa", "hosts:\n- {domain: a.b, external: true}\n", "config:2: hosts.a.b",
              "client_ca_file"},
        Wrong{"LeaseTooShort", "hosts: [{domain: a.b}]\nc2s:\n  lease_refresh: 3s\n", "config:3: c2s.lease_refresh",
              "half of c2s.lease_ttl"},
        Wrong{"NoRoomForAStanza", "hosts: [{domain: a.b}]\nlink: {max_message_bytes: 1MiB, batch_bytes: 512KiB}\n",
              "config:2: link.max_message_bytes", "a stanza of c2s.max_stanza_bytes"},
        Wrong{"NoRoomForARoster", "hosts: [{domain: a.b}]\nroster:\n  max_roster_bytes: 17MiB\n",
              "config:3: roster.max_roster_bytes", "a quarter of link.max_message_bytes"},
        Wrong{"NoRoomForAcknowledgements", "hosts: [{domain: a.b}]\nlink: {window: 300000, max_items: 200000}\n",
              "config:2: link.max_items", "link.window"},
        Wrong{"NoRoomForAMessage", "hosts: [{domain: a.b}]\nlink:\n  max_unread_bytes: 68MiB\n",
              "config:3: link.max_unread_bytes", "room for one message"},
        Wrong{"NothingToListenOn", "hosts: [{domain: a.b}]\nc2s: {listen: [], listen_tls: []}\n",
              "config:2: c2s.listen", "both empty"},
        Wrong{"NotAShare", "tracing:\n  sample_ratio: 1%\n", "config:2: tracing.sample_ratio: '1%'",
              "0 to 1, like 0.01"},
        Wrong{"TooLargeAShare", "tracing: {sample_ratio: 1.5}\n", "config:1: tracing.sample_ratio: '1.5'", "0 to 1"},
        Wrong{"NegativeShare", "tracing: {sample_ratio: -0.1}\n", "config:1: tracing.sample_ratio: '-0.1'", "0 to 1"},
        Wrong{"ShareIsNoNumber", "tracing: {sample_ratio: nan}\n", "config:1: tracing.sample_ratio: 'nan'", "0 to 1"},
        Wrong{"TracesOverTls", "hosts: [{domain: a.b}]\ntracing:\n  endpoint: https://c:4318\n",
              "config:3: tracing.endpoint", "http://otel-collector:4318"},
        Wrong{"NoYaml", "hosts: [\n", "config:", "not valid YAML"}, Wrong{"NotAMap", "- 1\n", "config: ", "sections"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ConfigTest, OverrideErrorsNameTheOption) {
  EXPECT_THAT(Complaint(kHost, {"c2s.max_dept=10"}), AllOf(StartsWith("--set c2s.max_dept: "), HasSubstr("max_depth")));
  EXPECT_THAT(Complaint(kHost, {"c2s.max_depth=x"}), StartsWith("--set c2s.max_depth: 'x'"));
  EXPECT_THAT(Complaint(kHost, {"c2s.max_depth"}), HasSubstr("--set key=value"));
  EXPECT_THAT(Complaint(kHost, {"hosts.no.example.plain=true"}), HasSubstr("there is no host 'no.example'"));
  EXPECT_THAT(Complaint(kHost, {"c2s.lease_refresh=3s"}), StartsWith("--set c2s.lease_refresh: "));
}

TEST_F(ConfigEnvironmentTest, SecretsComeFromTheEnvironment) {
  setenv("PARLEY_REDIS_PASSWORD", "r3dis", 1);
  setenv("PARLEY_POSTGRES_PASSWORD", "p0stgres", 1);
  const Config config = With("redis: {password: from_file}");
  EXPECT_EQ(config.redis.password, "r3dis");
  EXPECT_EQ(config.postgres.password, "p0stgres");
  // Every process of the machine can read a command line.
  EXPECT_THAT(
      Complaint(kHost, {"redis.password=by_hand"}),
      AllOf(StartsWith("--set redis.password: "), HasSubstr("PARLEY_REDIS_PASSWORD_FILE"), Not(HasSubstr("by_hand"))));
}

TEST(ConfigTest, KeysOfSecurityAreChecked) {
  EXPECT_THAT(With("c2s: {trusted_proxies: [10.0.0.0/8, '2001:db8::/32']}").c2s.trusted_proxies,
              ElementsAre("10.0.0.0/8", "2001:db8::/32"));
  EXPECT_THAT(Complaint(std::string(kHost) + "c2s: {trusted_proxies: [10.0.0.1/8]}"), HasSubstr("no network"));
  const std::string tokens = Complaint(std::string(kHost) + "access: {tokens: 'alice root open-sesame-0123456'}");
  EXPECT_THAT(tokens, AllOf(HasSubstr("PARLEY_ACCESS_TOKENS"), HasSubstr("role"), Not(HasSubstr("sesame"))));
  EXPECT_THAT(Complaint(std::string(kHost) + "redis: {certificate_file: /c}"), HasSubstr("redis.key_file together"));
  EXPECT_THAT(Complaint(std::string(kHost) + "postgres: {key_file: /k}"), HasSubstr("postgres.certificate_file and"));
  EXPECT_THAT(Complaint(std::string(kHost) + "redis: {tls: true, unix_socket: /s}"), HasSubstr("unix socket"));
}

TEST_F(ConfigEnvironmentTest, SecretsComeFromFiles) {
  const SecretFile file("from a file\n");
  setenv("PARLEY_REDIS_PASSWORD_FILE", file.path().c_str(), 1);
  EXPECT_EQ(With("").redis.password, "from a file");
  setenv("PARLEY_REDIS_PASSWORD", "too", 1);
  EXPECT_THAT(Complaint(kHost), HasSubstr("unset one of them"));
  unsetenv("PARLEY_REDIS_PASSWORD");
  setenv("PARLEY_REDIS_PASSWORD_FILE", "/nonexistent/secret", 1);
  EXPECT_THAT(Complaint(kHost), AllOf(StartsWith("PARLEY_REDIS_PASSWORD_FILE"), HasSubstr("permissions")));
}

TEST(ConfigTest, ServicesNameWhatTheyCannotDoWithout) {
  const auto complaint = [](const std::string& yaml, const std::string& service) -> std::string {
    try {
      CheckService(ParseAll("parley.yaml", kHost + yaml, {}), service);
      return "";
    } catch (const Problem& problem) {
      return problem.what();
    }
  };
  const std::string cluster = "cluster: {routers: ['r:1'], rosters: ['o:1']}\n";
  EXPECT_THAT(complaint("", "router"), HasSubstr("cluster.routers"));
  EXPECT_EQ(complaint(cluster, "router"), "");
  EXPECT_THAT(complaint(cluster, "c2s"), AllOf(StartsWith("parley.yaml:1: "), HasSubstr("certificate_file")));
  EXPECT_EQ(complaint("", "roster"), "");
}

std::string FileComplaint(const std::string& certificate, const std::string& key) {
  const auto parsed = ParseAll(
      "parley.yaml", "hosts:\n- {domain: a.b, certificate_file: " + certificate + ", key_file: " + key + "}", {});
  try {
    CheckFiles(parsed);
    return "";
  } catch (const Problem& problem) {
    return problem.what();
  }
}

TEST(ConfigTest, FilesThatAreNamedMustBeReadableAndFit) {
  EXPECT_THAT(FileComplaint("/nonexistent/c", "/nonexistent/k"),
              AllOf(StartsWith("parley.yaml:2: hosts.a.b"), HasSubstr("/nonexistent/c")));
  const SecretFile junk("no certificate");
  EXPECT_THAT(FileComplaint(junk.path(), junk.path()), HasSubstr("a.b"));
  const test::TempDirectory directory;
  test::CertificateAuthority authority;
  test::CertificateRequest request;
  request.common_name = "a.b";
  request.dns_names = {"a.b"};
  const auto issued = authority.Issue(request);
  const auto certificate = directory.Write("a.crt", issued.certificate);
  const auto key = directory.Write("a.key", issued.key);
  EXPECT_EQ(FileComplaint(certificate, key), "");
  const auto other_key = directory.Write("other.key", authority.Issue(request).key);
  EXPECT_THAT(FileComplaint(certificate, other_key), HasSubstr("a.b"));
}

TEST(ConfigTest, ExampleIsValidForEveryService) {
  const auto parsed = ParseAll("deploy/parley.example.yaml", ReadText("deploy/parley.example.yaml"), {});
  for (const char* service : {"c2s", "router", "roster", "ctl"}) EXPECT_NO_THROW(CheckService(parsed, service));
}

// Every default must be a value that an operator could write.
// CONTRIBUTING.md, "Chaos": clients talk again within 2 s of reconnecting, a dead edge is noticed within 5 s. With what
// is to be done after these waits.
TEST(ConfigTest, DefaultsLetClientsTalkAgainInTime) {
  using std::chrono::milliseconds;
  const Config config = Parse(kHost);
  EXPECT_LT(config.link.keepalive + config.link.keepalive_timeout, milliseconds(2000)) << "an edge or router hangs";
  EXPECT_LE(config.link.patience, milliseconds(1000)) << "a roster service hangs";
  EXPECT_LE(config.link.reconnect_max, milliseconds(1000)) << "what was cut off is back";
  EXPECT_LE(config.redis.reconnect_max, milliseconds(1000));
  EXPECT_LE(config.c2s.lease_ttl + config.router.lease_poll, milliseconds(4500)) << "an edge died";
}

TEST(ConfigTest, DefaultsAreWithinTheirRanges) {
  for (const auto& row : Rows()) {
    Config config;
    const std::string path(row.path);
    const Field field = row.field(config);
    const std::string before = Print(field, row.rule);
    if (before.empty()) continue;
    EXPECT_NO_THROW(ApplyOverride(*std::make_unique<Parsed>(), path + "=" + before)) << path;
    Parsed again;
    ApplyOverride(again, path + "=" + before);
    EXPECT_EQ(Print(row.field(again.config), row.rule), before) << path;
  }
}

// A field without a row could not be set: reads the structs out of the headers.
std::set<std::string> MembersOf(const std::string& header, const std::string& type) {
  const std::string text = ReadText(header);
  const auto begin = text.find("struct " + type + " {");
  std::istringstream body(text.substr(begin, text.find("\n};", begin) - begin));
  std::set<std::string> members;
  for (std::string line; std::getline(body, line);) {
    // "  type name...;": neither a comment nor a function nor a pointer.
    line = line.substr(0, line.find("//"));
    std::istringstream words(line.substr(0, line.find_first_of("={;")));
    std::string member_type, name, more;
    if (line.find(';') == std::string::npos || line.find('(') != std::string::npos) continue;
    if (!(words >> member_type >> name) || words >> more || member_type.ends_with('*')) continue;
    members.insert(name);
  }
  EXPECT_FALSE(members.empty()) << type;
  return members;
}

TEST(ConfigTest, EveryFieldHasARow) {
  const std::vector<std::tuple<std::string, std::string, std::string>> structs{
      {"libs/config/config.h", "Cluster", "cluster."}, {"libs/config/config.h", "Postgres", "postgres."},
      {"libs/config/config.h", "C2s", "c2s."},         {"libs/config/config.h", "Router", "router."},
      {"libs/config/config.h", "Roster", "roster."},   {"libs/storage/redis.h", "RedisOptions", "redis."},
      {"libs/rpc/link.h", "LinkOptions", "link."},     {"libs/tracing/options.h", "Options", "tracing."}};
  std::set<std::string> rows;
  for (const auto& row : Rows()) EXPECT_TRUE(rows.insert(std::string(row.path)).second) << row.path;
  for (const auto& [header, type, prefix] : structs) {
    for (const auto& member : MembersOf(header, type)) EXPECT_TRUE(rows.contains(prefix + member)) << prefix << member;
  }
  for (const auto& member : MembersOf("libs/config/config.h", "Host")) {
    const auto& hosts = HostRows();
    EXPECT_TRUE(std::any_of(hosts.begin(), hosts.end(), [&](const auto& row) { return row.path == member; })) << member;
  }
}

// To bring the file up to date: PARLEY_UPDATE=1 parley_config_test
TEST(ConfigTest, PrintedReferenceIsCurrent) {
  if (std::getenv("PARLEY_UPDATE") != nullptr) {
    std::ofstream(PARLEY_SOURCE_DIR "/docs/configuration.md") << ReferenceMarkdown();
  }
  EXPECT_TRUE(ReadText("docs/configuration.md") == ReferenceMarkdown())
      << "run PARLEY_UPDATE=1 parley_config_test, or a service with --print-config-reference";
}

}  // namespace
}  // namespace parley::config
