#include "libs/xmpp/scram.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "libs/xmpp/base64.h"
#include "libs/xmpp/scram_crypto.h"

namespace parley::xmpp::scram {
namespace {

struct Vector {
  Hash hash;
  std::string salt;
  std::string client_first;
  std::string server_nonce;
  std::string server_first;
  std::string client_final;
  std::string server_final;
};

// RFC 5802 section 5.
const Vector kRfc5802{Hash::kSha1,
                      "QSXCR+Q6sek8bf92",
                      "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                      "3rfcNHYJY1ZVvWVs7j",
                      "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                      "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                      "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="};
// RFC 7677 section 3.
const Vector kRfc7677{Hash::kSha256,
                      "W22ZaJ0SNY7soEsUEjb6gQ==",
                      "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                      "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="};

Keys Pencil(Hash hash = Hash::kSha256) { return Derive(hash, "pencil", "salt", 1); }

TEST(ScramTest, VectorsOfTheRfcs) {
  for (const Vector& vector : {kRfc5802, kRfc7677}) {
    const Keys keys = Derive(vector.hash, "pencil", *Base64Decode(vector.salt), 4096);
    Server server(vector.hash, false, false, {});
    ASSERT_FALSE(server.ClientFirst(vector.client_first));
    EXPECT_EQ(server.username(), "user");
    EXPECT_EQ(server.authzid(), "");
    EXPECT_EQ(server.ServerFirst(keys, vector.server_nonce), vector.server_first);
    const Server::Final final = server.ClientFinal(vector.client_final);
    EXPECT_FALSE(final.problem);
    EXPECT_EQ(final.message, vector.server_final);
  }
}

TEST(ScramTest, VerifiesAPasswordAgainstKeys) {
  EXPECT_TRUE(Verify(Pencil(), "pencil"));
  EXPECT_FALSE(Verify(Pencil(), "pencil "));
  EXPECT_FALSE(Verify(Keys{}, ""));
  EXPECT_EQ(HashName(Hash::kSha1), "SHA-1");
  EXPECT_EQ(HashName(Hash::kSha256), "SHA-256");
}

TEST(ScramTest, ClientFirstGivesNamesUnescaped) {
  Server server(Hash::kSha256, false, false, {});
  ASSERT_FALSE(server.ClientFirst("n,a=admin=2Cx@h=3D,n=a=2Cb=3Dc\u00E9,r=x,e=some=,f=1"));
  EXPECT_EQ(server.username(), "a,b=c\u00E9");
  EXPECT_EQ(server.authzid(), "admin,x@h=");
}

TEST(ScramTest, MalformedClientFirstIsRefused) {
  for (const std::string& message : std::vector<std::string>{"",
                                                             "n",
                                                             "n,",
                                                             "n,,",
                                                             "x,,n=u,r=x",
                                                             ",,n=u,r=x",
                                                             "n,n=u,r=x",
                                                             "n,,n=u",
                                                             "n,,n=,r=x",
                                                             "n,,n=u,r=",
                                                             "n,,r=x,n=u",
                                                             "n,,n=u=,r=x",
                                                             "n,,n=u=2c,r=x",
                                                             "n,,n=u=2,r=x",
                                                             "n,,n=u=41,r=x",
                                                             "n,,m=a,n=u,r=x",
                                                             "n,,n=u,r=x,m=a",
                                                             "n,,n=u,r=x y",
                                                             "n,,n=u,r=x\x7F",
                                                             "n,,n=u,r=x,",
                                                             "n,,n=u,r=x,1=2",
                                                             "n,,n=u,r=x,ee",
                                                             "n,,n=u,r=x,e=",
                                                             "n,a=,n=u,r=x",
                                                             "n,b=c,n=u,r=x",
                                                             "n,a=x=,n=u,r=x",
                                                             "N,,n=u,r=x",
                                                             "nn,,n=u,r=x",
                                                             "p=tls-exporter,,n=u,r=x",
                                                             std::string("n,,n=u\0v,r=x", 12)}) {
    Server server(Hash::kSha256, false, false, {});
    EXPECT_EQ(server.ClientFirst(message), Problem::kMalformed) << message;
  }
}

TEST(ScramTest, BindingFlagMustFitTheMechanism) {
  const ChannelBinding binding{.exporter = "exported", .end_point = "hashed"};
  const auto first = [&binding](bool plus, bool offered, const std::string& header) {
    return Server(Hash::kSha256, plus, offered, binding).ClientFirst(header + ",,n=u,r=x");
  };
  EXPECT_EQ(first(true, true, "p=tls-exporter"), std::nullopt);
  EXPECT_EQ(first(true, true, "p=tls-server-end-point"), std::nullopt);
  EXPECT_EQ(first(true, true, "p=tls-unique"), Problem::kBindingUnsupported);
  EXPECT_EQ(first(true, true, "p="), Problem::kMalformed);
  EXPECT_EQ(first(true, true, "p=a b"), Problem::kMalformed);
  EXPECT_EQ(first(true, true, "n"), Problem::kMalformed);
  EXPECT_EQ(first(true, true, "y"), Problem::kMalformed);
  // RFC 5802 section 6: the client could, and believes that we cannot; somebody in between took it from our list.
  EXPECT_EQ(first(false, true, "y"), Problem::kDowngrade);
  EXPECT_EQ(first(false, false, "y"), std::nullopt);
  EXPECT_EQ(first(false, true, "n"), std::nullopt);
  EXPECT_EQ(Server(Hash::kSha256, true, true, {.end_point = "hashed"}).ClientFirst("p=tls-exporter,,n=u,r=x"),
            Problem::kBindingUnsupported);
}

// What a client says last to a server that is fine with "u", "pencil", nonce "xy".
std::string ClientFinal(const std::string& bare, const std::string& server_first, const std::string& binding,
                        const std::string& extension = "") {
  const std::string without_proof = "c=" + Base64Encode(binding) + ",r=xy" + extension;
  const std::string auth = bare + "," + server_first + "," + without_proof;
  const std::string client_key = Hmac(Hash::kSha256, SaltedPassword(Hash::kSha256, "pencil", "salt", 1), "Client Key");
  const std::string signature = Hmac(Hash::kSha256, Digest(Hash::kSha256, client_key), auth);
  return without_proof + ",p=" + Base64Encode(Xor(client_key, signature));
}

TEST(ScramTest, ChannelBindingIsCompared) {
  const ChannelBinding binding{.exporter = "exported\xFF", .end_point = "hashed"};
  const std::vector<std::tuple<std::string, std::string, std::optional<Problem>>> rows = {
      {"p=tls-exporter,,", "exported\xFF", std::nullopt},
      {"p=tls-server-end-point,a=x,", "hashed", std::nullopt},
      {"p=tls-exporter,,", "hashed", Problem::kBindingMismatch},
      {"p=tls-exporter,,", "", Problem::kBindingMismatch},
  };
  for (const auto& [header, data, problem] : rows) {
    Server server(Hash::kSha256, true, true, binding);
    ASSERT_FALSE(server.ClientFirst(header + "n=u,r=x"));
    const std::string first = server.ServerFirst(Pencil(), "y");
    EXPECT_EQ(server.ClientFinal(ClientFinal("n=u,r=x", first, header + data)).problem, problem);
  }
}

struct Exchange {
  Exchange() {
    EXPECT_FALSE(server.ClientFirst("n,,n=u,r=x"));
    first = server.ServerFirst(Pencil(), "y");
    good = ClientFinal("n=u,r=x", first, "n,,");
  }
  Server server{Hash::kSha256, false, false, {}};
  std::string first;
  std::string good;
};

TEST(ScramTest, FinalMessageMustFit) {
  EXPECT_FALSE(Exchange().server.ClientFinal(Exchange().good).problem);
  EXPECT_FALSE(Exchange().server.ClientFinal(ClientFinal("n=u,r=x", Exchange().first, "n,,", ",z=1")).problem);
  EXPECT_EQ(Exchange().server.ClientFinal(ClientFinal("n=u,r=x", Exchange().first, "y,,")).problem,
            Problem::kBindingMismatch);
  EXPECT_EQ(Exchange().server.ClientFinal(ClientFinal("n=v,r=x", Exchange().first, "n,,")).problem, Problem::kBadProof);
  EXPECT_EQ(Exchange().server.ClientFinal("c=biws,r=xz,p=AAAA").problem, Problem::kBadProof);
  EXPECT_EQ(Exchange().server.ClientFinal("c=biws,r=x,p=AAAA").problem, Problem::kBadProof);
  EXPECT_EQ(Exchange().server.ClientFinal("c=biws,r=xy,p=AAAA").problem, Problem::kBadProof);
  EXPECT_EQ(Exchange().server.ClientFinal("c=biws,r=xy,p=").problem, Problem::kBadProof);
  EXPECT_EQ(Exchange().server.ClientFinal(Exchange().good + "AAAA").problem, Problem::kMalformed);
}

TEST(ScramTest, MalformedFinalIsRefused) {
  for (const std::string message :
       {"", "c=biws,r=xy", "r=xy,c=biws,p=AAAA", "c=biws,p=AAAA", "c=,r=xy,p=AAAA", "c=b!ws,r=xy,p=AAAA",
        "c=biws,r=xy,m=1,p=AAAA", "c=biws,r=xy,p=AAA", "c=biws,r=xy,p=A=AA", "c=biws,r=xy,p=AAAA,z=1", "p=AAAA"}) {
    EXPECT_EQ(Exchange().server.ClientFinal(message).problem, Problem::kMalformed) << message;
  }
}

TEST(ScramTest, AnExchangeIsUsedOnce) {
  Exchange exchange;
  EXPECT_FALSE(exchange.server.ClientFinal(exchange.good).problem);
  EXPECT_TRUE(exchange.server.ClientFinal(exchange.good).problem);
  Server early(Hash::kSha256, false, false, {});
  EXPECT_EQ(early.ClientFinal(exchange.good).problem, Problem::kMalformed);
}

TEST(ScramTest, NoncesAreFresh) {
  const auto first = [] {
    Server server(Hash::kSha256, false, false, {});
    EXPECT_FALSE(server.ClientFirst("n,,n=u,r=x"));
    return server.ServerFirst(Pencil());
  };
  EXPECT_NE(first(), first());
  EXPECT_TRUE(first().starts_with("r=x"));
}

TEST(Base64Test, RoundTripsAndIsStrict) {
  // RFC 4648 section 10.
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}};
  for (const auto& [bytes, text] : rows) {
    EXPECT_EQ(Base64Encode(bytes), text);
    EXPECT_EQ(Base64Decode(text), bytes);
  }
  EXPECT_EQ(Base64Encode(std::string("\0\xFF\xFE", 3)), "AP/+");
  for (const std::string text :
       {"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Zm9-"}) {
    EXPECT_FALSE(Base64Decode(text)) << text;
  }
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) (text += kDigits[byte >> 4]) += kDigits[byte & 15];
  return text;
}

TEST(ScramTest, HmacIsThatOfTheRfcs) {  // RFC 2202, RFC 4231: test cases 2 and 6; no key is a key, too
  constexpr char kText[] = "what do ya want for nothing?";
  EXPECT_EQ(Hex(Hmac(Hash::kSha1, "Jefe", kText)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(Hex(Hmac(Hash::kSha256, "Jefe", kText)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      Hex(Hmac(Hash::kSha256, std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  for (const std::string_view none : {std::string_view(), std::string_view("")}) {
    EXPECT_EQ(Hex(Hmac(Hash::kSha256, none, "")), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  }
}

}  // namespace
}  // namespace parley::xmpp::scram
