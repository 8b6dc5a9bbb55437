#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>

#include "services/ctl/cluster.h"
#include "services/ctl/failure.h"
#include "services/ctl/identity.h"
#include "services/ctl/limits.h"
#include "services/ctl/options.h"
#include "services/ctl/orders.h"
#include "services/ctl/status.h"
#include "services/ctl/transfer.h"
#include "services/ctl/users.h"

int main(int argc, char** argv) {
  using namespace parley::ctl;
  static const std::map<std::string, std::function<void(const Options&)>> kCommands = {
      {"user add", AddUser},
      {"user del", DeleteUser},
      {"user list", ListUsers},
      {"user passwd", SetPassword},
      {"user import", ImportUsers},
      {"sessions list", ListSessions},
      {"sessions kick", KickSessions},
      {"members", ListMembers},
      {"user export", ExportUser},
      {"export", ExportAll},
      {"import", ImportAll},
      {"status", Status},
      {"drain", DrainNode},
      {"undrain", UndrainNode},
      {"ban", Ban},
      {"unban", Unban},
      {"bans", ListBans},
      {"limits", ShowLimits},
  };
  setenv("GRPC_VERBOSITY", "NONE", 0);  // our own messages say what is wrong
  const Options options = ParseCommandLine(argc, argv);
  try {
    TakeIdentity(options);
    kCommands.at(options.command)(options);
    return kDone;
  } catch (const Failure& failure) {
    std::cerr << "parleyctl: " << failure.what() << std::endl;
    return failure.code();
  }
}
