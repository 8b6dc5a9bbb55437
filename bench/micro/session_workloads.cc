// What an edge notes for each delivery, and writes for it into the queue of a session with stream management.
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/micro/workloads.h"
#include "libs/base/ids.h"
#include "libs/session/queue.h"
#include "libs/storage/resp.h"
#include "services/c2s/session/repeats.h"

namespace parley::bench {
namespace {

Workload Repeat() {
  auto repeats = std::make_shared<c2s::Repeats>(100000, std::chrono::hours(1));
  auto seq = std::make_shared<std::uint64_t>(0);
  return {"repeat_check", [repeats, seq] {
            const auto now = c2s::Repeats::Clock::time_point(std::chrono::hours(2));
            const auto origin = StableHash("c2s-1/1234567890/abcdefghijkl");
            Keep(repeats->Seen(origin, 7, ++*seq, now));
            repeats->Note(origin, 7, *seq, now);
          }};
}

// Into the queue of a session with stream management: ten elements in one command.
Workload Queue() {
  constexpr int kStanzas = 10;
  auto envelope = std::make_shared<link::v1::Envelope>();
  envelope->set_kind(link::v1::KIND_MESSAGE);
  envelope->set_type(link::v1::TYPE_CHAT);
  envelope->set_from(kSender);
  envelope->set_to(kReceiver);
  envelope->set_id("~1f.2a.3b9aca00~");
  envelope->set_stanza(kChat);
  envelope->set_origin("abcdefghijklmno");
  envelope->set_origin_seq(4711);
  auto page = std::make_shared<std::string>(8192, 'x');
  auto command = std::make_shared<std::string>();
  return {"queue_append_10", [envelope, page, command] {
            std::vector<std::string_view> words{"RPUSHX", "parley:q:{bench1@localhost}:abcdefghijklmno"};
            char* to = page->data();
            for (int i = 0; i < kStanzas; ++i) {
              const session::Encoding encoding(*envelope, 1700000000000, 0);
              encoding.Write(to);
              words.emplace_back(to, encoding.size());
              to += encoding.size();
            }
            command->clear();
            storage::AppendCommand(*command, words);
            Keep(*command);
          }};
}

}  // namespace

std::vector<Workload> SessionWorkloads() { return {Repeat(), Queue()}; }

}  // namespace parley::bench
