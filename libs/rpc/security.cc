#include "libs/rpc/security.h"

#include <grpc/grpc_security_constants.h>
#include <grpc/support/log.h>
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
constexpr char kAuthorization[] = "authorization";
constexpr std::string_view kBearer = "Bearer ";

// Looked up by their hashes, so that the time it takes tells nothing about the tokens.
std::string HashOf(std::string_view token) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

std::string_view View(const grpc::string_ref& text) { return {text.data(), text.size()}; }

std::string First(const grpc::AuthContext& peer, const std::string& property) {
  const auto values = peer.FindPropertyValues(property);
  return values.empty() ? std::string() : std::string(View(values.front()));
}

// A certificate of two roles is one of none: which of them calls would not be known.
std::string RoleIn(const grpc::AuthContext& peer, const MutualTls& files) {
  std::string found;
  for (const auto& name : peer.FindPropertyValues(GRPC_PEER_DNS_PROPERTY_NAME)) {
    for (const auto role : kCertifiedRoles) {
      if (View(name) != files.NameOf(role)) continue;
      if (!found.empty()) return {};
      found = role;
    }
  }
  return found;
}

Caller FromCertificate(const grpc::ServerContextBase& context, const MutualTls& files) {
  Caller caller;
  const auto peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return caller;
  caller.role = RoleIn(*peer, files);
  caller.name = First(*peer, GRPC_X509_CN_PROPERTY_NAME);
  if (caller.name.empty()) caller.name = First(*peer, GRPC_PEER_DNS_PROPERTY_NAME);
  return caller;
}

Caller FromToken(const grpc::ServerContextBase& context, const std::map<std::string, Caller>& callers) {
  const auto& metadata = context.client_metadata();
  const auto shown = metadata.find(kAuthorization);
  if (shown == metadata.end() || !View(shown->second).starts_with(kBearer)) return {};
  const auto known = callers.find(HashOf(View(shown->second).substr(kBearer.size())));
  return known == callers.end() ? Caller() : known->second;
}

// Handshakes that fail are told to nobody else; and a log of JSON lines is to have no others.
void LogWhatGrpcSays() {
  gpr_set_log_function([](gpr_log_func_args* said) {
    if (said->severity == GPR_LOG_SEVERITY_ERROR) log::Warn("grpc", {{"reason", said->message}});
  });
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
  state_->files = std::make_shared<IdentityFiles>(tls);
  if (tls.dials_in_the_clear()) state_->in_the_clear = std::make_shared<const Security>(MutualTls(), access);
  LogWhatGrpcSays();
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

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsOf(const Security* security) {
  if (security == nullptr || !security->dials_with_tls()) return grpc::InsecureChannelCredentials();
  auto& state = security->state();
  if (auto files = state.files->Current(); files != state.channel_files) {
    grpc::SslCredentialsOptions options{files->authorities, files->key, files->certificate};
    state.channel = grpc::SslCredentials(options);
    state.channel_files = std::move(files);
  }
  return state.channel;
}

std::shared_ptr<grpc::ServerCredentials> ServerCredentialsOf(const Security* security) {
  if (security == nullptr || !security->listens_with_tls()) return grpc::InsecureServerCredentials();
  auto& state = security->state();
  state.servers.push_back(std::make_unique<ServerCertificates>(state.files));
  return state.servers.back()->MakeCredentials();
}

void ExpectPeer(const Security* security, const std::string& service, grpc::ChannelArguments& arguments) {
  if (security == nullptr || !security->dials_with_tls()) return;
  arguments.SetSslTargetNameOverride(security->state().tls.NameOf(service));
}

void ShowToken(const Security* security, grpc::ClientContext& context) {
  if (security == nullptr || security->dials_with_tls() || security->state().token.empty()) return;
  context.AddMetadata(kAuthorization, std::string(kBearer) + security->state().token);
}

DialIdentity IdentityToDial(const Security* security, const std::string& service) {
  if (security == nullptr) return {};
  const auto& state = security->state();
  if (security->dials_with_tls()) return {state.files->Current(), state.tls.NameOf(service), {}};
  return {nullptr, {}, state.token.empty() ? std::string() : std::string(kBearer) + state.token};
}

Caller CallerOf(const Security* security, const grpc::ServerContextBase& context) {
  Caller caller{kAnyone, kAnyone, {}};
  if (security != nullptr && !security->open()) {
    const auto& state = security->state();
    caller = security->listens_with_tls() ? FromCertificate(context, state.tls) : FromToken(context, state.callers);
  }
  caller.address = context.peer();
  return caller;
}

}  // namespace parley::rpc
