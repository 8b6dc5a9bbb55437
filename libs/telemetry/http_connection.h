#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libs/telemetry/admin_options.h"

namespace parley::telemetry {

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};
using HttpHandler = std::function<HttpAnswer(std::string_view path)>;

// Serves GET and HEAD on one connection until the client leaves, errs, or is slow. `open` is held as long: it counts.
void ServeHttp(boost::asio::ip::tcp::socket socket, HttpHandler handler, const AdminOptions& options,
               std::shared_ptr<void> open);

}  // namespace parley::telemetry
