#pragma once

#include "parley/roster/v1/roster.pb.h"

// What a change that is asked again is answered, as pure functions. It is not done again, but whoever asks may have to
// do again what came of it, and must not undo what came after it: so clients are told the item as it is now, and only
// those are told of the change itself who know a repeat when they see one. The version stays that of the first answer:
// clients may not have been told yet what came in between.
namespace parley::roster {

// What of an answer has to be remembered for that. Small: names and groups are told as they are then.
v1::ItemChange ToRemember(const v1::ItemChange& answer);
v1::SubscriptionChange ToRemember(const v1::SubscriptionChange& answer);

// The answers, from the first one (what of it was remembered is enough) and the item as it is `now`.
v1::ItemChange SetAgain(v1::ItemChange first, const v1::Item& now);
v1::ItemChange RemovedAgain(v1::ItemChange first, const v1::Item& now);
v1::SubscriptionChange AppliedAgain(const v1::ApplySubscription& ask, v1::SubscriptionChange first,
                                    const v1::Item& now);

}  // namespace parley::roster
