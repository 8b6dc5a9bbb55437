// The TLS half of connection.h.
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "bench/generator/connection.h"

namespace parley::bench {

Server ResolveServer(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error(name + ": give HOST:PORT");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string host = name.substr(0, colon);
  if (getaddrinfo(host.c_str(), name.c_str() + colon + 1, &hints, &found) != 0) {
    throw std::runtime_error("cannot resolve " + name);
  }
  Server server;
  server.name = name;
  std::memcpy(&server.address, found->ai_addr, found->ai_addrlen);
  server.address_size = found->ai_addrlen;
  freeaddrinfo(found);
  return server;
}

Tls::Tls(const std::string& ca_file, Resumption resumption)
    : context_(SSL_CTX_new(TLS_client_method())), resumption_(resumption) {
  SSL_CTX_set_app_data(context_, this);
  SSL_CTX_set_mode(context_,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context_, 1);
  SSL_CTX_set_options(context_, SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (!ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context_, ca_file.c_str(), nullptr) != 1) {
      throw std::runtime_error("cannot read certificates from " + ca_file);
    }
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  }
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  if (resumption == Resumption::kOn) SSL_CTX_sess_set_new_cb(context_, &Tls::KeepSession);
}

Tls::~Tls() { SSL_CTX_free(context_); }

int Tls::KeepSession(SSL* ssl, SSL_SESSION* session) {
  auto& server = *static_cast<Server*>(SSL_get_app_data(ssl));
  if (server.session != nullptr) SSL_SESSION_free(server.session);
  server.session = session;
  return 1;  // ours now
}

void Tls::Count(SSL* ssl) {
  if (SSL_session_reused(ssl) != 1) return;
  ++static_cast<Tls*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->resumed_;
}

SSL* Tls::NewSession(int fd, Server& server, const std::string& domain) {
  SSL* ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  SSL_set_connect_state(ssl);
  SSL_set_app_data(ssl, &server);
  SSL_set_tlsext_host_name(ssl, domain.c_str());
  SSL_set1_host(ssl, domain.c_str());
  if (resumption_ == Resumption::kOn && server.session != nullptr) {
    // One ticket serves many: a generator has thousands of clients behind one name.
    SSL_SESSION* copy = SSL_SESSION_dup(server.session);
    SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);
  }
  return ssl;
}

void Connection::FailTls(const char* what) {
  const unsigned long error = ERR_get_error();
  char text[200] = "";
  if (error != 0) {
    ERR_error_string_n(error, text, sizeof text);
  } else {
    std::strncpy(text, errno == 0 ? "closed by the server" : std::strerror(errno), sizeof text - 1);
  }
  Fail(std::string(what) + ": " + text);
}

}  // namespace parley::bench
