#include "libs/rpc/security.h"

#include <openssl/sha.h>

#include <array>
#include <stdexcept>
#include <string_view>

#include "libs/base/log.h"
#include "libs/rpc/dial_identity.h"
#include "libs/rpc/security_state.h"

namespace parley::rpc {
namespace {

constexpr std::array<std::string_view, 5> kCertifiedRoles{"c2s", "router", "roster", kAdmin, kViewer};
constexpr std::string_view kBearer = "Bearer ";

// Looked up by their hashes, so that the time it takes tells nothing about the tokens.
std::string HashOf(std::string_view token) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

// A certificate of two roles is one of none: which of them calls would not be known.
std::string RoleIn(const PeerNames& names, const MutualTls& files) {
  std::string found;
  for (const auto& name : names.dns) {
    for (const auto role : kCertifiedRoles) {
      if (name != files.NameOf(role)) continue;
      if (!found.empty()) return {};
      found = role;
    }
  }
  return found;
}

Caller FromCertificate(const PeerNames* names, const MutualTls& files) {
  Caller caller;
  if (names == nullptr) return caller;
  caller.role = RoleIn(*names, files);
  caller.name = names->common;
  if (caller.name.empty() && !names->dns.empty()) caller.name = names->dns.front();
  return caller;
}

Caller FromToken(std::string_view authorization, const std::map<std::string, Caller>& callers) {
  if (!authorization.starts_with(kBearer)) return {};
  const auto known = callers.find(HashOf(authorization.substr(kBearer.size())));
  return known == callers.end() ? Caller() : known->second;
}

}  // namespace

std::shared_ptr<const Security> Security::Make(const MutualTls& tls, const Access& access) {
  auto security = std::make_shared<const Security>(tls, access);
  if (security->open()) {
    const std::string why = tls.enabled() ? "mtls.mode is prepare" : "neither mtls nor access.tokens";
    log::Warn("calls_are_open", {{"reason", why + ": whoever can connect may do everything"}});
  }
  return security;
}

Security::Security(const MutualTls& tls, const Access& access) : state_(std::make_unique<State>()) {
  state_->tls = tls;
  state_->token = access.token;
  for (auto& [token, caller] : ParseTokens(access.tokens)) state_->callers.emplace(HashOf(token), caller);
  if (!tls.enabled()) return;
  const auto files = std::make_shared<IdentityFiles>(tls);
  state_->dialling = std::make_unique<CurrentTls>(files, &PipeTls::ToDial);
  state_->accepting = std::make_unique<CurrentTls>(files, &PipeTls::ToAccept);
  if (tls.dials_in_the_clear()) state_->in_the_clear = std::make_shared<const Security>(MutualTls(), access);
}

Security::~Security() = default;

bool Security::listens_with_tls() const { return state_->tls.listens_with_tls(); }
bool Security::dials_with_tls() const { return state_->tls.enabled(); }
std::shared_ptr<const Security> Security::in_the_clear() const { return state_->in_the_clear; }
bool Security::open() const { return !listens_with_tls() && state_->callers.empty(); }

std::string Security::RefuseLink(const Caller& caller, const std::string& service) const {
  if (caller.role == kAnyone || caller.role == kService || caller.role == service) return {};
  return "it says that it is a " + service + ", its certificate that it is a " + caller.role;
}

CurrentTls::CurrentTls(std::shared_ptr<IdentityFiles> files, Make make)
    : files_(std::move(files)), make_(make), used_(files_->Current()), tls_(make_(*used_)) {}

std::shared_ptr<const PipeTls> CurrentTls::Get() {
  const std::lock_guard lock(mutex_);
  if (auto files = files_->Current(); files != used_) {
    used_ = std::move(files);
    try {
      tls_ = make_(*used_);
    } catch (const std::runtime_error& error) {
      log::Error("mtls_not_renewed", {{"reason", error.what()}});
    }
  }
  return tls_;
}

DialIdentity IdentityToDial(const Security* security, const std::string& service) {
  if (security == nullptr) return {};
  const auto& state = security->state();
  if (security->dials_with_tls()) return {state.dialling->Get(), state.tls.NameOf(service), {}};
  return {nullptr, {}, state.token.empty() ? std::string() : std::string(kBearer) + state.token};
}

std::shared_ptr<const PipeTls> TlsToAccept(const Security* security) {
  if (security == nullptr || !security->listens_with_tls()) return nullptr;
  return security->state().accepting->Get();
}

Caller CallerOf(const Security* security, const Http2::Request& request) {
  Caller caller{kAnyone, kAnyone, {}};
  if (security != nullptr && !security->open()) {
    const auto& state = security->state();
    caller = security->listens_with_tls() ? FromCertificate(request.caller, state.tls)
                                          : FromToken(request.authorization, state.callers);
  }
  caller.address = request.address;
  return caller;
}

}  // namespace parley::rpc
