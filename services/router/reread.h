#pragma once

#include "services/router/account.h"
#include "services/router/session_store.h"

namespace parley::router {

// Since the account was read last. If it was away, it may have lost something.
enum class RedisMeanwhile { kThere, kAway };

// The account becomes what Redis has of it now, with what only we know of its sessions; what others have done with
// these is noted in it (Account::changed_elsewhere).
void Reread(Account& account, SessionStore::Loaded loaded, RedisMeanwhile redis);

}  // namespace parley::router
