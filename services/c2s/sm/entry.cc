#include "services/c2s/sm/entry.h"

#include <utility>

#include "libs/base/ids.h"
#include "services/c2s/session/requests.h"

namespace parley::c2s {

Entry::Entry(const link::v1::Envelope& envelope, const session::Mark& mark, Element element, rpc::Receipt receipt)
    : page_(std::move(element.page)),
      element_(element.bytes.data()),
      receipt_(std::move(receipt)),
      mark_(mark),
      answers_(envelope.answers()),
      element_bytes_(static_cast<std::uint32_t>(element.bytes.size())),
      stanza_bytes_(static_cast<std::uint32_t>(envelope.stanza().size())),
      kind_(envelope.kind()),
      lone_message_(kind_ == link::v1::KIND_MESSAGE && !envelope.copied()),
      servers_own_(IsServersOwn(envelope)),
      request_(IsRequestOfOthers(envelope)) {
  if (request_ || answers_ != 0) id_ = StableHash(envelope.id());
}

bool IsServersOwn(const link::v1::Envelope& envelope) {
  return envelope.origin().empty() && envelope.unacknowledged_by().empty() && envelope.answers() == 0;
}

session::v1::Answered Entry::Answered() const {
  session::v1::Answered answered;
  answered.set_number(answers_);
  answered.set_id(id_);
  return answered;
}

link::v1::Envelope Entry::Envelope() const {
  session::v1::QueueElement element;
  element.ParseFromArray(element_, static_cast<int>(element_bytes_));
  return std::move(*element.mutable_stanza()->mutable_envelope());
}

bool Entry::IsRequest(std::string_view id, std::string_view from) const {
  if (!request_ || id_ != StableHash(id)) return false;
  const link::v1::Envelope envelope = Envelope();
  return envelope.id() == id && envelope.from() == from;
}

bool Entry::Is(const link::v1::Envelope& other) const {
  if (answers_ != 0) return answers_ == other.answers();  // it is answered once, in whatever words
  if (other.answers() != 0 || stanza() != other.stanza()) return false;
  const link::v1::Envelope envelope = Envelope();
  return envelope.origin() == other.origin() && envelope.origin_seq() == other.origin_seq();
}

bool Entry::IsByMark(const link::v1::Envelope& other) const {
  return (mark_.origin != 0 || answers_ != 0) && Is(other);
}

}  // namespace parley::c2s
