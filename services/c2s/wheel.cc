#include "services/c2s/wheel.h"

namespace parley::c2s {

void Wheel::Timer::Cancel() {
  if (!next_) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  next_ = previous_ = nullptr;
}

Wheel::Wheel(Loop& loop, Duration tick) : tick_(tick), turning_(loop.Every(tick, [this] { Turn(); })) {}

Wheel::Ticks Wheel::ToTicks(Duration duration) const {
  if (duration <= Duration::zero()) return 0;
  return static_cast<Ticks>((duration + tick_ - Duration(1)) / tick_);
}

void Wheel::Arm(Timer& timer, Duration delay) {
  timer.Cancel();
  // One more: the current tick is already partly over.
  timer.due_ = now_ + ToTicks(delay) + 1;
  Link(slots_[timer.due_ % kSlots], timer);
}

void Wheel::Turn() {
  ++now_;
  // The due ones move to a list of their own first: what they arm meanwhile belongs to later turns, and any of them may
  // be cancelled by another.
  Slot due;
  Timer& slot = slots_[now_ % kSlots];
  for (Timer* timer = slot.next_; timer != &slot;) {
    Timer* next = timer->next_;
    if (timer->due_ == now_) {  // else: due in a later round
      timer->Cancel();
      Link(due, *timer);
    }
    timer = next;
  }
  while (due.next_ != &due) {
    Timer* timer = due.next_;
    timer->Cancel();
    timer->fire_(timer->owner_);
  }
}

void Wheel::Link(Timer& head, Timer& timer) {
  timer.previous_ = head.previous_;
  timer.next_ = &head;
  head.previous_->next_ = &timer;
  head.previous_ = &timer;
}

}  // namespace parley::c2s
