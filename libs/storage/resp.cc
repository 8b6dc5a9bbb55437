#include "libs/storage/resp.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <utility>

namespace parley::storage {

// The reply being built; hiredis hands it around as `privdata`.
struct RespReader::Root {
  Reply reply;
  bool is_error = false;
};

namespace {

constexpr std::string_view kEnd = "\r\n";

// A line in one piece: there are two for each element of a queue.
void AppendNumber(std::string& out, char mark, std::size_t number) {
  char line[24];
  line[0] = mark;
  char* end = std::to_chars(line + 1, line + sizeof line - kEnd.size(), number).ptr;
  end = std::copy(kEnd.begin(), kEnd.end(), end);
  out.append(line, end);
}

}  // namespace

void AppendCommand(std::string& out, std::span<const std::string_view> words) {
  AppendNumber(out, '*', words.size());
  for (auto word : words) {
    AppendNumber(out, '$', word.size());
    out.append(word).append(kEnd);
  }
}

namespace {

template <class Root>
struct Builder {
  // Elements of an array are made with it, so that their addresses hold while it fills.
  static Reply& Place(const redisReadTask* task) {
    if (task->parent == nullptr) {
      auto& root = *static_cast<Root*>(task->privdata);
      root = Root();
      return root.reply;
    }
    return static_cast<Reply*>(task->parent->obj)->items[static_cast<std::size_t>(task->idx)];
  }
  static void* String(const redisReadTask* task, char* text, std::size_t size) {
    Reply& reply = Place(task);
    const bool is_error = task->type == REDIS_REPLY_ERROR;
    reply.kind = is_error ? Reply::Kind::kError : Reply::Kind::kString;
    if (is_error && task->parent == nullptr) static_cast<Root*>(task->privdata)->is_error = true;
    reply.text.assign(text, size);
    return &reply;
  }
  static void* Array(const redisReadTask* task, int size) {
    Reply& reply = Place(task);
    reply.kind = Reply::Kind::kArray;
    reply.items.resize(static_cast<std::size_t>(size));
    return &reply;
  }
  static void* Integer(const redisReadTask* task, long long value) {
    Reply& reply = Place(task);
    reply.kind = Reply::Kind::kInteger;
    reply.integer = value;
    return &reply;
  }
  static void* Nil(const redisReadTask* task) { return &Place(task); }
  static void Free(void*) {}
};

}  // namespace

RespReader::RespReader() : root_(std::make_unique<Root>()) {
  using B = Builder<Root>;
  static redisReplyObjectFunctions functions{B::String, B::Array, B::Integer, B::Nil, B::Free};
  reader_ = redisReaderCreateWithFunctions(&functions);
  if (reader_ == nullptr) throw std::bad_alloc();
  reader_->privdata = root_.get();
}

RespReader::~RespReader() { redisReaderFree(reader_); }

void RespReader::Feed(std::string_view bytes) { redisReaderFeed(reader_, bytes.data(), bytes.size()); }

std::optional<Result<Reply>> RespReader::Next() {
  void* reply = nullptr;
  if (redisReaderGetReply(reader_, &reply) != REDIS_OK || reply == nullptr) return std::nullopt;
  if (root_->is_error) return Result<Reply>(Error(std::move(root_->reply.text)));
  return Result<Reply>(std::move(root_->reply));
}

std::string RespReader::broken() const { return reader_->err == 0 ? std::string() : reader_->errstr; }

}  // namespace parley::storage
