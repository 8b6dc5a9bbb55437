#include "libs/tracing/http_post.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "libs/base/version.h"

namespace parley::tracing {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

constexpr std::string_view kScheme = "http://";
constexpr std::size_t kMaxAnswer = 65536;

class Exchange {
 public:
  Exchange(const Endpoint& endpoint, std::string body) : endpoint_(endpoint) {
    const bool v6 = endpoint.host.find(':') != std::string::npos;
    request_.version(11);
    request_.method(http::verb::post);
    request_.target(endpoint.path);
    request_.set(http::field::host, (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + endpoint.port);
    request_.set(http::field::user_agent, "parley/" + Version());
    request_.set(http::field::content_type, "application/json");
    request_.keep_alive(false);
    request_.body() = std::move(body);
    request_.prepare_payload();
    parser_.body_limit(kMaxAnswer);
  }

  Result<std::string> Run(std::chrono::milliseconds timeout) {
    beast::error_code error;
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(endpoint_.host, endpoint_.port, error);
    if (error) return Error("cannot resolve " + endpoint_.host + ": " + error.message());
    stream_.async_connect(found, [this](beast::error_code failed, const tcp::endpoint&) {
      if (Good("connect", failed)) Write();
    });
    io_.run_for(timeout);
    return std::move(outcome_);
  }

 private:
  void Write() {
    http::async_write(stream_, request_, [this](beast::error_code failed, std::size_t) {
      if (Good("send", failed)) Read();
    });
  }

  void Read() {
    http::async_read(stream_, buffer_, parser_, [this](beast::error_code failed, std::size_t) {
      if (!Good("read", failed)) return;
      auto& answer = parser_.get();
      if (answer.result() == http::status::ok) {
        outcome_ = std::move(answer.body());
      } else {
        outcome_ = Error("it answered " + std::to_string(answer.result_int()));
      }
    });
  }

  bool Good(const char* what, beast::error_code failed) {
    if (failed) outcome_ = Error(std::string("cannot ") + what + ": " + failed.message());
    return !failed;
  }

  const Endpoint& endpoint_;
  boost::asio::io_context io_{1};
  beast::tcp_stream stream_{io_};
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  Result<std::string> outcome_ = Error(kTimedOut);
};

bool IsPort(const std::string& text) {
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<Endpoint> Endpoint::Parse(const std::string& url) {
  if (!url.starts_with(kScheme)) return std::nullopt;
  const auto slash = url.find('/', kScheme.size());
  std::string host = url.substr(kScheme.size(), slash == std::string::npos ? slash : slash - kScheme.size());
  Endpoint endpoint{"", "4318", slash == std::string::npos ? "/" : url.substr(slash)};
  if (endpoint.path == "/") endpoint.path = "/v1/traces";
  const auto colon = host.rfind(':');
  if (colon != std::string::npos && !host.ends_with(']')) {
    endpoint.port = host.substr(colon + 1);
    host.resize(colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  endpoint.host = std::move(host);
  const bool plain = url.find_first_of(" \t\r\n@?#") == std::string::npos;
  if (endpoint.host.empty() || !IsPort(endpoint.port) || !plain) return std::nullopt;
  return endpoint;
}

Result<std::string> HttpPost(const Endpoint& endpoint, std::string body, std::chrono::milliseconds timeout) {
  return Exchange(endpoint, std::move(body)).Run(timeout);
}

}  // namespace parley::tracing
