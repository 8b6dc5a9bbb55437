#pragma once

#include "libs/rpc/methods.h"

namespace parley::router {

class AdminApi;

// parley.admin.v1.Admin. `api` outlives the server that has them.
rpc::Methods AdminMethods(AdminApi& api);

}  // namespace parley::router
