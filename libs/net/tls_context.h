#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "libs/net/tls.h"

namespace parley::net {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;

// The context of one host from its files. Throws std::runtime_error naming the file and the remedy.
ContextPtr LoadContext(const TlsHost& host, const TlsOptions& options);

// Unix seconds.
std::int64_t ExpiryOf(SSL_CTX* context);

}  // namespace parley::net
