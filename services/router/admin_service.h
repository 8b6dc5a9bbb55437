#pragma once

#include <memory>

#include "libs/base/loop.h"

namespace grpc {
class Service;
}

namespace parley::router {

class AdminApi;

// parley.admin.v1.Admin over gRPC: calls arrive on gRPC's threads and are handled on the loop's.
class AdminService {
 public:
  AdminService(Loop& loop, AdminApi& api);
  ~AdminService();
  grpc::Service* service();

 private:
  class Rpc;
  std::unique_ptr<Rpc> rpc_;
};

}  // namespace parley::router
