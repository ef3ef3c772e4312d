#include "daemon/exchange/peer_log.hpp"

#include "daemon/system/log.hpp"

#include <algorithm>
#include <utility>

namespace kith::daemon {

using namespace std::chrono_literals;

void PeerLog::connected(const net::Member& peer, const net::Hello& hello) {
  log::info("peer_connected", {{"peer", peer.name},
                               {"id", to_string(peer.id)},
                               {"agent", hello.agent},
                               {"protocol", std::min(hello.version, net::kProtocolVersion)}});
}

void PeerLog::disconnected(const net::Member& peer, const net::Trouble& trouble) {
  log::info("peer_disconnected", {{"peer", peer.name},
                                  {"reason", net::name(trouble.reason)},
                                  {"by_peer", trouble.by_peer},
                                  {"address", trouble.address},
                                  {"detail", trouble.detail},
                                  {"help", net::explain(trouble.reason)}});
}

void PeerLog::failed(const net::Member* peer, const net::Trouble& trouble) {
  if (peer == nullptr) {
    ++strangers_;
    if (std::chrono::steady_clock::now() < strangers_reported_ + 10s) return;
    strangers_reported_ = std::chrono::steady_clock::now();
  }
  log::warn("connection_failed", {{"peer", peer != nullptr ? peer->name : "unknown"},
                                  {"times", peer != nullptr ? 1 : std::exchange(strangers_, 0)},
                                  {"address", trouble.address},
                                  {"reason", net::name(trouble.reason)},
                                  {"by_peer", trouble.by_peer},
                                  {"detail", trouble.detail},
                                  {"help", net::explain(trouble.reason)}});
}

void PeerLog::accused(const net::Member& peer, const std::string& what) {
  log::warn("peer_accused", {{"peer", peer.name}, {"what", what}});
}

void PeerLog::convicted(const net::Member& peer, bool ourselves) {
  if (ourselves) {
    return log::error(
        "convicted_ourselves",
        {{"help",
          "two snapshots were signed with this node's channel key for one place in its log: does "
          "the key run on two machines, or on a clone of one? The others take nothing more that is "
          "signed with it; make sure that it runs once, then give it another: kith key renew"}});
  }
  log::warn("peer_convicted",
            {{"peer", peer.name},
             {"what",
              "signed two different snapshots for one place in its log; nothing more is taken from "
              "it until it has another channel key"}});
}

void PeerLog::fault(const net::Member* peer, const std::string& what,
                    const std::exception& error) {
  log::error("fault", {{"peer", peer != nullptr ? peer->name : "unknown"},
                       {"at", what},
                       {"what", error.what()},
                       {"help",
                        "this is a bug of this program: report it. The connection was closed; the "
                        "node goes on"}});
}

}  // namespace kith::daemon
