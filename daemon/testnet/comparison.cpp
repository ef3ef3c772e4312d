#include "daemon/testnet/comparison.hpp"

#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"
#include "model/partition.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr std::size_t kLastRounds = 5;

std::string percent(double accuracy) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f", 100 * accuracy);
  return text;
}

std::span<const json> last_rounds(const NodeOutcome& node) {
  if (node.rounds.empty()) {
    throw Failure(EX_DATAERR, node.name + " finished no round; see its log");
  }
  return std::span(node.rounds).last(std::min(kLastRounds, node.rounds.size()));
}

/// Mean accuracy over the last rounds, since that of a single round wavers by a point or so;
/// `model` empty: of what was served.
double accuracy(const NodeOutcome& node, const std::string& model = "") {
  double sum = 0;
  const auto rounds = last_rounds(node);
  for (const json& round : rounds) {
    const std::string& which =
        model.empty() ? round.at("served").get_ref<const std::string&>() : model;
    sum += round.at("models").at(which).at("test").at("accuracy").get<double>();
  }
  return sum / static_cast<double>(rounds.size());
}

/// Half the width of the 95 % interval of a difference of two accuracies, as if on different
/// images; being on the same ones makes the true interval narrower.
double noise(double a, double b, double examples) {
  return 1.96 * std::sqrt((a * (1 - a) + b * (1 - b)) / examples);
}

std::vector<std::string> partners(const NodeOutcome& node) {
  const auto last = last_rounds(node);
  std::map<std::string, std::size_t> times;
  for (const json& round : last) {
    for (const json& member : round.at("members")) ++times[member.at("name")];
  }
  std::vector<std::string> names;
  for (const auto& [name, count] : times) {
    if (2 * count >= last.size()) names.push_back(name);
  }
  return names;
}

double rand_index(const std::vector<Comparison::Row>& rows) {
  std::vector<std::pair<std::size_t, std::size_t>> edges;
  model::Labels groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    groups.push_back(rows[i].group);
    for (const std::string& partner : rows[i].partners) {
      const auto found = std::ranges::find(rows, partner, &Comparison::Row::name);
      if (found != rows.end()) edges.emplace_back(i, found - rows.begin());
    }
  }
  return model::adjusted_rand_index(groups, model::components(rows.size(), edges));
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "-" : text;
}

}  // namespace

std::vector<std::string> Comparison::worse_than_alone() const {
  std::vector<std::string> names;
  for (const Row& row : rows) {
    if (row.kith < row.alone - row.noise) names.push_back(row.name);
  }
  return names;
}

bool Comparison::good() const {
  return found_groups() && beats_alone() && matches_oracle() && worse_than_alone().empty();
}

Comparison compare(const Testnet& testnet, const std::map<std::string, StrategyOutcome>& outcomes) {
  const StrategyOutcome& lia = outcomes.at("lia");
  const StrategyOutcome& fedavg = outcomes.at("fedavg");
  const StrategyOutcome& oracle = outcomes.at("oracle");
  Comparison result;
  const auto count = static_cast<double>(lia.nodes.size());
  for (std::size_t i = 0; i < lia.nodes.size(); ++i) {
    Comparison::Row row;
    row.name = lia.nodes[i].name;
    row.group = lia.nodes[i].group;
    row.alone = accuracy(lia.nodes[i], "baseline");
    row.kith = accuracy(lia.nodes[i]);
    row.global = accuracy(fedavg.nodes.at(i), "averaged");
    row.oracle = accuracy(oracle.nodes.at(i));
    row.noise = noise(row.alone, row.kith, static_cast<double>(testnet.plan.test_images));
    row.partners = partners(lia.nodes[i]);
    result.mean.alone += row.alone / count;
    result.mean.global += row.global / count;
    result.mean.kith += row.kith / count;
    result.mean.oracle += row.oracle / count;
    result.bytes += lia.nodes[i].bytes_out;
    result.rows.push_back(std::move(row));
  }
  result.rand_index = rand_index(result.rows);
  for (const auto& [strategy, outcome] : outcomes) result.seconds += outcome.seconds;
  return result;
}

std::vector<std::string> table(const Comparison& comparison, const Testnet& testnet) {
  using enum Table::Align;
  Table cells({left, right, right, right, right, right, left});
  cells.add({"", "turned", "alone", "one global", "Kith", "true groups", "learns with"});
  for (const Comparison::Row& row : comparison.rows) {
    const std::size_t degrees = row.group * 360 / testnet.plan.groups;
    cells.add({row.name, std::to_string(degrees) + "°", percent(row.alone), percent(row.global),
               percent(row.kith), percent(row.oracle), join(row.partners)});
  }
  const Comparison::Row& mean = comparison.mean;
  cells.add({"mean", "", percent(mean.alone), percent(mean.global), percent(mean.kith),
             percent(mean.oracle), ""});
  std::vector<std::string> lines = cells.lines();
  lines.push_back("");
  lines.push_back("Accuracy in % on " + std::to_string(testnet.plan.test_images) +
                  " held-out images a node; " + std::to_string(testnet.plan.images) +
                  " images of its own each; seed " + std::to_string(testnet.plan.seed) + ", " +
                  std::to_string(testnet.plan.rounds) + " rounds, mean of the last " +
                  std::to_string(std::min<std::uint64_t>(kLastRounds, testnet.plan.rounds)) + ".");
  const auto time = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * comparison.seconds));
  lines.push_back(
      "The same images, model, steps and seeds in every column.  Sent in the Kith run: " +
      human_bytes(comparison.bytes) + ".  All runs: " + human_duration(time) + ".");
  return lines;
}

std::vector<std::string> verdict(const Comparison& comparison) {
  const auto line = [](bool good, const std::string& text) {
    return (good ? "yes  " : "NO   ") + text;
  };
  const auto worse = comparison.worse_than_alone();
  char index[32];
  std::snprintf(index, sizeof index, "%.2f", comparison.rand_index);
  const Comparison::Row& mean = comparison.mean;
  return {line(comparison.found_groups(),
               std::string("the hidden groups were found (adjusted Rand index ") + index + ")"),
          line(comparison.beats_alone(), "better than alone: " + percent(mean.kith) + " against " +
                                             percent(mean.alone) + " (at least 3 points wanted)"),
          line(comparison.matches_oracle(), "as good as knowing the groups: " + percent(mean.kith) +
                                                " against " + percent(mean.oracle) +
                                                " (at least 0.99 of it wanted)"),
          line(worse.empty(), worse.empty() ? "nobody ended worse than alone (beyond chance)"
                                            : "worse than alone: " + join(worse))};
}

json to_json(const Comparison& comparison, const Testnet& testnet) {
  const auto row_json = [](const Comparison::Row& row) {
    return json{
        {"alone", row.alone}, {"global", row.global}, {"kith", row.kith}, {"oracle", row.oracle}};
  };
  json rows = json::array();
  for (const Comparison::Row& row : comparison.rows) {
    json item = row_json(row);
    item["name"] = row.name;
    item["group"] = row.group;
    item["noise"] = row.noise;
    item["partners"] = row.partners;
    rows.push_back(std::move(item));
  }
  return {{"seed", testnet.plan.seed},
          {"rounds", testnet.plan.rounds},
          {"images", testnet.plan.images},
          {"test_images", testnet.plan.test_images},
          {"nodes", rows},
          {"mean", row_json(comparison.mean)},
          {"rand_index", comparison.rand_index},
          {"bytes", comparison.bytes},
          {"seconds", comparison.seconds},
          {"found_groups", comparison.found_groups()},
          {"beats_alone", comparison.beats_alone()},
          {"matches_oracle", comparison.matches_oracle()},
          {"worse_than_alone", comparison.worse_than_alone()},
          {"good", comparison.good()}};
}

json to_json(const StrategyOutcome& outcome) {
  json nodes = json::array();
  for (const NodeOutcome& node : outcome.nodes) {
    nodes.push_back({{"name", node.name},
                     {"group", node.group},
                     {"rounds", node.rounds},
                     {"bytes_out", node.bytes_out}});
  }
  return {{"nodes", nodes}, {"seconds", outcome.seconds}};
}

StrategyOutcome outcome_from_json(const json& value) {
  StrategyOutcome outcome;
  outcome.seconds = value.at("seconds");
  for (const json& node : value.at("nodes")) {
    outcome.nodes.push_back(
        {node.at("name"), node.at("group"), node.at("rounds"), node.at("bytes_out")});
  }
  return outcome;
}

}  // namespace kith::daemon
