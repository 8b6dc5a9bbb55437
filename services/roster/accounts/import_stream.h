#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>

#include "libs/base/loop.h"
#include "parley/accounts/v1/accounts.pb.h"

namespace parley::roster {

// One message of an import, handled on the loop's thread; `reply` may be called at once.
using ImportHandler =
    std::function<void(const accounts::v1::ImportRequest&, std::function<void(accounts::v1::ImportProgress)> reply)>;

// The stream of one import: a message, its progress, the next message.
grpc::ServerBidiReactor<accounts::v1::ImportRequest, accounts::v1::ImportProgress>* NewImportStream(
    Loop& loop, ImportHandler handle);

}  // namespace parley::roster
