#include "daemon/simulation/scenario.hpp"

#include "daemon/config/config_keys.hpp"
#include "daemon/config/settings.hpp"
#include "daemon/learning/strategy_kind.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

namespace kith::daemon {

template <>
struct settings::Choices<data::PartitionKind> {
  using Kind = data::PartitionKind;
  static constexpr std::array<settings::Choice<Kind>, 8> all{
      {{"rotation", Kind::rotation},
       {"label-permutation", Kind::label_permutation},
       {"kinds", Kind::kinds},
       {"iid", Kind::iid},
       {"dirichlet", Kind::dirichlet},
       {"superclass", Kind::superclass},
       {"language", Kind::language},
       {"hospital", Kind::hospital}}};
};
template <>
struct settings::Choices<AttackKind> {
  static constexpr std::array<settings::Choice<AttackKind>, 14> all{
      {{"none", AttackKind::none},
       {"sign-flip", AttackKind::sign_flip},
       {"scale", AttackKind::scale},
       {"label-flip", AttackKind::label_flip},
       {"noise", AttackKind::noise},
       {"nan", AttackKind::nan},
       {"infinity", AttackKind::infinity},
       {"replay", AttackKind::replay},
       {"free-ride", AttackKind::free_ride},
       {"altered-copy", AttackKind::altered_copy},
       {"collude", AttackKind::collude},
       {"backdoor", AttackKind::backdoor},
       {"interpolate", AttackKind::interpolate},
       {"sybil", AttackKind::sybil}}};
};

using namespace settings;

namespace {

constexpr milliseconds kDay = std::chrono::hours(24);

template <class T>
Rule<std::vector<T>> some() {
  return {"with at least one", [](const std::vector<T>& list) { return !list.empty(); }};
}
Rule<std::vector<std::string>> known_strategies() {
  std::vector<std::string_view> names;
  for (const StrategyKind& kind : strategy_kinds()) names.emplace_back(kind.name);
  return {"with at least one of " + alternatives(names), [](const std::vector<std::string>& list) {
            const auto known = [](const std::string& name) {
              return std::ranges::find(strategy_kinds(), name, &StrategyKind::name) !=
                     strategy_kinds().end();
            };
            return !list.empty() && std::ranges::all_of(list, known);
          }};
}
Rule<std::vector<double>> not_negative() {
  return {"that are not negative", [](const std::vector<double>& list) {
            return std::ranges::none_of(list, [](double value) { return !(value >= 0); });
          }};
}

/// Of a task, whose name the partition knows.
std::vector<Key<model::Task>> optional_task_keys() {
  auto keys = task_keys();
  for (auto& key : keys) key.required = false;
  return keys;
}

const std::vector<Section<Scenario>>& sections() {
  using Simulation = Scenario::Simulation;
  using Data = Scenario::Data;
  using Plan = data::PartitionPlan;
  using Attack = Scenario::Attack;
  using Drift = Scenario::Drift;
  using Network = NetworkConditions;
  using model::Task;
  using Learning = Config::Learning;
  using Worker = Config::Worker;
  using Privacy = Config::Privacy;
  static const std::vector<Section<Scenario>> table{
      section<Scenario, Simulation>(
          "simulation", [](Scenario& scenario) -> Simulation& { return scenario.simulation; },
          "What is run.",
          {required("name", &Simulation::name, label(), "What people call the scenario."),
           key("strategies", &Simulation::strategies, known_strategies(),
               "What is compared, each on the same data, model, steps and seeds."),
           key("seeds", &Simulation::seeds, some<unsigned>(),
               "Everything is run once for each: seed of data, model and training."),
           key("convenor_share", &Simulation::convenor_share, within(0.0, 1.0),
               "Of the nodes: the first so many, and the convenor, use learning.convenor if it is "
               "set; the others choose for themselves."),
           key("outcomes", &Simulation::outcomes,
               "Of so many rounds, the last, results.json says how well the served model does on "
               "each held-out example, on the average.")}),
      section<Scenario, Plan>(
          "partition", [](Scenario& scenario) -> Plan& { return scenario.data.plan; },
          "A public data set cut into nodes. Left out if data.directory is set.",
          {key("kind", &Plan::kind, "What the nodes of different groups differ in."),
           key("source", &Plan::source, "The folder of the data set."),
           key("nodes", &Plan::nodes, within(std::size_t{2}, std::size_t{512}), "How many nodes."),
           key("groups", &Plan::groups, within(std::size_t{1}, std::size_t{64}),
               "How many groups the nodes belong to."),
           key("train", &Plan::train_per_node, within(std::size_t{10}, std::size_t{1'000'000}),
               "Examples of its own that each node has, validation included."),
           key("test", &Plan::test_per_node, within(std::size_t{0}, std::size_t{1'000'000}),
               "Held-out examples of each node."),
           key("degrees", &Plan::degrees, "rotation: of each group. Empty: evenly spread."),
           key("alpha", &Plan::alpha, above_zero(),
               "dirichlet: the smaller, the more the nodes' labels differ."),
           key("vocabulary", &Plan::vocabulary, within(std::size_t{10}, std::size_t{65'000}),
               "language: words that the model knows.")}),
      section<Scenario, Data>(
          "data", [](Scenario& scenario) -> Data& { return scenario.data; }, "The nodes' own data.",
          {key("directory", &Data::directory,
               "A folder with one sub-folder a node. In it, the files whose names begin with "
               "\"train\" are learnt from, those that begin with \"test\" are held out, and a file "
               "\"group\", if there is one, holds the number of the node's true group."),
           key("draft", &Data::draft,
               "The columns of the task are what kith task draft makes of the tables of all nodes, "
               "with the column \"target\" to be predicted."),
           key("shares", &Data::shares, not_negative(),
               "Of the nodes in each group, of a partition. Empty: equal."),
           key("families", &Data::families,
               "Of each group of a partition, a number: groups with the same one count as one true "
               "group, for who is told the groups and for who is judged by them. Empty: every "
               "group is for itself."),
           key("absent", &Data::absent,
               "So many nodes of a partition, the last, are left out: what is compared with as "
               "many attackers."),
           key("validation", &Data::validation, within(0.01, 0.9),
               "Share of the training examples that is set aside to judge models with."),
           key("min_validation", &Data::min_validation, within(1U, 1'000'000U),
               "With fewer examples set aside a node does not start.")}),
      section<Scenario, Task>(
          "task", [](Scenario& scenario) -> Task& { return scenario.task; },
          "What is learnt, as in a node's configuration. What is left out suits the partition.",
          optional_task_keys()),
      section<Scenario, Learning>(
          "learning", [](Scenario& scenario) -> Learning& { return scenario.learning; },
          "How the nodes learn, as in their configuration.", learning_keys()),
      {"strategy", "What can be set of one strategy only, in a section of its name.", {}},
      section<Scenario, Worker>(
          "worker", [](Scenario& scenario) -> Worker& { return scenario.worker; },
          "The process that holds a node's data and weights.", worker_keys()),
      section<Scenario, Privacy>(
          "privacy", [](Scenario& scenario) -> Privacy& { return scenario.privacy; },
          "Differential privacy of what the nodes publish, as in their configuration. The noise "
          "of a simulation follows from its seed, and protects nobody.",
          privacy_keys()),
      section<Scenario, Network>(
          "network", [](Scenario& scenario) -> Network& { return scenario.network; },
          "How long things take in virtual time.",
          {key("latency", &Network::latency, within(milliseconds(0), kDay),
               "Between any two nodes, one way."),
           key("bytes_per_second", &Network::bytes_per_second, at_least(std::uint64_t{1}),
               "Between any two nodes."),
           key("loss", &Network::loss, within(0.0, 1.0),
               "Share of the snapshots that never reach a peer that wants them."),
           key("epoch", &Network::epoch, within(milliseconds(1), kDay),
               "The time that the fastest node takes to train for an epoch."),
           key("slowest", &Network::slowest, within(1.0, 1000.0),
               "So many times as long takes the slowest; the others lie between.")}),
      section<Scenario, Attack>(
          "attack", [](Scenario& scenario) -> Attack& { return scenario.attack; },
          "Members that mean harm.",
          {key("kind", &Attack::kind,
               "What they publish: the opposite of what they learnt; a hundredfold; what wrong "
               "labels taught them; noise; NaN; infinities; their first partial for ever; the "
               "models of others; those altered a little; the mean of the honest of their group, "
               "with its hidden units in another order; what their data and a trigger taught them; "
               "that mean, as far towards what wrong labels taught them as goes unnoticed; the "
               "same, all towards the model of the first of them."),
           key("nodes", &Attack::nodes, "How many: the last of the nodes."),
           key("from", &Attack::from, within(1U, 1'000'000U),
               "The round in which they begin; until then they are honest. What is in their data "
               "is there from the first.")}),
      section<Scenario, Drift>("drift", [](Scenario& scenario) -> Drift& { return scenario.drift; },
                               "Nodes whose own data change on the way.",
                               {key("round", &Drift::round, "From this round on. 0: never."),
                                key("share", &Drift::share, within(0.0, 1.0),
                                    "Of the nodes, which change to the next group.")}),
  };
  return table;
}

class Reader : public SettingsReader<Scenario> {
 public:
  Reader(const fs::path& file, const toml::table& table)
      : SettingsReader(file, table, sections(), "docs/simulation.md") {}

  Scenario read() {
    SettingsReader::read(scenario_);
    check_together();
    const bool knows_its_task = scenario_.data.directory.empty() || scenario_.data.draft;
    if (!knows_its_task) {
      complete_task(scenario_.task, table(),
                    [this](const toml::node* at, const std::string& what) { fail(at, what); });
    }
    keep_task_keys();
    return std::move(scenario_);
  }

 private:
  /// [strategy.NAME]
  bool read_other(const std::string& name, const toml::node& node) override {
    const auto& kinds = strategy_kinds();
    const auto kind = std::ranges::find_if(
        kinds, [&](const StrategyKind& other) { return "strategy." + other.name == name; });
    if (kind == kinds.end() || kind->keys.empty()) return false;
    if (!node.is_table()) fail(&node, name + " must be a section: [" + name + "]");
    std::any& own = scenario_.own[kind->name];
    for (const auto& [key, value] : *node.as_table()) {
      read_key(name, kind->keys, own, key.str(), value);
    }
    return true;
  }
  [[nodiscard]] std::vector<std::string> others() const override {
    std::vector<std::string> names;
    for (const StrategyKind& kind : strategy_kinds()) {
      for (const auto& key : kind.keys) names.push_back("strategy." + kind.name + "." + key.name);
    }
    return names;
  }

  void check_together() {
    const auto& [directory, draft, plan, shares, families, absent, validation, min_validation] =
        scenario_.data;
    const toml::node* const partition = table().get("partition");
    if (partition == nullptr && directory.empty()) {
      fail(nullptr, "there are no data; add a section [partition], or set data.directory");
    }
    if (partition != nullptr && !directory.empty()) {
      fail(partition, "data.directory and [partition] exclude one another; remove one of them");
    }
    if (draft && directory.empty()) {
      fail(table().get("data"), "data.draft needs tables of the nodes; set data.directory to them");
    }
    if (draft && !scenario_.task.columns.empty()) {
      fail(table().get("task"), "task.columns follow from the tables with data.draft; remove one");
    }
    if (!directory.empty() && table().get("drift") != nullptr) {
      fail(table().get("drift"), "only data of a [partition] can drift; remove this section");
    }
    if (!families.empty() && families.size() != plan.groups) {
      fail(table().get("data"), "data.families must name a family for each of the " +
                                    std::to_string(plan.groups) + " groups");
    }
    if (!directory.empty() && absent > 0) {
      fail(table().get("data"), "data.absent is of a [partition]; remove the sub-folders instead");
    }
    if (scenario_.learning.rounds == 0) {
      fail(table().get("learning"), "learning.rounds must be set: a simulation ends");
    }
    if (scenario_.learning.drop > scenario_.learning.admit) {
      fail(table().get("learning"), "learning.drop must be at most learning.admit");
    }
    if (scenario_.attack.nodes + absent >= plan.nodes &&
        scenario_.attack.kind != AttackKind::none) {
      fail(table().get("attack"), "attack.nodes must leave somebody honest");
    }
    if (scenario_.attack.from > 1 && is_in_data(scenario_.attack.kind)) {
      fail(table().get("attack"), "attack \"" + std::string(name(scenario_.attack.kind)) +
                                      "\" is in the data from the first round; remove attack.from");
    }
    const bool measures = scenario_.attack.kind == AttackKind::interpolate ||
                          scenario_.attack.kind == AttackKind::sybil;
    if (measures && directory.empty() && plan.test_per_node == 0) {
      fail(partition, "attack \"" + std::string(name(scenario_.attack.kind)) +
                          "\" measures on held-out examples; set partition.test");
    }
  }

  void keep_task_keys() {
    const toml::node* const task = table().get("task");
    if (task == nullptr) return;
    scenario_.adjust_task = [read = scenario_.task,
                             set = names_in(*task->as_table())](model::Task& other) {
      for (const auto& key : task_keys()) {
        if (!set.contains(key.name)) continue;
        const toml::table value = toml::parse(key.name + " = " + key.show(read));
        key.read(other, *value.get(key.name));
      }
    };
  }
  static std::set<std::string> names_in(const toml::table& table) {
    std::set<std::string> names;
    for (const auto& [name, value] : table) names.emplace(name.str());
    return names;
  }

  Scenario scenario_;
};

}  // namespace

Scenario parse_scenario(std::string_view text, const fs::path& file) {
  const toml::table table = parse_toml(text, file);
  Scenario scenario = Reader(file, table).read();
  scenario.text = text;
  return scenario;
}

Scenario load_scenario(const fs::path& file) {
  if (fs::is_directory(file)) {
    throw Failure(EX_NOINPUT,
                  file.string() +
                      " is a folder, and a scenario a file; if it holds the data of nodes, write a "
                      "scenario with data.directory: docs/simulation.md, \"Your own data\"");
  }
  const std::string text =
      read_text(file, kSettingsFile,
                "docs/simulation.md says what a scenario is, tests/bench/scenarios has some");
  return parse_scenario(text, file);
}

namespace {

std::string strategies_markdown() {
  std::string all = "\n| strategy | averages with | where |\n| --- | --- | --- |\n";
  std::string own;
  for (const StrategyKind& kind : strategy_kinds()) {
    const bool network = kind.where == StrategyKind::Where::network;
    all += "| `" + kind.name + "` | " + cell(kind.summary) + " | " +
           (network ? "also a node's `learning.strategy`" : "`kith simulate`") + " |\n";
    if (kind.keys.empty()) continue;
    const std::any defaults;
    own += "\n`[strategy." + kind.name + "]`\n\n" +
           markdown_table(kind.keys, [&](const Key<std::any>& key) { return key.show(defaults); });
  }
  return all + own;
}

}  // namespace

std::string scenario_markdown() {
  static const Scenario defaults;
  const auto shown = [](const Key<Scenario>& key) { return key.show(defaults); };
  std::string text;
  for (const auto& section : sections()) {
    text += "\n### `[" + section.name + "]`\n\n" + section.summary + "\n";
    if (section.name == "strategy") {
      text += strategies_markdown();
      continue;
    }
    const bool elsewhere = section.name == "task" || section.name == "learning" ||
                           section.name == "worker" || section.name == "privacy";
    text += elsewhere ? "\nSee [configuration.md](configuration.md).\n"
                      : "\n" + markdown_table(section.keys, shown);
  }
  return text;
}

}  // namespace kith::daemon
