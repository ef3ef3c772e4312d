#include "model/data/partition.hpp"

#include "crypto/hash.hpp"
#include "model/data/cifar.hpp"
#include "model/data/images.hpp"
#include "model/data/sampling.hpp"
#include "model/data/text.hpp"
#include "model/data/text_files.hpp"

#include <boost/random/gamma_distribution.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <set>
#include <span>

namespace kith::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCoarse = 20;  // CIFAR-100's superclasses

// ---- Sources ----

struct PictureSet {
  Examples train, test;
  std::vector<std::vector<std::size_t>> labels_of_group;
};

PictureSet read_fashion_mnist(const PartitionPlan& plan) {
  const auto file = [&](const std::string& name) {
    const fs::path packed = plan.source / (name + "-ubyte.gz");
    return fs::exists(packed) ? packed : plan.source / (name + "-ubyte");
  };
  PictureSet set{
      .train = read_examples(file("train-images-idx3"), file("train-labels-idx1")),
      .test = read_examples(file("t10k-images-idx3"), file("t10k-labels-idx1")),
      .labels_of_group = {},
  };
  const std::size_t labels =
      set.train.labels.empty() ? 1 : *std::ranges::max_element(set.train.labels) + std::size_t{1};
  std::vector<std::size_t> all(labels);
  std::iota(all.begin(), all.end(), std::size_t{0});
  set.labels_of_group.assign(plan.groups, all);
  return set;
}

PictureSet read_cifar_100(const PartitionPlan& plan) {
  PictureSet set{.train = read_cifar(plan.source / "train.bin", CifarLabel::fine),
                 .test = read_cifar(plan.source / "test.bin", CifarLabel::fine),
                 .labels_of_group = {}};
  const Labels coarse = read_cifar(plan.source / "train.bin", CifarLabel::coarse).labels;
  std::vector<std::set<std::size_t>> labels(plan.groups);
  for (std::size_t i = 0; i < coarse.size(); ++i) {
    labels[coarse[i] * plan.groups / kCoarse].insert(set.train.labels[i]);
  }
  for (const auto& of_group : labels) {
    set.labels_of_group.emplace_back(of_group.begin(), of_group.end());
  }
  return set;
}

/// The files of a folder whose names end so, in the order of their names.
std::vector<fs::path> files_in(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  if (files.empty()) {
    throw DataError(folder.string() + " holds no " + extension +
                    " file; name the folder of the data set");
  }
  return files;
}

// ---- Pictures ----

/// The examples of one set by label, each list in random order; handing out takes from the end.
class Pool {
 public:
  Pool(const Examples& from, const char* name, Random& random) : from_(from), name_(name) {
    for (std::size_t i = 0; i < from.labels.size(); ++i) {
      if (from.labels[i] >= by_label_.size()) by_label_.resize(from.labels[i] + std::size_t{1});
      by_label_[from.labels[i]].push_back(i);
    }
    for (auto& list : by_label_) shuffle(list, random);
  }

  /// Takes an example of each of these labels out.
  Examples take(std::span<const std::size_t> labels, Random& random) {
    std::vector<std::size_t> chosen;
    for (const std::size_t label : labels) {
      if (label >= by_label_.size() || by_label_[label].empty()) {
        throw DataError(std::string("the ") + name_ + " set has too few examples of label " +
                        std::to_string(label) + "; ask for fewer nodes or fewer images a node");
      }
      chosen.push_back(by_label_[label].back());
      by_label_[label].pop_back();
    }
    shuffle(chosen, random);
    return select(from_, chosen);
  }

 private:
  const Examples& from_;
  const char* name_;
  std::vector<std::vector<std::size_t>> by_label_;
};

/// As many of each label as of any other, give or take one; `turn` says with which the odd ones
/// begin.
std::vector<std::size_t> balanced(std::span<const std::size_t> labels, std::size_t count,
                                  std::size_t turn) {
  std::vector<std::size_t> result;
  for (std::size_t k = 0; k < count; ++k) result.push_back(labels[(k + turn) % labels.size()]);
  return result;
}

/// Shares of the labels, of Dirichlet's distribution.
std::vector<double> dirichlet(std::size_t labels, double alpha, Random random) {
  boost::random::gamma_distribution<double> gamma(alpha);  // the standard's differs by library
  std::vector<double> shares(labels);
  for (double& share : shares) share = gamma(random) + 1e-12;
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= sum;
  return shares;
}

/// `count` labels in these shares.
std::vector<std::size_t> in_shares(std::span<const double> shares, std::size_t count) {
  std::vector<std::size_t> result;
  double sum = 0;
  for (std::size_t label = 0; label < shares.size(); ++label) {
    sum += shares[label];
    const auto until = static_cast<std::size_t>(std::lround(sum * static_cast<double>(count)));
    result.resize(std::max(until, result.size()), label);
  }
  result.resize(count, shares.size() - 1);
  return result;
}

/// Which number a group gives to each class; the first group gives the usual ones.
std::vector<std::size_t> numbering(std::size_t labels, std::size_t group) {
  std::vector<std::size_t> numbers(labels);
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  Random random = random_for({group});
  if (group > 0) shuffle(numbers, random);
  return numbers;
}

/// Makes what the group sees of pictures as they are.
void apply_group(const PartitionPlan& plan, std::size_t group, std::size_t labels,
                 Examples& examples) {
  if (plan.kind == PartitionKind::rotation) {
    const double degrees =
        plan.degrees.empty() ? 360.0 * static_cast<double>(group) / static_cast<double>(plan.groups)
                             : plan.degrees[group];
    examples.images = rotate(examples.images, degrees);
  }
  if (plan.kind == PartitionKind::label_permutation) {
    const auto numbers = numbering(labels, group);
    for (std::uint8_t& label : examples.labels) label = static_cast<std::uint8_t>(numbers[label]);
  }
}

void write_pictures(const PartitionPlan& plan, std::vector<NodeData>& nodes) {
  const auto set =
      plan.kind == PartitionKind::superclass ? read_cifar_100(plan) : read_fashion_mnist(plan);
  Random random = random_for({plan.seed});
  Pool training(set.train, "training", random);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::size_t group = nodes[i].group.value_or(0);
    const auto& labels = set.labels_of_group[group];
    const auto shares = dirichlet(labels.size(), plan.alpha, random_for({plan.seed, i}));
    const auto wanted = [&](std::size_t count) {
      return plan.kind == PartitionKind::dirichlet ? in_shares(shares, count)
                                                   : balanced(labels, count, i);
    };
    Examples train = training.take(wanted(plan.train_per_node), random);
    Examples test = Pool(set.test, "test", random).take(wanted(plan.test_per_node), random);
    apply_group(plan, group, labels.size(), train);
    apply_group(plan, group, labels.size(), test);
    const fs::path& folder = nodes[i].folder;
    nodes[i].train = {folder / "train-images.idx", folder / "train-labels.idx"};
    nodes[i].test = {folder / "test-images.idx", folder / "test-labels.idx"};
    fs::create_directories(folder);
    write_examples(train, nodes[i].train[0], nodes[i].train[1]);
    write_examples(test, nodes[i].test[0], nodes[i].test[1]);
  }
}

// ---- Lines: sentences and rows of tables ----

/// Some of the lines, in that order.
void write_lines(const fs::path& file, const std::vector<std::string>& lines,
                 std::span<const std::size_t> indices) {
  std::string text;
  for (const std::size_t i : indices) text += lines[i] + "\n";
  write_file(file, as_byte_view(text));
}

/// The first of `order` are for the test.
void write_split(NodeData& node, const std::string& extension,
                 const std::vector<std::string>& lines, std::span<const std::size_t> order,
                 std::size_t test) {
  node.train = {node.folder / ("train" + extension)};
  node.test = {node.folder / ("test" + extension)};
  fs::create_directories(node.folder);
  write_lines(node.test[0], lines, order.first(test));
  write_lines(node.train[0], lines, order.subspan(test));
}

/// Every sentence once.
std::vector<std::string> read_language(const fs::path& file) {
  std::set<std::string> seen;
  std::vector<std::string> sentences = read_sentences(file);
  std::erase_if(sentences,
                [&](const std::string& sentence) { return !seen.insert(sentence).second; });
  return sentences;
}

/// Where a language has too few sentences for its nodes, each gets an equal share of them, and at
/// most a quarter of it is for the test.
void write_sentences(const PartitionPlan& plan, std::vector<NodeData>& nodes,
                     const fs::path& vocabulary) {
  std::vector<std::vector<std::string>> languages;
  for (const fs::path& file : files_in(plan.source, ".txt")) {
    languages.push_back(read_language(file));
  }
  if (plan.groups > languages.size()) {
    throw DataError(plan.source.string() + " has " + std::to_string(languages.size()) +
                    " languages but " + std::to_string(plan.groups) +
                    " groups are wanted; ask for fewer groups");
  }
  for (std::size_t group = 0; group < plan.groups; ++group) {
    const auto& sentences = languages[group];
    const auto speaks = [&](const NodeData& node) { return node.group == group; };
    const auto speakers = static_cast<std::size_t>(std::ranges::count_if(nodes, speaks));
    if (speakers == 0) continue;
    Random random = random_for({plan.seed, group});
    const auto order = sample(sentences.size(), sentences.size(), random);
    const std::size_t share = sentences.size() / speakers;
    const std::size_t test = std::min(plan.test_per_node, share / 4);
    const std::size_t train = std::min(plan.train_per_node, share - test);
    std::size_t from = 0;
    for (NodeData& node : nodes) {
      if (!speaks(node)) continue;
      write_split(node, ".txt", sentences, std::span(order).subspan(from, test + train), test);
      from += share;
    }
  }
  languages.resize(plan.groups);
  write_vocabulary(vocabulary, common_words(languages, plan.vocabulary));
}

/// "processed.cleveland.data" is cleveland's.
std::string hospital_name(const fs::path& file) {
  const std::string stem = file.stem().string();
  return stem.substr(stem.rfind('.') + 1);
}

/// A third of the patients is for the test.
std::vector<NodeData> write_hospitals(const PartitionPlan& plan, const fs::path& into) {
  std::vector<NodeData> nodes;
  for (const fs::path& file : files_in(plan.source, ".data")) {
    const std::string name = hospital_name(file);
    NodeData& node = nodes.emplace_back(NodeData{name, std::nullopt, into / name, {}, {}});
    const auto patients = read_sentences(file);
    Random random = random_for({plan.seed, nodes.size()});
    const auto order = sample(patients.size(), patients.size(), random);
    const std::size_t test = std::min(plan.test_per_node, patients.size() / 3);
    const std::size_t train = std::min(plan.train_per_node, patients.size() - test);
    write_split(node, ".csv", patients, std::span(order).first(test + train), test);
  }
  return nodes;
}

// ---- Tasks ----

/// Of the heart disease data, where one hospital writes 1.0 and another 1.
std::vector<model::Column> heart_columns() {
  using model::Column;
  const auto number = [](const char* name, double low, double high) {
    return Column{.name = name, .kind = Column::Kind::number, .low = low, .high = high};
  };
  const auto choice = [](const char* name, unsigned from, unsigned to) {
    Column column{.name = name, .kind = Column::Kind::category};
    for (unsigned value = from; value <= to; ++value) {
      column.values.push_back({std::to_string(value), std::to_string(value) + ".0"});
    }
    return column;
  };
  Column thal{.name = "thal", .kind = Column::Kind::category};
  thal.values = {{"3", "3.0"}, {"6", "6.0"}, {"7", "7.0"}};
  Column sick{.name = "sick", .kind = Column::Kind::category, .target = true};
  sick.values = {{"0"}, {"1", "2", "3", "4"}};
  return {number("age", 25, 80),
          choice("sex", 0, 1),
          choice("pain", 1, 4),
          number("pressure", 90, 200),
          number("cholesterol", 100, 400),
          choice("sugar", 0, 1),
          choice("ecg", 0, 2),
          number("rate", 60, 200),
          choice("angina", 0, 1),
          number("depression", -1, 5),
          choice("slope", 1, 3),
          choice("vessels", 0, 3),
          thal,
          sick};
}

model::Task task_for(const PartitionPlan& plan, const fs::path& vocabulary) {
  model::Task task;
  task.seed = plan.seed;
  switch (plan.kind) {
    case PartitionKind::rotation:
    case PartitionKind::label_permutation:
    case PartitionKind::iid:
    case PartitionKind::dirichlet:
      task.name = "fashion-mnist";
      task.model = "cnn";
      task.sizes = {8, 16};
      task.learning_rate = 0.02;
      task.batch = 20;
      break;
    case PartitionKind::superclass:
      task.name = "cifar-100";
      task.model = "resnet";
      task.sizes = {16, 32, 64};
      task.input = {3, 32, 32};
      task.classes = 100;
      task.learning_rate = 0.1;
      task.batch = 32;
      break;
    case PartitionKind::language: {
      const Vocabulary words = read_vocabulary(vocabulary);
      task.name = "next-word";
      task.model = "gru-lm";
      task.sizes = {64, 64};
      task.vocabulary = vocabulary;
      task.vocabulary_hash = crypto::to_hex(words.hash());
      task.classes = static_cast<unsigned>(words.size());
      task.learning_rate = 0.2;
      task.batch = 16;
      break;
    }
    case PartitionKind::hospital:
      task.name = "heart-disease";
      task.model = "mlp";
      task.sizes = {16};
      task.columns = heart_columns();
      task.classes = 2;
      task.learning_rate = 0.01;
      task.batch = 16;
      break;
  }
  assert(!model::problem(task));
  return task;
}

void check(const PartitionPlan& plan) {
  if (plan.kind == PartitionKind::hospital) return;
  if (plan.groups == 0 || (plan.group_of.empty() && plan.nodes < plan.groups)) {
    throw DataError("a partition needs at least one group and a node in each; ask for more nodes");
  }
  if (!plan.group_of.empty() && (plan.group_of.size() != plan.nodes ||
                                 *std::ranges::max_element(plan.group_of) >= plan.groups)) {
    throw DataError("a partition needs a group below " + std::to_string(plan.groups) +
                    " for each of its " + std::to_string(plan.nodes) + " nodes");
  }
  if (!plan.degrees.empty() && plan.degrees.size() != plan.groups) {
    throw DataError("a rotation needs an angle for each of its " + std::to_string(plan.groups) +
                    " groups");
  }
  if (plan.kind == PartitionKind::superclass && plan.groups > kCoarse) {
    throw DataError("CIFAR-100 has 20 superclasses; ask for at most 20 groups");
  }
  if (!(plan.alpha > 0)) throw DataError("alpha must be above 0");
}

}  // namespace

Partition write_partition(const PartitionPlan& plan, const fs::path& into) {
  check(plan);
  const fs::path vocabulary = into / "vocabulary.txt";
  std::vector<NodeData> nodes;
  if (plan.kind == PartitionKind::hospital) {
    nodes = write_hospitals(plan, into);
    return {.task = task_for(plan, vocabulary), .nodes = std::move(nodes)};
  }
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    const std::string name = "node-" + std::to_string(i + 1);
    NodeData& node = nodes.emplace_back(NodeData{name, std::nullopt, into / name, {}, {}});
    if (plan.kind == PartitionKind::dirichlet) continue;
    node.group = plan.group_of.empty() ? i % plan.groups : plan.group_of[i];
    if (plan.kind == PartitionKind::iid) node.group = 0;
  }
  if (plan.kind == PartitionKind::language) {
    write_sentences(plan, nodes, vocabulary);
  } else {
    write_pictures(plan, nodes);
  }
  return {.task = task_for(plan, vocabulary), .nodes = std::move(nodes)};
}

}  // namespace kith::data
