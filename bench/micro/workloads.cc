#include "bench/micro/workloads.h"

#include <iterator>
#include <string_view>

namespace parley::bench {

void FillChat(link::v1::Envelope& envelope) {
  // As the services do it: protobuf makes a string of what has no size.
  const auto set = [](std::string& field, std::string_view text) { field.assign(text); };
  envelope.set_kind(link::v1::KIND_MESSAGE);
  envelope.set_type(link::v1::TYPE_CHAT);
  envelope.set_leg(link::v1::LEG_INBOUND);
  set(*envelope.mutable_from(), kSender);
  set(*envelope.mutable_to(), kReceiver);
  set(*envelope.mutable_id(), "~1f.2a.3b9aca00~");
  set(*envelope.mutable_payload_ns(), "jabber:client");
  set(*envelope.mutable_payload_name(), "body");
  set(*envelope.mutable_stanza(), kChat);
  set(*envelope.mutable_origin(), "c2s-1/1234567890/abcdefghijkl");
  envelope.set_origin_seq(4711);
  set(*envelope.mutable_session(), "abcdefghijklmnopqrstuv");
}

std::vector<Workload> AllWorkloads() {
  std::vector<Workload> all;
  for (auto part : {XmlWorkloads, JidWorkloads, LinkWorkloads, LookupWorkloads, SessionWorkloads, TlsWorkloads,
                    HandshakeWorkloads, Http2Workloads, ClusterWorkloads}) {
    auto some = part();
    all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return all;
}

}  // namespace parley::bench
