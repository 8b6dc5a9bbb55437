#include "libs/net/tls_records.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "libs/net/tls.h"

namespace parley::net {
namespace {

constexpr std::uint8_t kWarning = 1;
constexpr std::uint8_t kFatal = 2;
constexpr std::uint8_t kKeyUpdate = 24;
enum class KeyUpdateRequest : std::uint8_t { kNotRequested = 0, kRequested = 1 };

void Free(std::string& text) { std::string().swap(text); }

std::string_view ToText(std::span<const unsigned char> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What was received and not yet taken, in a buffer that all connections of a thread share. What is left in the end goes
// back to `kept`.
class Wire {
 public:
  explicit Wire(std::string& kept) : kept_(kept), end_(kept.copy(Buffer(), kept.size())) { Free(kept_); }
  ~Wire() { kept_.assign(Buffer() + begin_, end_ - begin_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // A whole record with its header; of one that is too long what is there. Empty: more must come first.
  std::span<unsigned char> Next() {
    const std::span<unsigned char> rest(reinterpret_cast<unsigned char*>(Buffer()) + begin_, end_ - begin_);
    if (rest.size() < TlsTraffic::kHeaderSize) return {};
    const std::size_t size = TlsTraffic::kHeaderSize + (rest[3] << 8 | rest[4]);
    if (size > kMaxRecord) return rest;
    if (size > rest.size()) return {};
    begin_ += size;
    return rest.first(size);
  }

  Socket::Status Fill(Socket& socket) {
    std::memmove(Buffer(), Buffer() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    std::size_t moved = 0;
    const auto status = socket.Receive(Buffer() + end_, kSize - end_, moved);
    end_ += moved;
    return status;
  }

 private:
  static constexpr std::size_t kMaxRecord = TlsTraffic::kHeaderSize + TlsTraffic::kMaxCipher;
  static constexpr std::size_t kSize = 2 * kMaxRecord;

  static char* Buffer() {
    thread_local const std::unique_ptr<char[]> buffer(new char[kSize]);
    return buffer.get();
  }

  std::string& kept_;
  std::size_t begin_ = 0;
  std::size_t end_;
};

}  // namespace

// RFC 8446 6.
enum class TlsRecords::Alert : std::uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kIllegalParameter = 47,
  kDecodeError = 50,
  kUserCanceled = 90,
};

// Where decrypted bytes go: to the caller as long as there is room, then to `kept`.
class TlsRecords::Sink {
 public:
  Sink(char* to, std::size_t size, std::string& kept) : to_(to), size_(size), kept_(kept) { TakeKept(); }

  void Add(std::string_view bytes) {
    const std::size_t fit = bytes.copy(to_ + moved_, size_ - moved_);
    moved_ += fit;
    kept_ += bytes.substr(fit);
  }
  bool full() const { return moved_ == size_; }
  std::size_t moved() const { return moved_; }

 private:
  void TakeKept() {
    moved_ = kept_.copy(to_, size_);
    kept_.erase(0, moved_);
    if (kept_.empty()) Free(kept_);
  }

  char* const to_;
  const std::size_t size_;
  std::size_t moved_ = 0;
  std::string& kept_;
};

TlsRecords::TlsRecords(Socket& socket, const TlsSuite& suite, const TlsSecret& client, const TlsSecret& server,
                       std::uint32_t max_without_data)
    : socket_(socket), in_(suite, client), out_(suite, server), max_without_data_(max_without_data) {}

TlsStatus TlsRecords::Read(char* to, std::size_t size, std::size_t& moved) {
  Sink sink(to, size, plain_);
  Wire wire(wire_);
  auto status = Socket::Status::kDone;
  while (!sink.full() && state_ == TlsStatus::kDone && status == Socket::Status::kDone) {
    const auto record = wire.Next();
    if (record.empty()) {
      status = wire.Fill(socket_);
    } else {
      Take(record, sink);
    }
  }
  if (status == Socket::Status::kEnd) state_ = TlsStatus::kEnd;
  if (status == Socket::Status::kFailed) state_ = TlsStatus::kFailed;
  moved = sink.moved();
  if (moved > 0) return TlsStatus::kDone;
  return state_ == TlsStatus::kDone ? TlsStatus::kBlockedOnRead : state_;
}

void TlsRecords::Take(std::span<unsigned char> record, Sink& sink) {
  const std::size_t size = record[3] << 8 | record[4];
  if (size > TlsTraffic::kMaxCipher) return Fail(Alert::kRecordOverflow, "tls: record too long");
  if (record[0] != static_cast<unsigned char>(TlsContent::kData)) {
    return Fail(Alert::kUnexpectedMessage, "tls: record without protection");
  }
  std::span<unsigned char> inner;
  if (size <= TlsTraffic::kTagSize || !in_.Open(record, inner)) {
    return Fail(Alert::kBadRecordMac, "tls: bad record mac");
  }
  if (inner.size() > TlsTraffic::kMaxInner) return Fail(Alert::kRecordOverflow, "tls: record too long");
  while (!inner.empty() && inner.back() == 0) inner = inner.first(inner.size() - 1);
  if (inner.empty()) return Fail(Alert::kUnexpectedMessage, "tls: record without a type");
  TakeContent(static_cast<TlsContent>(inner.back()), inner.first(inner.size() - 1), sink);
}

void TlsRecords::TakeContent(TlsContent type, std::span<const unsigned char> content, Sink& sink) {
  const bool has_data = type == TlsContent::kData && !content.empty();
  without_data_ = has_data ? 0 : without_data_ + 1;
  if (without_data_ > max_without_data_) return Fail(Alert::kUnexpectedMessage, kTooManyWithoutData);
  switch (type) {
    case TlsContent::kData:
      return sink.Add(ToText(content));
    case TlsContent::kAlert:
      return TakeAlert(content);
    case TlsContent::kHandshake:
      return TakeHandshake(content);
  }
  Fail(Alert::kUnexpectedMessage, "tls: unexpected record type");
}

void TlsRecords::TakeAlert(std::span<const unsigned char> content) {
  if (content.size() != 2) return Fail(Alert::kDecodeError, "tls: bad alert");
  switch (static_cast<Alert>(content[1])) {
    case Alert::kCloseNotify:
      state_ = TlsStatus::kEnd;
      return;
    case Alert::kUserCanceled:  // a close_notify follows
      return;
    default:  // all others end the connection, whatever their level
      failure_ = "tls: alert " + std::to_string(content[1]) + " from the peer";
      state_ = TlsStatus::kFailed;
  }
}

// Of what may come here a server has asked for nothing but key updates. Their five bytes fill a record, as new keys
// begin with a new one (RFC 8446 5.1); in two records, which is legal, nobody sends them.
void TlsRecords::TakeHandshake(std::span<const unsigned char> content) {
  constexpr unsigned char kHeader[] = {kKeyUpdate, 0, 0, 1};
  if (content.size() != sizeof kHeader + 1 || !std::equal(std::begin(kHeader), std::end(kHeader), content.begin())) {
    return Fail(Alert::kUnexpectedMessage, "tls: unexpected message");
  }
  switch (static_cast<KeyUpdateRequest>(content.back())) {
    case KeyUpdateRequest::kRequested:
      owes_update_ = true;
      [[fallthrough]];
    case KeyUpdateRequest::kNotRequested:
      return in_.Update();
  }
  Fail(Alert::kIllegalParameter, "tls: bad key update");
}

void TlsRecords::Fail(Alert alert, std::string_view reason) {
  failure_ = reason;
  state_ = TlsStatus::kFailed;
  std::string wire;
  SealAlert(kFatal, alert, wire);
  Send(wire);
}

void TlsRecords::SealAlert(std::uint8_t level, Alert alert, std::string& wire) {
  const char content[] = {static_cast<char>(level), static_cast<char>(alert)};
  out_.Seal(TlsContent::kAlert, {content, sizeof content}, wire);
}

void TlsRecords::SealKeyUpdate(std::string& wire) {
  constexpr char kContent[] = {kKeyUpdate, 0, 0, 1, static_cast<char>(KeyUpdateRequest::kNotRequested)};
  out_.Seal(TlsContent::kHandshake, {kContent, sizeof kContent}, wire);
  out_.Update();
  owes_update_ = false;
}

TlsStatus TlsRecords::Write(std::string_view bytes, std::size_t& moved) {
  moved = 0;
  TlsStatus status;
  if (unsent_.empty()) {
    thread_local std::string wire;
    wire.clear();
    const auto plain = bytes.substr(0, TlsTraffic::kMaxPlain);
    if (owes_update_ || out_.worn()) SealKeyUpdate(wire);
    out_.Seal(TlsContent::kData, plain, wire);
    unsent_plain_ = plain.size();
    status = Send(wire);
  } else {
    status = SendRest();
  }
  if (status == TlsStatus::kDone) moved = std::exchange(unsent_plain_, 0);
  return status;
}

TlsStatus TlsRecords::SendCloseNotify() {
  if (std::exchange(said_end_, true)) return SendRest();
  std::string wire;
  SealAlert(kWarning, Alert::kCloseNotify, wire);
  return Send(wire);
}

TlsStatus TlsRecords::Send(std::string_view wire) {
  if (!unsent_.empty()) {
    unsent_ += wire;
    return SendRest();
  }
  std::size_t sent = 0;
  const auto status = socket_.Send(wire.data(), wire.size(), sent);
  if (status == Socket::Status::kFailed) return TlsStatus::kFailed;
  unsent_ = wire.substr(sent);
  return unsent_.empty() ? TlsStatus::kDone : TlsStatus::kBlockedOnWrite;
}

TlsStatus TlsRecords::SendRest() {
  const std::string rest = std::exchange(unsent_, {});
  return rest.empty() ? TlsStatus::kDone : Send(rest);
}

std::string TlsRecords::failure() const {
  if (!failure_.empty()) return failure_;
  return socket_.failed() ? socket_.failure() : "closed";
}

}  // namespace parley::net
