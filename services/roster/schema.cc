#include "services/roster/schema.h"

namespace parley::roster {
namespace {

// Text that is compared as bytes has collation "C": JIDs are prepared, order need not mean anything, and indexes stay
// valid when the system's locales change.
constexpr char kAccounts[] = R"(
CREATE TABLE settings (
  key text PRIMARY KEY,
  value bytea NOT NULL
);

CREATE TABLE hosts (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  domain text COLLATE "C" NOT NULL UNIQUE
);

-- Locked by everything that changes the account or what it owns: so counters, version and rows agree.
CREATE TABLE accounts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  host_id integer NOT NULL REFERENCES hosts,
  localpart text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Starts anywhere, so that an account made anew never matches a version that a client kept of the old one.
  roster_version bigint NOT NULL DEFAULT floor(random() * 1e15)::bigint,
  roster_items integer NOT NULL DEFAULT 0,
  pending_in integer NOT NULL DEFAULT 0,
  offline_messages integer NOT NULL DEFAULT 0,
  offline_bytes bigint NOT NULL DEFAULT 0,
  -- The last change of the roster and what was answered: a repeat of it gets the same answer.
  last_ask text NOT NULL DEFAULT '',
  last_answer bytea NOT NULL DEFAULT '',
  UNIQUE (host_id, localpart)
) WITH (fillfactor = 80);

CREATE TABLE scram_keys (
  account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
  hash text NOT NULL,
  salt bytea NOT NULL,
  iterations integer NOT NULL,
  stored_key bytea NOT NULL,
  server_key bytea NOT NULL,
  PRIMARY KEY (account_id, hash)
);
)";

constexpr char kRosters[] = R"(
-- subscription: 0 none, 1 to, 2 from, 3 both. A row with in_roster false exists for pending_in alone.
CREATE TABLE roster_items (
  account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
  jid text COLLATE "C" NOT NULL,
  name text NOT NULL,
  groups text[] NOT NULL,
  subscription smallint NOT NULL CHECK (subscription BETWEEN 0 AND 3),
  ask boolean NOT NULL,
  approved boolean NOT NULL,
  pending_in boolean NOT NULL,
  in_roster boolean NOT NULL,
  -- The subscription request, whole, until it is answered (RFC 6121 3.1.3).
  pending_stanza bytea,
  -- The roster's version when the item last changed as clients see it.
  version bigint NOT NULL,
  PRIMARY KEY (account_id, jid),
  CHECK (in_roster OR pending_in),
  CHECK (in_roster OR (subscription = 0 AND NOT ask AND NOT approved))
);
CREATE INDEX roster_items_pending ON roster_items (account_id) WHERE pending_in;

-- What was removed and when, the newest of each account: for answers that tell changes only (RFC 6121 2.6).
CREATE TABLE roster_removed (
  account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
  jid text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (account_id, jid)
);
)";

// No foreign keys here: a check for each message costs as much as storing it, and the writers hold the account's lock.
constexpr char kOffline[] = R"(
CREATE TABLE offline_messages (
  id bigserial PRIMARY KEY,
  account_id bigint NOT NULL,
  received_at bigint NOT NULL,
  origin text COLLATE "C" NOT NULL,
  origin_seq bigint NOT NULL,
  stanza bytea NOT NULL
);
CREATE UNIQUE INDEX offline_messages_once ON offline_messages (account_id, origin, origin_seq) WHERE origin <> '';
CREATE INDEX offline_messages_order ON offline_messages (account_id, id);

-- Messages that were delivered and deleted not long ago: a late repeat of one is still recognised.
CREATE TABLE offline_taken (
  account_id bigint NOT NULL,
  origin text COLLATE "C" NOT NULL,
  origin_seq bigint NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, origin, origin_seq)
);
CREATE INDEX offline_taken_by_age ON offline_taken (taken_at);
)";

constexpr char kRosterBytes[] = R"(
ALTER TABLE accounts ADD COLUMN roster_bytes bigint NOT NULL DEFAULT 0;
UPDATE accounts a SET roster_bytes = s.bytes FROM (
  SELECT i.account_id, sum(64 + octet_length(i.jid) + octet_length(i.name)
    + (SELECT coalesce(sum(16 + octet_length(g)), 0) FROM unnest(i.groups) g)) AS bytes
  FROM roster_items i WHERE i.in_roster GROUP BY i.account_id) s
WHERE a.id = s.account_id;
)";

// From which version on all changes are known: NULL until the first one.
constexpr char kRosterFloor[] = R"(
ALTER TABLE accounts ADD COLUMN roster_floor bigint;
)";

// No foreign key, as with offline messages.
constexpr char kRosterAsks[] = R"(
-- Changes of rosters, not long ago: a late repeat of one is still recognised, also when others came in between.
CREATE TABLE roster_asks (
  account_id bigint NOT NULL,
  -- SHA-256 of what was asked: an index takes no text of any length.
  ask bytea NOT NULL,
  answer bytea NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, ask)
);
CREATE INDEX roster_asks_by_age ON roster_asks (made_at);
)";

}  // namespace

const std::vector<storage::Migration>& Migrations() {
  static const std::vector<storage::Migration> kMigrations = {
      {1, "accounts", kAccounts},        {2, "rosters", kRosters},          {3, "offline", kOffline},
      {4, "roster_bytes", kRosterBytes}, {5, "roster_floor", kRosterFloor}, {6, "roster_asks", kRosterAsks},
  };
  return kMigrations;
}

}  // namespace parley::roster
