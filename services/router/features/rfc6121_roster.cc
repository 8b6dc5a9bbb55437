#include <set>

#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "services/router/features/features.h"
#include "services/router/presence.h"
#include "services/router/roster_errors.h"

namespace parley::router {
namespace {

constexpr char kRoster[] = "jabber:iq:roster";

// RFC 6121 section 2, for one request.
class RosterRequest {
 public:
  RosterRequest(const FeatureDeps& deps, const Iq& iq) : deps_(deps), iq_(iq) {}

  // 2.2, 2.6.
  Task<IqAnswer> Get();
  // 2.3, 2.4, 2.5.
  Task<IqAnswer> Set();

 private:
  Task<void> BecomeInterested();
  void PushChanges(const roster::v1::Roster& roster);
  Task<IqAnswer> Put(roster::v1::Item item);
  Task<IqAnswer> Remove(std::string jid);
  void Tell(const roster::v1::ItemChange& change);
  void Cancel(const roster::v1::Item& was);

  const FeatureDeps& deps_;
  const Iq& iq_;
};

// With its version (2.1.1), asked for or not: some clients learn of versions only so. An anonymous user's has none.
std::string RosterXml(const roster::v1::Roster& roster) {
  std::string xml = "<query xmlns='jabber:iq:roster'";
  if (!roster.version().empty()) xml += " ver='" + xml::Escape(roster.version(), xml::Use::kAttribute) + "'";
  xml += ">";
  for (const auto& item : roster.items()) {
    if (item.in_roster()) xml += ItemXml(item);
  }
  return xml + "</query>";
}

Task<IqAnswer> RosterRequest::Get() {
  const auto query = iq_.Payload();
  const auto known = query ? query->attr("ver") : std::nullopt;
  const std::string owner = iq_.account.bare();
  // What is on its way to the store may get there before or after the service looks.
  const bool storing = deps_.spool.on_its_way(owner);
  const bool cached = deps_.rosters.Cached(owner) != nullptr;
  roster::v1::Ask ask;
  ask.mutable_get_roster()->set_owner(owner);
  ask.mutable_get_roster()->set_known_version(std::string(known.value_or("")));
  ask.mutable_get_roster()->set_with_items(!cached);  // presence needs them
  ask.mutable_get_roster()->set_accepts_changes(true);
  Concern(iq_.envelope, ask);
  const auto answer = co_await deps_.rosters.Ask(owner, std::move(ask));
  const bool none = answer.problem() == roster::v1::PROBLEM_NO_ACCOUNT;
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED && !none) co_return ToStanzaError(answer.problem());
  const auto& roster = answer.roster();
  if (roster.nothing_stored() && !storing) iq_.account.NoteNothingStored();
  co_await BecomeInterested();
  const bool known_well = roster.unchanged() || roster.incremental();
  // COMPAT: a roster service of the previous release does not look at with_items.
  if (!known_well || roster.items_size() > 0) deps_.rosters.Remember(owner, roster);
  if (!known_well) co_return RosterXml(roster);
  PushChanges(roster);
  co_return EmptyResult();
}

// 2.6.3: "interim" pushes, in order, behind an empty result.
void RosterRequest::PushChanges(const roster::v1::Roster& roster) {
  const Session* session = iq_.account.WithId(iq_.envelope.origin());
  if (session == nullptr) return;
  for (const auto& change : roster.changes()) iq_.behind.push_back(Pushes::Make(iq_.account, *session, change));
}

// 2.2: who asked for the roster gets its changes. Most clients send their first presence right behind: it is written
// along, and others hear of it in its turn.
Task<void> RosterRequest::BecomeInterested() {
  const std::string id = iq_.envelope.origin();
  const Session* session = iq_.account.WithId(id);
  if (session == nullptr || session->record.interested()) co_return;
  const Envelope* next = session->available() ? nullptr : deps_.accounts.Next(iq_.account);
  const bool own = next != nullptr && next->origin() == id;
  Sessions::Change change = [&](Record& record) {
    record.set_interested(true);
    if (own) PutPresence(*next, record);
  };
  co_await deps_.sessions.Update(iq_.account, id, change);
  Session* written = iq_.account.WithId(id);
  if (written != nullptr) written->unannounced = own && written->available();
}

// The only item, or what is wrong with it (2.1.5, 2.3.3).
Result<roster::v1::Item, xmpp::StanzaError> ParseItem(const xml::Element& query, bool& remove) {
  const auto children = query.children();
  if (children.size() != 1 || !children[0]->Is("item", kRoster)) {
    return xmpp::BadRequest("A roster set holds exactly one item");
  }
  const xml::Element& element = *children[0];
  const auto text = element.attr("jid");
  if (!text) return xmpp::BadRequest("The item has no jid");
  const auto jid = xmpp::Jid::Parse(*text);
  if (!jid) return xmpp::JidMalformed();
  roster::v1::Item item;
  item.set_jid(jid->str());
  item.set_name(std::string(element.attr("name").value_or("")));
  remove = element.attr("subscription").value_or("") == "remove";
  std::set<std::string> groups;
  for (const xml::Element* child : element.children()) {
    if (!child->Is("group", kRoster)) continue;
    std::string group = child->text();
    if (group.empty()) return xmpp::NotAcceptable("A group has no name");
    if (!groups.insert(group).second) return xmpp::BadRequest("A group is named twice");
    item.add_groups(std::move(group));
  }
  return item;
}

Task<IqAnswer> RosterRequest::Set() {
  const auto query = iq_.Payload();
  if (!query) co_return xmpp::BadRequest();
  bool remove = false;
  auto item = ParseItem(*query, remove);
  if (!item) co_return item.error();
  if (remove) co_return co_await Remove(item->jid());
  co_return co_await Put(std::move(*item));
}

Task<IqAnswer> RosterRequest::Put(roster::v1::Item item) {
  const std::string owner = iq_.account.bare();
  roster::v1::Ask ask;
  auto& set = *ask.mutable_set_item();
  set.set_owner(owner);
  *set.mutable_item() = std::move(item);
  set.set_origin(iq_.envelope.origin());
  set.set_origin_seq(iq_.envelope.origin_seq());
  Concern(iq_.envelope, ask);
  const auto answer = co_await deps_.rosters.Ask(owner, std::move(ask));
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED) co_return ToStanzaError(answer.problem());
  Tell(answer.item_change());
  co_return EmptyResult();
}

Task<IqAnswer> RosterRequest::Remove(std::string jid) {
  const std::string owner = iq_.account.bare();
  roster::v1::Ask ask;
  auto& remove = *ask.mutable_remove_item();
  remove.set_owner(owner);
  remove.set_jid(std::move(jid));
  remove.set_origin(iq_.envelope.origin());
  remove.set_origin_seq(iq_.envelope.origin_seq());
  Concern(iq_.envelope, ask);
  const auto answer = co_await deps_.rosters.Ask(owner, std::move(ask));
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED) co_return ToStanzaError(answer.problem());
  Tell(answer.item_change());
  Cancel(answer.item_change().item());
  co_return EmptyResult();
}

// A repeat may find that what it asked for is over: the item is told as it is now.
void RosterRequest::Tell(const roster::v1::ItemChange& change) {
  const std::string& owner = iq_.account.bare();
  const bool removed = change.removed() && !change.has_back();
  const roster::v1::Item& item = change.has_back() ? change.back() : change.item();
  deps_.rosters.Apply(owner, item, removed);
  deps_.store.Touch(owner);
  if (removed) {
    deps_.pushes.SendRemoval(iq_.account, item.jid(), change.version(), iq_.receipt);
  } else {
    deps_.pushes.Send(iq_.account, item, change.version(), iq_.receipt);
  }
}

// 2.5.2: what there was of a subscription ends, both ways.
void RosterRequest::Cancel(const roster::v1::Item& was) {
  Contact contact;
  contact.subscription = was.subscription();
  const std::string_view jid = xmpp::BareOf(was.jid());
  const Origin cause(iq_.envelope);
  if (contact.we_subscribed() || was.ask()) {
    deps_.subscriptions.SendFor(iq_.account, {link::v1::TYPE_UNSUBSCRIBE, cause}, jid, iq_.receipt);
  }
  if (contact.subscribed_to_us()) {
    deps_.fanout.AllGoneTo(iq_.account, jid, cause, iq_.receipt);  // 3.2.2: first
    deps_.subscriptions.SendFor(iq_.account, {link::v1::TYPE_UNSUBSCRIBED, cause}, jid, iq_.receipt);
  }
}

// The request must outlive the wait: a coroutine's arguments do.
Task<IqAnswer> Get(FeatureDeps deps, const Iq& iq) {
  RosterRequest request(deps, iq);
  co_return co_await request.Get();
}

Task<IqAnswer> Set(FeatureDeps deps, const Iq& iq) {
  RosterRequest request(deps, iq);
  co_return co_await request.Set();
}

}  // namespace

Feature Rfc6121Roster(const FeatureDeps& deps) {
  const auto get = [deps](const Iq& iq) { return Get(deps, iq); };
  const auto set = [deps](const Iq& iq) { return Set(deps, iq); };
  Feature feature;
  feature.xep = "rfc6121";
  feature.iq = {{.target = Target::kAccount,
                 .type = link::v1::TYPE_GET,
                 .ns = kRoster,
                 .name = "query",
                 .access = Access::kOwner,
                 .later = get},
                {.target = Target::kAccount,
                 .type = link::v1::TYPE_SET,
                 .ns = kRoster,
                 .name = "query",
                 .access = Access::kOwner,
                 .later = set}};
  return feature;
}

}  // namespace parley::router
