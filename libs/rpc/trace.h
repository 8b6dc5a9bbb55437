#pragma once

#include <string_view>

#include "libs/rpc/link.h"
#include "libs/tracing/tracer.h"

// How traces go with envelopes (ARCHITECTURE.md, "Tracing"): Envelope.trace names the span that an envelope comes from.
namespace parley::rpc {

// A span "<what> <kind of stanza>" for what this process does with an envelope that came in. It ends when `receipt` is
// settled, and with how; what comes of the envelope has it as its parent.
void StartSpan(const tracing::Tracer& tracer, std::string_view what, Envelope& envelope, Receipt& receipt);
inline void Follow(const tracing::Tracer& tracer, std::string_view what, Envelope& envelope, Receipt& receipt) {
  if (!envelope.trace().empty()) [[unlikely]]
    StartSpan(tracer, what, envelope, receipt);
}

// The root of a trace: what a client sent.
std::unique_ptr<tracing::Span> StartTrace(tracing::Tracer& tracer, std::string_view what, Envelope& envelope);

// What became of it.
inline void NoteOutcome(const Receipt& receipt, std::string_view outcome) {
  if (auto* span = receipt.span()) [[unlikely]]
    span->Set(tracing::kOutcome, outcome);
}

// What is sent or asked because of `from`. (To set an empty string costs an allocation.)
template <class From, class To>
void PassTrace(const From& from, To& to) {
  if (!from.trace().empty()) [[unlikely]]
    to.set_trace(from.trace());
}

}  // namespace parley::rpc
