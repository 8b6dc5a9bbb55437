#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libs/base/result.h"
#include "libs/storage/redis.h"

struct redisReader;

// Redis' wire format (RESP2).
namespace parley::storage {

void AppendCommand(std::string& out, std::span<const std::string_view> words);

// Takes bytes as they come and gives replies: hiredis' reader, building Reply directly.
class RespReader {
 public:
  RespReader();
  ~RespReader();
  RespReader(const RespReader&) = delete;
  RespReader& operator=(const RespReader&) = delete;

  void Feed(std::string_view bytes);
  // nullopt: more bytes are needed, or the stream is broken.
  std::optional<Result<Reply>> Next();
  // Not empty: the peer does not speak RESP; nothing more comes.
  std::string broken() const;

 private:
  struct Root;
  redisReader* reader_;
  std::unique_ptr<Root> root_;
};

}  // namespace parley::storage
