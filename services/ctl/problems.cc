#include "services/ctl/problems.h"

#include "libs/xmpp/jid.h"
#include "services/ctl/failure.h"

namespace parley::ctl {

namespace pb = accounts::v1;

namespace {

constexpr char kStore[] = "the database is not available: try again, and look at the roster service's log";

}  // namespace

std::string Explain(pb::Problem problem, const std::string& jid) {
  switch (problem) {
    case pb::PROBLEM_EXISTS:
      return jid + " exists already: use 'user passwd' to change its password";
    case pb::PROBLEM_NO_ACCOUNT:
      return "there is no account " + jid;
    case pb::PROBLEM_NO_HOST:
      return jid + ": the domain is not served here: add it to 'hosts' in the configuration";
    case pb::PROBLEM_INVALID: {
      const auto parsed = xmpp::Jid::Parse(jid);
      const bool address = parsed && parsed->is_bare() && !parsed->local().empty();
      return address ? jid +
                           ": the password is not usable: it must not be empty, longer than 1024 bytes, or have "
                           "control characters"
                     : "'" + jid + "' is not an account's address: write user@domain";
    }
    case pb::PROBLEM_STORE:
      return (jid.empty() ? "" : jid + ": ") + std::string(kStore);
    default:
      return jid + ": refused (" + pb::Problem_Name(problem) + ")";
  }
}

void CheckProblem(pb::Problem problem, const std::string& jid) {
  if (problem != pb::PROBLEM_UNSPECIFIED) throw Failure(kRefused, Explain(problem, jid));
}

}  // namespace parley::ctl
