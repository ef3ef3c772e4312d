#include "model/data/partition.hpp"

#include "crypto/hash.hpp"
#include "model/data/cifar.hpp"
#include "model/data/images.hpp"
#include "model/data/table.hpp"
#include "model/data/text.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

namespace partition_test {

using namespace kith;
using namespace kith::data;
using test::TemporaryDirectory;
namespace fs = std::filesystem;

/// Square pictures of 3 x 3, each with its own number in the middle, where turning leaves it, and
/// a mark in the corner, which turning moves.
Examples numbered(std::size_t count, std::size_t classes) {
  Examples all;
  all.images = {.count = count, .channels = 1, .height = 3, .width = 3, .pixels = {}};
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint8_t>(i);
    all.images.pixels.insert(all.images.pixels.end(), {255, 0, 0, 0, number, 0, 0, 0, 0});
    all.labels.push_back(static_cast<std::uint8_t>(i % classes));
  }
  return all;
}

std::uint8_t number_of(const Examples& examples, std::size_t i) {
  return examples.images.pixels[9 * i + 4];
}

std::map<int, int> counts(const Labels& labels) {
  std::map<int, int> result;
  for (const auto label : labels) ++result[label];
  return result;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// What a node holds, read back from its files.
struct Pictures {
  Examples train, test;
};

/// Folders with a set like Fashion-MNIST, one like CIFAR-100, one of languages, one of hospitals.
struct Sources {
  Sources() {
    for (const char* const name : {"fashion", "cifar", "nordic", "heart"}) {
      fs::create_directories(root / name);
    }
    write_examples(numbered(200, 10), root / "fashion/train-images-idx3-ubyte",
                   root / "fashion/train-labels-idx1-ubyte");
    write_examples(numbered(50, 10), root / "fashion/t10k-images-idx3-ubyte",
                   root / "fashion/t10k-labels-idx1-ubyte");
    for (const char* const name : {"cifar/train.bin", "cifar/test.bin"}) {
      std::ofstream out(root / name, std::ios::binary);
      for (int i = 0; i < 400; ++i) {  // the coarse label of the fine label f is f / 5
        out << static_cast<char>(i % 100 / 5) << static_cast<char>(i % 100)
            << std::string(3072, static_cast<char>(i % 100));
      }
    }
    for (const char* const word : {"da", "fo", "sv"}) {
      std::ofstream out(root / "nordic" / (word + std::string(".txt")));
      const int sentences = word == std::string("fo") ? 40 : 200;
      for (int i = 0; i < sentences; ++i) out << word << " number" << i << "\nthe same\n";
    }
    for (const char* const name : {"north", "south"}) {
      std::ofstream out(root / ("heart/processed." + std::string(name) + ".data"));
      for (int i = 0; i < 60; ++i) {
        out << 30 + i % 40 << ",1.0,1,?,200,0,0,150,0,1.5,2,?,3.0," << i % 5 << "\n";
      }
    }
  }
  TemporaryDirectory root;
};

const fs::path& sources() {
  static const Sources made;
  return made.root.path();
}

PartitionPlan fashion(std::size_t nodes, std::size_t groups, std::size_t train, std::size_t test) {
  PartitionPlan plan;
  plan.source = sources() / "fashion";
  plan.nodes = nodes;
  plan.groups = groups;
  plan.train_per_node = train;
  plan.test_per_node = test;
  return plan;
}

std::vector<Pictures> pictures_of(const PartitionPlan& plan) {
  const TemporaryDirectory into;
  std::vector<Pictures> all;
  for (const NodeData& node : write_partition(plan, into.path()).nodes) {
    all.push_back({read_examples(node.train.at(0), node.train.at(1)),
                   read_examples(node.test.at(0), node.test.at(1))});
  }
  return all;
}

/// What write_partition() complains about.
std::string complaint(const PartitionPlan& plan) {
  const TemporaryDirectory into;
  try {
    write_partition(plan, into.path());
  } catch (const DataError& error) {
    return error.what();
  }
  return "nothing";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(partition_tests)

BOOST_AUTO_TEST_CASE(no_training_image_is_given_to_two_nodes_or_twice) {
  std::set<int> seen;
  for (const Pictures& node : pictures_of(fashion(6, 3, 30, 20))) {
    BOOST_TEST(node.train.images.count == 30U);
    for (std::size_t i = 0; i < 30; ++i) seen.insert(number_of(node.train, i));
  }
  BOOST_TEST(seen.size() == 180U);
}

BOOST_AUTO_TEST_CASE(images_keep_their_labels) {
  for (const Pictures& node : pictures_of(fashion(3, 1, 30, 20))) {
    for (std::size_t i = 0; i < 30; ++i) {
      BOOST_TEST(node.train.labels[i] == number_of(node.train, i) % 10);
    }
    for (std::size_t i = 0; i < 20; ++i) {
      BOOST_TEST(node.test.labels[i] == number_of(node.test, i) % 10);
    }
  }
}

BOOST_AUTO_TEST_CASE(samples_are_balanced_and_odd_ones_are_spread_over_the_labels) {
  std::map<int, int> total;
  for (const Pictures& node : pictures_of(fashion(5, 1, 32, 20))) {
    for (const auto& [label, count] : counts(node.train.labels)) {
      BOOST_TEST((count == 3 || count == 4));
      total[label] += count;
    }
    for (const auto& [label, count] : counts(node.test.labels)) BOOST_TEST(count == 2);
  }
  for (const auto& [label, count] : total) BOOST_TEST(count <= 17, "label " << label);
}

BOOST_AUTO_TEST_CASE(groups_interleave_and_turn_training_and_test_images_alike) {
  const auto nodes = pictures_of(fashion(6, 4, 10, 10));
  // Where the mark of the upper left corner is after 0, 1, 2 and 3 quarter turns.
  const std::size_t corner[] = {0, 6, 8, 2};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    BOOST_TEST(nodes[i].train.images.pixels[corner[i % 4]] == 255);
    BOOST_TEST(nodes[i].test.images.pixels[corner[i % 4]] == 255);
  }
}

BOOST_AUTO_TEST_CASE(groups_and_angles_can_be_given) {
  PartitionPlan plan = fashion(4, 2, 10, 10);
  plan.group_of = {1, 1, 0, 1};
  plan.degrees = {180, 270};
  const auto nodes = pictures_of(plan);
  BOOST_TEST(nodes[0].train.images.pixels[2] == 255);
  BOOST_TEST(nodes[2].train.images.pixels[8] == 255);
  BOOST_TEST(nodes[3].test.images.pixels[2] == 255);
  const TemporaryDirectory into;
  const auto written = write_partition(plan, into.path()).nodes;
  BOOST_TEST(written[2].group.value() == 0U);
  BOOST_TEST(written[3].group.value() == 1U);
  BOOST_TEST(written[3].name == "node-4");
  BOOST_TEST(written[3].folder == into / "node-4");
}

BOOST_AUTO_TEST_CASE(the_seed_decides) {
  const auto pixels = [](std::uint64_t seed) {
    PartitionPlan plan = fashion(2, 2, 20, 10);
    plan.seed = seed;
    return pictures_of(plan)[1].train.images.pixels;
  };
  BOOST_TEST((pixels(1) == pixels(1)));
  BOOST_TEST((pixels(1) != pixels(2)));
}

// Written down once: the demo's data, and with them its figures, depend on it.
BOOST_AUTO_TEST_CASE(a_seed_means_the_same_partition_on_every_machine) {
  std::string all;
  for (const Pictures& node : pictures_of(fashion(3, 3, 30, 20))) {
    all.append(node.train.images.pixels.begin(), node.train.images.pixels.end());
    all.append(node.test.labels.begin(), node.test.labels.end());
  }
  BOOST_TEST(crypto::to_hex(crypto::hash(as_byte_view(all))) ==
             "e26755b958e6cdbf4a96c23bd96761efcd43610adf393a490bbf46f009b5d347");
}

BOOST_AUTO_TEST_CASE(label_permutation_renumbers_the_classes_of_all_groups_but_the_first) {
  PartitionPlan plan = fashion(4, 2, 30, 20);
  plan.kind = PartitionKind::label_permutation;
  std::vector<std::map<int, int>> label_of;  // of each node: from an image's own class
  for (const Pictures& node : pictures_of(plan)) {
    std::map<int, int>& map = label_of.emplace_back();
    for (std::size_t i = 0; i < 30; ++i) {
      const auto [at, is_new] = map.emplace(number_of(node.train, i) % 10, node.train.labels[i]);
      BOOST_TEST(at->second == node.train.labels[i]);
    }
    for (std::size_t i = 0; i < 20; ++i) {
      BOOST_TEST(map.at(number_of(node.test, i) % 10) == node.test.labels[i]);
    }
    BOOST_TEST(counts(node.train.labels).size() == 10U);
  }
  BOOST_TEST(label_of[0].at(3) == 3);
  BOOST_TEST((label_of[0] == label_of[2]));
  BOOST_TEST((label_of[1] == label_of[3]));
  BOOST_TEST((label_of[0] != label_of[1]));
  plan.seed = 2;  // a later world: the groups are what they were
  const Pictures later = pictures_of(plan)[1];
  BOOST_TEST(label_of[1].at(number_of(later.train, 0) % 10) == later.train.labels[0]);
}

BOOST_AUTO_TEST_CASE(kinds_are_as_it_is_inverted_turned_and_with_the_labels_shifted) {
  PartitionPlan plan = fashion(4, 4, 30, 20);
  plan.kind = PartitionKind::iid;
  const std::vector<Pictures> plain = pictures_of(plan);
  plan.kind = PartitionKind::kinds;
  const std::vector<Pictures> kinds = pictures_of(plan);
  BOOST_TEST((kinds[0].train.images == plain[0].train.images));
  BOOST_TEST(kinds[0].train.labels == plain[0].train.labels, boost::test_tools::per_element());
  for (std::size_t i = 0; i < plain[1].train.images.pixels.size(); ++i) {
    BOOST_TEST_REQUIRE(kinds[1].train.images.pixels[i] + plain[1].train.images.pixels[i] == 255);
  }
  BOOST_TEST((kinds[2].test.images == rotate(plain[2].test.images, 90)));
  BOOST_TEST((kinds[3].train.images == plain[3].train.images));
  for (std::size_t i = 0; i < plain[3].test.labels.size(); ++i) {
    BOOST_TEST(kinds[3].test.labels[i] == (plain[3].test.labels[i] + 1) % 10);
  }
  plan.groups = 5;
  plan.nodes = 5;
  BOOST_CHECK_THROW(pictures_of(plan), DataError);
}

BOOST_AUTO_TEST_CASE(iid_nodes_differ_in_nothing) {
  PartitionPlan plan = fashion(4, 2, 10, 10);
  plan.kind = PartitionKind::iid;
  const TemporaryDirectory into;
  for (const NodeData& node : write_partition(plan, into.path()).nodes) {
    BOOST_TEST(node.group.value() == 0U);
    BOOST_TEST(read_examples(node.train[0], node.train[1]).images.pixels[0] == 255);
  }
}

BOOST_AUTO_TEST_CASE(a_small_alpha_gives_each_node_few_labels_and_a_large_one_all_alike) {
  const auto largest_share = [](double alpha) {
    PartitionPlan plan = fashion(1, 1, 20, 5);
    plan.kind = PartitionKind::dirichlet;
    plan.alpha = alpha;
    double sum = 0;
    for (plan.seed = 1; plan.seed <= 5; ++plan.seed) {
      int most = 0;
      const Pictures node = pictures_of(plan)[0];
      BOOST_TEST(node.train.labels.size() == 20U);
      BOOST_TEST(node.test.labels.size() == 5U);
      for (const auto& [label, count] : counts(node.train.labels)) most = std::max(most, count);
      sum += most / 20.0 / 5;
    }
    return sum;
  };
  BOOST_TEST(largest_share(0.2) > 0.4);
  BOOST_TEST(largest_share(1000) < 0.2);
  PartitionPlan plan = fashion(2, 1, 20, 5);
  plan.kind = PartitionKind::dirichlet;
  const TemporaryDirectory into;
  BOOST_TEST(!write_partition(plan, into.path()).nodes[0].group.has_value());
}

BOOST_AUTO_TEST_CASE(groups_of_superclasses_share_no_label) {
  PartitionPlan plan = fashion(8, 4, 50, 25);
  plan.kind = PartitionKind::superclass;
  plan.source = sources() / "cifar";
  std::vector<std::set<int>> labels;
  for (const Pictures& node : pictures_of(plan)) {
    labels.emplace_back(node.train.labels.begin(), node.train.labels.end());
    BOOST_TEST(labels.back().size() == 25U);
    BOOST_TEST((labels.back() == std::set<int>(node.test.labels.begin(), node.test.labels.end())));
    BOOST_TEST(node.train.images.pixels[3072 * 7] == node.train.labels[7]);
    BOOST_TEST(node.train.images.channels == 3U);
  }
  BOOST_TEST((labels[1] == labels[5]));
  std::set<int> all;
  for (std::size_t group = 0; group < 4; ++group) {
    std::set<int> coarse;
    for (const int label : labels[group]) coarse.insert(label / 5);
    BOOST_TEST(coarse.size() == 5U);
    all.insert(labels[group].begin(), labels[group].end());
  }
  BOOST_TEST(all.size() == 100U);
}

BOOST_AUTO_TEST_CASE(groups_of_languages_share_out_their_sentences) {
  PartitionPlan plan = fashion(6, 3, 60, 20);
  plan.kind = PartitionKind::language;
  plan.source = sources() / "nordic";
  plan.vocabulary = 50;
  const TemporaryDirectory into;
  const Partition made = write_partition(plan, into.path());
  const char* const languages[] = {"da", "fo", "sv"};
  std::set<std::string> seen;
  for (std::size_t i = 0; i < 6; ++i) {
    const auto train = lines_of(made.nodes[i].train.at(0));
    const auto test = lines_of(made.nodes[i].test.at(0));
    BOOST_TEST(made.nodes[i].group.value() == i % 3);
    // 41 different sentences of Faroese are 20 for each of two nodes, 5 of them for the test.
    BOOST_TEST(train.size() == (i % 3 == 1 ? 15U : 60U));
    BOOST_TEST(test.size() == (i % 3 == 1 ? 5U : 20U));
    for (const auto& lines : {train, test}) {
      for (const std::string& line : lines) {
        if (line == "the same") continue;
        BOOST_TEST(line.substr(0, 2) == languages[i % 3]);
        BOOST_TEST(seen.insert(line).second, line);
      }
    }
  }
  const Vocabulary words = read_vocabulary(into / "vocabulary.txt");
  BOOST_TEST(words.words().size() == 50U);
  BOOST_TEST(words.token("fo") != Vocabulary::kUnknown);
  BOOST_TEST(made.task.classes == 52U);
  BOOST_TEST(made.task.vocabulary_hash == crypto::to_hex(words.hash()));
  BOOST_TEST(model::problem(made.task).value_or("none") == "none");
}

BOOST_AUTO_TEST_CASE(every_hospital_is_a_node_whose_files_suit_the_task) {
  PartitionPlan plan = fashion(9, 1, 1000, 1000);
  plan.kind = PartitionKind::hospital;
  plan.source = sources() / "heart";
  const TemporaryDirectory into;
  const Partition made = write_partition(plan, into.path());
  BOOST_REQUIRE(made.nodes.size() == 2U);
  BOOST_TEST(made.nodes[0].name == "north");
  BOOST_TEST(made.nodes[1].folder == into / "south");
  BOOST_TEST(!made.nodes[0].group.has_value());
  const auto& columns = made.task.columns;
  BOOST_TEST(read_table(made.nodes[0].train.at(0), columns).labels.size() == 40U);
  BOOST_TEST(read_table(made.nodes[0].test.at(0), columns).labels.size() == 20U);
}

BOOST_AUTO_TEST_CASE(asking_for_more_than_there_is_says_what_to_do) {
  BOOST_TEST(complaint(fashion(2, 2, 100, 50)) == "nothing");
  BOOST_TEST(contains(complaint(fashion(2, 2, 101, 10)), "ask for fewer nodes or fewer images"));
  BOOST_TEST(contains(complaint(fashion(2, 2, 10, 51)), "the test set has too few"));
  PartitionPlan languages = fashion(4, 4, 10, 10);
  languages.kind = PartitionKind::language;
  languages.source = sources() / "nordic";
  BOOST_TEST(contains(complaint(languages), "3 languages but 4 groups"));
}

BOOST_AUTO_TEST_CASE(plans_that_cannot_be_are_refused) {
  BOOST_TEST(contains(complaint(fashion(1, 2, 1, 1)), "a node in each"));
  BOOST_TEST(contains(complaint(fashion(1, 0, 1, 1)), "at least one group"));
  PartitionPlan plan = fashion(2, 2, 10, 10);
  plan.group_of = {0, 2};
  BOOST_TEST(contains(complaint(plan), "a group below 2"));
  plan.group_of = {0};
  BOOST_TEST(contains(complaint(plan), "each of its 2 nodes"));
  plan = fashion(2, 2, 10, 10);
  plan.degrees = {90};
  BOOST_TEST(contains(complaint(plan), "an angle for each"));
  plan = fashion(2, 2, 10, 10);
  plan.source = "/nowhere";
  BOOST_TEST(contains(complaint(plan), "/nowhere"));
  plan.kind = PartitionKind::hospital;
  BOOST_TEST(contains(complaint(plan), "/nowhere"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace partition_test
