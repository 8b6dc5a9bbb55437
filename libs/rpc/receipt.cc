#include "libs/rpc/link.h"

namespace parley::rpc {
namespace {

class CallbackDebt final : public Receipt::Debt {
 public:
  explicit CallbackDebt(std::function<void(RefusalReason)> settle) : settle_(std::move(settle)) {}

 private:
  void Settle(RefusalReason refusal) override { settle_(refusal); }

  std::function<void(RefusalReason)> settle_;
};

}  // namespace

Receipt::Receipt(std::function<void(RefusalReason)> settle) : debt_(new CallbackDebt(std::move(settle))) {}

void Receipt::Refuse(RefusalReason reason) {
  if (debt_ == nullptr) return;
  debt_->refusal_ = reason;
  Release();
}

void Receipt::Abandon() {
  if (debt_ == nullptr) return;
  debt_->abandoned_ = true;
  Release();
}

void Receipt::Release() {
  Debt* debt = std::exchange(debt_, nullptr);
  if (--debt->copies_ > 0) return;
  std::unique_ptr<Debt> last(debt);
  if (last->span_) EndSpan(*last);
  if (!last->abandoned_) last->Settle(last->refusal_);
}

void Receipt::EndSpan(Debt& debt) {
  if (debt.abandoned_) {
    debt.span_->Fail("abandoned");
  } else if (debt.refusal_ != link::v1::REFUSAL_REASON_UNSPECIFIED) {
    debt.span_->Fail(link::v1::RefusalReason_Name(debt.refusal_));
  }
  debt.span_.reset();
}

}  // namespace parley::rpc
