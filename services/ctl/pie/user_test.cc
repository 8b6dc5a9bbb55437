#include "services/ctl/pie/user.h"

#include <gtest/gtest.h>

#include <fstream>

#include "libs/xmpp/base64.h"
#include "libs/xmpp/scram.h"
#include "services/ctl/failure.h"
#include "services/ctl/pie/reader.h"
#include "services/ctl/pie/stamp.h"

namespace parley::ctl {
namespace {

transfer::v1::User Read(const std::string& text) {
  const auto element = xml::Element::Parse(text, kPieNs);
  std::size_t ignored = 0;
  return UserFromPie("home.example", element.value(), ignored);
}

bool Fits(const transfer::v1::User& user, const std::string& password) {
  if (user.keys_size() != 1) return false;
  xmpp::scram::Keys keys;
  keys.hash = user.keys(0).hash() == "SHA-1" ? xmpp::scram::Hash::kSha1 : xmpp::scram::Hash::kSha256;
  keys.salt = user.keys(0).salt();
  keys.iterations = user.keys(0).iterations();
  keys.stored_key = user.keys(0).stored_key();
  keys.server_key = user.keys(0).server_key();
  return xmpp::scram::Verify(keys, password);
}

std::string Twice(const std::string& bytes) { return xmpp::Base64Encode(xmpp::Base64Encode(bytes)); }

TEST(PieUserTest, KeysOfEjabberdsAttributeAreUnderstoodWithAndWithoutHash) {
  const auto sha1 = xmpp::scram::Derive(xmpp::scram::Hash::kSha1, "pw", "salt", 4096);
  const std::string rest = Twice(sha1.stored_key) + "," + Twice(sha1.server_key) + "," + Twice("salt") + ",4096";
  EXPECT_TRUE(Fits(Read("<user name='a' password='scram:" + rest + "'/>"), "pw"));
  const auto sha256 = xmpp::scram::Derive(xmpp::scram::Hash::kSha256, "pw", "salt", 4096);
  EXPECT_TRUE(Fits(Read("<user name='a' password='scram:sha256," + xmpp::Base64Encode(sha256.stored_key) + "," +
                        xmpp::Base64Encode(sha256.server_key) + "," + xmpp::Base64Encode("salt") + ",4096'/>"),
                   "pw"));
}

TEST(PieUserTest, WhatIsWrittenIsReadBackTheSame) {
  transfer::v1::User user;
  user.set_jid("a&b@home.example");
  const auto keys = xmpp::scram::Derive(xmpp::scram::Hash::kSha256, "pw", "salt", 4096);
  auto& out = *user.add_keys();
  out.set_hash("SHA-256");
  out.set_salt(keys.salt);
  out.set_iterations(keys.iterations);
  out.set_stored_key(keys.stored_key);
  out.set_server_key(keys.server_key);
  auto& item = *user.add_contacts()->mutable_item();
  item.set_jid("c@other.example");
  item.set_name("<C> & 'co'");
  item.add_groups("G & H");
  item.set_subscription(roster::v1::SUBSCRIPTION_FROM);
  item.set_ask(true);
  item.set_approved(true);
  item.set_in_roster(true);
  auto& request = *user.add_contacts();
  request.mutable_item()->set_jid("d@other.example");
  request.mutable_item()->set_pending_in(true);
  request.set_request("<presence from=\"d@other.example\" to=\"a&amp;b@home.example\" type=\"subscribe\"/>");
  auto& message = *user.add_messages();
  message.set_received_at(1714556400123);
  message.set_stanza(
      "<message from='c@other.example/x' to='a&amp;b@home.example' xml:lang='en'><body>hi</body></message>");
  const auto text = UserToPie(user);
  const auto again = Read(text);
  EXPECT_EQ(UserToPie(again), text);
  EXPECT_TRUE(Fits(again, "pw"));
  ASSERT_EQ(again.messages_size(), 1);
  EXPECT_EQ(again.messages(0).received_at(), 1714556400123);
  EXPECT_EQ(again.messages(0).stanza().find("delay"), std::string::npos);
  ASSERT_EQ(again.contacts_size(), 2);
  EXPECT_EQ(again.contacts(0).SerializeAsString(), user.contacts(0).SerializeAsString());
  EXPECT_TRUE(again.contacts(1).item().pending_in());
}

TEST(StampTest, ReadsAndWritesUtc) {
  EXPECT_EQ(FormatStamp(1714556400123), "2024-05-01T09:40:00.123Z");
  EXPECT_EQ(ParseStamp("2024-05-01T09:40:00.123Z"), 1714556400123);
  EXPECT_EQ(ParseStamp("2024-05-01T09:40:00Z"), 1714556400000);
  EXPECT_EQ(ParseStamp("2024-05-01T09:40:00.845425Z"), 1714556400845);
  for (const char* wrong : {"", "yesterday", "2024-05-01T09:40:00", "2024-05-01"}) EXPECT_EQ(ParseStamp(wrong), 0);
}

}  // namespace
}  // namespace parley::ctl
