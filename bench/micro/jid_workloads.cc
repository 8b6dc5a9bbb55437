#include "bench/micro/workloads.h"
#include "libs/xmpp/jid.h"

namespace parley::bench {
namespace {

Workload Parse(const char* name, const char* text) {
  return {name, [text] {
            const auto jid = xmpp::Jid::Parse(text);
            Keep(jid);
          }};
}

}  // namespace

std::vector<Workload> JidWorkloads() {
  return {Parse("jid_ascii", kReceiver), Parse("jid_mixed_case", "Bench1001@LocalHost/Bench"),
          Parse("jid_unicode", "j\xc3\xbcrgen@b\xc3\xbc\x63her.example/B\xc3\xbcro")};
}

}  // namespace parley::bench
