#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "libs/rpc/unary_client.h"

namespace parley::rpc {

// What a server keeps instead of a password (RFC 5802).
struct ScramKeys {
  std::string hash;  // "SHA-1", "SHA-256"
  std::string salt;
  std::uint32_t iterations = 0;
  std::string stored_key;
  std::string server_key;
};

// Why the roster service did not do it.
enum class AccountProblem {
  kNone,
  kExists,
  kNoAccount,
  kNoHost,   // the domain is not served here
  kInvalid,  // not a JID with a localpart, or an unusable password
  kStore,    // PostgreSQL is gone: try later
};

// The roster service's accounts (parley.accounts.v1). `jid`: a prepared bare JID. An Error means that no instance
// answered in time; an expected refusal is an AccountProblem. Answers come later, on the loop's thread.
class AccountsClient {
 public:
  struct Options {
    DiscoveryOptions rosters;
    LinkOptions link;
    std::chrono::milliseconds timeout{5000};
  };
  AccountsClient(Loop& loop, Options options);

  struct Credential {
    AccountProblem problem = AccountProblem::kNone;
    std::vector<ScramKeys> keys;
  };
  // Never says whether the account exists: an unknown one has keys that no password fits.
  void GetCredential(const std::string& jid, std::function<void(Result<Credential>)> done);

  using Done = std::function<void(Result<AccountProblem>)>;
  void Create(const std::string& jid, const std::string& password, Done done);
  void SetPassword(const std::string& jid, const std::string& password, Done done);
  void Delete(const std::string& jid, Done done);

  struct Existence {
    AccountProblem problem = AccountProblem::kNone;
    bool exists = false;
  };
  void Exists(const std::string& jid, std::function<void(Result<Existence>)> done);

  struct Number {
    AccountProblem problem = AccountProblem::kNone;
    std::uint64_t accounts = 0;
  };
  // Of a domain.
  void Count(const std::string& domain, std::function<void(Result<Number>)> done);

  bool available() const { return client_.available(); }

 private:
  template <class Response, class Request>
  void Change(const char* method, const Request& request, UnaryClient::InDoubt in_doubt, Done done);

  UnaryClient client_;
  std::chrono::milliseconds timeout_;
};

}  // namespace parley::rpc
