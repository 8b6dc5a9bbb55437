#include "services/roster/transfer/import_check.h"

#include <set>

#include "libs/xml/element.h"
#include "libs/xmpp/jid.h"

namespace parley::roster {
namespace {

namespace pb = transfer::v1;
using accounts::v1::PROBLEM_INVALID;
using accounts::v1::PROBLEM_NO_HOST;

constexpr std::uint32_t kMaxIterations = 10'000'000;
constexpr std::size_t kMaxSalt = 1024;

std::size_t KeyLength(xmpp::scram::Hash hash) { return hash == xmpp::scram::Hash::kSha1 ? 20 : 32; }

bool RightStanza(const std::string& stanza, const char* name) {
  const auto element = xml::Element::Parse(stanza);
  return element && element->Is(name, "jabber:client") && element->attr("from").has_value();
}

class Contacts {
 public:
  Contacts(const pb::User& from, const TransferOptions& options, pb::User& to, Dropped& dropped)
      : options_(options), to_(to), dropped_(dropped) {
    for (const auto& contact : from.contacts()) {
      if (!Add(contact)) ++dropped_.contacts;
    }
  }

 private:
  bool Add(const pb::Contact& given) {
    const auto jid = xmpp::Jid::Parse(given.item().jid());
    if (!jid || !jid->is_bare() || jid->str() == to_.jid() || jids_.contains(jid->str())) return false;
    pb::Contact contact = given;
    auto& item = *contact.mutable_item();
    item.set_jid(jid->str());
    if (item.pending_in() && !MayWait(contact)) {
      if (!item.in_roster()) return false;
      item.set_pending_in(false);
      contact.clear_request();
    }
    if (!item.in_roster() && !item.pending_in()) return false;
    if (item.in_roster() && !Fit(item)) return false;
    counts_.pending_in += item.pending_in() ? 1 : 0;
    jids_.insert(item.jid());
    *to_.add_contacts() = std::move(contact);
    return true;
  }

  bool MayWait(const pb::Contact& contact) const {
    return counts_.pending_in < options_.roster.max_pending_in &&
           contact.request().size() <= options_.roster.max_pending_bytes && RightStanza(contact.request(), "presence");
  }

  bool Fit(v1::Item& item) {
    v1::Item blank;
    blank.set_jid(item.jid());
    const auto named = WithNameAndGroups(blank, item, options_.roster);
    if (!named) return false;
    item.set_name(named->name());
    *item.mutable_groups() = named->groups();
    const auto bytes = SizeOf(item);
    if (counts_.items >= options_.roster.max_items || counts_.bytes + bytes > options_.roster.max_bytes) return false;
    ++counts_.items;
    counts_.bytes += bytes;
    return true;
  }

  const TransferOptions& options_;
  pb::User& to_;
  Dropped& dropped_;
  RosterCounts counts_;
  std::set<std::string> jids_;
};

void TakeMessages(const pb::User& from, const OfflineLimits& limits, pb::User& to, Dropped& dropped) {
  std::uint64_t bytes = 0;
  for (const auto& message : from.messages()) {
    const bool room = static_cast<std::uint32_t>(to.messages_size()) < limits.max_messages &&
                      bytes + message.stanza().size() <= limits.max_bytes;
    if (!room || !RightStanza(message.stanza(), "message")) {
      ++dropped.messages;
      continue;
    }
    bytes += message.stanza().size();
    *to.add_messages() = message;
  }
}

}  // namespace

Result<ScramKeys, AccountProblem> CheckedKeys(const pb::User& user) {
  ScramKeys all;
  for (const auto& given : user.keys()) {
    xmpp::scram::Keys keys;
    if (given.hash() != "SHA-1" && given.hash() != "SHA-256") continue;  // of a mechanism that we do not have
    keys.hash = given.hash() == "SHA-1" ? xmpp::scram::Hash::kSha1 : xmpp::scram::Hash::kSha256;
    keys.salt = given.salt();
    keys.iterations = given.iterations();
    keys.stored_key = given.stored_key();
    keys.server_key = given.server_key();
    const auto length = KeyLength(keys.hash);
    if (keys.stored_key.size() != length || keys.server_key.size() != length) return PROBLEM_INVALID;
    if (keys.salt.empty() || keys.salt.size() > kMaxSalt) return PROBLEM_INVALID;
    if (keys.iterations == 0 || keys.iterations > kMaxIterations) return PROBLEM_INVALID;
    for (const auto& other : all) {
      if (other.hash == keys.hash) return PROBLEM_INVALID;
    }
    all.push_back(std::move(keys));
  }
  return all;
}

Result<pb::User, AccountProblem> Checked(const pb::User& user, const TransferOptions& options, Dropped& dropped) {
  const auto jid = xmpp::Jid::Parse(user.jid());
  if (!jid || !jid->is_bare() || jid->local().empty()) return PROBLEM_INVALID;
  if (!options.domains.contains(std::string(jid->domain()))) return PROBLEM_NO_HOST;
  pb::User checked;
  checked.set_jid(jid->str());
  checked.set_password(user.password());
  *checked.mutable_keys() = user.keys();
  const Contacts contacts(user, options, checked, dropped);
  TakeMessages(user, options.offline, checked, dropped);
  return checked;
}

}  // namespace parley::roster
