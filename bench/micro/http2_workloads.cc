// A frame of envelopes over HTTP/2 from one end to the other: written, sent, read and parsed, with what both ends say
// of their windows. Both are on one loop, with a real connection between them.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bench/micro/workloads.h"
#include "libs/net/connection.h"
#include "libs/rpc/frame_transport.h"
#include "libs/rpc/http2.h"

namespace parley::bench {
namespace {

constexpr int kBatch = 16;

// What a link does with what comes, but for the envelopes' meaning.
class End final : public rpc::TransportEvents {
 public:
  explicit End(Loop& loop) : loop_(loop) {}
  bool open() const { return open_; }

 private:
  void OnOpen(const std::string&) override {
    open_ = true;
    loop_.Stop();
  }
  void OnFrame(link::v1::Frame& frame, std::size_t) override {
    link::v1::Envelope* arrived[kBatch];
    frame.mutable_envelopes()->UnsafeArenaExtractSubrange(0, kBatch, arrived);
    for (auto* envelope : arrived) rpc::Recycle(std::unique_ptr<link::v1::Envelope>(envelope));
    loop_.Stop();
  }
  void OnGarbage(const std::string&) override {}
  void OnWritten() override {}
  void OnBroken(const std::string&) override {}

  Loop& loop_;
  bool open_ = false;
};

class Wire {
 public:
  Wire() {
    dialled_ = rpc::Http2::Dial(loop_, "127.0.0.1:" + std::to_string(listener_.port()), {}, options_);
    transport_ = Use(dialled_->Call(rpc::kExchangeMethod), sender_);
    for (int i = 0; i < kBatch; ++i) FillChat(*frame_.add_envelopes());
    while (!sender_.open() || !receiver_.open()) loop_.Run();
  }
  ~Wire() {
    dialled_->Close();
    accepted_->Close();
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Until it is there.
  void Send() {
    transport_->Write(frame_);
    loop_.Run();
  }

 private:
  rpc::FrameTransport* Use(rpc::ByteStream& stream, End& end) {
    auto transport = std::make_unique<rpc::FrameTransport>(stream, end, rpc::FrameTransport::Limit{1000, options_.metrics});
    auto* const used = transport.get();
    stream.Use(std::move(transport));
    return used;
  }
  void Accept(int fd) {
    accepted_ = rpc::Http2::Accept(
        loop_, fd, nullptr, options_,
        [this](const rpc::Http2::Request&, rpc::ByteStream& stream) { Use(stream, receiver_); },
        [](const std::string&) {});
  }
  static rpc::LinkOptions Patient() {
    rpc::LinkOptions options;
    options.keepalive = options.keepalive_timeout = std::chrono::hours(1);
    return options;
  }

  Loop loop_;
  rpc::Http2::Options options_{Patient()};
  End sender_{loop_};
  End receiver_{loop_};
  net::Listener listener_{loop_, "127.0.0.1:0", [this](int fd, const std::string&) { Accept(fd); }};
  std::shared_ptr<rpc::Http2> accepted_;
  std::shared_ptr<rpc::Http2> dialled_;
  rpc::FrameTransport* transport_ = nullptr;
  link::v1::Frame frame_;
};

}  // namespace

std::vector<Workload> Http2Workloads() {
  const auto wire = std::make_shared<Wire>();
  return {{"http2_frame_16", [wire] { wire->Send(); }}};
}

}  // namespace parley::bench
