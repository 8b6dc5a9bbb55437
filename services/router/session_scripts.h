#pragma once

#include "libs/storage/redis.h"

// What SessionStore does in Redis in one step. KEYS[1] is always the account's sessions: reading it last makes Redis
// remember us for its invalidation, as a write makes it forget all who had read it. Results: 1 done, 0 something else
// is there than was expected.
namespace parley::router {

// A resource's field. KEYS[2], if there is one: its queue. ARGV: resource, the stamp it must have or '', its new value,
// the first element of a queue that is not there yet.
const storage::Script& PutScript();

// Of an account that has something: all of it, as HGETALL says it. Of another one: nothing, and now it has.
const storage::Script& LoadOrPutScript();

// Put, and the queue gets another name. KEYS: sessions, the queue, its new name. ARGV: as PutScript. 2: no such queue.
const storage::Script& ClaimScript();

// ARGV: resource, stamp, field of the retired, its value, the new value of the resource's field or ''.
const storage::Script& RetireScript();

// Of a session without a queue. KEYS[2]: what its client was asked. ARGV: resource, session, the revision or ''.
const storage::Script& EraseScript();

// ARGV: field of the retired, how long its queue is remembered; if there is KEYS[4]: what it had acknowledged, of how
// many sessions that is remembered, and how long. 2: something else was forgotten.
const storage::Script& EraseRetiredScript();

// A change that leaves nothing behind. No resource is empty.
const storage::Script& TouchScript();

}  // namespace parley::router
