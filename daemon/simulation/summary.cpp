#include "daemon/simulation/summary.hpp"

#include "daemon/system/console.hpp"
#include "model/partition.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr std::size_t kJudged = 5;      // the last rounds, whose mean counts
constexpr std::uint64_t kSettling = 5;  // rounds in which an attacker may still be averaged with

json or_null(std::optional<double> value) { return value ? json(*value) : json(nullptr); }

double mean(const std::vector<double>& values) {
  return std::reduce(values.begin(), values.end()) / static_cast<double>(values.size());
}

std::string decimals(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

bool is_attacker(const json& node) { return !node.at("attack").is_null(); }

/// `key` of a node's reports, the mean of the last rounds.
double last(const json& rounds, const char* key) {
  std::vector<double> values;
  for (std::size_t r = rounds.size() - std::min(kJudged, rounds.size()); r < rounds.size(); ++r) {
    values.push_back(rounds[r].at(key).get<double>());
  }
  return mean(values);
}

/// The true groups of a run's nodes, by name.  An attacker's is no number, and so nobody's.
class Truth {
 public:
  Truth(const json& run, std::uint64_t drift_round) : drift_round_(drift_round) {
    for (const json& node : run.at("world")) {
      const bool moves = drift_round > 0 && node.contains("group_after_drift");
      const json bad("attacker");
      const std::string name = node.at("name");
      before_[name] = is_attacker(node) ? bad : node.at("group");
      after_[name] = is_attacker(node) ? bad : node.at(moves ? "group_after_drift" : "group");
    }
  }
  [[nodiscard]] const json& group(const std::string& name, std::uint64_t round) const {
    return (drift_round_ > 0 && round >= drift_round_ ? after_ : before_).at(name);
  }
  [[nodiscard]] bool attacker(const std::string& name) const { return after_.at(name).is_string(); }
  [[nodiscard]] bool known() const {
    return std::ranges::any_of(after_, [](const auto& node) { return node.second.is_number(); });
  }

 private:
  std::uint64_t drift_round_;
  std::map<std::string, json> before_, after_;
};

/// Whom the honest nodes averaged with in some rounds.
struct Partners {
  std::uint64_t right = 0, all = 0, attackers = 0;
};

Partners partners(const json& run, const Truth& truth, std::uint64_t from, std::uint64_t to) {
  Partners count;
  for (const json& node : run.at("nodes")) {
    const std::string own = node.at("name");
    if (truth.attacker(own)) continue;
    for (const json& report : node.at("rounds")) {
      const std::uint64_t round = report.at("round");
      if (round < from || round > to) continue;
      const json& members = report.at("members");
      for (const json& member : members) {
        const std::string name = member.at("name");
        const bool same = truth.group(name, round) == truth.group(own, round);
        count.right += same && !truth.attacker(name) ? 1U : 0U;
        count.attackers += truth.attacker(name) ? 1U : 0U;
        ++count.all;
      }
    }
  }
  return count;
}

std::optional<double> share_right(const Partners& partners) {
  if (partners.all == 0) return std::nullopt;
  return static_cast<double>(partners.right) / static_cast<double>(partners.all);
}

/// The adjusted Rand index between the true groups of the honest nodes and the components of who
/// averages with whom in a round.
double rand_index(const json& run, const Truth& truth, std::uint64_t round) {
  std::map<std::string, std::size_t> index;
  std::map<json, std::size_t> names_of_groups;
  model::Labels groups;
  for (const json& node : run.at("world")) {
    const std::string name = node.at("name");
    if (truth.attacker(name)) continue;
    const std::size_t label = names_of_groups.size();
    groups.push_back(names_of_groups.emplace(truth.group(name, round), label).first->second);
    index.emplace(name, index.size());
  }
  std::vector<std::pair<std::size_t, std::size_t>> edges;
  for (const json& node : run.at("nodes")) {
    const auto from = index.find(node.at("name").get<std::string>());
    if (from == index.end()) continue;
    for (const json& member : node.at("rounds").at(round - 1).at("members")) {
      const auto to = index.find(member.at("name").get<std::string>());
      if (to != index.end()) edges.emplace_back(from->second, to->second);
    }
  }
  return model::adjusted_rand_index(groups, model::components(groups.size(), edges));
}

/// Rounds from the drift until the groups are the new ones; null if they never are.
json recovery(const json& run, const Truth& truth, std::uint64_t drift, std::uint64_t rounds) {
  for (std::uint64_t round = drift; round <= rounds; ++round) {
    if (rand_index(run, truth, round) == 1) return round - drift;
  }
  return nullptr;
}

/// The share of its peers that a node holds admitted, mean over nodes and the last rounds; null for
/// a strategy that admits nobody.
json admitted(const json& run, const Truth& truth) {
  std::vector<double> shares;
  for (const json& node : run.at("nodes")) {
    const json& rounds = node.at("rounds");
    if (truth.attacker(node.at("name"))) continue;
    for (std::size_t r = rounds.size() - std::min(kJudged, rounds.size()); r < rounds.size(); ++r) {
      double yes = 0, scored = 0;
      for (const json& opinion : rounds[r].at("opinions")) {
        if (!opinion.contains("admitted")) continue;
        yes += opinion.at("admitted").get<bool>() ? 1 : 0;
        ++scored;
      }
      if (scored > 0) shares.push_back(yes / static_cast<double>(run.at("nodes").size() - 1));
    }
  }
  return shares.empty() ? json(nullptr) : json(mean(shares));
}

/// What scoring a peer took: as a share of the seconds of a local epoch, and of the examples there
/// are to score on.
json scoring(const json& run) {
  double seconds = 0, peers = 0, examples = 0, possible = 0, trained = 0, epochs = 0;
  for (const json& node : run.at("nodes")) {
    for (const json& report : node.at("rounds")) {
      trained += report.at("seconds").at("train").get<double>();
      epochs += report.at("epochs").get<double>();
      const json& effort = report.at("scoring");
      if (effort.is_null()) continue;
      seconds += report.at("seconds").at("score").get<double>();
      peers += effort.at("peers").get<double>();
      examples += effort.at("examples").get<double>();
      possible += effort.at("peers").get<double>() * report.at("scored").get<double>();
    }
  }
  if (peers == 0 || trained == 0) return nullptr;
  return {{"of_an_epoch", seconds / peers / (trained / epochs)},
          {"of_examples", examples / possible}};
}

/// The most that any node has spent of its examples' privacy; null without privacy.
json epsilon(const json& run) {
  json most = nullptr;
  for (const json& node : run.at("nodes")) {
    const json privacy = node.at("rounds").back().value("privacy", json());
    if (privacy.is_null()) continue;
    most = std::max(most.is_null() ? 0 : most.get<double>(), privacy.at("epsilon").get<double>());
  }
  return most;
}

/// Of the pictures with a trigger, the share that the honest take for what the attackers want,
/// after the last round; null if there is none.
json backdoor(const json& run, const Truth& truth) {
  std::vector<double> shares;
  for (const json& node : run.at("nodes")) {
    const json& last_round = node.at("rounds").back();
    if (!last_round.contains("backdoor") || truth.attacker(node.at("name"))) continue;
    shares.push_back(last_round.at("backdoor").get<double>());
  }
  return shares.empty() ? json(nullptr) : json(mean(shares));
}

const json* run_of(const json& results, const std::string& strategy, const json& seed) {
  for (const json& run : results.at("runs")) {
    if (run.at("strategy") == strategy && run.at("seed") == seed) return &run;
  }
  return nullptr;
}

json summary_of(const json& run, const json& results) {
  const std::uint64_t drift = results.at("drift_round"), rounds = results.at("rounds");
  const Truth truth(run, drift);
  const json* alone = run_of(results, "local", run.at("seed"));
  std::vector<double> accuracies, losses, gains, bytes;
  for (std::size_t i = 0; i < run.at("nodes").size(); ++i) {
    const json& node = run.at("nodes")[i];
    if (truth.attacker(node.at("name"))) continue;
    accuracies.push_back(last(node.at("rounds"), "accuracy"));
    losses.push_back(last(node.at("rounds"), "loss"));
    bytes.push_back(node.at("rounds").back().at("bytes_in").get<double>());
    if (!alone) continue;
    const json& same = alone->at("nodes").at(i).at("rounds");
    gains.push_back(results.at("metric") == "perplexity"
                        ? last(same, "loss") - losses.back()
                        : accuracies.back() - last(same, "accuracy"));
  }
  const Partners late = partners(run, truth, rounds / 2 + 1, rounds);
  const std::uint64_t attack = results.value("attack_round", std::uint64_t{1});
  const Partners settled = partners(run, truth, std::max(kSettling + 1, attack), rounds);
  const double loss = mean(losses);
  return {
      {"strategy", run.at("strategy")},
      {"seed", run.at("seed")},
      {"accuracy", mean(accuracies)},
      {"perplexity", results.at("metric") == "perplexity" ? json(std::exp(loss)) : json(nullptr)},
      {"worst_node", *std::ranges::min_element(accuracies)},
      {"worst_gain", gains.empty() ? json(nullptr) : json(*std::ranges::min_element(gains))},
      {"right_partners", truth.known() ? or_null(share_right(late)) : json(nullptr)},
      {"attackers", settled.attackers},
      {"admitted", admitted(run, truth)},
      {"recovery", drift > 0 && truth.known() ? recovery(run, truth, drift, rounds) : json()},
      {"scoring", scoring(run)},
      {"epsilon", epsilon(run)},
      {"backdoor", backdoor(run, truth)},
      {"bytes_in", mean(bytes)},
      {"seconds", run.at("seconds")}};
}

/// "77.4 ± 0.3", or "-" if there are no numbers.
std::string mean_and_spread(const std::vector<double>& values, double factor, int digits) {
  if (values.empty()) return "-";
  const double average = mean(values);
  std::string text = decimals(factor * average, digits);
  if (values.size() > 1) {
    double squares = 0;
    for (const double value : values) squares += (value - average) * (value - average);
    const double deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
    text += " ± " + decimals(factor * deviation, digits);
  }
  return text;
}

}  // namespace

json summarize(const json& results) {
  json summary = json::array();
  for (const json& run : results.at("runs")) summary.push_back(summary_of(run, results));
  return summary;
}

std::vector<std::string> summary_table(const json& results) {
  const bool perplexity = results.at("metric") == "perplexity";
  const bool numbers_predicted = results.at("metric") == "r2";
  const bool several = results.at("metric") == "auroc";
  std::vector<std::string> strategies;  // in the order of the scenario
  for (const json& one : results.at("summary")) {
    const std::string strategy = one.at("strategy");
    if (std::ranges::find(strategies, strategy) == strategies.end()) strategies.push_back(strategy);
  }
  const auto any = [&](const char* key) {
    return std::ranges::any_of(results.at("summary"),
                               [key](const json& one) { return one.at(key).is_number(); });
  };
  const bool privacy = any("epsilon"), backdoor = any("backdoor");
  using enum Table::Align;
  std::vector<Table::Align> columns(7U + (privacy ? 1 : 0) + (backdoor ? 1 : 0), right);
  columns.front() = left;
  Table table(columns);
  std::vector<std::string> cells{"",
                                 perplexity          ? "perplexity"
                                 : numbers_predicted ? "R2 %"
                                 : several           ? "AUROC %"
                                                     : "accuracy %",
                                 "worst node %",
                                 perplexity ? "worst gain (loss)" : "worst gain %",
                                 "right partners %",
                                 "received a node",
                                 "seconds a run"};
  if (privacy) cells.emplace_back("epsilon");
  if (backdoor) cells.emplace_back("backdoor %");
  table.add(cells);
  for (const std::string& strategy : strategies) {
    const auto numbers = [&](const char* key) {
      std::vector<double> values;
      for (const json& one : results.at("summary")) {
        if (one.at("strategy") == strategy && one.at(key).is_number())
          values.push_back(one.at(key));
      }
      return values;
    };
    cells = {strategy,
             perplexity ? mean_and_spread(numbers("perplexity"), 1, 2)
                        : mean_and_spread(numbers("accuracy"), 100, 1),
             mean_and_spread(numbers("worst_node"), 100, 1),
             perplexity ? mean_and_spread(numbers("worst_gain"), 1, 3)
                        : mean_and_spread(numbers("worst_gain"), 100, 1),
             mean_and_spread(numbers("right_partners"), 100, 1),
             human_bytes(static_cast<std::uint64_t>(mean(numbers("bytes_in")))),
             decimals(mean(numbers("seconds")), 0)};
    if (privacy) cells.push_back(mean_and_spread(numbers("epsilon"), 1, 2));
    if (backdoor) cells.push_back(mean_and_spread(numbers("backdoor"), 100, 1));
    table.add(cells);
  }
  return table.lines();
}

}  // namespace kith::daemon
