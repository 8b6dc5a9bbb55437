#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "libs/net/socket.h"
#include "libs/net/tls_status.h"
#include "libs/net/tls_traffic.h"

namespace parley::net {

// The server's side of a TLS 1.3 connection behind its handshake, on one socket: records (RFC 8446 5), alerts (6) and
// key updates (4.6.3). Takes over from OpenSSL between two records, and keeps 0.4 KiB of the 14 that it would.
class TlsRecords {
 public:
  // `max_without_data`: records in a row. Each costs us as much as one with data and counts for no limit of rate.
  TlsRecords(Socket& socket, const TlsSuite& suite, const TlsSecret& client, const TlsSecret& server,
             std::uint32_t max_without_data);

  // As of TlsSession.
  TlsStatus Read(char* to, std::size_t size, std::size_t& moved);
  TlsStatus Write(std::string_view bytes, std::size_t& moved);
  TlsStatus SendCloseNotify();
  bool pending() const { return !plain_.empty() || !wire_.empty(); }
  std::string failure() const;

 private:
  enum class Alert : std::uint8_t;

  class Sink;
  // What a record holds, which is decrypted in place.
  void Take(std::span<unsigned char> record, Sink& sink);
  void TakeContent(TlsContent type, std::span<const unsigned char> content, Sink& sink);
  void TakeAlert(std::span<const unsigned char> content);
  void TakeHandshake(std::span<const unsigned char> content);
  void Fail(Alert alert, std::string_view reason);
  void SealAlert(std::uint8_t level, Alert alert, std::string& wire);
  void SealKeyUpdate(std::string& wire);
  // What the kernel does not take is kept.
  TlsStatus Send(std::string_view wire);
  TlsStatus SendRest();

  Socket& socket_;
  TlsTraffic in_;
  TlsTraffic out_;
  std::string wire_;              // came, and is not a whole record yet, or one that there was no room for
  std::string plain_;             // decrypted, and there was no room for it
  std::string unsent_;            // sealed
  std::size_t unsent_plain_ = 0;  // bytes of the caller in there
  std::string failure_;
  TlsStatus state_ = TlsStatus::kDone;  // kEnd, kFailed: what Read() says once all before it is read
  const std::uint32_t max_without_data_;
  std::uint32_t without_data_ = 0;  // records in a row
  bool owes_update_ = false;
  bool said_end_ = false;
};

}  // namespace parley::net
