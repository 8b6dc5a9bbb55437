#include "libs/xml/scanner.h"

#include <algorithm>
#include <utility>

#include "libs/xml/chars.h"
#include "libs/xml/workspace.h"

namespace parley::xml {
namespace {

// What the stream's start tag means for all that follows.
struct Header {
  std::string name;  // as written: the end tag repeats it
  std::vector<NamespaceBinding> bindings;

  std::string_view DefaultNamespace() const {
    const auto found = std::find_if(bindings.begin(), bindings.end(), [](const auto& b) { return b.prefix.empty(); });
    return found == bindings.end() ? std::string_view() : std::string_view(found->uri);
  }
};

bool Same(const Header& a, const Header& b) {
  return a.name == b.name &&
         std::equal(a.bindings.begin(), a.bindings.end(), b.bindings.begin(), b.bindings.end(),
                    [](const auto& x, const auto& y) { return x.prefix == y.prefix && x.uri == y.uri; });
}

// Most streams declare the same: then they share one.
std::shared_ptr<const Header> Share(Header header) {
  static thread_local std::shared_ptr<const Header> last;
  if (!last || !Same(*last, header)) last = std::make_shared<const Header>(std::move(header));
  return last;
}

enum class Phase : std::uint8_t {
  kStart,     // nothing but perhaps a part of the first markup
  kProlog,    // no XML declaration any more
  kBetween,   // in the stream element
  kCloseDue,  // it was an empty-element tag
  kClosed,
  kFault,
};

enum class Outcome { kMore, kFault, kComplete };

}  // namespace

struct Scanner::State {
  explicit State(const Limits& limits) : limits(limits) {}

  // Takes bytes of the unit (a declaration, a tag of the stream, a child) that begins or goes on with `bytes`, and
  // hands it out when it is complete. How many were taken.
  std::size_t Take(std::string_view bytes, Handler& handler);
  Outcome Advance(std::string_view data);
  Outcome AdvanceElement(std::string_view data);
  void OnStart(std::string_view data);
  void Deliver(std::string_view data, Handler& handler);
  void DeliverChild(Workspace& done, std::string_view data, Handler& handler);

  bool Begin(char first);
  void Fail(Fault why);
  std::size_t SizeLimit() const { return phase == Phase::kBetween ? limits.max_stanza_bytes : limits.max_header_bytes; }
  std::size_t UnitSize() const { return work->is_declaration ? work->declaration.size() : work->reader.position(); }
  const std::vector<NamespaceBinding>* around() const { return header ? &header->bindings : nullptr; }

  const Limits& limits;
  Phase phase = Phase::kStart;
  bool stopped = false;
  Fault fault = Fault::kNotWellFormed;
  std::shared_ptr<const Header> header;
  std::shared_ptr<const Header> previous;  // what a handler that restarts is still looking at
  std::unique_ptr<Workspace> work;         // while a unit is incomplete
};

Scanner::Scanner(const Limits& limits) : limits_(limits) { state_ = std::make_unique<State>(limits_); }

Scanner::~Scanner() = default;

Scanner::Status Scanner::Feed(std::string_view bytes, Handler& handler, std::size_t& consumed) {
  State& state = *state_;
  state.stopped = false;
  state.previous.reset();
  consumed = 0;
  for (;;) {
    if (state.phase == Phase::kFault) return Status::kFault;
    if (state.stopped) return Status::kStopped;
    if (state.phase == Phase::kCloseDue) {
      state.phase = Phase::kClosed;
      handler.OnStreamClose();
      continue;
    }
    if (!state.work) {
      const char* const from = bytes.data() + consumed;
      const char* const first = SkipWhile(from, bytes.data() + bytes.size(), kSpaceByte);
      consumed += first - from;
      if (first != from && state.phase == Phase::kStart) state.phase = Phase::kProlog;
      if (consumed == bytes.size()) return Status::kMore;
      if (!state.Begin(*first)) continue;
    } else if (consumed == bytes.size()) {
      return Status::kMore;
    }
    consumed += state.Take(bytes.substr(consumed), handler);
  }
}

void Scanner::Stop() { state_->stopped = true; }

void Scanner::Restart() {
  State& state = *state_;
  state.phase = Phase::kStart;
  state.previous = std::move(state.header);
  if (state.work) ReturnWorkspace(std::move(state.work));
}

Fault Scanner::fault() const { return state_->fault; }

bool Scanner::incomplete() const { return state_->work != nullptr; }

const std::vector<NamespaceBinding>& Scanner::stream_namespaces() const {
  static const std::vector<NamespaceBinding> kNone;
  return state_->header ? state_->header->bindings : kNone;
}

std::size_t Scanner::memory() const { return sizeof(State) + (state_->work ? state_->work->memory() : 0); }

bool Scanner::State::Begin(char first) {
  if (first == '<' && phase != Phase::kClosed) {
    work = TakeWorkspace(limits, around());
    return true;
  }
  // A byte that UTF-8 never begins a character with is more likely of another encoding (RFC 6120 4.9.3.22).
  const auto byte = static_cast<unsigned char>(first);
  const bool foreign = (byte >= 0x80 && byte < 0xC2) || byte > 0xF4;
  const Fault text = phase == Phase::kBetween && byte >= 0x20 ? Fault::kStrayText : Fault::kNotWellFormed;
  Fail(foreign ? Fault::kUnsupportedEncoding : text);
  return false;
}

void Scanner::State::Fail(Fault why) {
  fault = why;
  phase = Phase::kFault;
  if (work) ReturnWorkspace(std::move(work));
}

std::size_t Scanner::State::Take(std::string_view bytes, Handler& handler) {
  // In pieces only where an earlier call has left some; doubling, so that what belongs to the next unit is not copied
  // with a short rest of this one.
  constexpr std::size_t kPiece = 512;
  const std::size_t limit = SizeLimit();
  std::string& buffer = work->buffer;
  const std::size_t before = buffer.size();
  std::string_view data = bytes.substr(0, limit);
  if (before != 0) {
    buffer.append(bytes.substr(0, std::min(std::max(before, kPiece), limit - before)));
    data = buffer;
  }
  const std::size_t taken = data.size() - before;
  switch (Advance(data)) {
    case Outcome::kComplete: {
      const std::size_t size = UnitSize();
      Deliver(data.substr(0, size), handler);
      return size - before;
    }
    case Outcome::kMore:
      if (data.size() == limit) {
        Fail(Fault::kTooLarge);
      } else if (before == 0) {
        buffer = data;
      }
      return taken;
    case Outcome::kFault:
      break;
  }
  return taken;
}

Outcome Scanner::State::Advance(std::string_view data) {
  if (phase == Phase::kStart) {
    if (data.size() < 2) return Outcome::kMore;
    work->is_declaration = data[1] == '?';
    if (!work->is_declaration) phase = Phase::kProlog;
  }
  if (!work->is_declaration) return AdvanceElement(data);
  switch (work->declaration.Read(data)) {
    case Declaration::Status::kMore:
      return Outcome::kMore;
    case Declaration::Status::kComplete:
      return Outcome::kComplete;
    case Declaration::Status::kFault:
      Fail(work->declaration.fault());
      break;
  }
  return Outcome::kFault;
}

Outcome Scanner::State::AdvanceElement(std::string_view data) {
  using Event = ElementReader::Event;
  ElementReader& reader = work->reader;
  for (;;) {
    switch (reader.Next(data)) {
      case Event::kStart:
        OnStart(data);
        if (phase == Phase::kProlog) return Outcome::kComplete;
        if (reader.depth() != 1 || work->root.In(data) != header->name) break;
        Fail(Fault::kSecondHeader);
        return Outcome::kFault;
      case Event::kEnd:
        if (reader.depth() == 0) return Outcome::kComplete;
        break;
      case Event::kText:
      case Event::kCdata:
        break;
      case Event::kStrayEnd:
        if (phase == Phase::kBetween && reader.name().In(data) == header->name) {
          work->is_stream_end = true;
          return Outcome::kComplete;
        }
        Fail(Fault::kNotWellFormed);
        return Outcome::kFault;
      case Event::kMore:
        return Outcome::kMore;
      case Event::kFault:
        Fail(reader.fault());
        return Outcome::kFault;
    }
  }
}

void Scanner::State::OnStart(std::string_view data) {
  ElementReader& reader = work->reader;
  if (reader.depth() == 1) {
    work->root = reader.name();
    work->root_ns.Keep(reader.ns(data), data);
    work->root_attributes.swap(reader.attributes());
    work->root_tag_size = reader.position();
  } else if (reader.depth() == 2 && work->payload.whole.size == 0) {
    work->payload = reader.name();
    work->payload_ns.Keep(reader.ns(data), data);
  }
}

namespace {

StartTag TagOf(Workspace& done, std::string_view data) {
  done.attributes.clear();
  for (const AttributeSpan& attribute : done.root_attributes) {
    done.attributes.push_back({attribute.name.In(data), attribute.value.In(data)});
  }
  return {data.substr(0, done.root_tag_size), done.root.In(data), done.root_ns.In(data), done.root.Local(data),
          &done.attributes};
}

}  // namespace

// The state is that after the unit before the handler is called, which may stop and restart.
void Scanner::State::Deliver(std::string_view data, Handler& handler) {
  std::unique_ptr<Workspace> done = std::move(work);
  if (done->is_declaration) {
    phase = Phase::kProlog;
  } else if (done->is_stream_end) {
    phase = Phase::kClosed;
    handler.OnStreamClose();
  } else if (phase == Phase::kProlog) {
    header = Share({std::string(done->root.In(data)), done->reader.namespaces().Copy(data)});
    phase = done->reader.is_empty_tag() ? Phase::kCloseDue : Phase::kBetween;
    handler.OnStreamOpen(TagOf(*done, data));
  } else {
    DeliverChild(*done, data, handler);
  }
  ReturnWorkspace(std::move(done));
}

void Scanner::State::DeliverChild(Workspace& done, std::string_view data, Handler& handler) {
  Child child{data, TagOf(done, data), {}, {}, done.reader.uses_around()};
  if (done.payload.whole.size != 0) {
    child.payload_ns = done.payload_ns.In(data);
    child.payload_name = done.payload.Local(data);
  }
  if (child.start.ns != header->DefaultNamespace()) child.uses_stream_namespaces = true;
  handler.OnChild(child);
}

}  // namespace parley::xml
