#include "services/c2s/sm/entry.h"

#include <utility>

#include "libs/base/ids.h"
#include "services/c2s/session/requests.h"

namespace parley::c2s {
namespace {

// Who takes it out of the queue gives it new ones.
link::v1::Envelope& WithoutWay(link::v1::Envelope& envelope) {
  envelope.clear_seq();
  envelope.clear_leg();
  envelope.clear_session();
  return envelope;
}

}  // namespace

Entry::Entry(link::v1::Envelope& envelope, std::int64_t at, rpc::Receipt receipt, const Memory& memory)
    : receipt_(std::move(receipt)),
      mark_(session::MarkOf(envelope)),
      answers_(envelope.answers()),
      stanza_bytes_(static_cast<std::uint32_t>(envelope.stanza().size())),
      kind_(envelope.kind()),
      request_(IsRequestOfOthers(envelope)) {
  const auto room = [&](std::size_t bytes) { return (element_ = memory(bytes)).get(); };
  element_bytes_ = static_cast<std::uint32_t>(session::Encode(WithoutWay(envelope), at, 0, room).size());
  if (request_ || answers_ != 0) id_ = StableHash(envelope.id());
}

session::v1::Answered Entry::Answered() const {
  session::v1::Answered answered;
  answered.set_number(answers_);
  answered.set_id(id_);
  return answered;
}

link::v1::Envelope Entry::Envelope() const {
  session::v1::QueueElement element;
  element.ParseFromArray(element_.get(), static_cast<int>(element_bytes_));
  return std::move(*element.mutable_stanza()->mutable_envelope());
}

bool Entry::IsRequest(std::string_view id, std::string_view from) const {
  if (!request_ || id_ != StableHash(id)) return false;
  const link::v1::Envelope envelope = Envelope();
  return envelope.id() == id && envelope.from() == from;
}

bool Entry::Is(const link::v1::Envelope& other) const {
  if (answers_ != other.answers() || stanza() != other.stanza()) return false;
  const link::v1::Envelope envelope = Envelope();
  return envelope.origin() == other.origin() && envelope.origin_seq() == other.origin_seq();
}

bool Entry::IsByMark(const link::v1::Envelope& other) const {
  return (mark_.origin != 0 || answers_ != 0) && Is(other);
}

}  // namespace parley::c2s
