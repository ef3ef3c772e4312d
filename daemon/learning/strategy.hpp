#pragma once

#include "daemon/config/config.hpp"
#include "daemon/learning/worker_process.hpp"
#include "model/snapshot.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace kith::daemon {

/// A peer's newest snapshot, loaded into the worker under the peer's id.
struct Candidate {
  std::string peer;           ///< node id, in text
  std::uint64_t arrived = 0;  ///< the round of ours in which it came
  nlohmann::json note{};      ///< what its strategy said with it, to all or to us; null: nothing
  /// The snapshot file, in a simulation; a running node does not hand it out.
  std::shared_ptr<const pipe::Fd> file{};
};

/// What a strategy says with a snapshot.
struct Note {
  nlohmann::json text{};  ///< an object, or null for nothing
  std::string reader{};   ///< node id, in text, of the only one who can read it; empty: all can
};

/// What a strategy decides on: the moment after our own partial was trained.
struct Situation {
  std::uint64_t round = 0;
  std::uint64_t epochs = 1;    ///< that this round trains
  std::uint64_t examples = 0;  ///< that it trains on
  std::vector<Candidate> candidates;
  bool published = false;  ///< our newest partial as others see it is loaded, under our own id
  const pipe::Fd* own = nullptr;    ///< borrowed: our partial, for who reads_models()
  WorkerProcess* worker = nullptr;  ///< borrowed
};

/// What becomes of the node's model, and why.
struct Choice {
  pipe::Mixture mixture;  ///< the next theta; "self" is the own partial
  /// What the node serves, in place of what the gate chooses.
  std::optional<pipe::Mixture> served{};
  /// Whose models are in it, for reports, if the mixture does not say.
  std::optional<pipe::Mixture> made_of{};
  nlohmann::json why;  ///< the numbers behind it, for reports
};

/// How a node chooses whose snapshots to fetch and what to average.  The rest of the round is the
/// same for all.  Threads: the io thread.
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// Whose snapshots to fetch in `round`, out of `peers` (node ids, in text).
  [[nodiscard]] virtual std::vector<std::string> pulls(std::uint64_t round,
                                                       const std::vector<std::string>& peers,
                                                       std::mt19937_64& random) = 0;
  /// Before training; there are no candidates yet.  Most have nothing to do.
  virtual net::awaitable<void> prepare(Situation) { co_return; }
  /// What its paper says of the training of this round, in place of what is usual.
  virtual void adjust(pipe::Train&) const {}
  /// After training: what to make of it.
  virtual net::awaitable<Choice> choose(Situation situation) = 0;

  /// False if it neither publishes nor wants anything.
  [[nodiscard]] virtual bool shares() const { return true; }
  /// True if it reads the weights of the peers' models and the own.  A running node does not hand
  /// them out; `kith simulate` does.
  [[nodiscard]] virtual bool reads_models() const { return false; }
  /// True if whom it averages with depends on the training examples as they are: what private
  /// training hides would show in the choice.
  [[nodiscard]] virtual bool uses_training_examples() const { return false; }
  /// True if what comes of several rounds may be served: the running average of theta, and the best
  /// that was served before.  The comparators serve what their papers say.
  [[nodiscard]] virtual bool looks_back() const { return false; }
  /// True if it looks at Situation::published.
  [[nodiscard]] virtual bool looks_at_published() const { return false; }
  /// True if the next round begins from the baseline, or the best of before, where that is served,
  /// since theta is clearly worse than it.  The comparators go on as their papers say.
  [[nodiscard]] virtual bool begins_again() const { return false; }
  /// What to say with the partial that is about to be published.
  [[nodiscard]] virtual Note note() const { return {}; }

  /// What it thinks of a peer, for status and for the next start; null if nothing.
  [[nodiscard]] virtual nlohmann::json opinion(const std::string&) const { return nullptr; }
  /// Takes back the opinions of before a restart; ignores what does not read.
  virtual void restore(const std::map<std::string, nlohmann::json>&) {}
};

/// This node, and the members that its configuration names: node ids in text.
struct Roles {
  std::vector<std::string> oracle_group{};  ///< without this node
  std::string self{};
  std::string convenor{};  ///< empty: none
  bool operator==(const Roles&) const = default;
};
/// The one that `config` names; see strategy_kind.hpp.
[[nodiscard]] std::unique_ptr<Strategy> make_strategy(const Config& config, Roles roles);

// ---- For strategies ----

/// All who are candidates.
[[nodiscard]] std::vector<std::string> candidates_of(const Situation& situation);

/// Those of `peers` who are candidates.
[[nodiscard]] std::vector<std::string> candidates_among(const Situation& situation,
                                                        const std::vector<std::string>& peers);

/// The mean loss of each member, measured by the worker; see pipe::Measure.
net::awaitable<std::map<std::string, double>> losses_of(Situation situation,
                                                        std::vector<std::string> members,
                                                        pipe::Split split);

/// The weights in a snapshot file, and what they belong to.  Throws WorkerLost if it is none.
[[nodiscard]] std::vector<float> weights_in(const pipe::Fd& file, model::Schema& schema);

/// The average of the own partial and `members`, weighted by freshness in `situation`.
[[nodiscard]] pipe::Mixture mixture(const Situation& situation,
                                    const std::vector<std::string>& members, double half_life);

}  // namespace kith::daemon
