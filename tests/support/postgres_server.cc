#include "tests/support/postgres_server.h"

#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#ifdef __SANITIZE_ADDRESS__
// libpqxx 6.4 loses the result of a statement whose connection broke.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libpqxx"; }
#endif

namespace parley::test {
namespace {

namespace fs = std::filesystem;

// Debian keeps the servers of each version apart and off the PATH.
std::string FindPrograms() {
  std::string newest;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql")) {
    const std::string path = entry.path() / "bin";
    if (fs::exists(path + "/initdb") && path > newest) newest = path;
  }
  if (newest.empty()) throw std::runtime_error("PostgreSQL is not installed");
  return newest;
}

}  // namespace

PostgresServer& PostgresServer::Get() {
  static PostgresServer server;
  if (server.paused_) server.Resume();
  server.Start();
  return server;
}

PostgresServer::PostgresServer()
    : programs_(FindPrograms()), data_(directory_.path() + "/data"), log_(directory_.path() + "/log") {
  if (geteuid() == 0) {
    const passwd* postgres = getpwnam("postgres");
    if (postgres == nullptr) throw std::runtime_error("there is no user postgres to run PostgreSQL as");
    user_ = postgres->pw_uid;
    group_ = postgres->pw_gid;
    if (chown(directory_.path().c_str(), user_, group_) != 0) throw std::runtime_error("chown failed");
  }
  Initialize();
  Start();
}

PostgresServer::~PostgresServer() = default;

ChildProcess::Options PostgresServer::Program(const std::string& name) const {
  ChildProcess::Options options;
  options.command = {programs_ + "/" + name, "-D", data_};
  options.output = log_;
  options.user = user_;
  options.group = group_;
  return options;
}

void PostgresServer::Initialize() {
  auto options = Program("initdb");
  for (const char* word : {"--no-sync", "--auth=trust", "--username=parley", "--encoding=UTF8", "--locale=C"}) {
    options.command.emplace_back(word);
  }
  RunToEnd(options);
}

void PostgresServer::Start() {
  if (process_) return;
  auto options = Program("postgres");
  for (const std::string& setting :
       {"unix_socket_directories=" + directory_.path(), std::string("listen_addresses="), std::string("fsync=off"),
        std::string("synchronous_commit=off"), std::string("full_page_writes=off"), std::string("max_connections=100"),
        std::string("shared_buffers=16MB"), std::string("autovacuum=off")}) {
    options.command.emplace_back("-c");
    options.command.push_back(setting);
  }
  process_ = std::make_unique<ChildProcess>(options);
  const auto answers = [this] {
    if (!process_->running()) throw std::runtime_error("postgres ended, see " + log_);
    try {
      pqxx::connection connection(ConnectionString("postgres"));
      return true;
    } catch (const pqxx::failure&) {
      return false;
    }
  };
  WaitUntil("postgres", answers, log_);
}

void PostgresServer::Stop() {
  process_->Signal(SIGINT);
  process_->Wait();
  process_.reset();
}

void PostgresServer::Kill() {
  process_->SignalTree(SIGKILL);
  process_->Wait();
  process_.reset();
}

void PostgresServer::Pause() {
  process_->SignalTree(SIGSTOP);
  paused_ = true;
}

void PostgresServer::Resume() {
  process_->SignalTree(SIGCONT);
  paused_ = false;
}

std::string PostgresServer::ConnectionString(const std::string& database) const {
  return "host=" + directory_.path() + " user=parley connect_timeout=5 dbname=" + database;
}

storage::PostgresOptions PostgresServer::NewDatabase() {
  storage::PostgresOptions options;
  options.host = directory_.path();
  options.database = "test" + std::to_string(++databases_);
  options.user = "parley";
  Execute("postgres", "CREATE DATABASE " + options.database);
  return options;
}

pqxx::result PostgresServer::Execute(const std::string& database, const std::string& sql) const {
  pqxx::connection connection(ConnectionString(database));
  pqxx::nontransaction transaction(connection);
  return transaction.exec(sql);
}

}  // namespace parley::test
