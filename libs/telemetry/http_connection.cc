#include "libs/telemetry/http_connection.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace parley::telemetry {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kDiscardBytes = 8192;

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, HttpHandler handler, const AdminOptions& options,
                 std::shared_ptr<void> open)
      : stream_(std::move(socket)), handler_(std::move(handler)), options_(options), open_(std::move(open)) {}

  void Read() {
    parser_.emplace();
    parser_->header_limit(options_.max_header_bytes);
    parser_->body_limit(0);
    stream_.expires_after(options_.request_timeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) { self->OnRead(error); });
  }

 private:
  void OnRead(beast::error_code error) {
    if (error == http::error::header_limit) return Refuse(http::status::request_header_fields_too_large);
    if (error == http::error::body_limit) return Refuse(http::status::payload_too_large);
    // The parser's errors are the client's; all others mean that it left or was slow.
    if (error && error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return Refuse(http::status::bad_request);
    }
    if (error) return Close();
    Answer();
  }

  void Answer() {
    const auto& request = parser_->get();
    const bool head = request.method() == http::verb::head;
    if (!head && request.method() != http::verb::get) return Refuse(http::status::method_not_allowed);
    const std::string_view target(request.target().data(), request.target().size());
    HttpAnswer answer = handler_(target.substr(0, target.find('?')));
    response_ = {};
    response_.version(request.version());
    response_.keep_alive(request.keep_alive());
    response_.result(answer.status);
    response_.set(http::field::content_type, answer.content_type);
    response_.content_length(answer.body.size());
    if (!head) response_.body() = std::move(answer.body);
    Write();
  }

  void Refuse(http::status status) {
    response_ = {};
    response_.version(11);
    response_.keep_alive(false);
    response_.result(status);
    if (status == http::status::method_not_allowed) response_.set(http::field::allow, "GET, HEAD");
    response_.content_length(0);
    Write();
  }

  void Write() {
    response_.set(http::field::cache_control, "no-store");
    stream_.expires_after(options_.request_timeout);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error || !self->response_.keep_alive()) return self->Close();
      self->Read();
    });
  }

  // Closing over unread bytes would reset the connection and take the answer with it.
  void Close() {
    beast::error_code ignored;
    stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kLinger);
    Discard();
  }

  void Discard() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kDiscardBytes),
                            [self = shared_from_this()](beast::error_code error, std::size_t) {
                              if (!error) self->Discard();
                            });
  }

  beast::tcp_stream stream_;
  HttpHandler handler_;
  const AdminOptions options_;
  std::shared_ptr<void> open_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
};

}  // namespace

void ServeHttp(boost::asio::ip::tcp::socket socket, HttpHandler handler, const AdminOptions& options,
               std::shared_ptr<void> open) {
  std::make_shared<HttpConnection>(std::move(socket), std::move(handler), options, std::move(open))->Read();
}

}  // namespace parley::telemetry
