#include "model/data/partition.hpp"

#include "model/data/sampling.hpp"

#include <algorithm>
#include <string>

namespace kith::data {
namespace {

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

  /// Takes `count` examples out, as many of each label as of any other, give or take one;
  /// `turn` says with which label the odd ones begin.
  Examples take(std::size_t count, std::size_t turn, Random& random) {
    std::vector<std::size_t> chosen;
    const std::size_t labels = std::max<std::size_t>(by_label_.size(), 1);
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t label = (k + turn) % labels;
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

}  // namespace

std::vector<NodeData> partition_by_rotation(const Examples& train, const Examples& test,
                                            const RotationPartition& wanted) {
  if (wanted.groups == 0 || wanted.nodes < wanted.groups) {
    throw DataError("a partition needs at least one group and a node in each; ask for more nodes");
  }
  Random random = random_for({wanted.seed});
  Pool training(train, "training", random);
  std::vector<NodeData> nodes(wanted.nodes);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    NodeData& node = nodes[i];
    node.group = i % wanted.groups;
    node.degrees = 360.0 * static_cast<double>(node.group) / static_cast<double>(wanted.groups);
    node.train = training.take(wanted.images_per_node, i, random);
    node.test = Pool(test, "test", random).take(wanted.test_per_node, i, random);
    node.train.images = rotate(node.train.images, node.degrees);
    node.test.images = rotate(node.test.images, node.degrees);
  }
  return nodes;
}

}  // namespace kith::data
