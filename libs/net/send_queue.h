#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace parley::net {

// Empty buffers between uses, so that a connection which writes now and then neither allocates each time nor keeps a
// buffer while it is idle.
class SpareBuffers {
 public:
  std::string Take();
  void Give(std::string buffer);

 private:
  std::vector<std::string> buffers_;
};

// Bytes on their way out of one connection.
class SendQueue {
 public:
  void Append(std::string_view bytes, SpareBuffers& spare);
  std::string_view front() const { return std::string_view(bytes_).substr(sent_); }
  std::size_t size() const { return bytes_.size() - sent_; }
  bool empty() const { return size() == 0; }
  void Consume(std::size_t size, SpareBuffers& spare);
  void Clear();

 private:
  std::string bytes_;
  std::size_t sent_ = 0;
};

}  // namespace parley::net
