#pragma once

#include "daemon/exchange/shared.hpp"
#include "daemon/exchange/shelf.hpp"
#include "daemon/learning/strategy.hpp"
#include "daemon/learning/worker_process.hpp"
#include "net/asio/host.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace kith::daemon {

/// The newest complete snapshot of a peer.
struct Arrival {
  net::SnapshotId snapshot{};
  net::Head head;
  std::uint64_t round = 0;  ///< of ours, in which it came; once used, the first that used it
  bool used = false;
  bool loaded = false;   ///< into the worker
  bool refused = false;  ///< by the worker
  std::string note{};    ///< as it came; empty if there is none for us
};

/// Fetches the snapshots of those whom the strategy has chosen, and loads them into the worker.
///
/// At most limits::kFetchesPerRound of one origin are fetched in a round of ours, however fast it
/// publishes.
///
/// Ownership: borrows all it is made with.  Threads: the io thread.
class Inbox {
 public:
  Inbox(net::asio::io_context& io, net::Host& host, Shelf& shelf, const Shared& shared);

  /// What is on the shelf is used again.
  void restore(const std::vector<ShelvedSnapshot>& found);

  // What the learner asks; see Exchange.
  void want(std::uint64_t round, std::vector<std::string> peers);
  net::awaitable<void> gather(std::uint64_t round);
  net::awaitable<std::vector<Candidate>> load(std::uint64_t round, WorkerProcess& worker);
  /// Loads `snapshot`, which is ours, under our own id; false, and it is logged, if it cannot be.
  net::awaitable<bool> load_own(net::SnapshotId snapshot, WorkerProcess& worker);
  void worker_replaced();

  // What the network tells; see net::HostOwner.
  void discovered(const net::SnapshotId& snapshot, const net::Head& head);
  void needed(const net::SnapshotId& snapshot, const net::Head& head);
  void completed(const net::SnapshotId& snapshot, const net::Head& head);
  void dropped(const net::SnapshotId& snapshot);
  /// Nobody waits for it any more.
  void peer_lost() { wake_.cancel(); }
  /// Nothing of it is fetched any more.
  void deny(const net::NodeId& peer) { chosen_.erase(to_string(peer)); }
  void stop();

  [[nodiscard]] const Arrival* arrival(const std::string& peer) const;
  /// What was put into the worker, and who vouched then for the key that signed it.
  struct Loaded {
    net::SignedHead head;
    std::optional<net::Card> card{};
  };
  /// The snapshot of this peer that load() last put into the worker; nullptr if there is none.
  [[nodiscard]] const Loaded* loaded(const std::string& peer) const;
  /// Why nothing is fetched at present; empty if it is.
  [[nodiscard]] std::string not_fetching() const;

 private:
  /// What the strategy is to hear of a note: nothing but the convenor's, or, as the convenor, what
  /// is sealed to us.  All else is not even looked at.
  [[nodiscard]] std::string note_for_us(const net::Manifest& manifest, const net::Head& head) const;
  void want_if_chosen(const net::SnapshotId& snapshot, const net::Head& head);
  /// Whether the disk may take `size` bytes more; tells the operator, once, if not.
  [[nodiscard]] bool disk_has_room(std::uint64_t size);
  [[nodiscard]] bool worth_waiting(std::uint64_t round) const;
  [[nodiscard]] bool usable(const Arrival& arrival) const;
  /// Returns why it could not be loaded; nothing if it was.
  net::awaitable<std::optional<std::string>> load_one(std::string peer, net::SnapshotId snapshot,
                                                      WorkerProcess& worker);
  void arrived(const net::SnapshotId& snapshot, const net::Head& head);
  [[nodiscard]] std::string name_of(const std::string& id) const;

  net::Host& host_;
  Shelf& shelf_;
  const Shared& shared_;
  net::asio::steady_timer wake_;  // cancelled when something that is waited for may have come

  std::uint64_t round_ = 0;
  std::map<std::string, Arrival> arrivals_;          // by peer
  std::map<std::string, Loaded> loaded_;             // into the worker, by peer
  std::set<std::string> chosen_;                     // peers to pull from this round
  std::map<std::string, unsigned> fetches_;          // begun this round, by peer
  std::map<net::SnapshotId, std::uint64_t> wanted_;  // and not here yet: bytes
  std::set<net::SnapshotId> relayed_;                // fetched for others, not for the worker
  std::set<std::string> misfits_;  // peers that announced a snapshot of another size
  bool quota_reported_ = false;    // this round
  bool disk_is_low_ = false;       // reported, and not over yet
  bool stopping_ = false;
};

}  // namespace kith::daemon
