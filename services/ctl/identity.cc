#include "services/ctl/identity.h"

#include <grpc/support/log.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/rpc/identity_files.h"
#include "libs/rpc/security.h"
#include "libs/rpc/security_state.h"
#include "services/ctl/failure.h"
#include "services/ctl/targets.h"

namespace parley::ctl {
namespace {

using grpc::experimental::ClientInterceptorFactoryInterface;
using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;

constexpr char kOperatorDirectory[] = "/etc/parley/operator";

// Of this process, which has one operator.
std::shared_ptr<const rpc::Security>& Identity() {
  static std::shared_ptr<const rpc::Security> identity;
  return identity;
}

std::string TokenOf(const Options& options) {
  const char* token = std::getenv("PARLEY_TOKEN");
  if (options.token_file.empty()) return token == nullptr ? "" : token;
  std::ifstream in(options.token_file);
  std::string text;
  if (!(in >> text)) throw Failure(kUsage, options.token_file + " cannot be read, or has no token in it");
  return text;
}

std::string DirectoryOf(const Options& options, const rpc::MutualTls& configured) {
  if (!options.identity.empty()) return options.identity;
  const bool mounted = configured.enabled() && std::filesystem::exists(kOperatorDirectory);
  return mounted ? kOperatorDirectory : configured.directory;
}

// Shows the token with every call, whatever command makes it.
class TokenInterceptor final : public Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      const auto& token = Identity()->state().token;
      methods->GetSendInitialMetadata()->emplace("authorization", "Bearer " + token);
    }
    methods->Proceed();
  }
};

class TokenInterceptorFactory final : public ClientInterceptorFactoryInterface {
 public:
  Interceptor* CreateClientInterceptor(ClientRpcInfo*) override { return new TokenInterceptor; }
};

std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>> Interceptors(const rpc::Security& security) {
  std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>> interceptors;
  const bool token = !security.dials_with_tls() && !security.state().token.empty();
  if (token) interceptors.push_back(std::make_unique<TokenInterceptorFactory>());
  return interceptors;
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const rpc::Security& security) {
  if (!security.dials_with_tls()) return grpc::InsecureChannelCredentials();
  const auto files = rpc::IdentityFiles(security.state().tls).Current();
  return grpc::SslCredentials({files->authorities, files->key, files->certificate});
}

// Handshakes that fail are told to nobody else.
void LogWhatGrpcSays() {
  gpr_set_log_function([](gpr_log_func_args* said) {
    if (said->severity == GPR_LOG_SEVERITY_ERROR) log::Warn("grpc", {{"reason", said->message}});
  });
}

}  // namespace

void TakeIdentity(const Options& options) {
  rpc::MutualTls tls = MutualTlsOf(options);
  tls.directory = DirectoryOf(options, tls);
  rpc::Access access;
  access.token = TokenOf(options);
  if (tls.enabled()) LogWhatGrpcSays();
  try {
    Identity() = std::make_shared<const rpc::Security>(tls, access);
  } catch (const std::runtime_error& error) {
    throw Failure(kUsage, std::string(error.what()) + "; name an operator's certificate with --identity");
  }
}

std::vector<std::shared_ptr<const rpc::Security>> Ways() {
  std::vector<std::shared_ptr<const rpc::Security>> ways{Identity()};
  if (auto clear = Identity()->in_the_clear()) ways.push_back(std::move(clear));
  return ways;
}

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& target, const std::string& service,
                                         const rpc::Security& way) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // a proxy in the environment is for the web
  if (way.dials_with_tls()) {
    arguments.SetSslTargetNameOverride(way.state().tls.NameOf(service.substr(0, service.find(' '))));
  }
  return grpc::experimental::CreateCustomChannelWithInterceptors(target, CredentialsOf(way), arguments,
                                                                 Interceptors(way));
}

}  // namespace parley::ctl
