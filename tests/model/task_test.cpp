#include "model/task.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace kith::model;

namespace {

using Change = std::function<void(Task&)>;

Task digits() {
  return {.name = "digits", .model = "cnn", .sizes = {16, 32}, .seed = 7, .learning_rate = 0.1};
}

Task changed(const Change& change) {
  Task task = digits();
  change(task);
  return task;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(task_tests)

BOOST_AUTO_TEST_CASE(canonical_text_is_as_documented) {
  BOOST_TEST(canonical_text(digits()) ==
             "batch=32\n"
             "classes=10\n"
             "clip_factor=1.5\n"
             "input=1,28,28\n"
             "learning_rate=0.1\n"
             "model=cnn\n"
             "momentum=0.9\n"
             "name=digits\n"
             "seed=7\n"
             "sizes=16,32\n"
             "weight_decay=0\n");
}

BOOST_AUTO_TEST_CASE(every_field_is_part_of_the_hash) {
  const kith::crypto::Hash initial{};
  const std::vector<Change> changes = {
      [](Task&) {},
      [](Task& t) { t.name = "letters"; },
      [](Task& t) { t.model = "mlp"; },
      [](Task& t) { t.sizes = {1632}; },
      [](Task& t) {
        t.sizes = {32, 16};
      },
      [](Task& t) {
        t.input = {3, 28, 28};
      },
      [](Task& t) { t.classes = 11; },
      [](Task& t) { t.seed = std::numeric_limits<std::uint64_t>::max(); },
      [](Task& t) { t.learning_rate = std::nextafter(0.1, 1.0); },
      [](Task& t) { t.momentum = 0; },
      [](Task& t) { t.weight_decay = 1e-4; },
      [](Task& t) { t.batch = 64; },
      [](Task& t) { t.clip_factor = 2; },
  };
  std::set<kith::crypto::Hash> hashes;
  for (const auto& change : changes) {
    const auto task = changed(change);
    BOOST_TEST_REQUIRE(problem(task).value_or("none") == "none");
    hashes.insert(task_hash(task, initial));
  }
  BOOST_TEST(hashes.size() == changes.size());
  BOOST_TEST(hashes.contains(task_hash(digits(), initial)));

  kith::crypto::Hash other_initial{};
  other_initial[31] = std::byte{1};
  BOOST_TEST(!hashes.contains(task_hash(digits(), other_initial)));
}

BOOST_AUTO_TEST_CASE(equal_tasks_have_equal_text) {
  const auto negative_zero = changed([](Task& t) { t.weight_decay = -0.0; });
  BOOST_TEST((negative_zero == digits()));
  BOOST_TEST(canonical_text(negative_zero) == canonical_text(digits()));
}

BOOST_AUTO_TEST_CASE(a_problem_names_its_field) {
  const double nan = std::nan("");
  const std::vector<std::pair<std::string, Change>> bad = {
      {"name", [](Task& t) { t.name = ""; }},
      {"name", [](Task& t) { t.name = "two\nlines"; }},
      {"name", [](Task& t) { t.name = "a=b"; }},
      {"name", [](Task& t) { t.name = std::string(65, 'a'); }},
      {"model", [](Task& t) { t.model = "CNN"; }},
      {"sizes", [](Task& t) { t.sizes = {}; }},
      {"sizes",
       [](Task& t) {
         t.sizes = {16, 0};
       }},
      {"sizes", [](Task& t) { t.sizes = {65537}; }},
      {"sizes", [](Task& t) { t.sizes.assign(33, 1); }},
      {"input",
       [](Task& t) {
         t.input = {1, 0, 28};
       }},
      {"input",
       [](Task& t) {
         t.input = {1, 28, 4097};
       }},
      {"classes", [](Task& t) { t.classes = 1; }},
      {"classes", [](Task& t) { t.classes = 65537; }},
      {"learning_rate", [](Task& t) { t.learning_rate = 0; }},
      {"learning_rate", [](Task& t) { t.learning_rate = HUGE_VAL; }},
      {"learning_rate", [=](Task& t) { t.learning_rate = nan; }},
      {"momentum", [](Task& t) { t.momentum = 1; }},
      {"momentum", [](Task& t) { t.momentum = -0.1; }},
      {"momentum", [=](Task& t) { t.momentum = nan; }},
      {"weight_decay", [](Task& t) { t.weight_decay = -1; }},
      {"weight_decay", [=](Task& t) { t.weight_decay = nan; }},
      {"batch", [](Task& t) { t.batch = 0; }},
      {"clip_factor", [](Task& t) { t.clip_factor = 0; }},
      {"clip_factor", [=](Task& t) { t.clip_factor = nan; }},
  };
  BOOST_TEST(!problem(digits()).has_value());
  for (const auto& [field, change] : bad) {
    BOOST_TEST(problem(changed(change)).value_or("none").starts_with(field + " must"), field);
  }
}

BOOST_AUTO_TEST_CASE(an_mlp_without_hidden_layers_is_a_task) {
  const auto linear = changed([](Task& t) {
    t.model = "mlp";
    t.sizes = {};
  });
  BOOST_TEST(!problem(linear).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
