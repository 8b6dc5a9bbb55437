#include "services/router/account_removal.h"

#include "libs/base/log.h"
#include "libs/xmpp/jid.h"

namespace parley::router {

Task<Result<rpc::AccountProblem>> AccountRemoval::Remove(Account& account, Receipt receipt) {
  const std::string bare = account.bare();
  roster::v1::Ask ask;
  ask.mutable_get_roster()->set_owner(bare);
  const auto answer = co_await parts_.rosters.Ask(bare, std::move(ask));
  if (answer.problem() == roster::v1::PROBLEM_NO_ACCOUNT) co_return rpc::AccountProblem::kNoAccount;
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED) co_return Error("the roster cannot be read");
  for (const auto& item : answer.roster().items()) TakeLeave(account, item, receipt);

  std::function<void(rpc::AccountsClient::Done)> start = [&](rpc::AccountsClient::Done done) {
    parts_.credentials.Delete(bare, std::move(done));
  };
  const auto deleted = co_await Await<Result<rpc::AccountProblem>>(start);
  if (!deleted) co_return deleted.error();
  if (*deleted == rpc::AccountProblem::kNone) {
    // Whoever was to be told that its sessions end has been.
    parts_.rosters.Remember(bare, roster::v1::Roster());
    parts_.store.Touch(bare);
    log::Info("account_removed", {{"account", bare}});
  }
  co_return *deleted;
}

void AccountRemoval::TakeLeave(Account& account, const roster::v1::Item& item, const Receipt& receipt) {
  Contact contact;
  contact.subscription = item.subscription();
  const std::string_view jid = xmpp::BareOf(item.jid());
  if (contact.subscribed_to_us()) parts_.fanout.AllGoneTo(account, jid, Origin(), receipt);
  if (contact.subscribed_to_us() || item.pending_in()) {
    parts_.subscriptions.SendFor(account, {link::v1::TYPE_UNSUBSCRIBED, {}}, jid, receipt);
  }
  if (contact.we_subscribed() || item.ask()) {
    parts_.subscriptions.SendFor(account, {link::v1::TYPE_UNSUBSCRIBE, {}}, jid, receipt);
  }
}

}  // namespace parley::router
