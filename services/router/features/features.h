#pragma once

#include <memory>
#include <vector>

#include "libs/rpc/accounts_client.h"
#include "services/router/account_removal.h"
#include "services/router/account_table.h"
#include "services/router/domains.h"
#include "services/router/features/feature.h"
#include "services/router/offline_spool.h"
#include "services/router/pushes.h"
#include "services/router/roster_client.h"
#include "services/router/session_store.h"
#include "services/router/sessions.h"
#include "services/router/subscriptions.h"

namespace parley::router {

class AdminApi;

struct FeatureDeps {
  const Domains& domains;
  AccountTable& accounts;
  Sessions& sessions;
  SessionStore& store;
  RosterClient& rosters;
  const OfflineSpool& spool;
  Pushes& pushes;
  Fanout& fanout;
  Subscriptions& subscriptions;
  AccountRemoval& removal;
  rpc::AccountsClient& credentials;
  AdminApi& operations;
  // All features, once they are made: what XEP-0030 answers from.
  std::weak_ptr<const std::vector<Feature>> all;
};

#define FEATURE(name) Feature name(const FeatureDeps& deps);
#include "services/router/features/features.inc"
#undef FEATURE

std::shared_ptr<const std::vector<Feature>> AllFeatures(FeatureDeps deps);

}  // namespace parley::router
