#include "libs/rpc/local_link.h"

#include <utility>
#include <vector>

#include "libs/base/recycled.h"

namespace parley::rpc {

// The envelopes sent between two calls of WhenSettled. The older ones hold on to the younger: the end of one means that
// all before it have ended too.
struct LocalLink::Generation {
  explicit Generation(Loop& loop_) : loop(loop_) {}
  ~Generation() {
    for (auto& callback : settled) loop.Post(std::move(callback));
  }
  Loop& loop;
  std::vector<std::function<void()>> settled;
  std::shared_ptr<Generation> younger;
};

class LocalLink::Debt final : public Receipt::Debt, public Recycled<LocalLink::Debt> {
 public:
  Debt(Receipt inner, std::shared_ptr<std::size_t> outstanding, std::shared_ptr<Generation> generation)
      : inner_(std::move(inner)), outstanding_(std::move(outstanding)), generation_(std::move(generation)) {
    ++*outstanding_;
  }
  ~Debt() override {
    --*outstanding_;
    inner_.Abandon();
  }
  bool severed() const override { return inner_.severed(); }

 private:
  void Settle(RefusalReason refusal) override {
    if (refusal != link::v1::REFUSAL_REASON_UNSPECIFIED) inner_.Refuse(refusal);
    inner_ = Receipt();
  }

  Receipt inner_;
  std::shared_ptr<std::size_t> outstanding_;
  std::shared_ptr<Generation> generation_;
};

LocalLink::LocalLink(Loop& loop, Self self, const LinkOptions& options, Ring::Owner& owner, Ring::Local deliver)
    : loop_(loop),
      peer_{self.service, self.instance, self.epoch, "local"},
      window_(options.window),
      owner_(owner),
      deliver_(std::move(deliver)),
      meter_(LinkMetrics::Make(options.metrics, "local")),
      asks_(std::make_shared<Asks>(loop, options.max_asks, meter_)),
      generation_(std::make_shared<Generation>(loop)) {}

LocalLink::~LocalLink() {
  *self_ = nullptr;
  for (auto& held : arrived_) held.receipt.Abandon();
}

void LocalLink::Send(std::unique_ptr<Envelope> envelope, Receipt receipt) {
  arrived_.push_back(
      {std::move(envelope), Receipt(std::make_unique<Debt>(std::move(receipt), outstanding_, generation_))});
  if (arrived_.size() > 1) return;
  loop_.Post([self = self_] {
    if (*self != nullptr) (*self)->Deliver();
  });
}

void LocalLink::Deliver() {
  auto arrived = std::exchange(arrived_, {});
  for (auto& held : arrived) deliver_(std::move(held.envelope), std::move(held.receipt));
}

void LocalLink::Ask(std::string body, std::chrono::milliseconds timeout, Done done) {
  auto request = asks_->Add(std::move(body), timeout, std::move(done));
  if (request.id() == 0) return;
  loop_.Post([self = self_, request = std::move(request), asks = std::weak_ptr(asks_)] {
    const bool awaited = *self != nullptr && (*self)->asks_->Awaits(request.id());
    if (!awaited) return;
    (*self)->owner_.OnRequest(**self, request.body(), [asks, id = request.id()](Result<std::string> answer) {
      const auto waiting = asks.lock();
      if (!waiting) return;
      link::v1::Reply reply;
      reply.set_id(id);
      if (answer) {
        reply.set_body(*std::move(answer));
      } else {
        reply.set_failure(answer.error().message().empty() ? "failed" : answer.error().message());
      }
      waiting->Answer(reply);
    });
  });
}

void LocalLink::GiveUpAsks() { asks_->FailAllLater(Error(kLinkBroken)); }

void LocalLink::WhenSettled(std::function<void()> settled) {
  generation_->settled.push_back(std::move(settled));
  auto younger = std::make_shared<Generation>(loop_);
  generation_->younger = younger;
  generation_ = std::move(younger);
}

}  // namespace parley::rpc
