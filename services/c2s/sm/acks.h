#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "services/c2s/context.h"
#include "services/c2s/wheel.h"

namespace parley::c2s {

class Session;

// When acknowledgements are asked for and given (XEP-0198 section 4). We ask after so many stanzas, so many bytes or so
// much time. We answer when all that came before the question is handled and Redis knows it, or after a while with what
// is handled until then, and again when the rest is. Who sends on without waiting for an answer gets them at a pace:
// one for many stanzas. Who has done so is not taken to wait before it got an answer late and had sent nothing
// meanwhile.
class Acks {
 public:
  Acks(Session& session, Context& context);

  // <r/> came.
  void OnRequest();
  // More of the client's stanzas are handled, or noted as handled.
  void OnHandled();
  // A stanza was written to the client.
  void OnWritten(std::size_t bytes);
  // <a/> came, and `left` stanzas still are unacknowledged.
  void OnAnswer(std::size_t left);
  void Request();
  void Detach();

 private:
  static void Ask(void* self);
  static void StopWaiting(void* self);
  bool HasSentOn() const;
  bool OutOfPace() const;
  void HoldBack();
  void TryAnswer();
  void Answer();
  static void NoteLate(void* self);
  void NoteUnasked();
  void Note();

  Session& session_;
  Context& context_;
  Wheel::Timer asking_;          // until we ask, then until that is answered
  Wheel::Timer waiting_;         // until we answer whatever is handled
  Wheel::Timer noting_;          // until Redis is told what is handled, though nobody asked
  std::uint64_t wanted_ = 0;     // all up to this number came before the last question
  std::uint64_t held_from_ = 0;  // all up to this number came before an answer was held back
  std::size_t bytes_ = 0;        // written since we asked
  std::uint32_t stanzas_ = 0;
  std::uint32_t owed_ = 0;                          // questions not answered yet
  std::chrono::steady_clock::time_point asked_at_;  // the first of them came
  Wheel::Ticks answered_at_;
  bool asked_ = false;
  bool storing_ = false;
  bool overdue_ = false;    // what is handled has to do
  bool held_back_ = false;  // the answer could be given, but not yet
  bool sends_on_ = false;   // it did lately, without waiting for an answer
  bool announce_ = false;   // we answered with less than was wanted: the rest is to follow
};

}  // namespace parley::c2s
