#include "libs/storage/postgres_connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "libs/base/log.h"

namespace parley::storage {
namespace {

// libpq's connection string.
std::string Quoted(std::string_view value) {
  std::string quoted = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

// libpqxx writes what libpq has to say to standard error otherwise.
class Notices : public pqxx::errorhandler {
 public:
  using pqxx::errorhandler::errorhandler;
  bool operator()(const char notice[]) noexcept override {
    log::Debug("postgres_notice", {{"notice", notice}});
    return false;  // and no other handler
  }
};

void SetLimits(pqxx::connection& connection, const PostgresOptions& options) {
  pqxx::nontransaction transaction(connection);
  for (const auto& statement : LimitStatements(options)) transaction.exec0(statement);
}

enum class Readable { kNothing, kBytes, kEnd };

Readable Peek(int descriptor) {
  char byte;
  const ssize_t got = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return Readable::kBytes;
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? Readable::kNothing : Readable::kEnd;
}

}  // namespace

std::string ConnectionString(const PostgresOptions& options) {
  const auto timeout = std::chrono::ceil<std::chrono::seconds>(options.connect_timeout);
  std::string text = "host=" + Quoted(options.host) + " port=" + std::to_string(options.port) +
                     " dbname=" + Quoted(options.database) + " user=" + Quoted(options.user) +
                     " sslmode=" + Quoted(options.tls) + " connect_timeout=" + std::to_string(timeout.count()) +
                     // Not a standby, nor what a primary became after a failover. Also for what only reads: a standby
                     // may be behind, and a login would not see the change before it.
                     " target_session_attrs=read-write" +
                     // A peer that vanished without a word is noticed in about ten seconds.
                     " keepalives_idle=5 keepalives_interval=2 keepalives_count=3 tcp_user_timeout=10000" +
                     " client_encoding=UTF8 application_name=parley";
  if (!options.ca_file.empty()) text += " sslrootcert=" + Quoted(options.ca_file);
  if (!options.certificate_file.empty()) text += " sslcert=" + Quoted(options.certificate_file);
  if (!options.key_file.empty()) text += " sslkey=" + Quoted(options.key_file);
  if (!options.password.empty()) text += " password=" + Quoted(options.password);
  return text;
}

// By statements and not by libpq's `options`, which connection poolers refuse. The second one frees the locks of a
// process that was stopped in the middle of a transaction.
std::vector<std::string> LimitStatements(const PostgresOptions& options) {
  const auto limit = std::to_string(options.statement_timeout.count());
  return {"SET statement_timeout = " + limit, "SET idle_in_transaction_session_timeout = " + limit};
}

std::string FirstLine(const char* text) {
  const std::string_view whole(text);
  return std::string(whole.substr(0, whole.find('\n')));
}

std::unique_ptr<pqxx::connection> ConnectPostgres(const PostgresOptions& options) {
  auto connection = std::make_unique<pqxx::connection>(ConnectionString(options));
  SetLimits(*connection, options);
  return connection;
}

PostgresConnection::PostgresConnection(const PostgresOptions& options)
    : connection_(std::make_unique<pqxx::connection>(ConnectionString(options))),
      descriptor_(dup(connection_->sock())) {
  notices_ = std::make_unique<Notices>(*connection_);
}

PostgresConnection::~PostgresConnection() {
  if (descriptor_ >= 0) close(descriptor_);
}

void PostgresConnection::CutOff() const { shutdown(descriptor_, SHUT_RDWR); }

void PostgresConnection::Prepare(const PostgresOptions& options, const Postgres::Prepare& prepare) {
  SetLimits(*connection_, options);
  if (!options.session.empty()) {
    pqxx::nontransaction transaction(*connection_);
    for (const auto& statement : options.session) transaction.exec(statement);
  }
  if (prepare) prepare(*connection_);
}

bool PostgresConnection::Alive() const { return connection_->is_open() && Peek(descriptor_) != Readable::kEnd; }
bool PostgresConnection::Quiet() const { return connection_->is_open() && Peek(descriptor_) == Readable::kNothing; }

}  // namespace parley::storage
