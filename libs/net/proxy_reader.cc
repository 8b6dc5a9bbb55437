#include "libs/net/proxy_reader.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "libs/net/proxy_header.h"

namespace parley::net {

struct ProxyReader::Pending : std::enable_shared_from_this<ProxyReader::Pending> {
  using Descriptor = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  Pending(ProxyReader& reader_, int fd, Done done_)
      : reader(&reader_),
        descriptor(reader_.loop_.io(), fd),
        header(reader_.options_.max_bytes),
        done(std::move(done_)),
        deadline(reader_.loop_.After(reader_.options_.timeout, [this] { Finish(Outcome::kTimeout, Far()); })) {}

  void Wait() {
    descriptor.async_wait(Descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
      if (self->reader == nullptr) return;
      error ? self->Finish(Outcome::kIncomplete, error.message()) : self->Receive();
    });
  }

  void Receive() {
    char buffer[512];
    const ssize_t got = ::recv(descriptor.native_handle(), buffer, std::min(sizeof buffer, header.wanted()), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Wait();
    if (got < 0) return Finish(Outcome::kIncomplete, std::strerror(errno));
    if (got == 0) return Finish(Outcome::kIncomplete, Far());
    switch (header.Feed(std::string_view(buffer, static_cast<std::size_t>(got)))) {
      case ProxyHeader::Status::kIncomplete:
        return Wait();
      case ProxyHeader::Status::kClient:
        return Finish(Outcome::kClient, header.address());
      case ProxyHeader::Status::kProxy:
        return Finish(Outcome::kProxy, "");
      case ProxyHeader::Status::kBad:
        return Finish(Outcome::kMalformed, header.problem());
    }
  }

  std::string Far() const { return header.begun() ? "half a header" : "no header"; }

  void Finish(Outcome outcome, const std::string& text) {
    const auto self = shared_from_this();
    deadline.Cancel();
    std::exchange(reader, nullptr)->pending_.erase(self);
    done(descriptor.release(), outcome, text);
  }

  void Drop() {
    reader = nullptr;
    deadline.Cancel();
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  ProxyReader* reader;  // nullptr: done
  Descriptor descriptor;
  ProxyHeader header;
  Done done;
  Loop::Timer deadline;
};

void ProxyReader::Read(int fd, Done done) {
  const auto pending = std::make_shared<Pending>(*this, fd, std::move(done));
  pending_.insert(pending);
  pending->Wait();
}

void ProxyReader::Stop() {
  for (const auto& pending : std::exchange(pending_, {})) pending->Drop();
}

}  // namespace parley::net
