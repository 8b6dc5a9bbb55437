#include "libs/rpc/security.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "libs/rpc/server.h"
#include "libs/rpc/testing.h"
#include "libs/rpc/unary_client.h"
#include "libs/telemetry/metrics.h"
#include "parley/accounts/v1/accounts.pb.h"
#include "tests/support/certificates.h"

namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunUntil;

constexpr char kDomain[] = "parley.internal";
constexpr char kCreate[] = "/parley.accounts.v1.Accounts/Create";
constexpr char kExists[] = "/parley.accounts.v1.Accounts/Exists";
constexpr char kTokens[] = "edge service 0123456789abcdef;alice admin alice-0123456789;bob viewer bob-0123456789ab";

// A router, and whoever wants something from it.
class SecurityTest : public ::testing::Test {
 protected:
  // A directory with files of a process of that role.
  class Identity {
   public:
    Identity(const test::CertificateAuthority& ca, const std::vector<std::string>& roles) { Renew(ca, roles); }
    void Renew(const test::CertificateAuthority& ca, const std::vector<std::string>& roles) {
      test::CertificateRequest request{.common_name = roles.empty() ? "nobody" : "the " + roles.front()};
      for (const auto& role : roles) request.dns_names.push_back(role + "." + kDomain);
      const auto issued = ca.Issue(request);
      files_.Write("tls.crt", issued.certificate);
      files_.Write("tls.key", issued.key);
      files_.Write("ca.crt", ca.pem());
    }
    void Break(const std::string& file) { files_.Write(file, ""); }
    std::shared_ptr<const rpc::Security> Made(const std::string& mode = "required") const {
      return rpc::Security::Make(
          {.directory = files_.path(), .domain = kDomain, .check = std::chrono::seconds(1), .mode = mode}, {});
    }

    std::shared_ptr<const rpc::Security> WithTokens(const std::string& mode, const std::string& tokens,
                                                    const std::string& own) const {
      return rpc::Security::Make({.directory = files_.path(), .domain = kDomain, .mode = mode},
                                 {.tokens = tokens, .token = own});
    }

   private:
    test::TempDirectory files_;
  };

  static std::shared_ptr<const Security> Token(const std::string& tokens, const std::string& own) {
    return Security::Make({}, {.tokens = tokens, .token = own});
  }

  void Serve(std::shared_ptr<const Security> security) {
    Methods methods;
    methods.PermitLinks({"c2s", "router"});
    methods.Permit(kExists, {Permission::Use::kLook, {"c2s", kViewer}});
    methods.Unary<accounts::v1::CreateRequest, accounts::v1::CreateResponse>(kCreate, [](const auto&, auto respond) {
      accounts::v1::CreateResponse response;
      response.set_problem(accounts::v1::PROBLEM_EXISTS);
      respond(response);
    });
    methods.Unary<accounts::v1::ExistsRequest, accounts::v1::ExistsResponse>(
        kExists, [](const auto&, auto respond) { respond({}); });
    LinkOptions options;
    options.metrics = &metrics_;
    options.security = std::move(security);
    server_ = std::make_unique<Server>(loop_, Self{"router", "router-1", "e"}, "127.0.0.1:0", options,
                                       std::move(methods), &server_side_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  // Empty: it was answered.
  template <class Request, class Response>
  std::string Call(const std::string& method, std::shared_ptr<const Security> security,
                   const std::string& service = "router") {
    UnaryClient::Options options;
    options.discovery.targets = {address()};
    options.service = service;
    options.link.security = std::move(security);
    UnaryClient client(loop_, options);
    std::optional<std::string> outcome;
    Request request;
    request.set_jid("romeo@home.example");
    client.Call<Response>(method, request, 1s,
                          [&](Result<Response> answer) { outcome = answer ? "" : answer.error().message(); });
    RunUntil(loop_, [&] { return outcome.has_value(); });
    return outcome.value_or("no answer");
  }
  std::string Create(std::shared_ptr<const Security> security) {
    return Call<accounts::v1::CreateRequest, accounts::v1::CreateResponse>(kCreate, std::move(security));
  }
  std::string Exists(std::shared_ptr<const Security> security, const std::string& service = "router") {
    return Call<accounts::v1::ExistsRequest, accounts::v1::ExistsResponse>(kExists, std::move(security), service);
  }

  std::unique_ptr<LinkClient> Dial(std::shared_ptr<const Security> security, const std::string& says) {
    LinkOptions options;
    options.security = std::move(security);
    return std::make_unique<LinkClient>(loop_, Self{says, says + "-1", "e"}, address(), options, client_side_,
                                        "router");
  }
  double Metric(const std::string& line) {
    const std::string text = metrics_.Text();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? 0 : std::stod(text.substr(at + line.size() + 2));
  }

  Loop loop_;
  telemetry::Metrics metrics_;
  test::CertificateAuthority ca_;
  test::CertificateAuthority foreign_ca_{"Foreign CA"};
  testing::Recorder server_side_;
  testing::Recorder client_side_;
  std::unique_ptr<Server> server_;
};

TEST_F(SecurityTest, LinksAreMadeBetweenServicesOfOneAuthority) {
  const Identity router(ca_, {"router"}), c2s(ca_, {"c2s"});
  Serve(router.Made());
  const auto link = Dial(c2s.Made(), "c2s");
  RunUntil(loop_, [&] { return !client_side_.links.empty() && !server_side_.links.empty(); });
  EXPECT_EQ(server_side_.links.at(0)->peer().service, "c2s");
}

TEST_F(SecurityTest, WithoutACertificateOfTheAuthorityNothingIsAnswered) {
  const Identity router(ca_, {"router"}), stranger(foreign_ca_, {"admin"});
  Serve(router.Made());
  EXPECT_NE(Exists(nullptr), "");
  EXPECT_NE(Exists(stranger.Made()), "");
  EXPECT_EQ(Metric("parley_rpc_calls_total{method=\"Exists\",outcome=\"answered\"}"), 0);
}

TEST_F(SecurityTest, ACallerLearnsWhetherItIsTheServiceThatAnswers) {
  const Identity not_a_router(ca_, {"c2s"}), foreign(foreign_ca_, {"router"}), viewer(ca_, {"viewer"});
  Serve(not_a_router.Made());
  EXPECT_NE(Exists(viewer.Made()), "");
  Serve(foreign.Made());
  EXPECT_NE(Exists(viewer.Made()), "");
  const Identity router(ca_, {"router"});
  Serve(router.Made());
  EXPECT_EQ(Exists(viewer.Made()), "");
  EXPECT_NE(Exists(viewer.Made(), "roster"), "");
}

TEST_F(SecurityTest, RolesMayDoWhatIsTheirs) {
  const Identity router(ca_, {"router"}), admin(ca_, {"admin"}), viewer(ca_, {"viewer"}), roster(ca_, {"roster"}),
      both(ca_, {"admin", "viewer"}), nobody(ca_, {});
  Serve(router.Made());
  EXPECT_EQ(Create(admin.Made()), "");
  EXPECT_EQ(Exists(admin.Made()), "");
  EXPECT_EQ(Exists(viewer.Made()), "");
  EXPECT_THAT(Create(viewer.Made()), HasSubstr("viewer"));
  EXPECT_THAT(Exists(roster.Made()), HasSubstr("roster"));
  EXPECT_NE(Exists(both.Made()), "");
  EXPECT_NE(Exists(nobody.Made()), "");
  EXPECT_EQ(Metric("parley_rpc_calls_total{method=\"Create\",outcome=\"denied\"}"), 1);
}

TEST_F(SecurityTest, ALinkIsOnlyTakenFromTheServiceThatTheCertificateNames) {
  const Identity router(ca_, {"router"}), c2s(ca_, {"c2s"}), roster(ca_, {"roster"}), admin(ca_, {"admin"});
  Serve(router.Made());
  const auto disguised = Dial(c2s.Made(), "router");
  const auto not_permitted = Dial(roster.Made(), "roster");
  const auto an_operator = Dial(admin.Made(), "c2s");
  const auto honest = Dial(c2s.Made(), "c2s");
  RunUntil(loop_, [&] { return !server_side_.links.empty(); });
  RunUntil(loop_, [&] { return Metric("parley_rpc_calls_total{method=\"Exchange\",outcome=\"denied\"}") >= 1; });
  testing::RunFor(loop_, 300ms);
  ASSERT_EQ(server_side_.links.size(), 1u);
  EXPECT_EQ(server_side_.links.at(0)->peer().service, "c2s");
}

TEST_F(SecurityTest, NewFilesAreFollowedAndLinksLiveOn) {
  Identity router(ca_, {"router"}), c2s(ca_, {"c2s"});
  const auto edge = c2s.Made();
  Serve(router.Made());
  const auto link = Dial(edge, "c2s");
  RunUntil(loop_, [&] { return !server_side_.links.empty(); });
  // Another authority altogether: both ends have to take theirs.
  const test::CertificateAuthority next("Next CA");
  router.Renew(next, {"router"});
  c2s.Renew(next, {"c2s"});
  const Identity fresh(next, {"viewer"}), stale(ca_, {"viewer"});
  std::string last = "not tried";
  for (int tries = 0; tries < 20 && !last.empty(); ++tries) last = Exists(fresh.Made());
  EXPECT_EQ(last, "");
  EXPECT_NE(Exists(stale.Made()), "");
  EXPECT_EQ(server_side_.downs, 0);
  EXPECT_EQ(server_side_.links.size(), 1u);
  // The edge's own files, too.
  last = "not tried";
  for (int tries = 0; tries < 20 && !last.empty(); ++tries) last = Exists(edge);
  EXPECT_EQ(last, "");
}

TEST_F(SecurityTest, FilesThatAreIncompleteMeanwhileHarmNobody) {
  Identity router(ca_, {"router"});
  const Identity viewer(ca_, {"viewer"});
  Serve(router.Made());
  for (const char* file : {"tls.crt", "tls.key", "ca.crt"}) {
    router.Break(file);
    testing::RunFor(loop_, 1100ms);  // looked at again
    EXPECT_EQ(Exists(viewer.Made()), "") << file;
    router.Renew(ca_, {"router"});
  }
}

TEST_F(SecurityTest, FilesThatCannotBeReadEndTheStart) {
  try {
    Security::Make({.directory = "/nonexistent"}, {});
    ADD_FAILURE();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nonexistent/tls.crt"));
  }
}

// The way to mutual TLS in a running cluster: each mode gets along with those beside it.
TEST_F(SecurityTest, EachModeReachesWhatIsOneStepAway) {
  const Identity router(ca_, {"router"}), c2s(ca_, {"c2s"});
  struct Step {
    std::shared_ptr<const Security> dials;
    std::shared_ptr<const Security> listens;
  };
  const Step steps[] = {
      {nullptr, router.Made("prepare")},
      {c2s.Made("prepare"), nullptr},
      {c2s.Made("prepare"), router.Made("prepare")},
      {c2s.Made("prepare"), router.Made("switch")},
      {c2s.Made("switch"), router.Made("prepare")},
      {c2s.Made("switch"), router.Made("switch")},
      {c2s.Made("switch"), router.Made("required")},
      {c2s.Made("required"), router.Made("switch")},
  };
  for (const auto& step : steps) {
    server_side_.links.clear();
    Serve(step.listens);
    const auto at = std::to_string(&step - steps);
    EXPECT_EQ(Exists(step.dials), "") << at;
    const auto link = Dial(step.dials, "c2s");
    RunUntil(loop_, [&] { return !server_side_.links.empty(); });
    ASSERT_EQ(server_side_.links.size(), 1u) << at;
    EXPECT_EQ(server_side_.links.at(0)->peer().service, "c2s");
    EXPECT_EQ(client_side_.failed_dials, 0) << at;  // one way is enough
  }
}

TEST_F(SecurityTest, ModesThatAreFurtherApartDoNot) {
  const Identity router(ca_, {"router"}), c2s(ca_, {"c2s"});
  Serve(router.Made("switch"));
  EXPECT_NE(Exists(nullptr), "") << "it is dialled with TLS alone";
  Serve(router.Made("prepare"));
  EXPECT_NE(Exists(c2s.Made("required")), "") << "it is dialled in the clear";
}

TEST_F(SecurityTest, TlsIsPreferredOnTheWay) {
  const Identity router(ca_, {"router"}), roster(ca_, {"roster"});
  Serve(router.Made("switch"));
  EXPECT_THAT(Exists(roster.Made("prepare")), HasSubstr("roster")) << "known by its certificate, and denied";
}

TEST_F(SecurityTest, TokensAreAskedForUntilTheSwitch) {
  const Identity router(ca_, {"router"}), c2s(ca_, {"c2s"});
  Serve(router.WithTokens("prepare", kTokens, ""));
  EXPECT_EQ(Exists(c2s.WithTokens("prepare", "", "0123456789abcdef")), "");
  EXPECT_THAT(Exists(c2s.WithTokens("prepare", "", "")), HasSubstr("no certificate or token"));
}

TEST_F(SecurityTest, TokensNameRolesWithoutTls) {
  Serve(Token(kTokens, ""));
  EXPECT_EQ(Create(Token("", "alice-0123456789")), "");
  EXPECT_THAT(Create(Token("", "bob-0123456789ab")), HasSubstr("viewer"));
  EXPECT_EQ(Exists(Token("", "bob-0123456789ab")), "");
  EXPECT_EQ(Exists(Token("", "0123456789abcdef")), "");
  EXPECT_THAT(Create(Token("", "0123456789abcdef")), HasSubstr("service"));
  EXPECT_THAT(Exists(Token("", "0123456789abcdeX")), HasSubstr("no certificate or token"));
  EXPECT_THAT(Exists(nullptr), HasSubstr("no certificate or token"));
  const auto link = Dial(Token("", "0123456789abcdef"), "c2s");
  RunUntil(loop_, [&] { return !server_side_.links.empty(); });
}

TEST_F(SecurityTest, ChangesByOperatorsAreAudited) {
  const Identity router(ca_, {"router"}), admin(ca_, {"admin"}), viewer(ca_, {"viewer"});
  Serve(router.Made());
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Create(admin.Made()), "");
  EXPECT_NE(Create(viewer.Made()), "");
  EXPECT_EQ(Exists(viewer.Made()), "");
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("the admin"));
  EXPECT_THAT(log, HasSubstr(kCreate));
  EXPECT_THAT(log, HasSubstr("romeo@home.example"));
  EXPECT_THAT(log, HasSubstr("refused"));
  EXPECT_THAT(log, HasSubstr("PROBLEM_EXISTS"));
  EXPECT_THAT(log, HasSubstr("denied"));
  EXPECT_THAT(log, Not(HasSubstr(kExists)));
}

TEST(TokensTest, MistakesAreNamedWithoutTheToken) {
  const auto complaint = [](const std::string& tokens) -> std::string {
    try {
      ParseTokens(tokens);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(complaint(""), "");
  EXPECT_EQ(complaint("# who\nalice admin 0123456789abcdef\n\n"), "");
  EXPECT_THAT(complaint("alice admin"), HasSubstr("NAME ROLE TOKEN"));
  EXPECT_THAT(complaint("alice root 0123456789abcdef"), HasSubstr("role"));
  EXPECT_THAT(complaint("a admin 0123456789abcdef;b viewer 0123456789abcdef"), HasSubstr("entry 2"));
  const auto shorter = complaint("alice admin secret");
  EXPECT_THAT(shorter, HasSubstr("16"));
  EXPECT_THAT(shorter, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace parley::rpc
