#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "services/c2s/sasl/base64.h"
#include "services/c2s/testing/edge_harness.h"
#include "tests/support/tls_client.h"

namespace parley::c2s::testing {

inline std::string HeaderFor(const std::string& domain, const std::string& more = "version='1.0'") {
  return "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
         "to='" +
         domain + "' " + more + ">";
}

// A client that says exactly what a test wants said.
class Client {
 public:
  explicit Client(int port) : connection_(port) {}

  void Send(std::string_view bytes) { ASSERT_TRUE(connection_.Send(bytes)); }
  // Reads until `text` has come; what came up to its end. What follows is kept for the next call.
  std::string Until(std::string_view text) {
    for (;;) {
      if (const auto at = buffer_.find(text); at != std::string::npos) {
        std::string got = buffer_.substr(0, at + text.size());
        buffer_.erase(0, at + text.size());
        return got;
      }
      const std::string more = connection_.Receive();
      if (more.empty()) {
        ADD_FAILURE() << "never came: " << text << "\ngot: " << buffer_;
        return std::exchange(buffer_, {});
      }
      buffer_ += more;
    }
  }
  // All until the server ends the connection.
  std::string Rest() { return std::exchange(buffer_, {}) + connection_.ReceiveAll(); }

  std::string Open(const std::string& domain = kHost) {
    Send(HeaderFor(domain));
    return Until("</stream:features>");
  }
  bool Secure(const test::TlsClientOptions& options = {}) {
    Send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    Until("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    return connection_.StartTls(options);
  }
  // The features after TLS.
  std::string OpenSecured(const std::string& domain = kHost, const test::TlsClientOptions& options = {}) {
    Open(domain);
    EXPECT_TRUE(Secure(options)) << connection_.error();
    return Open(domain);
  }
  void Auth(const std::string& mechanism, const std::string& message) {
    Send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + mechanism + "'>" + Base64(message) + "</auth>");
  }
  void AuthPlain(const std::string& user = "romeo", const std::string& password = "wherefore") {
    Auth("PLAIN", std::string(1, '\0') + user + std::string(1, '\0') + password);
  }
  void LogIn(const std::string& user = "romeo", const std::string& password = "wherefore") {
    OpenSecured();
    AuthPlain(user, password);
    Until("<success");
    Until("</success>");
    Open();
  }
  // The full JID.
  std::string Bind(const std::string& resource = "orchard") {
    Send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource +
         "</resource></bind></iq>");
    Until("<jid>");
    const std::string jid = Until("</jid>");
    Until("</iq>");
    return jid.substr(0, jid.size() - 6);
  }
  std::string Start(const std::string& user = "romeo", const std::string& password = "wherefore") {
    LogIn(user, password);
    return Bind();
  }
  // Everything that the server had to say by now, proven by an answer that cannot overtake it.
  std::string Sync() {
    Send("<iq type='set' id='sync'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
    const std::string got = Until("id='sync'");
    Until(">");
    return got;
  }

  test::TlsClient& connection() { return connection_; }

 private:
  test::TlsClient connection_;
  std::string buffer_;
};

// "<stream:error><CONDITION ...": the condition, or what came instead.
inline std::string StreamErrorIn(const std::string& text) {
  constexpr std::string_view kStart = "<stream:error><";
  const auto at = text.find(kStart);
  if (at == std::string::npos) return "no stream error in: " + text;
  const auto from = at + kStart.size();
  return text.substr(from, text.find_first_of(" />", from) - from);
}

}  // namespace parley::c2s::testing
