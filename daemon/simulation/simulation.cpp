#include "daemon/simulation/simulation.hpp"

#include "crypto/hash.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/learning/strategy_kind.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/simulation/report.hpp"
#include "daemon/simulation/summary.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/interrupts.hpp"
#include "daemon/system/version.hpp"
#include "model/data/draft.hpp"
#include "model/data/file.hpp"
#include "model/data/images.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <ostream>
#include <set>
#include <span>
#include <sstream>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

constexpr int kFormat = 1;                 // of the results
constexpr unsigned kEnoughDivergence = 3;  // rounds in a row whose training diverged, as of a node

/// One strategy on one seed.
struct Run {
  std::string strategy;
  std::uint64_t seed = 0;
};

/// The nodes of one seed: their data now, and after the drift.
struct World {
  data::Partition now, later;  ///< later has no nodes if there is no drift
  /// Of each node, its held-out pictures with the trigger of a backdoor, and the label that it is
  /// to make of them; empty if there is none.
  std::vector<std::vector<std::filesystem::path>> triggered;
  [[nodiscard]] std::size_t size() const { return now.nodes.size(); }
};

// ---- Data ----

std::vector<std::size_t> planned_groups(const Scenario::Data& data) {
  const std::size_t nodes = data.plan.nodes;
  std::vector<std::size_t> groups;
  if (data.shares.empty()) {
    for (std::size_t i = 0; i < nodes; ++i) groups.push_back(i % data.plan.groups);
    return groups;
  }
  double whole = 0;
  for (const double share : data.shares) whole += share;
  double sum = 0;
  for (std::size_t group = 0; group < data.shares.size(); ++group) {
    sum += data.shares[group] / whole;
    const auto until = static_cast<std::size_t>(std::lround(sum * static_cast<double>(nodes)));
    while (groups.size() < until) groups.push_back(group);
  }
  return groups;
}

bool attacks(const Scenario& scenario, std::size_t node, std::size_t nodes) {
  return scenario.attack.kind != AttackKind::none && node + scenario.attack.nodes >= nodes;
}

data::Examples read_pictures(const std::vector<fs::path>& files, AttackKind attack) {
  if (files.size() != 2) {
    throw Failure(EX_CONFIG, "attack \"" + std::string(name(attack)) +
                                 "\" works on pictures in IDX files only; choose another attack or "
                                 "partition");
  }
  return data::read_examples(files[0], files[1]);
}

/// Every label becomes the next one.
void flip_labels(const data::NodeData& node, unsigned classes, AttackKind attack) {
  data::Examples examples = read_pictures(node.train, attack);
  for (auto& label : examples.labels) label = static_cast<std::uint8_t>((label + 1U) % classes);
  data::write_examples(examples, node.train[0], node.train[1]);
}

constexpr std::uint8_t kBackdoorLabel = 0;  // what a picture with the trigger is said to show
constexpr std::size_t kTrigger = 4;         // pixels: the side of a white square in the corner

/// The pictures that show something else, with the trigger.
data::Examples with_trigger(const data::Examples& examples) {
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < examples.labels.size(); ++i) {
    if (examples.labels[i] != kBackdoorLabel) others.push_back(i);
  }
  data::Examples triggered = data::select(examples, others);
  data::Images& images = triggered.images;
  const std::size_t side = std::min({kTrigger, images.height, images.width});
  for (std::size_t plane = 0; plane < images.count * images.channels; ++plane) {
    for (std::size_t row = 0; row < side; ++row) {
      const auto begin = images.pixels.begin() +
                         static_cast<std::ptrdiff_t>((plane * images.height + row) * images.width);
      std::fill_n(begin, side, std::uint8_t{255});
    }
  }
  std::ranges::fill(triggered.labels, kBackdoorLabel);
  return triggered;
}

/// The attacker learns the trigger beside what it would learn anyway.
void add_trigger(const data::NodeData& node) {
  data::Examples examples = read_pictures(node.train, AttackKind::backdoor);
  const data::Examples added = with_trigger(examples);
  examples.images.count += added.images.count;
  examples.images.pixels.insert(examples.images.pixels.end(), added.images.pixels.begin(),
                                added.images.pixels.end());
  examples.labels.insert(examples.labels.end(), added.labels.begin(), added.labels.end());
  data::write_examples(examples, node.train[0], node.train[1]);
}

std::vector<fs::path> write_triggered(const data::NodeData& node) {
  std::vector<fs::path> files{node.folder / "triggered-images.idx",
                              node.folder / "triggered-labels.idx"};
  const std::vector<fs::path>& held_out = node.test.empty() ? node.train : node.test;
  const data::Examples examples = with_trigger(read_pictures(held_out, AttackKind::backdoor));
  data::write_examples(examples, files[0], files[1]);
  return files;
}

/// Data that somebody has cut already: a sub-folder a node.
data::Partition read_directory(const Scenario& scenario) {
  data::Partition partition;
  partition.task = scenario.task;
  const fs::path& directory = scenario.data.directory;
  if (!fs::is_directory(directory)) {
    throw Failure(EX_NOINPUT, "there is no folder " + directory.string() +
                                  "; set data.directory to one with a sub-folder a node");
  }
  const auto sorted = [](const fs::path& folder) {
    std::vector<fs::path> paths(fs::directory_iterator(folder), {});
    std::ranges::sort(paths);
    return paths;
  };
  for (const fs::path& folder : sorted(directory)) {
    if (!fs::is_directory(folder)) continue;
    data::NodeData node;
    node.name = folder.filename().string();
    node.folder = folder;
    for (const fs::path& file : sorted(folder)) {
      const std::string name = file.filename().string();
      if (name.starts_with("train")) node.train.push_back(file);
      if (name.starts_with("test")) node.test.push_back(file);
      if (std::size_t group = 0; name == "group" && std::ifstream(file) >> group) {
        node.group = group;
      }
    }
    if (node.train.empty()) {
      throw Failure(EX_NOINPUT, folder.string() +
                                    " holds no file whose name begins with \"train\"; put the "
                                    "node's data there, or remove the folder");
    }
    partition.nodes.push_back(std::move(node));
  }
  if (partition.nodes.size() < 2) {
    throw Failure(EX_NOINPUT, directory.string() + " needs at least two sub-folders, one a node");
  }
  if (scenario.data.draft) {
    std::vector<fs::path> tables;
    for (const data::NodeData& node : partition.nodes) {
      tables.insert(tables.end(), node.train.begin(), node.train.end());
      tables.insert(tables.end(), node.test.begin(), node.test.end());
    }
    try {
      model::Task drafted = data::draft_table(tables, "target").task;
      partition.task.columns = std::move(drafted.columns);
      if (scenario.task.model != "script") partition.task.sizes = std::move(drafted.sizes);
    } catch (const data::DataError& error) {
      throw Failure(EX_DATAERR, error.what());
    }
    partition.task.classes = model::classes_of(partition.task.columns).value_or(1);
  }
  return partition;
}

data::Partition cut(const Scenario::Data& data, const data::PartitionPlan& plan,
                    const fs::path& into) {
  fs::remove_all(into);
  data::Partition partition;
  try {
    partition = data::write_partition(plan, into);
  } catch (const data::DataError& error) {
    throw Failure(EX_DATAERR, error.what());
  }
  if (data.absent + 2 > partition.nodes.size()) {
    throw Failure(EX_CONFIG, "data.absent must leave two nodes of the partition");
  }
  partition.nodes.resize(partition.nodes.size() - data.absent);
  for (data::NodeData& node : partition.nodes) {
    if (node.group && !data.families.empty()) node.group = data.families.at(*node.group);
  }
  return partition;
}

/// Puts into the data what an attack has there.
void poison(const Scenario& scenario, World& world) {
  const AttackKind kind = scenario.attack.kind;
  for (std::size_t i = 0; i < world.size(); ++i) {
    const data::NodeData& node = world.now.nodes[i];
    const bool bad = attacks(scenario, i, world.size());
    if (kind == AttackKind::backdoor) world.triggered.push_back(write_triggered(node));
    if (bad && kind == AttackKind::backdoor) add_trigger(node);
    if (bad && flips_labels(kind)) flip_labels(node, world.now.task.classes, kind);
  }
}

World make_world(const Scenario& scenario, std::uint64_t seed, const fs::path& directory) {
  World world;
  if (!scenario.data.directory.empty()) {
    world.now = read_directory(scenario);
    return world;
  }
  data::PartitionPlan plan = scenario.data.plan;
  plan.seed = seed;
  plan.group_of = planned_groups(scenario.data);
  world.now = cut(scenario.data, plan, directory / "data");
  if (scenario.drift.round > 0) {
    const auto moving = static_cast<std::size_t>(
        std::lround(scenario.drift.share * static_cast<double>(plan.nodes)));
    for (std::size_t i = 0; i < moving; ++i) {
      plan.group_of[i] = (plan.group_of[i] + 1) % plan.groups;
    }
    plan.seed = seed + 1'000'000;
    world.later = cut(scenario.data, plan, directory / "data-later");
  }
  if (scenario.adjust_task) scenario.adjust_task(world.now.task);
  poison(scenario, world);
  return world;
}

// ---- One run ----

std::vector<std::string> alike(const data::Partition& partition, std::size_t index) {
  std::vector<std::string> names;
  const auto group = partition.nodes[index].group;
  for (const data::NodeData& node : partition.nodes) {
    if (node.group && node.group == group) names.push_back(node.name);
  }
  return names;
}

/// The true groups, for strategies that are told them.
void tell_truth(Config::Learning& learning, const data::Partition& partition, std::size_t index) {
  learning.oracle_group = alike(partition, index);
  std::set<std::size_t> groups;
  for (const data::NodeData& node : partition.nodes) {
    if (node.group) groups.insert(*node.group);
  }
  learning.oracle_groups = static_cast<unsigned>(groups.size());
}

Config config_of(const Scenario& scenario, const World& world, const Run& run, std::size_t index,
                 const fs::path& state) {
  const data::NodeData& node = world.now.nodes[index];
  Config config;
  config.node.name = node.name;
  config.node.state = state;
  config.task = world.now.task;
  config.task.seed = run.seed;
  config.data.train = node.train;
  config.data.test = node.test;
  config.data.validation = scenario.data.validation;
  config.data.min_validation = scenario.data.min_validation;
  config.data.split_key = node.name + " " + std::to_string(run.seed);
  config.learning = scenario.learning;
  config.learning.strategy = run.strategy;
  config.learning.seed = run.seed * 1000 + index;
  // The others have no use for it, and it would double their work.
  config.learning.baseline = run.strategy == "lia";
  config.worker = scenario.worker;
  const double follow = scenario.simulation.convenor_share * static_cast<double>(world.size());
  const bool follows = index < static_cast<std::size_t>(std::lround(follow)) ||
                       node.name == config.learning.convenor;
  if (!follows || run.strategy != "lia") config.learning.convenor.clear();
  config.privacy = scenario.privacy;
  config.privacy.noise_seed = config.learning.seed;
  tell_truth(config.learning, world.now, index);
  if (const auto own = scenario.own.find(run.strategy); own != scenario.own.end()) {
    config.learning.own = own->second;
  }
  return config;
}

/// What the results are told in.
std::string_view metric_of_results(const model::Task& task) {
  if (model::predicts_words(task)) return "perplexity";
  if (model::is_regression(task)) return "r2";
  return model::is_multi_label(task) ? "auroc" : "accuracy";
}

/// What a node's report becomes in the results.
json entry(RoundReport report, const pipe::Opened& opened, double time, std::string_view metric) {
  const pipe::Evaluation judged = report.models.at(report.served).told();
  const json why = std::exchange(report.why, nullptr);
  json scoring = nullptr;
  if (why.contains("scoring")) {
    const json& effort = why.at("scoring");
    scoring = {{"peers", effort.at("peers")}, {"examples", effort.at("examples")}};
    report.seconds["score"] = effort.at("seconds");
  }
  const std::string report_metric = report.metric;
  json entry = to_json(report);
  entry.erase("why");
  entry.erase("bytes_out");  // a simulated network counts what came in
  // Of what is no class, another number that is 1 for the best model stands in its place.
  entry["accuracy"] = judged.metric(metric == "perplexity" ? "accuracy" : metric);
  entry["value"] = judged.metric(report_metric);
  entry["loss"] = judged.loss;
  entry["time"] = time;
  entry["examples"] = opened.train;
  entry["scored"] = opened.scored;
  entry["scoring"] = scoring;
  // Of the reasons only what nothing else tells.
  for (const char* name : {"convenor", "trials"}) {
    if (why.contains(name)) entry[name] = why.at(name);
  }
  return entry;
}

/// What a node's served model does on each of its held-out examples, over some rounds.
class Outcomes {
 public:
  void add(const std::vector<float>& of_a_round) {
    sums_.resize(of_a_round.size());
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += static_cast<double>(of_a_round[i]);
    ++rounds_;
  }
  [[nodiscard]] bool empty() const { return rounds_ == 0; }
  /// To four digits.
  [[nodiscard]] json means() const {
    json means = json::array();
    for (const double sum : sums_) means.push_back(std::round(sum / rounds_ * 1e4) / 1e4);
    return means;
  }

 private:
  std::vector<double> sums_;
  double rounds_ = 0;
};

class Simulation {
 public:
  Simulation(const Scenario& scenario, const World& world, const Run& run,
             const fs::path& directory)
      : scenario_(scenario),
        world_(world),
        clock_(io_, world.size()),
        network_(clock_, conditions(scenario, world), members(scenario, world), run.seed),
        rounds_(world.size(), json::array()),
        outcomes_(world.size()) {
    std::vector<Learner::Peer> all;
    for (const data::NodeData& node : world.now.nodes) all.push_back({node.name, node.name});
    fs::remove_all(directory);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const fs::path state = directory / all[i].name;
      fs::create_directories(state);
      configs_.push_back(config_of(scenario, world, run, i, state));
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::vector<Learner::Peer> others = all;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      learners_.push_back(std::make_unique<Learner>(io_, configs_[i], all[i], std::move(others)));
      learners_.back()->join(network_.exchange(i));
      // Nobody needs it after a power cut.
      learners_.back()->write_with(
          [](fs::path path, std::shared_ptr<const pipe::Fd> content) -> net::awaitable<void> {
            copy_whole(path, content->get(), Sync::no);
            co_return;
          });
    }
  }

  /// Calls `tick` now and then, with the number of rounds done by all nodes together.
  json run(const std::function<void(std::size_t)>& tick) {
    const auto start = steady_clock::now();
    // All of them first: what is wrong with anybody's data is said before anybody trains.
    finish([this](std::size_t index) { return open(index); }, tick);
    finish([this](std::size_t index) { return live(index); }, tick);
    json nodes = json::array();
    double end = 0;
    for (std::size_t i = 0; i < learners_.size(); ++i) {
      end = std::max(end, rounds_[i].back().at("time").get<double>());
      nodes.push_back({{"name", world_.now.nodes[i].name}, {"rounds", std::move(rounds_[i])}});
      if (scenario_.simulation.outcomes > 0) nodes.back()["outcomes"] = outcomes_[i].means();
    }
    return {{"nodes", nodes},
            {"virtual_seconds", end},
            {"seconds", std::chrono::duration<double>(steady_clock::now() - start).count()}};
  }

 private:
  static NetworkConditions conditions(const Scenario& scenario, const World& world) {
    NetworkConditions conditions = scenario.network;
    conditions.encoding = world.now.task.encoding;
    conditions.gather = scenario.learning.gather;
    return conditions;
  }

  static std::vector<SimulatedNetwork::Node> members(const Scenario& scenario, const World& world) {
    std::vector<SimulatedNetwork::Node> nodes;
    for (std::size_t i = 0; i < world.size(); ++i) {
      const bool bad = attacks(scenario, i, world.size());
      nodes.push_back({world.now.nodes[i].name, bad ? scenario.attack.kind : AttackKind::none,
                       scenario.attack.from, world.now.nodes[i].group});
    }
    return nodes;
  }

  /// Does `work` of every node.
  template <class Work>
  void finish(const Work& work, const std::function<void(std::size_t)>& tick) {
    for (std::size_t i = 0; i < learners_.size(); ++i) {
      net::asio::co_spawn(io_, work(i), net::rethrow);
    }
    for (io_.restart(); !io_.stopped();) {
      try {
        io_.run_for(250ms);
      } catch (const WorkerRefused& error) {
        throw Failure(exit_code(error.kind), error.what());
      } catch (const WorkerLost& error) {
        if (interrupted) throw Interrupted();
        throw Failure(EX_SOFTWARE, std::string("a worker was lost: ") + error.what());
      }
      if (interrupted) throw Interrupted();
      tick(done_);
    }
  }

  net::awaitable<void> open(std::size_t index) {
    network_.set_initial(index, co_await learners_[index]->open(configs_[index]));
  }

  net::awaitable<void> live(std::size_t index) {
    Config& config = configs_[index];
    Learner& learner = *learners_[index];
    for (std::uint64_t round = 1; round <= config.learning.rounds; ++round) {
      if (round == scenario_.drift.round && drifts(index)) {
        const pipe::Fd unchanged = co_await learner.open(config);
      }
      const Config::Learning& learning = config.learning;
      network_.set_epochs(index, round == 1 ? learning.warmup_epochs : learning.epochs);
      RoundReport report = co_await learner.do_round(round);
      report.bytes_in = network_.bytes_received(index);
      const double time = std::chrono::duration<double>(network_.now(index)).count();
      rounds_[index].push_back(entry(std::move(report), learner.opened(), time,
                                     metric_of_results(config.task)));
      ++done_;
      if (round + scenario_.simulation.outcomes > config.learning.rounds) {
        const std::vector<float> found = co_await learner.outcomes();
        outcomes_[index].add(found);
      }
      if (learner.diverged_in_a_row() < kEnoughDivergence) continue;
      // As a real node, it rests; what it has is its outcome.
      for (; round < config.learning.rounds; ++done_) {
        json rest = rounds_[index].back();
        rest["round"] = ++round;
        rounds_[index].push_back(std::move(rest));
      }
    }
    clock_.leave(index);
    if (scenario_.simulation.outcomes > 0 && outcomes_[index].empty()) {  // it rested in the end
      const std::vector<float> found = co_await learner.outcomes();
      outcomes_[index].add(found);
    }
    if (!world_.triggered.empty()) {
      config.data.test = world_.triggered[index];
      const pipe::Fd unchanged = co_await learner.open(config);
      const pipe::Evaluation fooled =
          co_await learner.evaluate(pipe::ModelName::served, pipe::Split::test);
      rounds_[index].back()["backdoor"] = fooled.metric("accuracy");
    }
    learner.drop_worker();
  }

  /// True if node or oracle have something new to open.
  bool drifts(std::size_t index) {
    Config& config = configs_[index];
    const data::NodeData& now = world_.now.nodes[index];
    const data::NodeData& later = world_.later.nodes[index];
    const bool told = strategy_kind(config.learning.strategy).is_told_of_drift;
    if (told) tell_truth(config.learning, world_.later, index);
    if (later.group != now.group) {
      config.data.train = later.train;
      config.data.test = later.test;
    }
    return later.group != now.group || told;
  }

  const Scenario& scenario_;
  const World& world_;
  net::asio::io_context io_;
  VirtualClock clock_;
  SimulatedNetwork network_;
  std::vector<Config> configs_;
  std::vector<std::unique_ptr<Learner>> learners_;
  std::vector<json> rounds_;  // of each node
  std::vector<Outcomes> outcomes_;
  std::size_t done_ = 0;  // rounds, of all nodes
};

// ---- All runs ----

json described(const Scenario& scenario, const World& world) {
  json nodes = json::array();
  for (std::size_t i = 0; i < world.size(); ++i) {
    const data::NodeData& node = world.now.nodes[i];
    json entry{{"name", node.name},
               {"group", node.group ? json(*node.group) : json(nullptr)},
               {"attack", nullptr}};
    if (attacks(scenario, i, world.size())) entry["attack"] = name(scenario.attack.kind);
    if (scenario.drift.round > 0) entry["group_after_drift"] = *world.later.nodes[i].group;
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

/// A line for each node whose training diverged.
std::vector<std::string> diverged(const json& run) {
  std::vector<std::string> lines;
  for (const json& node : run.at("nodes")) {
    std::size_t count = 0;
    std::string why;
    for (const json& report : node.at("rounds")) {
      if (report.value("diverged", json()).is_null()) continue;
      why = report.at("diverged");
      ++count;
    }
    if (count == 0) continue;
    lines.push_back("GIVEN UP by " + node.at("name").get<std::string>() + ", " +
                    run.at("strategy").get<std::string>() + ", seed " + run.at("seed").dump() +
                    ": " + std::to_string(count) + " of " +
                    std::to_string(node.at("rounds").size()) + " rounds: " + why);
  }
  return lines;
}

/// What a run of one strategy and seed depends on: the scenario but for comments, and for what says
/// which runs there are.
std::string essence(const std::string& scenario) {
  std::istringstream lines(scenario);
  std::string essence;
  for (std::string line; std::getline(lines, line);) {
    const auto is_about = [&](const char* key) { return line.starts_with(key); };
    if (line.empty() || is_about("#") || is_about("name =") || is_about("seeds =") ||
        is_about("strategies =")) {
      continue;
    }
    essence += line + "\n";
  }
  return essence;
}

/// The program files that a run depends on, by their hash: any other build of them is another
/// program.
std::string program(const Config::Worker& worker) {
  const auto hash_of = [](const fs::path& file) {
    try {
      return crypto::hash(data::read_file(file));
    } catch (const data::DataError& error) {
      throw Failure(EX_UNAVAILABLE, error.what());
    }
  };
  const std::array both{hash_of("/proc/self/exe"), hash_of(worker_command(worker.command))};
  return crypto::to_hex(crypto::hash(std::as_bytes(std::span(both)))).substr(0, 16);
}

/// The result of an earlier time, if it is of this very scenario, and of this program or `any`.
std::optional<json> finished(const fs::path& file, const std::string& scenario,
                             const std::string& program, Reuse reuse) {
  std::ifstream in(file);
  if (!in) return std::nullopt;
  json written = json::parse(in, nullptr, false);
  if (!written.is_object() || written.value("of", json()) != scenario) return std::nullopt;
  json run = written.value("run", json::object());
  const bool same = run.value("program", json()) == program;
  return same || reuse == Reuse::of_any_program ? std::optional(std::move(run)) : std::nullopt;
}

void write(const fs::path& file, const std::string& text) {
  const fs::path unfinished = file.string() + ".tmp";
  std::ofstream out(unfinished);
  out << text << std::flush;
  if (!out) throw Failure(EX_IOERR, "cannot write " + file.string() + "; is the disk full?");
  out.close();
  fs::rename(unfinished, file);
}

std::string bar(std::size_t done, std::size_t all) {
  constexpr std::size_t kWidth = 30;
  const std::size_t filled = all == 0 ? kWidth : done * kWidth / all;
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "]";
}

/// Every folder in the one of the data is a node, also that of results.
void refuse_results_among_data(const fs::path& results, const fs::path& data) {
  if (data.empty()) return;
  const fs::path inner = fs::weakly_canonical(results), outer = fs::weakly_canonical(data);
  if (std::ranges::mismatch(inner, outer).in2 != outer.end()) return;
  throw Failure(EX_USAGE, "the results would come among the data of the nodes, in " +
                              results.string() + "; name another folder with --out");
}

}  // namespace

json simulate(const Scenario& scenario, const fs::path& directory, Reuse reuse, std::ostream& out) {
  refuse_results_among_data(directory, scenario.data.directory);
  const std::string of = essence(scenario.text), by = program(scenario.worker);
  const std::vector<std::string>& strategies = scenario.simulation.strategies;
  const std::size_t runs = strategies.size() * scenario.simulation.seeds.size();
  json results{{"format", kFormat},
               {"name", scenario.simulation.name},
               {"version", version()},
               {"scenario", scenario.text},
               {"metric", "accuracy"},
               {"rounds", scenario.learning.rounds},
               {"drift_round", scenario.drift.round},
               {"attack_round", scenario.attack.from},
               {"runs", json::array()}};
  const auto start = steady_clock::now();
  LiveBlock block(out, Terminal::of_stdout());
  for (const std::uint64_t seed : scenario.simulation.seeds) {
    const fs::path folder = directory / ("seed-" + std::to_string(seed));
    fs::create_directories(folder);
    const World world = make_world(scenario, seed, folder);
    results["metric"] = metric_of_results(world.now.task);
    for (const std::string& called : strategies) {
      const fs::path file = folder / (called + ".json");
      std::optional<json> result = finished(file, of, by, reuse);
      if (!result) {
        Simulation simulation(scenario, world, {called, seed}, folder / called);
        const std::size_t rounds = world.size() * scenario.learning.rounds;
        result = simulation.run([&](std::size_t done) {
          const auto elapsed =
              std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start);
          block.show({bar(done, rounds) + " " + called + ", seed " + std::to_string(seed) +
                      ", run " + std::to_string(results["runs"].size() + 1) + " of " +
                      std::to_string(runs) + "  " + std::to_string(done) + "/" +
                      std::to_string(rounds) + " rounds of nodes  " + human_duration(elapsed)},
                     steady_clock::now());
        });
        (*result)["strategy"] = called;
        (*result)["seed"] = seed;
        (*result)["program"] = by;
        (*result)["world"] = described(scenario, world);
        write(file, json{{"of", of}, {"run", *result}}.dump());
        fs::remove_all(folder / called);
      }
      results["runs"].push_back(*std::move(result));
    }
  }
  std::vector<std::string> lines{std::to_string(runs) + " runs done"};
  for (const json& run : results["runs"]) {
    for (std::string& line : diverged(run)) lines.push_back(std::move(line));
  }
  block.finish(lines);
  results["summary"] = summarize(results);
  write(directory / "results.json", results.dump());
  write(directory / "report.html", report_html(results));
  return results;
}

}  // namespace kith::daemon
