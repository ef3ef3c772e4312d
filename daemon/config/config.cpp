#include "daemon/config/config.hpp"

#include "daemon/config/config_keys.hpp"
#include "daemon/config/draft_file.hpp"
#include "daemon/config/settings.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/merge.hpp"
#include "model/data/text.hpp"
#include "net/limits.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <utility>

namespace kith::daemon {

template <>
struct settings::Choices<pipe::SplitBy> {
  static constexpr std::array<settings::Choice<pipe::SplitBy>, 2> all{
      {{"content", pipe::SplitBy::content}, {"time", pipe::SplitBy::time}}};
};

template <>
struct settings::Choices<model::Encoding> {
  static constexpr std::array<settings::Choice<model::Encoding>, 3> all{
      {{"bf16", model::Encoding::bf16},
       {"fp32", model::Encoding::fp32},
       {"int8", model::Encoding::int8}}};
};
template <>
struct settings::Choices<log::Level> {
  static constexpr std::array<settings::Choice<log::Level>, 4> all{{{"debug", log::Level::debug},
                                                                    {"info", log::Level::info},
                                                                    {"warn", log::Level::warn},
                                                                    {"error", log::Level::error}}};
};
template <>
struct settings::Choices<log::Format> {
  static constexpr std::array<settings::Choice<log::Format>, 2> all{
      {{"text", log::Format::text}, {"json", log::Format::json}}};
};

template <>
struct settings::Choices<model::Column::Kind> {
  using Kind = model::Column::Kind;
  static constexpr std::array<settings::Choice<Kind>, 6> all{{{"number", Kind::number},
                                                              {"category", Kind::category},
                                                              {"ordinal", Kind::ordinal},
                                                              {"yes-no", Kind::yes_no},
                                                              {"date", Kind::date},
                                                              {"ignored", Kind::ignored}}};
};
template <>
struct settings::Choices<model::Column::Scale> {
  static constexpr std::array<settings::Choice<model::Column::Scale>, 2> all{
      {{"linear", model::Column::Scale::linear}, {"log", model::Column::Scale::log}}};
};
template <>
struct settings::Choices<model::Column::Unknown> {
  static constexpr std::array<settings::Choice<model::Column::Unknown>, 2> all{
      {{"refused", model::Column::Unknown::refused}, {"missing", model::Column::Unknown::missing}}};
};

using namespace settings;

namespace {

constexpr milliseconds kDay = std::chrono::hours(24);
constexpr unsigned kMany = 1'000'000;

using model::Column;

/// An end of a range: a number, or a date.
Key<Column> end_key(std::string_view name, double Column::*end, std::string_view summary) {
  const auto read_end = [end](Column& column, const toml::node& node) {
    if (read(node, column.*end)) return true;
    std::string text;
    if (node.is_date()) {
      text = toml_text(*node.as_date());
    } else if (!read(node, text)) {
      return false;
    }
    const auto days = model::parse_date(text);
    if (days) column.*end = *days;
    return days.has_value();
  };
  const auto show_end = [end](const Column& column) -> std::string {
    if (column.low == 0 && column.high == 0) return "";
    return column.kind == Column::Kind::date ? model::date_text(column.*end) : show(column.*end);
  };
  return {.name = std::string(name),
          .type = "a number, or a date like 2024-01-31",
          .required = false,
          .summary = std::string(summary),
          .read = read_end,
          .show = show_end,
          .resolve = [](Column&, const fs::path&) {},
          .read_tables = {}};
}

Key<Column> values_key(std::string_view summary) {
  const auto read_values = [](Column& column, const toml::node& node) {
    if (!node.is_array()) return false;
    column.values.clear();
    for (const toml::node& value : *node.as_array()) {
      auto& spellings = column.values.emplace_back(1);
      if (!read(value, spellings.front()) && !read(value, spellings)) return false;
    }
    return true;
  };
  const auto show_values = [](const Column& column) {
    std::string text;
    for (const auto& spellings : column.values) {
      text += (text.empty() ? "" : ", ") +
              (spellings.size() == 1 ? show(spellings.front()) : show(spellings));
    }
    return "[" + text + "]";
  };
  return {.name = "values",
          .type = "a list of texts, or of lists of texts",
          .required = false,
          .summary = std::string(summary),
          .read = read_values,
          .show = show_values,
          .resolve = [](Column&, const fs::path&) {},
          .read_tables = {}};
}

std::vector<Key<Column>> column_keys() {
  return {
      required("name", &Column::name, Rule<std::string>{}, "As the first line of the file has it."),
      key("kind", &Column::kind,
          "number; category: one of some values; ordinal: the same, and they are in order; yes-no; "
          "date."),
      key("target", &Column::target,
          "This column is predicted: a number as a number, all else as a class. One column is."),
      key("group", &Column::group,
          "Rows with the same text in it (a patient, a machine, a day) stay on one side when "
          "examples are held back. With kind \"ignored\" it is used for nothing else."),
      key("time", &Column::time,
          "number, date: it says in which order the rows came, and is no input."),
      end_key("low", &Column::low,
              "number, date: the lower end of what is usual, for all nodes. It becomes -1."),
      end_key("high", &Column::high,
              "The upper end, which becomes 1. Cells beyond are counted, and count as the nearest "
              "end; a target goes on."),
      key("scale", &Column::scale, "number: \"log\" for what spans several orders of magnitude."),
      values_key(
          "category, ordinal, yes-no: what there is, in this order; a list in it is one value "
          "in several spellings: [\"none\", [\"mild\", \"slight\"]]. Cells are compared "
          "as text: 7, 07 and 7.0 are three values. yes-no needs none if the cells are yes "
          "and no, true and false, 1 and 0, or the like."),
      key("missing", &Column::missing,
          "What else means that there is no value, like [\"-9\"], beside an empty cell, ?, NA, "
          "N/A, NaN, null, a dot or a dash."),
      key("unknown", &Column::unknown,
          "What becomes of a cell that is none of the values: the file is refused, or it counts "
          "as missing.")};
}

std::optional<std::string> column_problem(const Column& column) {
  const auto wrong = model::problem(column);
  if (!wrong) return std::nullopt;
  return "column " + show(column.name.substr(0, 64)) + " " + *wrong;
}

}  // namespace

namespace {

Rule<std::string> pattern() {
  return {"that is a regular expression", [](const std::string& text) {
            try {
              static_cast<void>(std::regex(text));
              return true;
            } catch (const std::regex_error&) {
              return false;
            }
          }};
}

}  // namespace

std::vector<Key<model::Task>> task_keys() {
  using Owner = model::Task;
  return {
      required("name", &Owner::name, label(), "Names the task: letters, digits, '.', '_' and '-'."),
      key("model", &Owner::model,
          one_of(
              {"mlp", "cnn", "cnn1d", "resnet", "gru-lm", "text-classifier", "script", "worker"}),
          "The kind of model: a multi-layer perceptron for pictures, arrays or tables; a "
          "convolutional or a residual network for pictures; a convolutional one along one side, "
          "as of time, for arrays (cnn1d); a recurrent network that predicts the next word of a "
          "text; one that tells texts apart by the mean of their words (text-classifier); or a "
          "model of your own, for any of these (script), or that of a worker of your own (worker: "
          "the program that worker.command names, at every node)."),
      key("sizes", &Owner::sizes,
          "Hidden units (mlp) or channels (cnn, cnn1d, resnet) of each layer; of the embedding and "
          "of the hidden state (gru-lm); of the embedding, and then hidden units "
          "(text-classifier); what "
          "a worker of your own makes of them."),
      key("input", &Owner::input,
          "Channels, height and width of a picture; or the 1 to 4 sides of an example in an array, "
          "like [50, 6] for windows of a sensor (mlp, and cnn1d: length and channels)."),
      key("labels", &Owner::labels,
          "For pictures in folders and a text-classifier: what the classes are called, as the "
          "folders "
          "or the labels of texts are, in the order of their numbers. Empty: the folders' names "
          "sorted, and there must be as many as classes."),
      tables<Owner, Column>("column", &Owner::columns, column_keys(), column_problem,
                            "For tables: what each column is, below. Other columns of the files, "
                            "and their order, do not matter."),
      key("vocabulary", &Owner::vocabulary,
          "For text: a file with the words that the model knows, one a line, in lower case. "
          "All other words are the same to it. Every node needs the same words."),
      key("script", &Owner::script,
          "A model of your own (script): a TorchScript module, as torch.jit.save() writes it. "
          "Every "
          "node has the file on its own disk; only tensors travel. All must start from the same "
          "values."),
      key("share", &Owner::share,
          "Which tensors travel, by name; * stands for anything: [\"backbone.*\"] keeps a head at "
          "home. The others are trained and stay."),
      key("freeze", &Owner::freeze,
          "Which tensors are neither trained nor sent, by name as in share."),
      key("share_buffers", &Owner::share_buffers,
          "Whether running statistics, as of batch normalisation, are averaged with the others, "
          "where share names them. By default each node has its own."),
      key("classes", &Owner::classes, within(1U, 65536U),
          "How many classes there are, or yes-or-no targets. It follows from labels, column, or "
          "the "
          "vocabulary of a gru-lm, and need not be set with them; 1 if a number is predicted."),
      key("seed", &Owner::seed, "Of the initial weights, which every node starts from."),
      key("optimiser", &Owner::optimiser, one_of({"sgd", "adamw"}),
          "What makes steps of gradients: stochastic gradient descent with momentum, or AdamW, for "
          "which learning_rate is 0.001 or so. What it remembers begins empty in every round, "
          "since "
          "the weights are then those of an average."),
      key("learning_rate", &Owner::learning_rate, above_zero(), "Size of a step, at its highest."),
      key("momentum", &Owner::momentum, within(0.0, 0.9999),
          "sgd: share of the step before in each step; adamw: beta 1."),
      key("weight_decay", &Owner::weight_decay, within(0.0, 1.0),
          "sgd: L2 penalty on the weights; adamw: share of them that each step takes away, times "
          "learning_rate."),
      key("gradient_clip", &Owner::gradient_clip, within(0.0, 1e6),
          "A batch's gradient that is longer is shortened to this. 0: it is taken as it is. Not "
          "with "
          "privacy, which has a clip of its own."),
      key("schedule", &Owner::schedule, one_of({"constant", "cosine"}),
          "How learning_rate changes over a node's own rounds, step by step: not at all, or on "
          "half a "
          "cosine down to a hundredth, where it stays."),
      key("schedule_rounds", &Owner::schedule_rounds, within(0U, kMany),
          "cosine: rounds until the learning rate is at its lowest."),
      key("warmup_rounds", &Owner::warmup_rounds, within(0U, kMany),
          "Rounds in which learning_rate rises from a hundredth of itself, before all else."),
      key("label_smoothing", &Owner::label_smoothing, within(0.0, 0.9999),
          "In training, this share of every label is spread evenly over all classes, so that no "
          "model "
          "becomes too sure. What is measured is not smoothed."),
      key("batch", &Owner::batch, within(1U, 65536U), "Examples in one step."),
      key("encoding", &Owner::encoding,
          "How models travel between nodes: rounded to 8 significant bits, exactly, or in steps of "
          "a "
          "127th of the largest of 252 neighbours; in about a third, five sixths or a quarter of "
          "the bytes."),
      key("loss", &Owner::loss,
          one_of({"", "cross-entropy", "squared", "absolute", "huber", "binary-cross-entropy"}),
          "What training makes small. \"cross-entropy\" tells classes apart. The others predict a "
          "number; \"huber\" is squared up to a tenth of target_range, then grows as \"absolute\" "
          "does; \"binary-cross-entropy\" answers several yes-or-no questions, as many as classes. "
          "Empty: as the target demands."),
      key("target_range", &Owner::target_range,
          "Of a number that is predicted: its usual range. For tables it follows from the column."),
      key("metric", &Owner::metric,
          "How good a model is, as people are told first: accuracy, balanced_accuracy, macro_f1; "
          "with two classes also auroc and average_precision; of numbers r2, mae or rmse; of words "
          "perplexity or accuracy; of several yes-or-no targets auroc, average_precision, macro_f1 "
          "(means over them) or accuracy. Empty: accuracy, r2, perplexity or auroc."),
      key("class_weights", &Owner::class_weights,
          "How much an example of each class counts, in training and in scoring: [1, 5] makes the "
          "second of two classes count five times. Empty: all the same.")};
}

std::vector<Key<Config::Learning>> learning_keys() {
  using Owner = Config::Learning;
  return {
      key("strategy", &Owner::strategy,
          one_of({"lia", "lia-sign", "local", "fedavg", "fedavg-ft", "ditto", "fedper", "fedrep",
                  "fedfomo", "dpfl"}),
          "How the peers to average with are chosen. \"lia\" is Kith's own; the rest is there "
          "to compare with, and docs/algorithm.md says what each does. kith simulate has more."),
      key("rounds", &Owner::rounds, "Rounds until the node stops learning. 0: never."),
      key("epochs", &Owner::epochs, within(1U, 10'000U), "Epochs of training in a round."),
      key("warmup_epochs", &Owner::warmup_epochs, within(1U, 10'000U),
          "Epochs in the first round, before anything is averaged."),
      key("gather", &Owner::gather, within(milliseconds(0), kDay),
          "Longest wait, after publishing, for the snapshots of connected peers."),
      key("interval", &Owner::interval, within(milliseconds(0), kDay),
          "A round takes at least this long."),
      key("pull_budget", &Owner::pull_budget, within(0U, 512U),
          "Peers' snapshots fetched in a round, at most."),
      key("explore", &Owner::explore, within(0U, 512U),
          "How many of them are of peers that were not scored lately."),
      key("admit", &Owner::admit, within(-2.0, 2.0),
          "A peer is admitted when its relative influence is above this; 1 is as useful as "
          "own training."),
      key("drop", &Owner::drop, within(-2.0, 2.0),
          "An admitted peer is dropped when it is below this. At most admit."),
      key("smoothing", &Owner::smoothing, within(0.01, 1.0),
          "Weight of a new score against the one before. 1 forgets the past."),
      key("patience", &Owner::patience, within(1U, 512U),
          "A candidate that failed to help so many times in a row sits out as many rounds. It "
          "keeps nobody else from being tried."),
      key("slack", &Owner::slack, within(0.0, 10.0),
          "Standard errors by which a candidate may raise the validation loss and still be "
          "averaged with, in one round and by all rounds together."),
      key("common_rounds", &Owner::common_rounds, within(std::uint64_t{0}, std::uint64_t{kMany}),
          "In so many rounds, the first, a node averages with whoever is of any use to it, whether "
          "admitted or not: models that begin from one average go together later."),
      key("half_life", &Owner::half_life, above_zero(),
          "After so many rounds a snapshot counts half."),
      key("min_peers", &Owner::min_peers, within(0U, 512U),
          "With fewer admitted than this, the best of the others are averaged with too, at half "
          "their weight and only while they do no harm."),
      key("mutual", &Owner::mutual,
          "Average only with those who say that they admit this node. It tells all members whom "
          "this node admits. Set it at all nodes, or those who do not are left out."),
      key("learn_weights", &Owner::learn_weights,
          "Look for better weights of the average than freshness gives, by what they do to the "
          "validation loss. Costs up to two scorings for each model in it."),
      key("score_examples", &Owner::score_examples, within(2U, kMany),
          "Validation examples that a peer is scored on, at most."),
      key("score_confidence", &Owner::score_confidence, within(0.0, 100.0),
          "Scoring ends early when a peer's relative influence is so many standard errors "
          "beyond admit or drop. 0: it never does."),
      key("baseline", &Owner::baseline,
          "Train a second model on own data alone, to compare with. Costs as much again while it may "
          "be the better one, else a quarter."),
      key("convenor", &Owner::convenor,
          "Convenor mode: the name of the member who groups those that agree to it. This node "
          "tells it, and nobody else, how useful the others are to it, and averages within its "
          "group; but never with whom its own measurements speak against. Empty: this node "
          "chooses for itself."),
      key("seed", &Owner::seed, "Of the choices left to chance.")};
}

std::vector<Key<Config::Worker>> worker_keys() {
  using Owner = Config::Worker;
  return {key("command", &Owner::command, "The program. Empty: the kith-worker beside kith."),
          key("threads", &Owner::threads, within(1U, 1024U), "Processor threads it may use."),
          key("device", &Owner::device, one_of({"cpu", "cuda", "auto"}), "What it computes on."),
          key("restart_limit", &Owner::restart_limit, within(0U, kMany),
              "Failures in a row after which the node gives up.")};
}

std::vector<Key<Config::Privacy>> privacy_keys() {
  using Owner = Config::Privacy;
  const Rule<double> probability{"above 0 and below 1",
                                 [](double value) { return value > 0 && value < 1; }};
  return {key("noise", &Owner::noise, within(0.0, 1000.0),
              "Standard deviation of the noise in every step of training, in units of clip; 1 is "
              "usual. 0: no noise, and no promise. Decide before the first start: a model that was "
              "trained without noise is not published with it, nor the other way round."),
          key("clip", &Owner::clip, above_zero(),
              "In the sum of a step no example's gradient is longer than this."),
          key("delta", &Owner::delta, probability,
              "The chance that the promise does not hold. Well below 1 / training examples."),
          key("epsilon", &Owner::epsilon, within(0.0, 1e6),
              "How much may be spent in all. What would go beyond it is not published, while the "
              "node goes on learning from the others. 0: without end.")};
}

namespace {

const std::vector<Section<Config>>& sections() {
  using Node = Config::Node;
  using Consortium = Config::Consortium;
  using Data = Config::Data;
  using Learning = Config::Learning;
  using Worker = Config::Worker;
  using Privacy = Config::Privacy;
  using Log = Config::Log;
  using Limits = Config::Limits;
  using Api = Config::Api;
  using Metrics = Config::Metrics;
  using model::Task;
  static const std::vector<Section<Config>> table{
      section<Config, Node>(
          "node", [](Config& config) -> Node& { return config.node; },
          "This node. Relative paths, here and below, start at this file's folder.",
          {required("name", &Node::name, label(), "What people call this node."),
           key("key", &Node::key, not_empty(),
               "The file with the node key: who this node is. A running node does not read it; "
               "kith key renew, sign and approve do. It may be kept elsewhere."),
           key("channel_key", &Node::channel_key, not_empty(),
               "The file with the channel key, with which the running node works."),
           key("card", &Node::card, not_empty(),
               "The file in which the node key says with which channel key, and where, this node "
               "is reached."),
           key("state", &Node::state, not_empty(),
               "The folder with everything that this node remembers. One node, one folder."),
           key("listen", &Node::listen, addresses(),
               "Where to wait for peers. Port 0 takes any free one; an empty list only dials out."),
           key("control", &Node::control, not_empty(),
               "The unix socket at which kith status and the like reach this node.")}),
      section<Config, Consortium>(
          "consortium", [](Config& config) -> Consortium& { return config.consortium; },
          "Who learns together.",
          {key("charter", &Consortium::charter, not_empty(),
               "The file of the signed charter, which says who the members are; kith charter makes "
               "and changes it.")}),
      section<Config, Task>(
          "task", [](Config& config) -> Task& { return config.task; },
          "What is learnt. Must be the same at every node: peers with another task are ignored.",
          task_keys()),
      section<Config, Data>(
          "data", [](Config& config) -> Data& { return config.data; },
          "This node's own data, which never leave it. Files may be compressed with gzip.",
          {required("train", &Data::train, some_files(),
                    "Files to learn from. Pictures: two IDX files as MNIST has, images and "
                    "labels; or CIFAR's .bin files, where task.classes tells CIFAR-10 (10), and "
                    "the coarse (20) and the fine labels (100) of CIFAR-100 apart. Arrays: .npz or "
                    ".safetensors files with x and y, or .npy files, inputs and answers in turn. "
                    "Text: a sentence a line, or CSV or JSONL with a text in each record. Tables: "
                    "CSV and its relatives. docs/own-data.md has more."),
           key("test", &Data::test, files(),
               "Such files that are used for nothing but the accuracy that is reported. Empty: "
               "none."),
           key("validation", &Data::validation, within(0.01, 0.9),
               "Share of the training examples that is set aside to judge models with."),
           key("validation_files", &Data::validation_files, files(),
               "Such files to judge models with, in the place of a share of the training "
               "examples."),
           key("split", &Data::split,
               "What decides which examples are set aside. \"content\": each example's own "
               "content, so that it is on the same side at every start, whatever comes and goes "
               "beside it. \"time\": the last in the files, for examples in the order of time, "
               "where neighbours are alike."),
           key("split_key", &Data::split_key,
               "A text from which, too, the sides follow. Empty: this node's id. Keep it when "
               "the data move to a node with another id."),
           key("group_pattern", &Data::group_pattern, pattern(),
               "For pictures in folders: a regular expression that finds, in a file's path, what a "
               "picture belongs to, such as \"patient[0-9]+\"; all of that are on one side. If it has "
               "parentheses, what is in the first ones counts. Empty: pictures belong to nothing."),
           key("min_validation", &Data::min_validation, within(1U, kMany),
               "With fewer examples set aside the node does not start: nothing could be judged "
               "with them.")}),
      section<Config, Learning>(
          "learning", [](Config& config) -> Learning& { return config.learning; },
          "How this node learns and whom it averages with.", learning_keys()),
      section<Config, Worker>(
          "worker", [](Config& config) -> Worker& { return config.worker; },
          "The process that holds the data and the weights.", worker_keys()),
      section<Config, Privacy>(
          "privacy", [](Config& config) -> Privacy& { return config.privacy; },
          "Differential privacy of what this node publishes: its models hide, up to epsilon, "
          "whether any one training example was among its data. docs/algorithm.md says what that "
          "covers and what not.",
          privacy_keys()),
      section<Config, Log>(
          "log", [](Config& config) -> Log& { return config.log; },
          "What is written to the standard error.",
          {key("level", &Log::level, "The least important events that are written."),
           key("format", &Log::format, "Lines for people, or one JSON object a line.")}),
      section<Config, Limits>(
          "limits", [](Config& config) -> Limits& { return config.limits; },
          "What this node may use.",
          {key("disk", &Limits::disk, at_least(ByteSize{16ULL << 20}),
               "For snapshots, ours and our peers'."),
           key("disk_free", &Limits::disk_free,
               "Left free on the disk of the state folder: below this nothing "
               "is fetched."),
           key("history", &Limits::history,
               Rule<unsigned>{"0 or from 2 to 64", [](unsigned n) { return n != 1 && n <= 64; }},
               "Models of earlier rounds that are kept, for kith forget to go "
               "back to: the fewer the longer ago. Each takes three times the "
               "model's size; all together at most limits.disk, and nothing of "
               "limits.disk_free.")}),
      section<Config, Api>(
          "api", [](Config& config) -> Api& { return config.api; },
          "The dashboard and the control API over TCP, in clear and for holders of a token; see kith "
          "dashboard. They need none of this through ssh.",
          {key("listen", &Api::listen, addresses(),
               "IP addresses and ports to be asked at, like \"127.0.0.1:7780\". Empty: only "
               "through node.control. Beyond this machine put a proxy with TLS before it."),
           key("hosts", &Api::hosts,
               "Names, without port, by which browsers may call this node, beside localhost: needed "
               "if api.listen has another address than this machine's own 127.0.0.1 or ::1."),
           key("tokens", &Api::tokens, not_empty(),
               "The file with the tokens, which is made at the start if it is not there.")}),
      section<Config, Metrics>(
          "metrics", [](Config& config) -> Metrics& { return config.metrics; },
          "Numbers for Prometheus, at /metrics, for everybody who can connect.",
          {key("listen", &Metrics::listen, addresses(),
               "IP addresses and ports to be scraped at, like \"127.0.0.1:9770\". Empty: none.")}),
  };
  return table;
}

// ---- Reading. ----

class Reader : public SettingsReader<Config> {
 public:
  Reader(const fs::path& file, const toml::table& table)
      : SettingsReader(file, table, sections(), "docs/configuration.md") {}

  Config read() {
    SettingsReader::read(config_);
    complete_task(config_.task, table(),
                  [this](const toml::node* at, const std::string& what) { fail(at, what); });
    check_together();
    return std::move(config_);
  }

 private:
  /// What concerns more than one key.
  void check_together() const {
    const Config::Learning& learning = config_.learning;
    if (learning.drop > learning.admit) {
      const toml::node* const drop = table().at_path("learning.drop").node();
      fail(drop != nullptr ? drop : table().at_path("learning.admit").node(),
           "learning.drop must be at most learning.admit; they are " + show(learning.drop) +
               " and " + show(learning.admit));
    }
    const auto elsewhere = [](const std::string& address) {
      const auto endpoint = net::parse_endpoint(address);
      return endpoint && endpoint->host != "127.0.0.1" && endpoint->host != "::1";
    };
    if (config_.api.hosts.empty() && std::ranges::any_of(config_.api.listen, elsewhere)) {
      fail(table().at_path("api.listen").node(),
           "api.listen has an address that others reach: set api.hosts to the names by which they "
           "call this node, and put a proxy with TLS before it; or listen at 127.0.0.1 only");
    }
    if (!learning.convenor.empty() && learning.mutual) {
      fail(table().at_path("learning.mutual").node(),
           "learning.mutual and learning.convenor exclude one another: remove one of them");
    }
    if (!learning.convenor.empty() && learning.strategy != "lia") {
      fail(table().at_path("learning.convenor").node(),
           "learning.convenor works with strategy \"lia\" only; remove it, or choose that one");
    }
  }

  Config config_;
};

std::string default_of(const Key<Config>& key) {
  static const Config defaults;
  return key.show(defaults);
}

}  // namespace

void complete_task(model::Task& task, const toml::table& table, const Complain& complain) {
  const auto follows = [&](unsigned classes, const std::string& from) {
    const toml::node* const given = table.at_path("task.classes").node();
    if (given != nullptr && task.classes != classes) {
      complain(given, "task.classes must be " + show(classes) + ", as follows from task." + from +
                          "; correct it or leave it out");
    }
    task.classes = classes;
  };
  if (const auto classes = model::classes_of(task.columns)) follows(*classes, "column");
  const bool sized = table.at_path("task.sizes").node() != nullptr;
  if ((task.model == "script" || task.model == "worker") && !sized) task.sizes.clear();
  if (!task.labels.empty()) follows(static_cast<unsigned>(task.labels.size()), "labels");
  if (!task.vocabulary.empty()) {
    try {
      const auto vocabulary = data::read_vocabulary(task.vocabulary);
      task.vocabulary_hash = crypto::to_hex(vocabulary.hash());
      const auto words = static_cast<unsigned>(vocabulary.size());
      if (model::predicts_words(task)) {
        follows(words, "vocabulary");
      } else {
        task.words = words;
      }
    } catch (const data::DataError& error) {
      complain(table.at_path("task.vocabulary").node(),
               std::string("task.vocabulary: ") + error.what());
    }
  }
  if (model::is_regression(task) && table.at_path("task.classes").node() == nullptr) {
    task.classes = 1;
  }
  if (const auto wrong = model::problem(task)) {
    const std::string key = wrong->substr(0, wrong->find(' '));
    complain(table.at_path("task." + key).node(), "task." + *wrong);
  }
}

Config load_config(const fs::path& file) {
  const std::string help =
      "create it with kith init --dir " + fs::absolute(file).parent_path().string();
  return parse_config(read_text(file, kSettingsFile, help), file);
}

Config parse_config(std::string_view text, const fs::path& file) {
  const toml::table table = parse_toml(text, file);
  return Reader(file, table).read();
}

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line + "\n");
  return lines;
}

std::string section_toml(const Section<Config>& section, const Config& config) {
  std::string text = commented(section.summary) + "[" + section.name + "]\n";
  for (const auto& key : section.keys) {
    const std::string value = key.show(config);
    const bool is_default = !key.required && value == default_of(key);
    text +=
        "\n" + commented(meaning(key)) + (is_default ? "#" : "") + key.name + " = " + value + "\n";
  }
  return text;
}

}  // namespace

std::string to_toml(const Config& config) {
  std::string text =
      "# The configuration of one Kith node.  A line that starts with '#' and a key shows that "
      "key's\n"
      "# default; remove the '#' to change it.\n";
  for (const auto& section : sections()) {
    text += "\n" + section_toml(section, config);
  }
  return text;
}

namespace {

[[noreturn]] void by_hand(const fs::path& file, const model::Task& task) {
  throw Failure(EX_CONFIG, file.string() +
                               " is written in a way in which [task] cannot be replaced without "
                               "touching other settings; nothing is changed.  Put this in the "
                               "place of its task by hand:\n\n" +
                               task_toml(task));
}

/// Whether `made` reads as `before` with that task.
bool changes_only_task(Config before, const std::string& made, const fs::path& file,
                       const model::Task& task) {
  try {
    Config after = parse_config(made, file);
    if (task_toml(after.task) != task_toml(task)) return false;
    before.task = after.task;
    return to_toml(before) == to_toml(after);
  } catch (const Failure&) {
    return false;
  }
}

}  // namespace

std::string replace_task(std::string_view text, const fs::path& file, const model::Task& task) {
  Config with;
  with.task = task;
  const auto section = std::ranges::find(sections(), "task", &Section<Config>::name);
  const toml::table table = parse_toml(text, file);
  const std::vector<std::string> lines = lines_of(text);
  const auto* const old = table.at_path("task").node();
  const std::size_t header = old == nullptr ? 0 : old->source().begin.line;
  if (header == 0 || !lines.at(header - 1).starts_with("[task]")) by_hand(file, task);
  const auto is_header = [](const std::string& line) {
    return line.starts_with('[') && !line.starts_with("[[task.");
  };
  const auto begin = lines.begin() + static_cast<std::ptrdiff_t>(header) - 1;
  auto end = std::find_if(std::next(begin), lines.end(), is_header);
  // The next section begins with what is said above it, and this one with what is said above it.
  const auto up = [](auto from, auto to) {
    while (from != to && std::prev(from)->starts_with('#')) --from;
    return from;
  };
  const Config before = parse_config(text, file);
  std::string made;
  for (auto line = lines.begin(); line != up(begin, lines.begin()); ++line) made += *line;
  made += section_toml(*section, with);
  if (end != lines.end()) made += "\n";
  for (auto line = end == lines.end() ? end : up(end, std::next(begin)); line != lines.end();
       ++line) {
    made += *line;
  }
  if (!changes_only_task(before, made, file, task)) by_hand(file, task);
  return made;
}

std::string task_toml(model::Task task) {
  static const Config defaults;
  task.vocabulary = task.vocabulary.filename();
  task.script = task.script.filename();
  std::string text = "[task]\n";
  for (const auto& key : task_keys()) {
    const std::string value = key.show(task);
    if (key.required || value != key.show(defaults.task)) text += key.name + " = " + value + "\n";
  }
  return text;
}

std::string draft_toml(const model::Task& task, const std::vector<std::string>& comments,
                       const std::vector<std::string>& notes) {
  static const Config defaults;
  static const model::Column usual;
  std::string text;
  for (const std::string& note : notes) text += commented(note);
  text += "[task]\n";
  for (const auto& key : task_keys()) {
    const std::string value = key.show(task);
    const bool counted = !task.columns.empty() || !task.labels.empty() || model::predicts_words(task);
    const bool follows = key.name == "column" || (key.name == "classes" && counted) ||
                         (key.name == "sizes" && task.model == "script");
    if (follows || (!key.required && value == key.show(defaults.task))) continue;
    text += key.name + " = " + value + "\n";
  }
  for (std::size_t i = 0; i < task.columns.size(); ++i) {
    text += "\n";
    if (!comments.at(i).empty()) text += commented(comments[i]);
    text += "[[task.column]]\n";
    for (const auto& key : column_keys()) {
      const std::string value = key.show(task.columns[i]);
      if (value != key.show(usual)) text += key.name + " = " + value + "\n";
    }
  }
  return text;
}

namespace {

/// A file with the section [task] alone.
class TaskReader {
 public:
  explicit TaskReader(std::string_view text, const fs::path& source)
      : source_(source), table_(parse_toml(text, source)) {
    static const std::vector<Section<Handed>> only{section<Handed, model::Task>(
        "task", [](Handed& handed) -> model::Task& { return handed.task; }, "", task_keys())};
    SettingsReader<Handed>(source, table_, only, "docs/configuration.md").read(handed_);
  }
  [[nodiscard]] model::Task& task() { return handed_.task; }
  void complete() {
    complete_task(handed_.task, table_, [this](const toml::node* at, const std::string& what) {
      const auto line = at != nullptr ? ":" + std::to_string(at->source().begin.line) : "";
      throw Failure(EX_CONFIG, source_.string() + line + ": " + what);
    });
  }

 private:
  struct Handed {
    model::Task task = Config().task;
  };
  fs::path source_;
  toml::table table_;
  Handed handed_;
};

}  // namespace

model::Task parse_task(std::string_view text, const std::string& source) {
  TaskReader reader(text, source);
  // Words are not handed over; what depends on them is checked when the configuration is read.
  if (reader.task().vocabulary.empty()) reader.complete();
  return reader.task();
}

namespace {

TaskReader read_task_file(const fs::path& file) {
  TaskReader reader(read_text(file, kSettingsFile), file);
  for (fs::path* named : {&reader.task().vocabulary, &reader.task().script}) {
    if (!named->empty()) *named = fs::absolute(*named).lexically_normal();
  }
  return reader;
}

}  // namespace

model::Task load_task(const fs::path& file) {
  TaskReader reader = read_task_file(file);
  reader.complete();
  return reader.task();
}

model::Task load_draft(const fs::path& file) {
  TaskReader reader = read_task_file(file);
  const bool one_class = data::has_one_class(reader.task());
  if (one_class) reader.task() = data::with_another_class(reader.task());
  reader.complete();
  return one_class ? data::without_another_class(reader.task()) : reader.task();
}

namespace {

std::string column_markdown() {
  static const Column defaults{};
  const auto shown = [](const Key<Column>& key) {
    const std::string value = key.show(defaults);
    return value.empty() ? "none" : value;
  };
  return "\n### `[[task.column]]`\n\nA column of a table; one such table of keys for each.\n\n" +
         markdown_table(column_keys(), shown) +
         "\n```toml\n"
         "[[task.column]]\n"
         "name = \"age\"\n"
         "kind = \"number\"\n"
         "low = 20\n"
         "high = 80\n"
         "\n"
         "[[task.column]]\n"
         "name = \"pain\"\n"
         "kind = \"ordinal\"\n"
         "values = [\"none\", [\"mild\", \"slight\"], \"severe\"]\n"
         "\n"
         "[[task.column]]\n"
         "name = \"patient\"\n"
         "group = true\n"
         "\n"
         "[[task.column]]\n"
         "name = \"sick\"\n"
         "kind = \"yes-no\"\n"
         "target = true\n"
         "```\n";
}

}  // namespace

std::string configuration_markdown() {
  std::string text =
      "# Configuration\n\n"
      "One [TOML](https://toml.io) file, `kith.toml`, configures a node; `kith init` writes one\n"
      "with every key in it. An unknown key is an error, and so is a value out of its range.\n\n"
      "This page is made from the same table as the parser: do not edit it.\n";
  for (const auto& section : sections()) {
    text += "\n## `[" + section.name + "]`\n\n" + section.summary + "\n\n" +
            markdown_table(section.keys, default_of);
    if (section.name == "task") text += column_markdown();
  }
  return text;
}

}  // namespace kith::daemon
