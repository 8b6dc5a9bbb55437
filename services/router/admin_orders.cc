#include "libs/base/log.h"
#include "libs/net/address_range.h"
#include "libs/storage/orders.h"
#include "services/router/admin_operations.h"

// Orders to edges, kept in Redis, where these find them (libs/storage/orders.h).
namespace parley::router {

void AdminOperations::DrainNode(const admin::v1::DrainNodeRequest& request,
                                std::function<void(admin::v1::DrainNodeResponse)> done) {
  admin::v1::DrainNodeResponse response;
  bool alive = false;
  for (const auto& node : parts_.nodes.alive()) alive = alive || node.instance == request.instance();
  // What is gone needs no drain; an order for it can be taken back all the same.
  if (!alive && !request.undrain()) {
    response.set_failure("there is no edge (c2s) of this name: see 'parleyctl status'");
    return done(response);
  }
  log::Info(request.undrain() ? "undrain_ordered" : "drain_ordered", {{"instance", request.instance()}});
  parts_.redis.Command({request.undrain() ? "SREM" : "SADD", storage::kDrainKey, request.instance()},
                       [done = std::move(done), response](const Result<storage::Reply>& reply) mutable {
                         if (!reply) response.set_failure(storage::Explain(reply.error()));
                         done(response);
                       });
}

void AdminOperations::Ban(const admin::v1::BanRequest& request, std::function<void(admin::v1::BanResponse)> done) {
  admin::v1::BanResponse response;
  const auto network = net::AddressRange::Parse(request.network());
  if (!network) {
    response.set_failure("not an address or a network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32");
    return done(response);
  }
  response.set_network(network->str());
  log::Info(request.lift() ? "ban_lifted" : "ban_ordered",
            {{"network", response.network()}, {"seconds", request.seconds()}});
  const auto answered = [done = std::move(done), response](const Result<storage::Reply>& reply) mutable {
    if (!reply) response.set_failure(storage::Explain(reply.error()));
    if (reply && reply->integer < 0) response.set_failure("there are too many bans (c2s.max_bans): lift some");
    response.set_changed(reply && reply->integer == 1);
    done(response);
  };
  if (request.lift()) {
    return parts_.redis.Eval(storage::LiftBan(), {storage::kBansKey, storage::kOrdersVersionKey}, {response.network()},
                             answered);
  }
  const std::string seconds = std::to_string(request.seconds());
  const std::string limit = std::to_string(options_.max_bans);
  parts_.redis.Eval(storage::AddBan(), {storage::kBansKey, storage::kOrdersVersionKey},
                    {response.network(), seconds, limit}, answered);
}

void AdminOperations::ListBans(std::function<void(admin::v1::ListBansResponse)> done) {
  parts_.redis.Command({"ZRANGE", storage::kBansKey, "0", "-1", "WITHSCORES"},
                       [done = std::move(done)](const Result<storage::Reply>& reply) {
                         admin::v1::ListBansResponse response;
                         if (!reply) {
                           response.set_failure(storage::Explain(reply.error()));
                           return done(response);
                         }
                         for (std::size_t i = 0; i + 1 < reply->items.size(); i += 2) {
                           auto& row = *response.add_bans();
                           row.set_network(reply->items[i].text);
                           const auto expiry = static_cast<std::int64_t>(std::stod(reply->items[i + 1].text));
                           if (std::to_string(expiry) != storage::kNever) row.set_expires_at(expiry);
                         }
                         done(response);
                       });
}

}  // namespace parley::router
