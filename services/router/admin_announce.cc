#include <set>

#include "libs/base/log.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "services/router/admin_operations.h"

namespace parley::router {
namespace {

// On their way at a time; the next go when these are taken, so that an announcement to many is in nobody's way.
constexpr int kAtOnce = 100;

// RFC 6121 8.5.2.1.1: a headline to a bare JID goes to all resources that take messages, and is never stored.
Envelope Headline(const std::string& domain, const std::string& account, const std::string& text) {
  Envelope envelope;
  envelope.set_kind(link::v1::KIND_MESSAGE);
  envelope.set_type(link::v1::TYPE_HEADLINE);
  envelope.set_from(domain);
  envelope.set_to(account);
  const auto quoted = [](const std::string& jid) { return "'" + xml::Escape(jid, xml::Use::kAttribute) + "'"; };
  envelope.set_stanza("<message type='headline' from=" + quoted(domain) + " to=" + quoted(account) + "><body>" +
                      xml::Escape(text) + "</body></message>");
  return envelope;
}

}  // namespace

void AdminOperations::Announce(const std::string& domain, const std::string& text,
                               std::function<void(Result<std::size_t>)> done) {
  parts_.tasks.Spawn("announce", SendToAll(domain, text, std::move(done)));
}

// The administrator is told when it begins: its account, which gets the announcement too, may wait for this answer.
Task<void> AdminOperations::SendToAll(std::string domain, std::string text,
                                      std::function<void(Result<std::size_t>)> done) {
  std::set<std::string> accounts;
  admin::v1::ListSessionsRequest request;
  request.set_domain(domain);
  Row row = [&accounts](const admin::v1::SessionRow& session) {
    accounts.insert(session.account());
    return true;
  };
  std::function<void(Done)> list = [&](Done listed) { ListSessions(request, row, std::move(listed)); };
  const auto failure = co_await Await<std::string>(list);
  if (!failure.empty()) {
    done(Error(failure));
    co_return;
  }
  done(accounts.size());
  auto next = accounts.begin();
  std::function<void(std::function<void(bool)>)> send = [&](std::function<void(bool)> taken) {
    const Receipt all([taken = std::move(taken)](rpc::RefusalReason) { taken(true); });
    for (int i = 0; i < kAtOnce && next != accounts.end(); ++i, ++next) {
      parts_.sender.Forward(Headline(domain, *next, text), all);
    }
  };
  while (next != accounts.end()) co_await Await<bool>(send);
  log::Info("announcement_sent", {{"domain", domain}, {"accounts", accounts.size()}});
}

}  // namespace parley::router
