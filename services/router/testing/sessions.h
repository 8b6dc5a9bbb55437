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
  void AskForRoster(Client& client) {
    client.Send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
  }
  // Of romeo's orchard.
  session::v1::Record RecordInRedis() {
    const std::string value = Redis({"HGET", kRomeoKey, "orchard"});
    session::v1::Record record;
    EXPECT_TRUE(record.ParseFromString(value.substr(value.find('\n') + 1)));
    return record;
  }
  void WriteAsAnotherRouter(session::v1::Record record) {
    record.set_revision(record.revision() + 1);
    const std::string stamp = record.session() + " " + std::to_string(record.revision());
    Redis({"HSET", kRomeoKey, "orchard", stamp + "\n" + record.SerializeAsString()});
  }
};

}  // namespace parley::router::testing
