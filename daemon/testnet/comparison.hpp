#pragma once

#include "daemon/testnet/testnet.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kith::daemon {

/// What one node of a testnet came to under one strategy.
struct NodeOutcome {
  std::string name;
  std::size_t group = 0;
  std::vector<nlohmann::json> rounds;  ///< the node's own reports, oldest first
  std::uint64_t bytes_out = 0;
};

/// What a whole testnet came to under one strategy.
struct StrategyOutcome {
  std::vector<NodeOutcome> nodes;
  double seconds = 0;
};

/// Alone, one global model, Kith, the true groups: the table that the demo ends with.
///
/// "Alone" is the baseline that the Kith nodes trained alongside; "global" the plain average of
/// everyone; Kith and the true groups show what the gate serves.  Accuracy on held-out images, the
/// mean of the last five rounds.
struct Comparison {
  struct Row {
    std::string name;
    std::size_t group = 0;
    double alone = 0, global = 0, kith = 0, oracle = 0;  ///< accuracy, 0 to 1
    double noise = 0;                                    ///< 95 % of chance in kith - alone
    std::vector<std::string> partners;  ///< averaged with in at least half of the last five rounds
  };
  std::vector<Row> rows;
  Row mean;
  double rand_index =
      0;  ///< adjusted, of the true groups and the components of who averaged with whom
  std::uint64_t bytes = 0;  ///< sent by all nodes in the Kith run
  double seconds = 0;       ///< of all runs

  // What the demo promises, each said honestly.
  [[nodiscard]] bool found_groups() const { return rand_index == 1.0; }
  [[nodiscard]] bool beats_alone() const { return mean.kith >= mean.alone + 0.03; }
  [[nodiscard]] bool matches_oracle() const { return mean.kith >= 0.99 * mean.oracle; }
  [[nodiscard]] std::vector<std::string> worse_than_alone() const;
  [[nodiscard]] bool good() const;
};

/// Throws Failure(EX_DATAERR) if an outcome has no finished round.
[[nodiscard]] Comparison compare(const Testnet& testnet,
                                 const std::map<std::string, StrategyOutcome>& outcomes);
[[nodiscard]] std::vector<std::string> table(const Comparison& comparison, const Testnet& testnet);
[[nodiscard]] std::vector<std::string> verdict(const Comparison& comparison);
[[nodiscard]] nlohmann::json to_json(const Comparison& comparison, const Testnet& testnet);

[[nodiscard]] nlohmann::json to_json(const StrategyOutcome& outcome);
[[nodiscard]] StrategyOutcome outcome_from_json(const nlohmann::json& json);

}  // namespace kith::daemon
