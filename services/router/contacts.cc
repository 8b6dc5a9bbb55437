#include <algorithm>

#include "services/router/roster_client.h"

namespace parley::router {
namespace {

bool Before(const Contact& contact, std::string_view jid) { return contact.jid < jid; }

Contact FromItem(const roster::v1::Item& item) {
  Contact contact;
  contact.jid = item.jid();
  contact.subscription = item.subscription();
  contact.pending_in = item.pending_in();
  contact.refused = item.refused();
  return contact;
}

}  // namespace

Contacts::Contacts(const roster::v1::Roster& roster) {
  contacts_.reserve(static_cast<std::size_t>(roster.items_size()));
  for (const auto& item : roster.items()) contacts_.push_back(FromItem(item));
  std::sort(contacts_.begin(), contacts_.end(), [](const Contact& a, const Contact& b) { return a.jid < b.jid; });
}

const Contact* Contacts::Find(std::string_view jid) const {
  const auto place = std::lower_bound(contacts_.begin(), contacts_.end(), jid, Before);
  return place != contacts_.end() && place->jid == jid ? &*place : nullptr;
}

bool Contacts::SubscribedToUs(std::string_view jid) const {
  const Contact* contact = Find(jid);
  return contact != nullptr && contact->subscribed_to_us();
}

bool Contacts::any_pending_in() const {
  return std::any_of(contacts_.begin(), contacts_.end(), [](const Contact& contact) { return contact.pending_in; });
}

void Contacts::Apply(const roster::v1::Item& item, bool removed) {
  Contact contact = FromItem(item);
  if (removed) contact.subscription = roster::v1::SUBSCRIPTION_NONE;
  const auto place = std::lower_bound(contacts_.begin(), contacts_.end(), item.jid(), Before);
  const bool there = place != contacts_.end() && place->jid == item.jid();
  // Who still waits for an answer to its request is no contact, but is not forgotten either (RFC 6121 3.1.3).
  if (removed && !contact.pending_in) {
    if (there) contacts_.erase(place);
  } else if (there) {
    *place = std::move(contact);
  } else {
    contacts_.insert(place, std::move(contact));
  }
}

}  // namespace parley::router
