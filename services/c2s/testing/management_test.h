#pragma once

#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {

// Limits that few stanzas reach.
class ManagementTest : public SmTest {
 protected:
  ManagementTest()
      : SmTest([](config::Config& config) {
          config.c2s.sm_resume_timeout = std::chrono::seconds(100);
          config.c2s.sm_location = "edge.example.org:5222";
          config.c2s.sm_max_stanzas = 10;
          config.c2s.sm_request_stanzas = 3;
          config.c2s.sm_request_delay = std::chrono::milliseconds(300);
          config.c2s.sm_ack_wait = std::chrono::milliseconds(300);
          config.c2s.sm_store_handled = 5;
        }) {}
};

}  // namespace parley::c2s::testing
