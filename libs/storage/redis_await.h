#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libs/base/task.h"
#include "libs/storage/redis.h"

// Redis for coroutines. Arguments are values: they live as long as the wait.
namespace parley::storage {

inline Task<Result<Reply>> AwaitCommand(Redis& redis, std::vector<std::string> words) {
  std::function<void(Redis::Done)> start = [&redis, &words](Redis::Done done) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    redis.Command(views, std::move(done));
  };
  co_return co_await Await<Result<Reply>>(start);
}

// `script` outlives the wait.
inline Task<Result<Reply>> AwaitEval(Redis& redis, const Script& script, std::vector<std::string> keys,
                                     std::vector<std::string> arguments) {
  std::function<void(Redis::Done)> start = [&](Redis::Done done) {
    const std::vector<std::string_view> key_views(keys.begin(), keys.end());
    const std::vector<std::string_view> argument_views(arguments.begin(), arguments.end());
    redis.Eval(script, key_views, argument_views, std::move(done));
  };
  co_return co_await Await<Result<Reply>>(start);
}

}  // namespace parley::storage
