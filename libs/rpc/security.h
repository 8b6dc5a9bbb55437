#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace parley::rpc {

// Mutual TLS between the processes of a cluster, and with operators. Each has a certificate whose DNS name
// "<role>.<domain>" says what it is: c2s, router, roster; admin or viewer for operators.
struct MutualTls {
  std::string directory;  // has tls.crt, tls.key and ca.crt, as cert-manager mounts them; empty: off
  std::string domain = "parley.internal";
  std::chrono::seconds check{10};  // how often the files are looked at
  // "required", or on the way there, process by process: "prepare" dials whoever speaks TLS with it and others in the
  // clear, but is dialled in the clear; "switch" is dialled with TLS alone, and dials as before.
  std::string mode = "required";

  bool enabled() const { return !directory.empty(); }
  bool listens_with_tls() const { return enabled() && mode != "prepare"; }
  bool dials_in_the_clear() const { return !enabled() || mode != "required"; }
  std::string certificate_file() const { return directory + "/tls.crt"; }
  std::string key_file() const { return directory + "/tls.key"; }
  std::string ca_file() const { return directory + "/ca.crt"; }
  std::string NameOf(std::string_view role) const { return std::string(role) + "." + domain; }
};

// Without mutual TLS: tokens that calls bring along.
struct Access {
  // Those that are let in: "name role token", one a line or divided by semicolons. Empty: everybody may do everything.
  std::string tokens;
  std::string token;  // what this process shows
};

inline constexpr char kAdmin[] = "admin";      // an operator who may do everything
inline constexpr char kViewer[] = "viewer";    // an operator who may look
inline constexpr char kService[] = "service";  // a process of the cluster, by a token
inline constexpr char kAnyone[] = "anyone";    // nobody is asked who they are

// Who calls.
struct Caller {
  std::string role;  // empty: it did not prove any
  std::string name;
  std::string address;

  bool is_operator() const { return role == kAdmin || role == kViewer || role == kAnyone; }
};

// Parses Access::tokens; the keys are the tokens. Throws std::runtime_error, which never has a token in it.
std::map<std::string, Caller> ParseTokens(const std::string& tokens);

// How this process proves who it is, and how others must. Shared by all servers and clients of the process.
class Security {
 public:
  // Throws std::runtime_error if a file cannot be read.
  static std::shared_ptr<const Security> Make(const MutualTls& tls, const Access& access);
  Security(const MutualTls& tls, const Access& access);
  ~Security();

  bool listens_with_tls() const;
  bool dials_with_tls() const;
  // For peers that do not speak TLS yet, if such may be dialled; nullptr: they may not, or nothing is dialled with TLS.
  std::shared_ptr<const Security> in_the_clear() const;
  // Nobody is asked who they are.
  bool open() const;
  // Why a link from `caller` that says it is a `service` is not taken; empty: it is.
  std::string RefuseLink(const Caller& caller, const std::string& service) const;

  struct State;
  State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace parley::rpc
