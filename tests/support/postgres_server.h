#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/storage/postgres.h"
#include "tests/support/certificates.h"
#include "tests/support/child_process.h"

namespace parley::test {

// A private PostgreSQL on a unix socket, without durability, as user postgres if the test runs as root.
class PostgresServer {
 public:
  // One for the whole test process, made at the first use; started again if a test left it stopped.
  static PostgresServer& Get();

  PostgresServer();
  // A standby of `primary`, from a copy of it: replicates, and takes reads only until it is promoted.
  explicit PostgresServer(const PostgresServer& primary);
  ~PostgresServer();

  // In good order (connections are ended), or as a crash. Start() again has the data of before.
  void Stop();
  void Kill();
  void Start();
  // SIGSTOP and SIGCONT to all of its processes.
  void Pause();
  void Resume();

  // It takes writes when this returns.
  void Promote() const;
  // ALTER SYSTEM; in force for whoever connects from now on. Empty: as it was.
  void Set(const std::string& name, const std::string& value) const;
  // The directory of its unix socket: how libpq calls it.
  const std::string& host() const { return directory_.path(); }

  // Restarts it to listen on TCP, too, with TLS only: user "certified" has a certificate of the authority, others have
  // SCRAM. Returns the port.
  int ListenWithTls(const Certificate& certificate, const std::string& ca_pem);

  // Options for a new, empty database.
  storage::PostgresOptions NewDatabase();
  // Runs SQL as another client would.
  pqxx::result Execute(const std::string& database, const std::string& sql) const;

 private:
  std::string ConnectionString(const std::string& database) const;
  void BecomeServerUser();
  void Initialize() const;
  std::string WriteForServer(const std::string& name, const std::string& content) const;
  ChildProcess::Options Program(const std::string& name) const;

  TemporaryDirectory directory_;
  std::string programs_;
  std::string data_;
  std::string log_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  std::vector<std::string> settings_;
  int port_ = 5432;
  int databases_ = 0;
  bool paused_ = false;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace parley::test
