#include "services/roster/foundation.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "services/roster/schema.h"
#include "services/roster/test_database.h"

namespace parley::roster {
namespace {

using testing::HasSubstr;

struct EmptyDatabase {
  storage::PostgresOptions options = test::PostgresServer::Get().NewDatabase();
  Loop loop;
  storage::Postgres postgres{loop, options, PrepareConnection};

  Result<std::string> Lay(const FoundationOptions& foundation) {
    std::optional<Result<std::string>> result;
    std::function<std::string(pqxx::connection&)> job = [&](pqxx::connection& connection) {
      return LayFoundation(connection, foundation);
    };
    postgres.Run<std::string>(job, [&](Result<std::string> secret) { result = std::move(secret); });
    test::RunUntil(loop, [&] { return result.has_value(); });
    return *result;
  }
  std::string SqlValue(const std::string& sql) {
    return test::PostgresServer::Get().Execute(options.database, sql)[0][0].c_str();
  }
};

TEST(LayFoundationTest, MakesSchemaHostsAndSecretOnce) {
  EmptyDatabase db;
  const auto secret = db.Lay({.domains = {"a.example", "b.example"}});
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->size(), 32u);
  const auto again = db.Lay({.domains = {"b.example", "c.example"}});
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *secret);
  EXPECT_EQ(db.SqlValue("SELECT string_agg(domain, ' ' ORDER BY domain) FROM hosts"), "a.example b.example c.example");
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM parley_migrations"), std::to_string(Migrations().size()));
}

TEST(LayFoundationTest, ManyAtOnceAgree) {
  EmptyDatabase db;
  std::set<std::string> secrets;
  int answers = 0;
  for (int i = 0; i < 8; ++i) {
    std::function<std::string(pqxx::connection&)> job = [](pqxx::connection& connection) {
      return LayFoundation(connection, {.domains = {"a.example", "b.example"}});
    };
    db.postgres.Run<std::string>(job, [&](Result<std::string> secret) {
      EXPECT_TRUE(secret) << secret.error().message();
      if (secret) secrets.insert(*secret);
      ++answers;
    });
  }
  test::RunUntil(db.loop, [&] { return answers == 8; });
  EXPECT_EQ(secrets.size(), 1u);
}

// What an earlier release left is brought up to date, with what is in it.
TEST(LayFoundationTest, OldSchemaIsMigratedWithItsRows) {
  EmptyDatabase db;
  std::function<Ok(pqxx::connection&)> old = [](pqxx::connection& connection) {
    storage::Migrate(connection, {Migrations().front()});
    pqxx::work tx(connection);
    tx.exec("INSERT INTO hosts (domain) VALUES ('a.example')");
    tx.exec("INSERT INTO accounts (host_id, localpart) SELECT id, 'ada' FROM hosts");
    tx.commit();
    return Ok{};
  };
  bool made = false;
  db.postgres.Run<Ok>(old, [&](Result<Ok> result) { made = static_cast<bool>(result); });
  test::RunUntil(db.loop, [&] { return made; });

  const auto refused = db.Lay({.migrate = false, .domains = {"a.example"}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("--migrate-only"));
  ASSERT_TRUE(db.Lay({.migrate = true, .domains = {"a.example"}}));
  ASSERT_TRUE(db.Lay({.migrate = false, .domains = {"a.example"}}));
  EXPECT_EQ(db.SqlValue("SELECT localpart FROM accounts"), "ada");
}

// What release 0.1.0 left, whose last changes are known in its way.
TEST(LayFoundationTest, RostersOfTheFirstReleaseAreMigrated) {
  EmptyDatabase db;
  std::function<Ok(pqxx::connection&)> old = [](pqxx::connection& connection) {
    const auto& all = Migrations();
    storage::Migrate(connection, {all.begin(), all.begin() + 5});
    pqxx::work tx(connection);
    tx.exec("INSERT INTO hosts (domain) VALUES ('a.example')");
    tx.exec(
        "INSERT INTO accounts (host_id, localpart, roster_items, last_ask, last_answer) "
        "SELECT id, 'ada', 1, 'set s 1 b@a.example', 'x' FROM hosts");
    tx.exec(
        "INSERT INTO roster_items SELECT id, 'b@a.example', '', '{}', 0, false, false, false, true, NULL, 1 "
        "FROM accounts");
    tx.commit();
    return Ok{};
  };
  bool made = false;
  db.postgres.Run<Ok>(old, [&](Result<Ok> result) { made = static_cast<bool>(result); });
  test::RunUntil(db.loop, [&] { return made; });
  ASSERT_TRUE(db.Lay({.domains = {"a.example"}}));
  EXPECT_EQ(db.SqlValue("SELECT localpart || ' ' || last_ask FROM accounts"), "ada set s 1 b@a.example");
  EXPECT_EQ(db.SqlValue("SELECT jid FROM roster_items"), "b@a.example");
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM roster_asks"), "0");
}

TEST(LayFoundationTest, EmptyDatabaseIsNotReadyWithoutMigration) {
  EmptyDatabase db;
  const auto refused = db.Lay({.migrate = false});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("older than this program"));
}

TEST(FoundationTest, WaitsForPostgresAndNoticesWhenItGoes) {
  auto& server = test::PostgresServer::Get();
  const auto options = server.NewDatabase();
  server.Stop();
  Loop loop;
  storage::Postgres postgres(loop, options, PrepareConnection);
  std::string secret;
  Foundation foundation(loop, postgres, {.domains = {"a.example"}, .period = std::chrono::milliseconds(20)},
                        [&](std::string laid) { secret = std::move(laid); });
  test::RunUntil(loop, [&] { return foundation.Missing().find("postgres") != std::string::npos; });
  EXPECT_TRUE(secret.empty());
  server.Start();
  test::RunUntil(loop, [&] { return foundation.Missing().empty(); });
  EXPECT_EQ(secret.size(), 32u);
  server.Stop();
  test::RunUntil(loop, [&] { return !foundation.Missing().empty(); });
  server.Start();
  test::RunUntil(loop, [&] { return foundation.Missing().empty(); });
}

TEST(FoundationTest, WhatTakesNoWritesIsMissing) {
  auto& server = test::PostgresServer::Get();
  Loop loop;
  storage::Postgres postgres(loop, server.NewDatabase(), PrepareConnection);
  Foundation foundation(loop, postgres, {.domains = {"a.example"}, .period = std::chrono::milliseconds(20)},
                        [](const std::string&) {});
  test::RunUntil(loop, [&] { return foundation.Missing().empty(); });
  server.Set("default_transaction_read_only", "on");
  test::RunUntil(loop, [&] { return !foundation.Missing().empty(); });
  EXPECT_THAT(foundation.Missing(), HasSubstr("read-only"));
  server.Set("default_transaction_read_only", "");
  test::RunUntil(loop, [&] { return foundation.Missing().empty(); });
}

}  // namespace
}  // namespace parley::roster
