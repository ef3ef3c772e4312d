#pragma once

#include "daemon/learning/strategy.hpp"
#include "daemon/learning/worker_process.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace kith::daemon {

/// Where a learner's partials go and its peers' come from: the network of a node, or that of a
/// simulation.  A round uses it in this order: want, publish, gather, load.  Threads: the io
/// thread.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// `round` begins: `peers` (node ids, in text) are those whose snapshots to fetch from now on.
  virtual void want(std::uint64_t round, std::vector<std::string> peers) = 0;
  /// Makes our partial, a snapshot file, known to the peers, with what the strategy says of it.
  virtual net::awaitable<void> publish(std::uint64_t round, pipe::Fd partial, Note note) = 0;
  /// Gives peers in step a bounded moment to publish theirs.
  virtual net::awaitable<void> gather(std::uint64_t round) = 0;
  /// Loads into `worker`, under its peer's id, each snapshot that is new there; returns all that
  /// are loaded.  `round` is the one they are first used in, if they are new.
  virtual net::awaitable<std::vector<Candidate>> load(std::uint64_t round,
                                                      WorkerProcess& worker) = 0;
  /// Loads into `worker`, under our own id, our newest partial as others see it; false if there is
  /// none, or it is the same to them.
  virtual net::awaitable<bool> load_published(WorkerProcess& worker) = 0;
  /// The worker is a new one: nothing is loaded in it.
  virtual void worker_replaced() = 0;
};

}  // namespace kith::daemon
