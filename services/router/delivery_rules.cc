#include "services/router/delivery_rules.h"

#include <array>
#include <cstddef>

namespace parley::router {
namespace {

using enum Outcome;

struct Rule {
  Outcome normal;
  Outcome chat;
  Outcome groupchat;
  Outcome headline;
  Outcome error;
};

// Where RFC 6121 leaves a choice between silence and an error, the sender gets the error: nothing gets lost unnoticed.
// Where it leaves one between the most available resource and all, the most available: those of equal, highest
// priority. That there is no such account shows when its message is to be stored (8.5.1); the rest is the same then.
constexpr std::array<std::array<Rule, 3>, 3> kRules = {{
    // 8.5.2, to the bare JID: normal        chat                   groupchat      headline       error
    {{
        {/* no resource */ kStore, kStore, kBounce, kIgnore, kIgnore},                                     // 8.5.2.2.1
        {/* only negative */ kStore, kStore, kBounce, kIgnore, kIgnore},                                   // 8.5.2.1.1
        {/* non-negative */ kDeliverMostAvailable, kDeliverMostAvailable, kBounce, kDeliverAll, kIgnore},  // 8.5.2.1.1
    }},
    // 8.5.3.1, to a resource that is there, available or only connected
    {{
        {/* no resource */ kDeliverThere, kDeliverThere, kDeliverThere, kDeliverThere, kDeliverThere},
        {/* only negative */ kDeliverThere, kDeliverThere, kDeliverThere, kDeliverThere, kDeliverThere},
        {/* non-negative */ kDeliverThere, kDeliverThere, kDeliverThere, kDeliverThere, kDeliverThere},
    }},
    // 8.5.3.2.1, to a resource that is not there: only chat is for the user rather than for the resource
    {{
        {/* no resource */ kBounce, kStore, kBounce, kBounce, kIgnore},
        {/* only negative */ kBounce, kStore, kBounce, kBounce, kIgnore},
        {/* non-negative */ kBounce, kDeliverMostAvailable, kBounce, kBounce, kIgnore},
    }},
}};

}  // namespace

Outcome MessageRule(Address address, Reach reach, link::v1::Type type) {
  const Rule& rule = kRules[static_cast<std::size_t>(address)][static_cast<std::size_t>(reach)];
  switch (type) {
    case link::v1::TYPE_CHAT:
      return rule.chat;
    case link::v1::TYPE_GROUPCHAT:
      return rule.groupchat;
    case link::v1::TYPE_HEADLINE:
      return rule.headline;
    case link::v1::TYPE_ERROR:
      return rule.error;
    default:  // RFC 6121 5.2.2: no type, or one that is not known, is normal
      return rule.normal;
  }
}

}  // namespace parley::router
