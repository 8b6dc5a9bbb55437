#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace parley::net {

// Tells whether a file was changed or replaced (Kubernetes exchanges a symbolic link above it).
struct FileStamp {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  std::int64_t size = -1;  // absent
  std::uint64_t inode = 0;
  bool operator==(const FileStamp&) const = default;
};

inline FileStamp StampOf(const std::string& file) {
  struct stat status {};
  if (file.empty() || ::stat(file.c_str(), &status) != 0) return {};
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_ino};
}

}  // namespace parley::net
