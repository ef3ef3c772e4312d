#pragma once

#include "daemon/config.hpp"
#include "daemon/worker_process.hpp"

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace kith::daemon {

/// A peer's newest snapshot, loaded into the worker under the peer's id.
struct Candidate {
  std::string peer;           ///< node id, in text
  std::uint64_t arrived = 0;  ///< the round of ours in which it came
};

/// What a strategy decides on: the moment after our own partial was trained.
struct Situation {
  std::uint64_t round = 0;
  std::vector<Candidate> candidates;
  WorkerProcess* worker = nullptr;  ///< borrowed
};

/// Whom to average with, and why.
struct Choice {
  std::vector<std::string> members;
  nlohmann::json why;  ///< the numbers behind it, for reports
};

/// How a node chooses whose snapshots to fetch and whom to average with.  The rest of the round is
/// the same for all.  Threads: the io thread.
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// Whose snapshots to fetch this round, out of `peers` (node ids, in text).
  [[nodiscard]] virtual std::vector<std::string> pulls(const std::vector<std::string>& peers,
                                                       std::mt19937_64& random) = 0;
  virtual net::awaitable<Choice> choose(Situation situation) = 0;

  /// What it thinks of a peer, for status and for the next start; null if nothing.
  [[nodiscard]] virtual nlohmann::json opinion(const std::string&) const { return nullptr; }
  /// Takes back the opinions of before a restart; ignores what does not read.
  virtual void restore(const std::map<std::string, nlohmann::json>&) {}
};

/// `oracle_group` of the configuration is given as node ids in text.
[[nodiscard]] std::unique_ptr<Strategy> make_strategy(const Config& config,
                                                      std::vector<std::string> oracle_group);

/// The mixture of the own partial and `members`, weighted by freshness in `situation`.
[[nodiscard]] pipe::Mixture mixture(const Situation& situation,
                                    const std::vector<std::string>& members, double half_life);

}  // namespace kith::daemon
