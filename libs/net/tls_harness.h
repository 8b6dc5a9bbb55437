#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

#include "libs/net/connection_harness.h"

namespace parley::net::test {

// For tests of TLS against OpenSSL's client, over sockets.
class TlsTest : public ::testing::Test {
 protected:
  // Direct TLS, then echo.
  std::function<void(ServerEnd&)> Direct(const TlsContexts& contexts) {
    return [&contexts](ServerEnd& end) {
      end.on_bytes = [&end](std::string_view bytes) { end.connection->Write(bytes); };
      end.connection->Start();
      end.connection->StartTls(contexts, "");
    };
  }

  // Plain until the client sends "starttls", then as above.
  std::function<void(ServerEnd&)> Upgrade(const TlsContexts& contexts, const std::string& host) {
    return [&contexts, host](ServerEnd& end) {
      end.on_bytes = [&, host](std::string_view bytes) {
        end.connection->Write(bytes == "starttls" ? "proceed" : bytes);
        if (bytes == "starttls") end.connection->StartTls(contexts, host);
      };
      end.connection->Start();
    };
  }

  static std::string Echo(TlsClient& client, const std::string& text) {
    return client.Send(text) ? client.ReceiveExactly(text.size()) : "";
  }

  Hosts hosts_;
};

}  // namespace parley::net::test
