#include "services/c2s/streams.h"

#include <algorithm>
#include <utility>

#include "services/c2s/stream/stream.h"

namespace parley::c2s {

Streams::Streams(Loop& loop) : loop_(loop) {}
Streams::~Streams() = default;

void Streams::Open(Context& context, int fd, const std::string& address, Kind kind) {
  auto stream = std::make_shared<Stream>(context, fd, address);
  streams_.emplace(stream.get(), stream);
  kind == Kind::kDirectTls ? stream->StartSecured() : stream->Start();
}

void Streams::Remove(Stream& stream) {
  const auto found = streams_.find(&stream);
  if (found == streams_.end()) return;
  Retire(std::move(found->second));
  streams_.erase(found);
}

void Streams::Retire(std::shared_ptr<void> retired) {
  if (retired_.empty()) {
    loop_.Post([this] { const auto gone = std::exchange(retired_, {}); });
  }
  retired_.push_back(std::move(retired));
}

void Streams::ResumeSoon(std::shared_ptr<Stream> stream) {
  if (resuming_.empty()) loop_.Post([this] { ResumeAll(); });
  resuming_.push_back(std::move(stream));
}

void Streams::ResumeAll() {
  const auto resuming = std::exchange(resuming_, {});
  for (const auto& stream : resuming) stream->Resume();
}

std::vector<std::shared_ptr<Stream>> Streams::Some(std::size_t count, const std::function<bool(Stream&)>& which) const {
  std::vector<std::shared_ptr<Stream>> some;
  for (const auto& [key, stream] : streams_) {
    if (some.size() == count) break;
    if (which(*stream)) some.push_back(stream);
  }
  return some;
}

std::size_t Streams::queued_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [key, stream] : streams_) bytes += stream->queued();
  return bytes;
}

std::size_t Streams::tls_released() const {
  return std::count_if(streams_.begin(), streams_.end(),
                       [](const auto& entry) { return entry.second->tls_released(); });
}

}  // namespace parley::c2s
