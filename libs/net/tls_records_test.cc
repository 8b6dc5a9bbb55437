// Records of TLS 1.3 without a handshake: against the ones of RFC 8448, and against a peer that keeps no rule.
#include "libs/net/tls_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/tls1.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

namespace parley::net {
namespace {

using ::testing::HasSubstr;

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    while (hex[i] == ' ') ++i;
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

const TlsSuite& Aes128() { return *TlsSuite::Find(TLS1_3_CK_AES_128_GCM_SHA256); }

std::span<unsigned char> BytesOf(std::string& text) {
  return {reinterpret_cast<unsigned char*>(text.data()), text.size()};
}

// RFC 8448 3: the client's application data.
TEST(TlsTrafficTest, SealsAndOpensAsTheRfcShows) {
  const TlsSecret secret{FromHex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")};
  std::string plain(50, '\0');
  std::iota(plain.begin(), plain.end(), '\0');
  std::string wire;
  TlsTraffic(Aes128(), secret).Seal(TlsContent::kData, plain, wire);
  EXPECT_EQ(wire,
            FromHex("1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
                    "2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"));
  std::span<unsigned char> inner;
  ASSERT_TRUE(TlsTraffic(Aes128(), secret).Open(BytesOf(wire), inner));
  EXPECT_EQ(std::string(inner.begin(), inner.end()), plain + '\x17');
}

// Our side is `records`; the client's is made by hand.
class TlsRecordsTest : public ::testing::Test {
 protected:
  TlsRecordsTest() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ours_ = pair[0];
    peers_ = pair[1];
    socket_.emplace(ours_);
    records_.emplace(*socket_, Aes128(), kClient, kServer, kMaxWithoutData);
  }
  ~TlsRecordsTest() override {
    ::close(ours_);
    ::close(peers_);
  }

  void PutOnWire(std::string_view bytes) {
    ASSERT_EQ(::send(peers_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    socket_->SetReadable();
  }
  std::string Sealed(std::string_view plain, TlsContent type = TlsContent::kData) {
    std::string wire;
    client_.Seal(type, plain, wire);
    return wire;
  }
  void Say(std::string_view plain, TlsContent type = TlsContent::kData) { PutOnWire(Sealed(plain, type)); }

  // All that can be read now, by `room` bytes at a time, and how it ended.
  std::string ReadAll(TlsStatus& status, std::size_t room = 4096) {
    std::string all;
    std::string part(room, '\0');
    for (;;) {
      std::size_t moved = 0;
      status = records_->Read(part.data(), part.size(), moved);
      if (status != TlsStatus::kDone) return all;
      all += part.substr(0, moved);
    }
  }
  std::string Heard(std::size_t room = 4096) {
    TlsStatus status;
    std::string all = ReadAll(status, room);
    EXPECT_EQ(status, TlsStatus::kBlockedOnRead) << records_->failure();
    return all;
  }

  // What came to the client: contents with their types behind them.
  std::vector<std::string> Received() {
    std::string wire(1 << 20, '\0');
    const ssize_t size = ::recv(peers_, wire.data(), wire.size(), 0);
    wire.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    std::vector<std::string> contents;
    while (!wire.empty()) {
      const auto bytes = BytesOf(wire);
      const std::size_t record = 5 + (bytes[3] << 8 | bytes[4]);
      std::span<unsigned char> inner;
      if (record > wire.size() || !server_.Open(bytes.first(record), inner)) return {"not a record"};
      contents.emplace_back(inner.begin(), inner.end());
      wire.erase(0, record);
    }
    return contents;
  }

  // The connection fails, and tells the client why.
  void ExpectAlert(int alert, const std::string& reason) {
    TlsStatus status;
    EXPECT_EQ(ReadAll(status), "");
    EXPECT_EQ(status, TlsStatus::kFailed);
    EXPECT_THAT(records_->failure(), HasSubstr(reason));
    EXPECT_THAT(Received(), ::testing::ElementsAre(std::string{'\x02', static_cast<char>(alert), '\x15'}));
    // And goes on failing.
    std::size_t moved = 0;
    char byte;
    EXPECT_EQ(records_->Read(&byte, 1, moved), TlsStatus::kFailed);
  }

  static constexpr std::uint32_t kMaxWithoutData = 5;
  const TlsSecret kClient{std::string(32, 'c')};
  const TlsSecret kServer{std::string(32, 's')};
  int ours_ = -1;
  int peers_ = -1;
  std::optional<Socket> socket_;
  std::optional<TlsRecords> records_;
  TlsTraffic client_{Aes128(), kClient};
  TlsTraffic server_{Aes128(), kServer};
};

TEST_F(TlsRecordsTest, ReadsRecordsHoweverTheyArrive) {
  std::string wire;
  std::string said;
  for (int i = 0; i < 20; ++i) {
    said += "stanza " + std::to_string(i);
    wire += Sealed("stanza " + std::to_string(i));
  }
  std::string heard;
  for (const char byte : wire) {
    PutOnWire({&byte, 1});
    heard += Heard();
  }
  EXPECT_EQ(heard, said);
  EXPECT_FALSE(records_->pending());
}

TEST_F(TlsRecordsTest, GivesARecordInPartsToWhoHasLittleRoom) {
  const std::string large(TlsTraffic::kMaxPlain, 'x');
  Say(large);
  Say("small");
  PutOnWire(Sealed("").substr(0, 7));
  EXPECT_EQ(Heard(100), large + "small");
  EXPECT_TRUE(records_->pending());
}

TEST_F(TlsRecordsTest, PaddingIsTakenAway) {
  // Seal() knows no padding: the type is in the content, and Seal()'s own is the last one of it.
  std::string wire;
  client_.Seal(static_cast<TlsContent>(0), std::string("padded\x17\0\0\0", 10), wire);
  PutOnWire(wire);
  EXPECT_EQ(Heard(), "padded");
}

TEST_F(TlsRecordsTest, WritesWhatASlowReaderTakes) {
  const std::string large(3 << 20, 'x');
  std::string_view rest = large;
  std::size_t received = 0;
  while (!rest.empty()) {
    std::size_t moved = 0;
    const auto status = records_->Write(rest, moved);
    ASSERT_TRUE(status == TlsStatus::kDone || status == TlsStatus::kBlockedOnWrite);
    rest.remove_prefix(moved);
    if (status == TlsStatus::kDone) continue;
    EXPECT_EQ(moved, 0u);
    // The kernel may have a part of the last record: Received() wants whole ones.
    std::string wire(1 << 20, '\0');
    const ssize_t size = ::recv(peers_, wire.data(), wire.size(), 0);
    ASSERT_GT(size, 0);
    received += static_cast<std::size_t>(size);
    socket_->SetWritable();
  }
  std::string wire(4 << 20, '\0');
  for (ssize_t size; (size = ::recv(peers_, wire.data(), wire.size(), 0)) > 0;)
    received += static_cast<std::size_t>(size);
  const std::size_t records = large.size() / TlsTraffic::kMaxPlain;
  EXPECT_EQ(received, large.size() + records * (TlsTraffic::kHeaderSize + 1 + TlsTraffic::kTagSize));
}

TEST_F(TlsRecordsTest, ManyRequestsForNewKeysAreAnsweredOnceAndBeforeData) {
  for (int i = 0; i < 5; ++i) {
    Say(std::string("\x18\0\0\x01\x01", 5), TlsContent::kHandshake);
    client_.Update();
  }
  Say("with new keys");
  EXPECT_EQ(Heard(), "with new keys");
  std::size_t moved = 0;
  ASSERT_EQ(records_->Write("answer", moved), TlsStatus::kDone);
  EXPECT_EQ(moved, 6u);
  std::string wire(4096, '\0');
  const ssize_t size = ::recv(peers_, wire.data(), wire.size(), 0);
  wire.resize(static_cast<std::size_t>(size));
  std::span<unsigned char> inner;
  ASSERT_TRUE(server_.Open(BytesOf(wire).first(5 + 5 + 1 + 16), inner));
  EXPECT_EQ(std::string(inner.begin(), inner.end()), std::string("\x18\0\0\x01\0\x16", 6));
  server_.Update();
  ASSERT_TRUE(server_.Open(BytesOf(wire).subspan(5 + 5 + 1 + 16), inner));
  EXPECT_EQ(std::string(inner.begin(), inner.end()), "answer\x17");
}

TEST_F(TlsRecordsTest, KeysThatHaveProtectedEnoughAreChanged) {
  const TlsSecret worn{kServer.bytes, 1 << 24};
  records_.emplace(*socket_, Aes128(), kClient, worn, kMaxWithoutData);
  std::size_t moved = 0;
  ASSERT_EQ(records_->Write("x", moved), TlsStatus::kDone);
  std::string wire(4096, '\0');
  wire.resize(static_cast<std::size_t>(::recv(peers_, wire.data(), wire.size(), 0)));
  TlsTraffic server(Aes128(), worn);
  std::span<unsigned char> inner;
  ASSERT_TRUE(server.Open(BytesOf(wire).first(5 + 5 + 1 + 16), inner));
  EXPECT_EQ(inner.back(), 22);
  server.Update();
  ASSERT_TRUE(server.Open(BytesOf(wire).subspan(5 + 5 + 1 + 16), inner));
  EXPECT_EQ(std::string(inner.begin(), inner.end()), "x\x17");
}

TEST_F(TlsRecordsTest, CloseNotifyIsAnEndBehindWhatCameBefore) {
  Say("last words");
  Say(std::string("\x01\0", 2), TlsContent::kAlert);
  Say("not heard");
  TlsStatus status;
  EXPECT_EQ(ReadAll(status), "last words");
  EXPECT_EQ(status, TlsStatus::kEnd);
  EXPECT_EQ(records_->SendCloseNotify(), TlsStatus::kDone);
  EXPECT_EQ(records_->SendCloseNotify(), TlsStatus::kDone);
  EXPECT_THAT(Received(), ::testing::ElementsAre(std::string("\x01\0\x15", 3)));
}

TEST_F(TlsRecordsTest, ACanceledHandshakeIsNoEnd) {
  Say("\x01\x5a", TlsContent::kAlert);
  Say("x");
  EXPECT_EQ(Heard(), "x");
}

TEST_F(TlsRecordsTest, AnAlertOfThePeerEndsItWithoutAnAnswer) {
  Say("\x01\x14", TlsContent::kAlert);
  TlsStatus status;
  ReadAll(status);
  EXPECT_EQ(status, TlsStatus::kFailed);
  EXPECT_EQ(records_->failure(), "tls: alert 20 from the peer");
  EXPECT_TRUE(Received().empty());
}

TEST_F(TlsRecordsTest, AnEndWithoutCloseNotifyIsAnEnd) {
  Say("x");
  EXPECT_EQ(Heard(), "x");
  ::shutdown(peers_, SHUT_WR);
  socket_->SetReadable();
  TlsStatus status;
  EXPECT_EQ(ReadAll(status), "");
  EXPECT_EQ(status, TlsStatus::kEnd);
  EXPECT_EQ(records_->failure(), "closed");
}

TEST_F(TlsRecordsTest, AChangedBitIsNoticed) {
  std::string wire = Sealed("x");
  wire[5] ^= 1;
  PutOnWire(wire);
  ExpectAlert(20, "bad record mac");
}

TEST_F(TlsRecordsTest, AChangedHeaderIsNoticed) {
  std::string wire = Sealed("x");
  wire[2] = 1;
  PutOnWire(wire);
  ExpectAlert(20, "bad record mac");
}

TEST_F(TlsRecordsTest, ARepeatedRecordIsNoticed) {
  const std::string wire = Sealed("x");
  PutOnWire(wire);
  EXPECT_EQ(Heard(), "x");
  PutOnWire(wire);
  ExpectAlert(20, "bad record mac");
}

TEST_F(TlsRecordsTest, WhatIsHeardBeforeAnErrorCounts) {
  std::string wire = Sealed("good");
  wire += Sealed("bad");
  wire.back() ^= 1;
  PutOnWire(wire);
  TlsStatus status;
  EXPECT_EQ(ReadAll(status), "good");
  EXPECT_EQ(status, TlsStatus::kFailed);
}

TEST_F(TlsRecordsTest, ARecordTooShortForItsTagIsRefused) {
  PutOnWire(FromHex("1703030010") + std::string(16, 'x'));
  ExpectAlert(20, "bad record mac");
}

TEST_F(TlsRecordsTest, AnEmptyRecordIsRefused) {
  PutOnWire(FromHex("1703030000"));
  ExpectAlert(20, "bad record mac");
}

TEST_F(TlsRecordsTest, ARecordWithoutProtectionIsRefused) {
  PutOnWire(FromHex("150303000201") + std::string(1, '\0'));
  ExpectAlert(10, "without protection");
}

TEST_F(TlsRecordsTest, ARecordThatIsTooLongIsRefusedBeforeItHasCome) {
  PutOnWire(FromHex("1703034101"));
  ExpectAlert(22, "too long");
}

TEST_F(TlsRecordsTest, TooMuchContentIsRefused) {
  Say(std::string(TlsTraffic::kMaxPlain + 1, 'x'));
  ExpectAlert(22, "too long");
}

TEST_F(TlsRecordsTest, ARecordOfNothingButPaddingIsRefused) {
  std::string wire;
  client_.Seal(static_cast<TlsContent>(0), std::string(5, '\0'), wire);
  PutOnWire(wire);
  ExpectAlert(10, "without a type");
}

TEST_F(TlsRecordsTest, AnUnknownTypeIsRefused) {
  Say("x", static_cast<TlsContent>(20));
  ExpectAlert(10, "record type");
}

TEST_F(TlsRecordsTest, AnAlertOfAnotherSizeIsRefused) {
  Say("\x01", TlsContent::kAlert);
  ExpectAlert(50, "bad alert");
}

TEST_F(TlsRecordsTest, OtherHandshakeMessagesAreRefused) {
  Say(std::string("\x01\0\0\0", 4), TlsContent::kHandshake);
  ExpectAlert(10, "unexpected message");
}

TEST_F(TlsRecordsTest, WhatIsBehindAKeyUpdateInItsRecordIsRefused) {
  Say(std::string("\x18\0\0\x01\0\x18", 6), TlsContent::kHandshake);
  ExpectAlert(10, "unexpected message");
}

TEST_F(TlsRecordsTest, AKeyUpdateOfAnotherKindIsRefused) {
  Say(std::string("\x18\0\0\x01\x02", 5), TlsContent::kHandshake);
  ExpectAlert(47, "bad key update");
}

TEST_F(TlsRecordsTest, RecordsWithoutDataAreHadEnoughOf) {
  for (std::uint32_t i = 0; i < kMaxWithoutData; ++i) Say("");
  Say("x");
  EXPECT_EQ(Heard(), "x");
  for (std::uint32_t i = 0; i < kMaxWithoutData + 1; ++i) Say("");
  ExpectAlert(10, "without data");
}

}  // namespace
}  // namespace parley::net
