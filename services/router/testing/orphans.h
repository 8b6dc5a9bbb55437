#pragma once

#include <string>

#include "services/router/testing/managed.h"

namespace parley::router::testing {

// Sessions whose edge died, or does not know them any more.
class OrphansTest : public ManagedTest {
 protected:
  // What is left of a session when its edge is gone.
  Client Kill(Edge& edge, const Client& session) {
    Client left(second(), "romeo@home.example", session.id());
    KillEdge(edge);
    return left;
  }
  std::string LengthNow() { return QueueLength(RecordOf().queue()); }
};

}  // namespace parley::router::testing
