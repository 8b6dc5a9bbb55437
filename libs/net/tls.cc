#include "libs/net/tls.h"

#include <sys/stat.h>

#include <array>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "libs/base/log.h"
#include "libs/net/tls_context.h"
#include "libs/net/tls_handshake.h"

namespace parley::net {
namespace {

// Forward secrecy of TLS 1.2 sessions reaches no further than the life of these keys.
constexpr auto kTicketKeyLifetime = std::chrono::hours(24);

// Tells whether a file was changed or replaced (Kubernetes exchanges a symbolic link above it).
struct Stamp {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  std::int64_t size = -1;  // absent
  std::uint64_t inode = 0;
  bool operator==(const Stamp&) const = default;
};
using Stamps = std::array<Stamp, 3>;

Stamp StampOf(const std::string& file) {
  struct stat status {};
  if (file.empty() || ::stat(file.c_str(), &status) != 0) return {};
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_ino};
}

Stamps StampsOf(const TlsHost& host) {
  return {StampOf(host.certificate_file), StampOf(host.key_file), StampOf(host.client_ca_file)};
}

struct Entry {
  TlsHost host;
  Stamps stamps;  // of the last attempt to load
  ContextPtr context;
};

}  // namespace

struct TlsContexts::State {
  TlsOptions options;
  std::vector<Entry> entries;
  std::map<std::string, std::size_t, std::less<>> by_name;  // prepared domain and its form in SNI
  TicketKeys ticket_keys = NewTicketKeys();
  std::chrono::steady_clock::time_point ticket_keys_made = std::chrono::steady_clock::now();

  void Load(Entry& entry) {
    entry.stamps = StampsOf(entry.host);  // before the files are read: what changes meanwhile is seen next time
    ContextPtr context = LoadContext(entry.host, options);
    UseTicketKeys(context.get(), ticket_keys);
    entry.context = std::move(context);
  }

  bool ReloadIfChanged(Entry& entry) {
    if (StampsOf(entry.host) == entry.stamps) return false;
    try {
      Load(entry);
      log::Info("tls_certificate_reloaded", {{"host", entry.host.domain}, {"file", entry.host.certificate_file}});
      return true;
    } catch (const std::runtime_error& error) {
      log::Error("tls_reload_failed", {{"host", entry.host.domain}, {"reason", error.what()}});
      return false;
    }
  }

  void RenewOldTicketKeys() {
    const auto now = std::chrono::steady_clock::now();
    if (now - ticket_keys_made < kTicketKeyLifetime) return;
    ticket_keys = NewTicketKeys();
    ticket_keys_made = now;
    for (auto& entry : entries) UseTicketKeys(entry.context.get(), ticket_keys);
  }
};

TlsContexts::TlsContexts(std::vector<TlsHost> hosts, TlsOptions options) : state_(std::make_unique<State>()) {
  if (hosts.empty()) throw std::runtime_error("TLS: no host configured; add one to hosts");
  state_->options = std::move(options);
  state_->entries.reserve(hosts.size());
  for (auto& host : hosts) {
    auto& entry = state_->entries.emplace_back(Entry{std::move(host), {}, nullptr});
    state_->Load(entry);
    state_->by_name.emplace(entry.host.domain, state_->entries.size() - 1);
    state_->by_name.emplace(ToAscii(entry.host.domain), state_->entries.size() - 1);
  }
}

TlsContexts::~TlsContexts() = default;

std::vector<std::string> TlsContexts::Reload() {
  std::vector<std::string> reloaded;
  for (auto& entry : state_->entries) {
    if (state_->ReloadIfChanged(entry)) reloaded.push_back(entry.host.domain);
  }
  state_->RenewOldTicketKeys();
  return reloaded;
}

SSL_CTX* TlsContexts::Find(std::string_view name) const {
  if (name.empty()) return nullptr;
  auto found = state_->by_name.find(name);
  if (found == state_->by_name.end()) found = state_->by_name.find(ToAscii(name));  // other case, final dot
  return found == state_->by_name.end() ? nullptr : state_->entries[found->second].context.get();
}

SSL_CTX* TlsContexts::For(std::string_view host) const {
  SSL_CTX* found = Find(host);
  return found != nullptr ? found : state_->entries.front().context.get();
}

std::int64_t TlsContexts::ExpiresAt(std::string_view domain) const { return ExpiryOf(For(domain)); }
const std::string& TlsContexts::alpn() const { return state_->options.alpn; }

}  // namespace parley::net
