#include "libs/net/tls.h"

#include <array>
#include <map>
#include <stdexcept>
#include <utility>

#include "libs/base/log.h"
#include "libs/net/file_stamp.h"
#include "libs/net/tls_context.h"
#include "libs/net/tls_handshake.h"
#include "libs/net/tls_tickets.h"

namespace parley::net {
namespace {

using Stamps = std::array<FileStamp, 3>;

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
  explicit State(TlsOptions from) : options(std::move(from)), ticket_keys(options.ticket_key_file) {}

  const TlsOptions options;
  TicketKeys ticket_keys;
  std::vector<Entry> entries;
  std::map<std::string, std::size_t, std::less<>> by_name;  // prepared domain and its form in SNI

  void Load(Entry& entry) {
    entry.stamps = StampsOf(entry.host);  // before the files are read: what changes meanwhile is seen next time
    ContextPtr context = LoadContext(entry.host, options);
    ticket_keys.InstallIn(context.get());
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
};

TlsContexts::TlsContexts(std::vector<TlsHost> hosts, TlsOptions options)
    : state_(std::make_unique<State>(std::move(options))) {
  if (hosts.empty()) throw std::runtime_error("TLS: no host configured; add one to hosts");
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
  state_->ticket_keys.Renew();
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
const TlsOptions& TlsContexts::options() const { return state_->options; }

}  // namespace parley::net
