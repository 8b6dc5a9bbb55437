#include "tests/support/postgres_server.h"

#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/support/redis_server.h"

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
  BecomeServerUser();
  Initialize();
  Start();
}

PostgresServer::PostgresServer(const PostgresServer& primary)
    : programs_(primary.programs_), data_(directory_.path() + "/data"), log_(directory_.path() + "/log") {
  BecomeServerUser();
  auto copy = Program("pg_basebackup");
  for (const std::string& word :
       {"--host=" + primary.host(), "--port=" + std::to_string(primary.port_), std::string("--username=parley"),
        std::string("--write-recovery-conf"), std::string("--checkpoint=fast"), std::string("--no-sync")}) {
    copy.command.push_back(word);
  }
  RunToEnd(copy);
  Start();
}

void PostgresServer::BecomeServerUser() {
  if (geteuid() != 0) return;
  const passwd* postgres = getpwnam("postgres");
  if (postgres == nullptr) throw std::runtime_error("there is no user postgres to run PostgreSQL as");
  user_ = postgres->pw_uid;
  group_ = postgres->pw_gid;
  if (chown(directory_.path().c_str(), user_, group_) != 0) throw std::runtime_error("chown failed");
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

void PostgresServer::Initialize() const {
  auto options = Program("initdb");
  for (const char* word : {"--no-sync", "--auth=trust", "--username=parley", "--encoding=UTF8", "--locale=C"}) {
    options.command.emplace_back(word);
  }
  RunToEnd(options);
}

std::string PostgresServer::WriteForServer(const std::string& name, const std::string& content) const {
  const std::string file = data_ + "/" + name;
  std::ofstream(file) << content;
  // PostgreSQL takes no key that others can read.
  if (chmod(file.c_str(), 0600) != 0) throw std::runtime_error("chmod failed");
  if (user_ != 0 && chown(file.c_str(), user_, group_) != 0) throw std::runtime_error("chown failed");
  return file;
}

int PostgresServer::ListenWithTls(const Certificate& certificate, const std::string& ca_pem) {
  const int port = FreePort();
  WriteForServer("pg_hba.conf",
                 "local all parley trust\n"
                 "hostssl all certified all cert\n"
                 "hostssl all all all scram-sha-256\n");
  settings_ = {"listen_addresses=localhost",
               "port=" + std::to_string(port),
               "ssl=on",
               "ssl_cert_file=" + WriteForServer("server.crt", certificate.certificate),
               "ssl_key_file=" + WriteForServer("server.key", certificate.key),
               "ssl_ca_file=" + WriteForServer("ca.crt", ca_pem)};
  Stop();
  port_ = port;
  Start();
  return port;
}

void PostgresServer::Start() {
  if (process_) return;
  auto options = Program("postgres");
  std::vector<std::string> settings = {"unix_socket_directories=" + directory_.path(),
                                       "listen_addresses=",
                                       "fsync=off",
                                       "synchronous_commit=off",
                                       "full_page_writes=off",
                                       "max_connections=100",
                                       "shared_buffers=16MB",
                                       "autovacuum=off"};
  settings.insert(settings.end(), settings_.begin(), settings_.end());
  for (const std::string& setting : settings) {
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

void PostgresServer::Promote() const {
  auto promote = Program("pg_ctl");
  promote.command.insert(promote.command.begin() + 1, "promote");
  RunToEnd(promote);
}

void PostgresServer::Set(const std::string& name, const std::string& value) const {
  const auto shown = [&] { return Execute("postgres", "SHOW " + name)[0][0].as<std::string>(); };
  const std::string before = shown();
  Execute("postgres", "ALTER SYSTEM " + (value.empty() ? "RESET " + name : "SET " + name + " = '" + value + "'"));
  Execute("postgres", "SELECT pg_reload_conf()");
  WaitUntil(
      name, [&] { return value.empty() ? shown() != before : shown() == value; }, log_);
}

std::string PostgresServer::ConnectionString(const std::string& database) const {
  return "host=" + directory_.path() + " port=" + std::to_string(port_) +
         " user=parley connect_timeout=5 dbname=" + database;
}

storage::PostgresOptions PostgresServer::NewDatabase() {
  storage::PostgresOptions options;
  options.host = directory_.path();
  options.port = static_cast<std::uint16_t>(port_);
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
