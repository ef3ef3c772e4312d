#pragma once

#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/exchange.hpp"
#include "daemon/simulation/attack.hpp"
#include "daemon/simulation/virtual_clock.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace kith::daemon {

/// How the simulated network carries snapshots and how fast the nodes train.
struct NetworkConditions {
  std::chrono::milliseconds latency{20};
  std::uint64_t bytes_per_second = 12'500'000;  ///< between any two nodes: 100 Mbit/s
  double loss = 0;     ///< share of snapshots that never reach a peer that wants them
  double slowest = 1;  ///< so many times the fastest node's time does the slowest take to train
  std::chrono::milliseconds epoch{1000};             ///< the fastest node's time for one
  std::chrono::milliseconds gather{10000};           ///< as learning.gather
  model::Encoding encoding = model::Encoding::bf16;  ///< as task.encoding
};

/// The nodes of a simulation and what passes between them, in virtual time and memory.
///
/// Ownership: borrows the clock.  Threads: the io thread.
class SimulatedNetwork {
 public:
  struct Node {
    std::string name;
    AttackKind attack = AttackKind::none;
    std::uint64_t attacks_from = 1;      ///< round; honest until then
    std::optional<std::size_t> group{};  ///< of its data, which attackers know of one another
  };

  SimulatedNetwork(VirtualClock& clock, NetworkConditions conditions, std::vector<Node> nodes,
                   std::uint64_t seed);
  ~SimulatedNetwork();

  /// The exchange of a node; borrowed from the network.
  [[nodiscard]] Exchange& exchange(std::size_t node);
  /// M0 as the worker of `node` made it: what all snapshots look like, and what an attacker starts
  /// from.
  void set_initial(std::size_t node, pipe::Fd initial);
  /// How many epochs the next round of `node` has.
  void set_epochs(std::size_t node, unsigned epochs);
  [[nodiscard]] std::uint64_t bytes_received(std::size_t node) const;
  [[nodiscard]] VirtualClock::Time now(std::size_t node) const { return clock_.now(node); }

 private:
  class Port;
  using Time = VirtualClock::Time;
  /// What a node made known.
  struct Publication {
    std::uint64_t round = 0;
    std::shared_ptr<const pipe::Fd> learnt;  ///< what it was before an attack
    std::shared_ptr<const pipe::Fd> file;    ///< as it arrives: encoded and decoded
    std::uint64_t size = 0;                ///< bytes of its chunks on their way
    Note note;
  };

  [[nodiscard]] Publication encoded(const pipe::Fd& file) const;
  void fetch(std::size_t from, std::size_t to, Time now);

  VirtualClock& clock_;
  NetworkConditions conditions_;
  std::uint64_t seed_;
  SnapshotForm form_;
  std::vector<std::unique_ptr<Port>> ports_;
};

}  // namespace kith::daemon
