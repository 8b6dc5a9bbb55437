#pragma once

#include <string>

#include "services/router/testing/cluster.h"

namespace parley::router::testing {

inline constexpr char kRomeoKey[] = "parley:s:{romeo@home.example}";

// Sessions without stream management.
class SessionsTest : public ClusterTest {
 protected:
  Client& Bind(Edge& edge, const std::string& resource, session::v1::Conflict conflict) {
    Client& client = edge.Bind("romeo@home.example", resource, conflict);
    RunUntil([&] { return edge.answered(client); });
    return client;
  }
  void Chat(Client& from, const std::string& to, const std::string& id) {
    from.Send("<message type='chat' to='" + to + "' id='" + id + "'><body>x</body></message>");
  }
};

}  // namespace parley::router::testing
