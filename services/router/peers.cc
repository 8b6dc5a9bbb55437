#include "services/router/peers.h"

namespace parley::router {

Peers::Peers(Loop& loop, const rpc::Self& self, rpc::Ring::Options options, Handlers handlers)
    : self_(self.instance),
      handlers_(std::move(handlers)),
      ring_(loop, self, std::move(options), *this,
            [this](std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
              handlers_.take(std::move(envelope), std::move(receipt));
            }) {}

void Peers::Send(std::string_view key, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  ring_.Send(key, std::move(envelope), std::move(receipt));
}

void Peers::Ask(const std::string& key, std::string body, std::chrono::milliseconds timeout, rpc::Link::Done done) {
  ring_.Ask(key, std::move(body), timeout, std::move(done));
}

std::vector<std::string> Peers::others() const {
  std::vector<std::string> instances;
  for (const rpc::Link* link : ring_.links()) {
    if (link->peer().instance != self_) instances.push_back(link->peer().instance);
  }
  return instances;
}

void Peers::OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  handlers_.take(std::move(envelope), std::move(receipt));
}

void Peers::OnRequest(rpc::Link&, const std::string& body, rpc::LinkHandler::Respond respond) {
  handlers_.answer(body, std::move(respond));
}

void Peers::OnUndeliverable(rpc::Held held, rpc::RefusalReason reason) {
  handlers_.undeliverable(std::move(held), reason);
}

}  // namespace parley::router
