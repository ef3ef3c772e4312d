#include "model/data/split.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>
#include <string>

namespace split_test {

using namespace kith::data;

constexpr double kQuarter = 0.25;

Taggable example(const Tagger& tagger, const std::string& content, std::int64_t label = 0,
                 const std::string& group = "") {
  const Tag tag = tagger.tag(kith::as_byte_view(content));
  return {tag, group.empty() ? tag : tagger.tag(kith::as_byte_view(group)), label};
}

std::vector<Taggable> examples(std::size_t count, const Tagger& tagger, std::int64_t classes = 10) {
  std::vector<Taggable> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(example(tagger, "row " + std::to_string(i), static_cast<std::int64_t>(i) % classes));
  }
  return all;
}

std::set<Tag> tags(const std::vector<Taggable>& all, const std::vector<std::size_t>& some) {
  std::set<Tag> found;
  for (const std::size_t i : some) found.insert(all[i].tag);
  return found;
}

BOOST_AUTO_TEST_SUITE(split_tests)

BOOST_AUTO_TEST_CASE(an_example_keeps_its_side_when_the_data_grow_shrink_or_are_shuffled) {
  const Tagger tagger("node");
  const auto all = examples(400, tagger);
  const auto before = tags(all, split_by_tag(all, kQuarter).validation);
  auto changed = all;
  std::ranges::reverse(changed);
  changed.resize(300);
  for (int i = 0; i < 200; ++i) {
    changed.push_back(example(tagger, "new row " + std::to_string(i), i % 10));
  }
  const Split after = split_by_tag(changed, kQuarter);
  for (const std::size_t i : after.train) BOOST_TEST(!before.contains(changed[i].tag));
  for (const std::size_t i : after.validation) {
    const bool old = std::ranges::find(all, changed[i].tag, &Taggable::tag) != all.end();
    BOOST_TEST((!old || before.contains(changed[i].tag)));
  }
}

BOOST_AUTO_TEST_CASE(about_the_fraction_is_set_aside_and_no_example_is_lost) {
  const auto all = examples(4000, Tagger("node"));
  const Split split = split_by_tag(all, kQuarter);
  BOOST_TEST(split.validation.size() > 900U);
  BOOST_TEST(split.validation.size() < 1100U);
  std::set<std::size_t> seen(split.train.begin(), split.train.end());
  seen.insert(split.validation.begin(), split.validation.end());
  BOOST_TEST(seen.size() == all.size());
  BOOST_TEST(split.train.size() + split.validation.size() == all.size());
}

BOOST_AUTO_TEST_CASE(two_nodes_with_the_same_data_split_them_differently) {
  const auto ours = examples(100, Tagger("a")), theirs = examples(100, Tagger("b"));
  auto a = split_by_tag(ours, kQuarter).validation, b = split_by_tag(theirs, kQuarter).validation;
  std::ranges::sort(a), std::ranges::sort(b);
  BOOST_TEST((a != b));
}

BOOST_AUTO_TEST_CASE(the_rows_of_a_group_and_copies_of_a_row_are_on_one_side) {
  const Tagger tagger("node");
  std::vector<Taggable> all;
  for (int patient = 0; patient < 80; ++patient) {
    for (int row = 0; row < 5; ++row) {
      all.push_back(example(tagger, std::to_string(patient) + " " + std::to_string(row % 4),
                            patient % 2, "patient " + std::to_string(patient)));
    }
  }
  const auto one_side = [&](const Split& split) {
    std::set<Tag> train, validation;
    for (const std::size_t i : split.train) train.insert(all[i].unit);
    for (const std::size_t i : split.validation) validation.insert(all[i].unit);
    return std::ranges::none_of(train, [&](const Tag& unit) { return validation.contains(unit); });
  };
  BOOST_TEST(one_side(split_by_tag(all, kQuarter)));
  BOOST_TEST(one_side(split_by_time(all, kQuarter)));
}

BOOST_AUTO_TEST_CASE(where_nearly_all_are_copies_a_copy_is_an_observation_of_its_own) {
  const Tagger tagger("node");
  std::vector<Taggable> all;
  for (int i = 0; i < 400; ++i) all.push_back(example(tagger, "row " + std::to_string(i % 4)));
  part_copies(all, tagger);
  const Split split = split_by_tag(all, kQuarter);
  BOOST_TEST(tags(all, split.train).size() == 4U);
  BOOST_TEST(tags(all, split.validation).size() == 4U);

  auto few = examples(100, tagger);
  few.push_back(few.front());
  part_copies(few, tagger);
  BOOST_TEST((few.back().unit == few.front().unit));
}

BOOST_AUTO_TEST_CASE(a_class_of_two_examples_is_on_both_sides) {
  for (int node = 0; node < 50; ++node) {
    const Tagger tagger(std::to_string(node));
    auto all = examples(40, tagger, 1);
    all.push_back(example(tagger, "rare", 7));
    all.push_back(example(tagger, "also rare", 7));
    const Split split = split_by_tag(all, kQuarter);
    const auto rare = [&](const std::vector<std::size_t>& side) {
      return std::ranges::count(side, 7, [&](std::size_t i) { return all[i].label; });
    };
    BOOST_TEST(rare(split.train) == 1);
    BOOST_TEST(rare(split.validation) == 1);
  }
}

BOOST_AUTO_TEST_CASE(by_time_the_last_are_set_aside_and_growth_only_moves_examples_to_training) {
  const Tagger tagger("node");
  const auto all = examples(100, tagger);
  const Split split = split_by_time(all, kQuarter);
  BOOST_TEST(split.validation.size() == 25U);
  BOOST_TEST(*std::ranges::min_element(split.validation) == 75U);
  const Split later = split_by_time(examples(120, tagger), kQuarter);
  BOOST_TEST(*std::ranges::min_element(later.validation) == 90U);
}

BOOST_AUTO_TEST_CASE(a_fingerprint_tells_other_data_but_not_another_order) {
  const auto all = examples(50, Tagger("node"));
  auto other = all;
  std::ranges::reverse(other);
  BOOST_TEST(fingerprint(all) == fingerprint(other));
  other.pop_back();
  BOOST_TEST(fingerprint(all) != fingerprint(other));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace split_test
