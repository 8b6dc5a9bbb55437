#include "libs/rpc/trace.h"

#include <string>
#include <utility>

namespace parley::rpc {
namespace {

// "KIND_MESSAGE": "message"
std::string Lower(const std::string& name, std::string_view prefix) {
  std::string lower = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string KindOf(const Envelope& envelope) { return Lower(link::v1::Kind_Name(envelope.kind()), "KIND_"); }

std::string NameOf(std::string_view what, const Envelope& envelope) {
  return std::string(what) + " " + KindOf(envelope);
}

void Describe(tracing::Span& span, Envelope& envelope) {
  span.Set("parley.stanza.kind", KindOf(envelope));
  span.Set("parley.stanza.type", Lower(link::v1::Type_Name(envelope.type()), "TYPE_"));
  if (envelope.repeat()) span.Set("parley.repeat", "true");
  envelope.set_trace(span.traceparent());
}

}  // namespace

void StartSpan(const tracing::Tracer& tracer, std::string_view what, Envelope& envelope, Receipt& receipt) {
  auto span = tracer.Continue(envelope.trace(), NameOf(what, envelope));
  if (!span) return;
  Describe(*span, envelope);
  receipt.SetSpan(std::move(span));
}

std::unique_ptr<tracing::Span> StartTrace(tracing::Tracer& tracer, std::string_view what, Envelope& envelope) {
  auto span = tracer.Begin(NameOf(what, envelope));
  Describe(*span, envelope);
  return span;
}

}  // namespace parley::rpc
