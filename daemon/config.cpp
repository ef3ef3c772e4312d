#include "daemon/config.hpp"

#include "daemon/failure.hpp"
#include "model/data/text.hpp"
#include "net/endpoint.hpp"
#include "net/limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <toml++/toml.h>
#include <utility>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// ---- Types of values.  For each: what it is called, how it is read, how it is written. ----

/// A unit that a quantity may be written in.
struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 4> kTimeUnits{
    {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}}};
constexpr std::array<Unit, 5> kSizeUnits{
    {{"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}}};
constexpr std::uint64_t kMaxQuantity = std::numeric_limits<std::int64_t>::max();

/// "10min" in the smallest unit.
std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
  std::uint64_t count = 0;
  const auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (ec != std::errc()) return std::nullopt;
  const std::string_view name = text.substr(static_cast<std::size_t>(rest - text.data()));
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end() || count > kMaxQuantity / unit->factor) return std::nullopt;
  return count * unit->factor;
}

/// In the largest unit that needs no fraction.
std::string quantity(std::uint64_t amount, std::span<const Unit> units) {
  const Unit* largest = &units.front();
  for (const Unit& unit : units) {
    if (amount > 0 && amount % unit.factor == 0) largest = &unit;
  }
  return std::to_string(amount / largest->factor) + std::string(largest->name);
}

template <class Enum>
struct Choice {
  std::string_view name;
  Enum value;
};
constexpr std::array<Choice<StrategyName>, 9> choices(StrategyName) {
  return {{{"lia", StrategyName::lia},
           {"lia-sign", StrategyName::lia_sign},
           {"local", StrategyName::local},
           {"fedavg", StrategyName::fedavg},
           {"oracle", StrategyName::oracle},
           {"pens", StrategyName::pens},
           {"dac", StrategyName::dac},
           {"fedfomo", StrategyName::fedfomo},
           {"ifca", StrategyName::ifca}}};
}
constexpr std::array<Choice<log::Level>, 4> choices(log::Level) {
  return {{{"debug", log::Level::debug},
           {"info", log::Level::info},
           {"warn", log::Level::warn},
           {"error", log::Level::error}}};
}
constexpr std::array<Choice<log::Format>, 2> choices(log::Format) {
  return {{{"text", log::Format::text}, {"json", log::Format::json}}};
}
template <class T>
concept Enumeration = std::is_enum_v<T>;
template <class T>
concept WholeNumber = std::unsigned_integral<T> && !std::same_as<T, bool>;
template <class T>
concept Text = std::same_as<T, std::string> || std::same_as<T, fs::path>;

/// "a", "b" or "c"
std::string alternatives(std::span<const std::string_view> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 < names.size() ? ", " : " or ";
    text += '"' + std::string(names[i]) + '"';
  }
  return text;
}

std::string kind(bool) { return "true or false"; }
std::string kind(WholeNumber auto) { return "a whole number"; }
std::string kind(double) { return "a number"; }
std::string kind(const std::string&) { return "a text"; }
std::string kind(const fs::path&) { return "a path"; }
std::string kind(milliseconds) { return "a duration like \"500ms\", \"2s\", \"10min\" or \"1h\""; }
std::string kind(ByteSize) { return "a size like \"64MiB\" or \"2GiB\""; }
std::string kind(const crypto::NodeId&) { return "a node id, as kith init prints it"; }
std::string kind(const crypto::ChannelPublicKey&) { return "64 hexadecimal digits"; }
std::string kind(const std::vector<std::string>&) { return "a list of texts"; }
std::string kind(const std::vector<fs::path>&) { return "a list of paths"; }
std::string kind(const std::vector<unsigned>&) { return "a list of whole numbers"; }
std::string kind(const std::array<unsigned, 3>&) { return "a list of three whole numbers"; }
std::string kind(Enumeration auto value) {
  std::vector<std::string_view> names;
  for (const auto& choice : choices(value)) names.push_back(choice.name);
  return alternatives(names);
}

// Each read() returns false if `node` is not of the type.
bool read(const toml::node& node, bool& value) {
  if (!node.is_boolean()) return false;
  value = node.as_boolean()->get();
  return true;
}
bool read(const toml::node& node, WholeNumber auto& value) {
  if (!node.is_integer()) return false;
  const std::int64_t number = node.as_integer()->get();
  if (!std::in_range<std::remove_cvref_t<decltype(value)>>(number)) return false;
  value = static_cast<std::remove_cvref_t<decltype(value)>>(number);
  return true;
}
bool read(const toml::node& node, double& value) {
  if (!node.is_number()) return false;
  value = *node.value<double>();
  return true;
}
bool read(const toml::node& node, Text auto& value) {
  if (!node.is_string()) return false;
  value = node.as_string()->get();
  return true;
}
template <class Read>
bool read_text(const toml::node& node, Read read) {
  return node.is_string() && read(std::string_view(node.as_string()->get()));
}
bool read(const toml::node& node, milliseconds& value) {
  return read_text(node, [&](std::string_view text) {
    const auto amount = parse_quantity(text, kTimeUnits);
    if (amount) value = milliseconds(*amount);
    return amount.has_value();
  });
}
bool read(const toml::node& node, ByteSize& value) {
  return read_text(node, [&](std::string_view text) {
    const auto amount = parse_quantity(text, kSizeUnits);
    if (amount) value.bytes = *amount;
    return amount.has_value();
  });
}
bool read(const toml::node& node, crypto::NodeId& value) {
  return read_text(node, [&](std::string_view text) {
    const auto id = crypto::parse_node_id(text);
    if (id) value = *id;
    return id.has_value();
  });
}
bool read(const toml::node& node, crypto::ChannelPublicKey& value) {
  return read_text(node, [&](std::string_view text) {
    const auto key = crypto::from_hex(text);
    if (!key || key->size() != value.size()) return false;
    std::ranges::copy(*key, value.begin());
    return true;
  });
}
bool read(const toml::node& node, Enumeration auto& value) {
  return read_text(node, [&](std::string_view text) {
    for (const auto& choice : choices(value)) {
      if (choice.name != text) continue;
      value = choice.value;
      return true;
    }
    return false;
  });
}
template <class Element>
bool read(const toml::node& node, std::vector<Element>& value) {
  if (!node.is_array()) return false;
  std::vector<Element> elements(node.as_array()->size());
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (!read(*node.as_array()->get(i), elements[i])) return false;
  }
  value = std::move(elements);
  return true;
}
bool read(const toml::node& node, std::array<unsigned, 3>& value) {
  std::vector<unsigned> elements;
  if (!read(node, elements) || elements.size() != value.size()) return false;
  std::ranges::copy(elements, value.begin());
  return true;
}

// Each show() writes TOML.
template <class Node>
std::string toml_text(const Node& node) {
  std::ostringstream out;
  out << toml::toml_formatter(node, toml::format_flags::allow_unicode_strings);
  return std::move(out).str();
}
std::string show(bool value) { return value ? "true" : "false"; }
std::string show(WholeNumber auto value) { return std::to_string(value); }
std::string show(double value) {  // the shortest text that reads back as the same number
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}
std::string show(const std::string& value) { return toml_text(toml::value<std::string>(value)); }
std::string show(const fs::path& value) { return show(value.string()); }
std::string show(milliseconds value) {
  return show(quantity(static_cast<std::uint64_t>(value.count()), kTimeUnits));
}
std::string show(ByteSize value) { return show(quantity(value.bytes, kSizeUnits)); }
std::string show(const crypto::NodeId& value) { return show(crypto::to_string(value)); }
std::string show(const crypto::ChannelPublicKey& value) { return show(crypto::to_hex(value)); }
std::string show(Enumeration auto value) {
  for (const auto& choice : choices(value)) {
    if (choice.value == value) return show(std::string(choice.name));
  }
  std::abort();
}
template <class Range>
std::string show_list(const Range& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + show(value);
  return "[" + text + "]";
}
std::string show(const std::vector<std::string>& values) { return show_list(values); }
std::string show(const std::vector<fs::path>& values) { return show_list(values); }
std::string show(const std::vector<unsigned>& values) { return show_list(values); }
std::string show(const std::array<unsigned, 3>& values) { return show_list(values); }

// ---- Rules: what a value of the right type must also be. ----

template <class T>
struct Rule {
  std::string text;  ///< follows kind(): "a whole number" "from 1 to 9"
  std::function<bool(const T&)> holds = [](const T&) { return true; };
};

template <class T>
Rule<T> within(T least, T most) {
  return {"from " + show(least) + " to " + show(most),
          [=](const T& value) { return value >= least && value <= most; }};
}
template <class T>
Rule<T> at_least(T least) {
  return {"of at least " + show(least), [=](const T& value) { return value >= least; }};
}
Rule<ByteSize> at_least(ByteSize least) {
  return {"of at least " + quantity(least.bytes, kSizeUnits),
          [=](const ByteSize& value) { return value.bytes >= least.bytes; }};
}
Rule<double> above_zero() {
  return {"above 0", [](double value) { return value > 0 && value <= 1e9; }};
}
Rule<fs::path> not_empty() {
  return {"that is not empty", [](const fs::path& path) { return !path.empty(); }};
}
Rule<std::vector<fs::path>> files() {
  return {"of which none is empty", [](const std::vector<fs::path>& list) {
            return std::ranges::none_of(list, [](const fs::path& path) { return path.empty(); });
          }};
}
Rule<std::vector<fs::path>> some_files() {
  return {"with at least one, and none empty",
          [](const std::vector<fs::path>& list) { return !list.empty() && files().holds(list); }};
}
/// 1 to 64 bytes that can be shown to people: no control characters.
Rule<std::string> label() {
  return {"of 1 to 64 printable characters", [](const std::string& text) {
            for (std::size_t i = 0; i < text.size(); ++i) {
              const auto c = static_cast<unsigned char>(text[i]);
              if (c < 0x20 || c == 0x7f) return false;
              const bool c1 = c == 0xc2 && i + 1 < text.size() &&
                              static_cast<unsigned char>(text[i + 1]) < 0xa0;
              if (c1) return false;
            }
            return !text.empty() && text.size() <= 64;
          }};
}
Rule<std::string> one_of(std::vector<std::string_view> names) {
  const std::string text = alternatives(names);
  return {": " + text, [names = std::move(names)](const std::string& value) {
            return std::ranges::find(names, value) != names.end();
          }};
}
Rule<std::vector<std::string>> addresses() {
  return {"like \"host:7700\" or \"[::1]:7700\"", [](const std::vector<std::string>& list) {
            return std::ranges::all_of(
                list, [](const auto& text) { return net::parse_endpoint(text).has_value(); });
          }};
}

// ---- The table. ----

/// One key of a section that is kept in an `Owner`.
template <class Owner>
struct Key {
  std::string name;
  std::string type;
  bool required;
  std::string summary;
  std::function<bool(Owner&, const toml::node&)> read;  ///< false if the value is not as it must be
  std::function<std::string(const Owner&)> show;
  std::function<void(Owner&, const fs::path&)> resolve;  ///< a relative path, against a folder
};

struct Section {
  std::string name;
  std::string summary;
  std::vector<Key<Config>> keys;
};

template <class Owner, class T>
Key<Owner> key(std::string_view name, T Owner::*member, Rule<T> rule, std::string_view summary) {
  const std::string separator = rule.text.empty() || rule.text.starts_with(":") ? "" : " ";
  const auto read_value = [member, holds = rule.holds](Owner& owner, const toml::node& node) {
    T value{};
    if (!read(node, value) || !holds(value)) return false;
    owner.*member = std::move(value);
    return true;
  };
  std::function<void(Owner&, const fs::path&)> resolve = [](Owner&, const fs::path&) {};
  if constexpr (std::same_as<T, fs::path>) {
    resolve = [member](Owner& owner, const fs::path& folder) {
      fs::path& path = owner.*member;
      if (!path.empty()) path = (folder / path).lexically_normal();
    };
  }
  if constexpr (std::same_as<T, std::vector<fs::path>>) {
    resolve = [member](Owner& owner, const fs::path& folder) {
      for (fs::path& path : owner.*member) path = (folder / path).lexically_normal();
    };
  }
  return {.name = std::string(name),
          .type = kind(T{}) + separator + rule.text,
          .required = false,
          .summary = std::string(summary),
          .read = read_value,
          .show = [member](const Owner& owner) { return show(owner.*member); },
          .resolve = resolve};
}
template <class Owner, class T>
Key<Owner> key(std::string_view name, T Owner::*member, std::string_view summary) {
  return key(name, member, Rule<T>{}, summary);
}
template <class Owner, class T>
Key<Owner> required(std::string_view name, T Owner::*member, Rule<T> rule,
                    std::string_view summary) {
  auto result = key(name, member, std::move(rule), summary);
  result.required = true;
  return result;
}

template <class Owner>
Section section(std::string_view name, Owner Config::*member, std::string_view summary,
                std::vector<Key<Owner>> keys) {
  Section section{std::string(name), std::string(summary), {}};
  for (auto& k : keys) {
    section.keys.push_back(
        {.name = k.name,
         .type = k.type,
         .required = k.required,
         .summary = k.summary,
         .read = [member, read = k.read](
                     Config& config, const toml::node& node) { return read(config.*member, node); },
         .show = [member, show = k.show](const Config& config) { return show(config.*member); },
         .resolve = [member, resolve = k.resolve](
                        Config& config,
                        const fs::path& folder) { resolve(config.*member, folder); }});
  }
  return section;
}

constexpr milliseconds kDay = std::chrono::hours(24);
constexpr unsigned kMany = 1'000'000;

const std::vector<Section>& sections() {
  using Node = Config::Node;
  using Consortium = Config::Consortium;
  using Data = Config::Data;
  using Learning = Config::Learning;
  using Worker = Config::Worker;
  using Log = Config::Log;
  using Limits = Config::Limits;
  using model::Task;
  static const std::vector<Section> table{
      section<Node>(
          "node", &Config::node,
          "This node. Relative paths, here and below, start at this file's folder.",
          {required("name", &Node::name, label(), "What people call this node."),
           key("keys", &Node::keys, not_empty(), "The file with this node's secret keys."),
           key("state", &Node::state, not_empty(),
               "The folder with everything that this node remembers. One node, one folder."),
           key("listen", &Node::listen, addresses(),
               "Where to wait for peers. Port 0 takes any free one; an empty list only dials out."),
           key("control", &Node::control, not_empty(),
               "The unix socket at which kith status and the like reach this node.")}),
      section<Consortium>(
          "consortium", &Config::consortium,
          "Who learns together. The same id and the same members at every node.",
          {required("id", &Consortium::id, label(),
                    "Names the consortium. Nodes with different ids do not talk to one another.")}),
      section<Task>(
          "task", &Config::task,
          "What is learnt. Must be the same at every node: peers with another task are ignored.",
          {required("name", &Task::name, label(),
                    "Names the task: letters, digits, '.', '_' and '-'."),
           key("model", &Task::model, one_of({"mlp", "cnn", "resnet", "gru-lm"}),
               "The kind of model: a multi-layer perceptron for pictures or tables; a "
               "convolutional or a residual network for pictures; a recurrent network that "
               "predicts the next word of a text."),
           key("sizes", &Task::sizes,
               "Hidden units (mlp) or channels (cnn, resnet) of each layer; of the embedding and "
               "of the hidden state (gru-lm)."),
           key("input", &Task::input, "Channels, height and width of a picture."),
           key("columns", &Task::columns,
               "For tables: every column of the CSV files, in their order. \"age: 20..80\" is a "
               "number and its usual range; \"pain: none | mild/slight\" is one of some values, "
               "with '/' between spellings of the same; \"target sick: 0 | 1/2/3\" is what to "
               "predict; a bare name is not used. An empty cell or '?' is a missing value."),
           key("vocabulary", &Task::vocabulary,
               "For text: a file with the words that the model knows, one a line, in lower case. "
               "All other words are the same to it. Every node needs the same words."),
           key("classes", &Task::classes, within(2U, 65536U),
               "How many classes there are. For text and tables it follows from vocabulary and "
               "columns, and need not be set."),
           key("seed", &Task::seed, "Of the initial weights, which every node starts from."),
           key("learning_rate", &Task::learning_rate, above_zero(),
               "Step of stochastic gradient descent."),
           key("momentum", &Task::momentum, within(0.0, 0.9999),
               "Share of the step before in each step."),
           key("weight_decay", &Task::weight_decay, within(0.0, 1.0), "L2 penalty on the weights."),
           key("batch", &Task::batch, within(1U, 65536U), "Examples in one step."),
           key("clip_factor", &Task::clip_factor, above_zero(),
               "Losses count as at most this times ln(classes) when a peer is scored.")}),
      section<Data>(
          "data", &Config::data,
          "This node's own data, which never leave it. Files may be compressed with gzip.",
          {required("train", &Data::train, some_files(),
                    "Files to learn from. Pictures: two IDX files as MNIST has, images and "
                    "labels; or CIFAR's .bin files, where task.classes tells CIFAR-10 (10), and "
                    "the coarse (20) and the fine labels (100) of CIFAR-100 apart. Text: a "
                    "sentence a line, in UTF-8. Tables: CSV."),
           key("test", &Data::test, files(),
               "Such files that are used for nothing but the accuracy that is reported. Empty: "
               "none."),
           key("validation", &Data::validation, within(0.01, 0.9),
               "Share of the training examples that is set aside to judge models with."),
           key("min_validation", &Data::min_validation, within(1U, kMany),
               "With fewer examples set aside the node does not start: nothing could be judged "
               "with them.")}),
      section<Learning>(
          "learning", &Config::learning, "How this node learns and whom it averages with.",
          {key("strategy", &Learning::strategy,
               "How the peers to average with are chosen. \"lia\" is Kith's own; the rest is there "
               "to compare with, and docs/algorithm.md says what each does. \"dac\" and \"ifca\" "
               "run in kith simulate only."),
           key("rounds", &Learning::rounds, "Rounds until the node stops learning. 0: never."),
           key("epochs", &Learning::epochs, within(1U, 10'000U), "Epochs of training in a round."),
           key("warmup_epochs", &Learning::warmup_epochs, within(1U, 10'000U),
               "Epochs in the first round, before anything is averaged."),
           key("gather", &Learning::gather, within(milliseconds(0), kDay),
               "Longest wait, after publishing, for the snapshots of connected peers."),
           key("interval", &Learning::interval, within(milliseconds(0), kDay),
               "A round takes at least this long."),
           key("pull_budget", &Learning::pull_budget, within(0U, 512U),
               "Peers' snapshots fetched in a round, at most."),
           key("explore", &Learning::explore, within(0U, 512U),
               "How many of them are of peers that were not scored lately."),
           key("admit", &Learning::admit, within(-2.0, 2.0),
               "A peer is admitted when its relative influence is above this; 1 is as useful as "
               "own training."),
           key("drop", &Learning::drop, within(-2.0, 2.0),
               "An admitted peer is dropped when it is below this. At most admit."),
           key("smoothing", &Learning::smoothing, within(0.01, 1.0),
               "Weight of a new score against the one before. 1 forgets the past."),
           key("patience", &Learning::patience, within(1U, 512U),
               "Candidates in a row that may fail to help before the rest is not tried."),
           key("slack", &Learning::slack, within(0.0, 10.0),
               "Standard errors by which a candidate may raise the validation loss and still be "
               "averaged with."),
           key("half_life", &Learning::half_life, above_zero(),
               "After so many rounds a snapshot counts half."),
           key("score_examples", &Learning::score_examples, within(2U, kMany),
               "Validation examples that a peer is scored on, at most."),
           key("baseline", &Learning::baseline,
               "Train a second model on own data alone, to compare with. Costs as much again."),
           key("oracle_group", &Learning::oracle_group,
               "Names of the members that strategy \"oracle\" averages with. For tests."),
           key("pens_rounds", &Learning::pens_rounds, within(1U, kMany),
               "Rounds in which strategy \"pens\" looks for its neighbours."),
           key("pens_top", &Learning::pens_top, within(0U, 512U),
               "Peers that strategy \"pens\" averages with in each of them. 0: not known; kith "
               "simulate then tells it how many there are of its kind."),
           key("dac_tau", &Learning::dac_tau, above_zero(),
               "How strongly strategy \"dac\" prefers the similar."),
           key("fedfomo_epsilon", &Learning::fedfomo_epsilon, within(0.0, 1.0),
               "Chance, in the first round, that strategy \"fedfomo\" tries any peer instead of "
               "the one it prefers. Falls by 0.05 a round."),
           key("ifca_clusters", &Learning::ifca_clusters, within(0U, 512U),
               "Clusters that strategy \"ifca\" looks for. 0: not known; kith simulate then tells "
               "it how many there are."),
           key("seed", &Learning::seed, "Of the choices left to chance.")}),
      section<Worker>(
          "worker", &Config::worker, "The process that holds the data and the weights.",
          {key("command", &Worker::command, "The program. Empty: the kith-worker beside kith."),
           key("threads", &Worker::threads, within(1U, 1024U), "Processor threads it may use."),
           key("device", &Worker::device, one_of({"cpu", "cuda", "auto"}), "What it computes on."),
           key("restart_limit", &Worker::restart_limit, within(0U, kMany),
               "Failures in a row after which the node gives up.")}),
      section<Log>("log", &Config::log, "What is written to the standard error.",
                   {key("level", &Log::level, "The least important events that are written."),
                    key("format", &Log::format, "Lines for people, or one JSON object a line.")}),
      section<Limits>("limits", &Config::limits, "What this node may use.",
                      {key("disk", &Limits::disk, at_least(ByteSize{16ULL << 20}),
                           "For snapshots, ours and our peers'.")}),
  };
  return table;
}

const std::string kMemberSection = "consortium.member";
const std::string kMemberSummary = "One such section for each member. This node may be among them.";

const std::vector<Key<net::Member>>& member_keys() {
  using net::Member;
  static const std::vector<Key<Member>> keys{
      required("name", &Member::name, label(), "What people call it."),
      required("id", &Member::id, {}, "Who it is: its Ed25519 public key."),
      required("channel", &Member::channel, {},
               "Its X25519 public key: authenticates its connections."),
      key("addresses", &Member::addresses, addresses(),
          "Where it listens. Empty: it only dials out."),
  };
  return keys;
}

// ---- Reading. ----

/// Edits (insert, delete, replace a character) from one text to the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

class Reader {
 public:
  Reader(const fs::path& file, const toml::table& root) : file_(file), root_(root) {}

  Config read() {
    for (const auto& [name, node] : root_) read_section(name.str(), node);
    for (const Section& section : sections()) require_keys(section);
    for (const Section& section : sections()) {
      for (const auto& key : section.keys) key.resolve(config_, file_.parent_path());
    }
    complete_task();
    check_members();
    check_together();
    return std::move(config_);
  }

 private:
  [[noreturn]] void fail(const toml::node* at, const std::string& what) const {
    const auto where = at != nullptr ? at->source().begin : toml::source_position{};
    const std::string place =
        where ? ":" + std::to_string(where.line) + ":" + std::to_string(where.column) : "";
    throw Failure(EX_CONFIG, file_.string() + place + ": " + what);
  }

  [[noreturn]] void fail_unknown(const toml::node& node, const std::string& what,
                                 const std::string& name) const {
    std::vector<std::string> known;
    for (const Section& section : sections()) {
      known.push_back(section.name);
      for (const auto& key : section.keys) known.push_back(section.name + "." + key.name);
    }
    known.push_back(kMemberSection);
    for (const auto& key : member_keys()) known.push_back(kMemberSection + "." + key.name);

    // The right key in the wrong section counts as one edit.
    const auto edits = [&name](const std::string& candidate) {
      return std::min(distance(name, candidate),
                      1 + distance(last_part(name), last_part(candidate)));
    };
    const std::string nearest = *std::ranges::min_element(known, {}, edits);
    const bool near = edits(nearest) <= 1 + last_part(name).size() / 3;
    fail(&node, "unknown " + what + " " + name +
                    (near ? "; did you mean " + nearest + "?"
                          : "; docs/configuration.md lists what there is"));
  }

  void read_section(std::string_view name, const toml::node& node) {
    const auto section = std::ranges::find(sections(), name, &Section::name);
    if (section == sections().end()) {
      fail_unknown(node, node.is_table() ? "section" : "key", std::string(name));
    }
    if (!node.is_table())
      fail(&node, section->name + " must be a section: [" + section->name + "]");
    for (const auto& [key, value] : *node.as_table()) {
      if (name == "consortium" && key.str() == "member") {
        read_members(value);
      } else {
        read_key(section->name, section->keys, config_, key.str(), value);
      }
    }
  }

  template <class Owner>
  void read_key(const std::string& section, const std::vector<Key<Owner>>& keys, Owner& owner,
                std::string_view name, const toml::node& node) const {
    const std::string full_name = section + "." + std::string(name);
    const auto key = std::ranges::find(keys, name, &Key<Owner>::name);
    if (key == keys.end()) fail_unknown(node, node.is_table() ? "section" : "key", full_name);
    if (key->read(owner, node)) return;
    fail(&node, full_name + " must be " + key->type + ", not " + excerpt(node));
  }

  void read_members(const toml::node& node) {
    if (!node.is_array() || !node.as_array()->is_homogeneous(toml::node_type::table)) {
      fail(&node, "each member must be a section: [[" + kMemberSection + "]]");
    }
    for (const toml::node& element : *node.as_array()) {
      const toml::table& table = *element.as_table();
      net::Member& member = config_.consortium.members.emplace_back();
      for (const auto& [key, value] : table) {
        read_key(kMemberSection, member_keys(), member, key.str(), value);
      }
      for (const auto& key : member_keys()) {
        if (key.required && !table.contains(key.name)) {
          fail(&table, kMemberSection + "." + key.name + " is missing; add it to this section");
        }
      }
    }
  }

  void require_keys(const Section& section) const {
    const toml::node* const node = root_.get(section.name);
    const toml::table* const table = node != nullptr ? node->as_table() : nullptr;
    for (const auto& key : section.keys) {
      if (!key.required || (table != nullptr && table->contains(key.name))) continue;
      fail(table, section.name + "." + key.name + " is missing; add " + key.name +
                      " = ... to the section [" + section.name + "]");
    }
  }

  void check_members() const {
    const auto& members = config_.consortium.members;
    const toml::node* const list = root_.at_path(kMemberSection).node();
    if (members.size() > net::limits::kMembers) {
      fail(list, "there are " + std::to_string(members.size()) +
                     " members; a consortium has at most " + std::to_string(net::limits::kMembers));
    }
    std::set<std::string> names;
    std::set<crypto::NodeId> ids;
    std::set<crypto::ChannelPublicKey> channels;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const toml::node* const section = list->as_array()->get(i);
      const auto twice = [&](const char* what) {
        fail(section, std::string("two members have the same ") + what + "; remove \"" +
                          members[i].name + "\" here, or correct it");
      };
      if (!names.insert(members[i].name).second) twice("name");
      if (!ids.insert(members[i].id).second) twice("id");
      if (!channels.insert(members[i].channel).second) twice("channel");
    }
  }

  /// What follows from the files and the columns that the task names.
  void complete_task() {
    model::Task& task = config_.task;
    const auto follows = [&](unsigned classes, const std::string& from) {
      const toml::node* const given = root_.at_path("task.classes").node();
      if (given != nullptr && task.classes != classes) {
        fail(given, "task.classes must be " + show(classes) + ", as follows from task." + from +
                        "; correct it or leave it out");
      }
      task.classes = classes;
    };
    if (const auto classes = model::classes_of(task.columns)) follows(*classes, "columns");
    if (task.vocabulary.empty()) return;
    try {
      const auto vocabulary = data::read_vocabulary(task.vocabulary);
      task.vocabulary_hash = crypto::to_hex(vocabulary.hash());
      follows(static_cast<unsigned>(vocabulary.size()), "vocabulary");
    } catch (const data::DataError& error) {
      fail(root_.at_path("task.vocabulary").node(),
           std::string("task.vocabulary: ") + error.what());
    }
  }

  /// What concerns more than one key.
  void check_together() const {
    if (const auto wrong = model::problem(config_.task)) {
      const std::string key = wrong->substr(0, wrong->find(' '));
      fail(root_.at_path("task." + key).node(), "task." + *wrong);
    }
    const Config::Learning& learning = config_.learning;
    if (learning.drop > learning.admit) {
      const toml::node* const drop = root_.at_path("learning.drop").node();
      fail(drop != nullptr ? drop : root_.at_path("learning.admit").node(),
           "learning.drop must be at most learning.admit; they are " + show(learning.drop) +
               " and " + show(learning.admit));
    }
    const toml::node* const group = root_.at_path("learning.oracle_group").node();
    for (const std::string& name : learning.oracle_group) {
      if (std::ranges::find(config_.consortium.members, name, &net::Member::name) ==
          config_.consortium.members.end()) {
        fail(group, "learning.oracle_group names " + show(name) + ", who is not a member");
      }
    }
    if (learning.strategy == StrategyName::oracle && learning.oracle_group.empty()) {
      fail(root_.at_path("learning.strategy").node(),
           "strategy \"oracle\" needs learning.oracle_group; add it, or choose another strategy");
    }
  }

  static std::string excerpt(const toml::node& node) {
    if (node.is_table()) return "a section";
    std::string text = node.is_floating_point()
                           ? show(node.as_floating_point()->get())
                           : node.visit([](const auto& value) { return toml_text(value); });
    std::ranges::replace(text, '\n', ' ');
    constexpr std::size_t kLongest = 60;
    return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
  }

  fs::path file_;
  const toml::table& root_;
  Config config_;
};

std::string default_of(const Key<Config>& key) {
  static const Config defaults;
  return key.show(defaults);
}

/// `text` in lines of comment.
std::string commented(std::string_view text) {
  constexpr std::size_t kColumns = 100;
  std::istringstream words{std::string(text)};
  std::string comment = "#";
  std::size_t column = 1;
  for (std::string word; words >> word;) {
    if (column + 1 + word.size() > kColumns) {
      comment += "\n#";
      column = 1;
    }
    comment += " " + word;
    column += 1 + word.size();
  }
  return comment + "\n";
}

template <class Owner>
std::string meaning(const Key<Owner>& key) {
  return key.summary + " (" + key.type + ")";
}

/// For a cell of a Markdown table.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, "\\");
  }
  return text;
}

template <class Owner, class Default>
std::string markdown_table(const std::vector<Key<Owner>>& keys, Default shown_default) {
  std::string table = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const auto& key : keys) {
    const std::string initial = key.required ? "*required*" : "`" + shown_default(key) + "`";
    table += "| `" + key.name + "` | " + cell(key.type) + " | " + cell(initial) + " | " +
             cell(key.summary) + " |\n";
  }
  return table;
}

}  // namespace

Config load_config(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    throw Failure(EX_NOINPUT, "cannot read " + file.string() + "; create it with kith init --dir " +
                                  fs::absolute(file).parent_path().string());
  }
  const std::string text(std::istreambuf_iterator<char>(in), {});
  return parse_config(text, file);
}

Config parse_config(std::string_view text, const fs::path& file) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto where = error.source().begin;
    throw Failure(EX_CONFIG, file.string() + ":" + std::to_string(where.line) + ":" +
                                 std::to_string(where.column) +
                                 ": not TOML: " + std::string(error.description()));
  }
  return Reader(file, root).read();
}

std::string to_toml(const Config& config) {
  std::string text =
      "# The configuration of one Kith node.  A line that starts with '#' and a key shows that "
      "key's\n"
      "# default; remove the '#' to change it.\n";
  for (const Section& section : sections()) {
    text += "\n" + commented(section.summary) + "[" + section.name + "]\n";
    for (const auto& key : section.keys) {
      const std::string value = key.show(config);
      const bool is_default = !key.required && value == default_of(key);
      text += "\n" + commented(meaning(key)) + (is_default ? "#" : "") + key.name + " = " + value +
              "\n";
    }
    if (section.name != "consortium") continue;
    text += "\n" + commented(kMemberSummary);
    for (const auto& key : member_keys()) text += commented(key.name + ": " + meaning(key));
    for (const net::Member& member : config.consortium.members) {
      text += "\n[[" + kMemberSection + "]]\n";
      for (const auto& key : member_keys()) text += key.name + " = " + key.show(member) + "\n";
    }
  }
  return text;
}

std::string configuration_markdown() {
  std::string text =
      "# Configuration\n\n"
      "One [TOML](https://toml.io) file, `kith.toml`, configures a node; `kith init` writes one\n"
      "with every key in it. An unknown key is an error, and so is a value out of its range.\n\n"
      "This page is made from the same table as the parser: do not edit it.\n";
  for (const Section& section : sections()) {
    text += "\n## `[" + section.name + "]`\n\n" + section.summary + "\n\n" +
            markdown_table(section.keys, default_of);
    if (section.name != "consortium") continue;
    const net::Member defaults;
    text += "\n## `[[" + kMemberSection + "]]`\n\n" + kMemberSummary + "\n\n" +
            markdown_table(member_keys(), [&](const auto& key) { return key.show(defaults); });
  }
  return text;
}

std::string_view name(StrategyName strategy) {
  const auto all = choices(strategy);
  return std::ranges::find(all, strategy, &Choice<StrategyName>::value)->name;
}

std::optional<StrategyName> parse_strategy(std::string_view text) {
  const auto all = choices(StrategyName());
  const auto found = std::ranges::find(all, text, &Choice<StrategyName>::name);
  if (found == all.end()) return std::nullopt;
  return found->value;
}

}  // namespace kith::daemon
