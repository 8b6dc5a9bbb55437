#include "libs/net/send_queue.h"

#include <utility>

namespace parley::net {
namespace {

constexpr std::size_t kSpareBuffers = 64;
constexpr std::size_t kLargestSpare = 65536;
// Moving what is left to the front costs less than keeping this much sent data in memory.
constexpr std::size_t kCompactAbove = 65536;

}  // namespace

std::string SpareBuffers::Take() {
  if (buffers_.empty()) return {};
  std::string buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void SpareBuffers::Give(std::string buffer) {
  if (buffers_.size() >= kSpareBuffers || buffer.capacity() > kLargestSpare) return;
  buffer.clear();
  buffers_.push_back(std::move(buffer));
}

void SendQueue::Append(std::string_view bytes, SpareBuffers& spare) {
  if (bytes.empty()) return;
  if (bytes_.empty()) bytes_ = spare.Take();
  bytes_.append(bytes);
}

void SendQueue::Consume(std::size_t size, SpareBuffers& spare) {
  sent_ += size;
  if (sent_ == bytes_.size()) {
    sent_ = 0;
    spare.Give(std::exchange(bytes_, {}));
  } else if (sent_ >= kCompactAbove && sent_ >= bytes_.size() / 2) {
    bytes_.erase(0, sent_);
    sent_ = 0;
  }
}

void SendQueue::Clear() {
  bytes_ = std::string();
  sent_ = 0;
}

}  // namespace parley::net
