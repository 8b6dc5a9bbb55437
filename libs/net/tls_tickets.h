#pragma once

#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "libs/net/file_stamp.h"

namespace parley::net {

// One key of a ticket key file, as `openssl rand 80` makes it.
struct TicketKey {
  std::array<unsigned char, 16> name;  // travels in the clear (RFC 5077 4): which key sealed this ticket
  std::array<unsigned char, 32> mac;   // HMAC-SHA-256
  std::array<unsigned char, 32> seal;  // AES-256-CBC
};
static_assert(sizeof(TicketKey) == 80);

// The keys that seal the session tickets of all contexts of a process. From a file they are those of every node that
// has it: a session made on one edge is resumed on another. The first key seals, all open.
class TicketKeys {
 public:
  // `file` empty: a random key of this process alone. Throws std::runtime_error that names the file and the remedy.
  explicit TicketKeys(std::string file);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  // The context must not make handshakes beyond the life of these keys.
  void InstallIn(SSL_CTX* context);
  // Takes a changed file (one that does not load is logged and leaves the old keys), or replaces an old random key.
  void Renew();

  const TicketKey& sealing() const { return keys_.front(); }
  const TicketKey* Find(const unsigned char* name) const;

 private:
  void Take(std::vector<TicketKey> keys);

  const std::string file_;
  FileStamp stamp_;  // of the last attempt to load
  std::vector<TicketKey> keys_;
  std::chrono::steady_clock::time_point made_;
};

// What the certificate that the client has seen gives for tls-server-end-point, from the ticket of a resumed session:
// the host's certificate may have been renewed since, here or on this node only. Empty: not known.
std::string EndPointOfTicket(SSL* ssl);

}  // namespace parley::net
