#include "model/task.hpp"

#include "model/score.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace task_test {

using namespace kith::model;

using Change = std::function<void(Task&)>;

Task digits() {
  return {.name = "digits", .model = "cnn", .sizes = {16, 32}, .seed = 7, .learning_rate = 0.1};
}

Task next_word() {
  Task task;
  task.name = "words";
  task.model = "gru-lm";
  task.sizes = {32, 64};
  task.vocabulary = "words.txt";
  task.vocabulary_hash = std::string(64, 'a');
  task.classes = 1002;
  return task;
}

Task hearts() {
  Task task;
  task.name = "hearts";
  task.sizes = {16};
  using Kind = Column::Kind;
  task.columns = {
      {.name = "age", .kind = Kind::number, .low = 20, .high = 80},
      {.name = "ward", .group = true},
      {.name = "pain", .kind = Kind::category, .values = {{"none"}, {"mild", "slight"}}},
      {.name = "sick", .kind = Kind::category, .target = true, .values = {{"0"}, {"1"}}}};
  task.classes = 2;
  return task;
}

std::string problem_after(Task task, const Change& change) {
  change(task);
  return problem(task).value_or("none");
}

Task changed(const Change& change) {
  Task task = digits();
  change(task);
  return task;
}

BOOST_AUTO_TEST_SUITE(task_tests)

BOOST_AUTO_TEST_CASE(a_model_of_the_members_own_worker_suits_any_data_and_any_sizes) {
  for (Task task : {digits(), next_word(), hearts()}) {
    task.model = "worker";
    for (const auto& sizes : std::vector<std::vector<unsigned>>{{}, {7}, {1, 2, 3}}) {
      task.sizes = sizes;
      BOOST_TEST(problem(task).value_or("") == "");
      BOOST_TEST(canonical_text(task).find("model=worker\n") != std::string::npos);
    }
    task.script = "net.pt";
    BOOST_TEST(problem(task).value_or("").starts_with("script must be left out"));
  }
  Task words = next_word();
  words.model = "worker";
  BOOST_TEST(predicts_words(words));
  Task table = hearts();
  table.model = "worker";
  BOOST_TEST((data_kind(table) == DataKind::table));
}

BOOST_AUTO_TEST_CASE(canonical_text_is_as_documented) {
  BOOST_TEST(canonical_text(digits()) ==
             "batch=32\n"
             "classes=10\n"
             "encoding=bf16\n"
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
      [](Task& t) { t.encoding = Encoding::fp32; },
      [](Task& t) { t.encoding = Encoding::int8; },
      [](Task& t) { t.optimiser = "adamw"; },
      [](Task& t) { t.gradient_clip = 1; },
      [](Task& t) { t.warmup_rounds = 2; },
      [](Task& t) { t.label_smoothing = 0.1; },
      [](Task& t) { t.schedule = "cosine", t.schedule_rounds = 20; },
      [](Task& t) { t.schedule = "cosine", t.schedule_rounds = 21; },
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

BOOST_AUTO_TEST_CASE(a_task_from_before_there_were_optimisers_keeps_its_hash) {
  // What version 0.1 made of this text.
  const std::string before =
      "kith task\nbatch=32\nclasses=10\nencoding=bf16\ninput=1,28,28\nlearning_rate=0.1\n"
      "model=cnn\nmomentum=0.9\nname=digits\nseed=7\nsizes=16,32\nweight_decay=0\n"
      "initial_model=" +
      std::string(64, '0') + "\n";
  BOOST_TEST((task_hash(digits(), {}) == kith::crypto::hash(kith::as_byte_view(before))));
}

BOOST_AUTO_TEST_CASE(the_learning_rate_rises_in_the_warm_up_and_falls_on_a_cosine_to_a_hundredth) {
  const auto close = boost::test_tools::tolerance(1e-12);
  const Task constant = changed([](Task& t) { t.warmup_rounds = 4; });
  BOOST_TEST(learning_rate_at(constant, 0) == 0.1 * 0.01, close);
  BOOST_TEST(learning_rate_at(constant, 2) == 0.1 * 0.5, close);
  BOOST_TEST(learning_rate_at(constant, 4) == 0.1, close);
  BOOST_TEST(learning_rate_at(constant, 1e6) == 0.1, close);
  const Task cosine =
      changed([](Task& t) { t.schedule = "cosine", t.schedule_rounds = 24, t.warmup_rounds = 4; });
  BOOST_TEST(learning_rate_at(cosine, 2) == 0.1 * 0.5, close);
  BOOST_TEST(learning_rate_at(cosine, 4) == 0.1, close);
  BOOST_TEST(learning_rate_at(cosine, 14) == 0.1 * (1 + 0.01) / 2, close);
  BOOST_TEST(learning_rate_at(cosine, 24) == 0.1 * 0.01, close);
  BOOST_TEST(learning_rate_at(cosine, 1000) == 0.1 * 0.01, close);
  // Without either it is the very number, to the last bit: what is learnt is as it was.
  BOOST_TEST(learning_rate_at(digits(), 3.7) == digits().learning_rate);
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
      {"optimiser", [](Task& t) { t.optimiser = "adam"; }},
      {"gradient_clip", [](Task& t) { t.gradient_clip = -1; }},
      {"gradient_clip", [=](Task& t) { t.gradient_clip = nan; }},
      {"schedule", [](Task& t) { t.schedule = "linear"; }},
      {"schedule_rounds", [](Task& t) { t.schedule = "cosine"; }},
      {"schedule_rounds", [](Task& t) { t.schedule_rounds = 10; }},
      {"warmup_rounds", [](Task& t) { t.warmup_rounds = 2'000'000; }},
      {"warmup_rounds",
       [](Task& t) { t.schedule = "cosine", t.schedule_rounds = 5, t.warmup_rounds = 5; }},
      {"label_smoothing", [](Task& t) { t.label_smoothing = 1; }},
      {"label_smoothing",
       [](Task& t) { t.label_smoothing = 0.1, t.loss = "squared", t.classes = 1; }},
  };
  BOOST_TEST(!problem(digits()).has_value());
  for (const auto& [field, change] : bad) {
    BOOST_TEST(problem(changed(change)).value_or("none").starts_with(field + " must"), field);
  }
}

BOOST_AUTO_TEST_CASE(the_text_has_what_the_kind_of_data_needs_and_nothing_local) {
  BOOST_TEST(canonical_text(hearts()).starts_with(
      "batch=32\nclasses=2\n"
      "column_0001=\"age\" number 20..80\ncolumn_0002=\"ward\" ignored group\n"
      "column_0003=\"pain\" category \"none\" \"mild\"/\"slight\"\n"
      "column_0004=\"sick\" category \"0\" \"1\" target\nencoding=bf16\nlearning_rate="));
  BOOST_TEST(canonical_text(hearts()).find("input") == std::string::npos);
  Task elsewhere = next_word();
  elsewhere.vocabulary = "/elsewhere/words.txt";
  BOOST_TEST(canonical_text(elsewhere) == canonical_text(next_word()));
  BOOST_TEST(canonical_text(next_word()).find("\nvocabulary=aaaa") != std::string::npos);
  elsewhere.vocabulary_hash[0] = 'b';
  BOOST_TEST(canonical_text(elsewhere) != canonical_text(next_word()));
}

BOOST_AUTO_TEST_CASE(a_problem_of_text_or_a_table_names_its_field) {
  const auto nothing = [](Task&) {};
  BOOST_TEST(problem_after(next_word(), nothing) == "none");
  BOOST_TEST(problem_after(hearts(), nothing) == "none");
  const std::vector<std::pair<std::string, Change>> bad_text = {
      {"vocabulary must name a file", [](Task& t) { t.vocabulary.clear(); }},
      {"vocabulary must name a file", [](Task& t) { t.vocabulary_hash = "abc"; }},
      {"sizes must be two numbers", [](Task& t) { t.sizes = {32}; }},
      {"column must be left out", [](Task& t) { t.columns = hearts().columns; }},
      {"vocabulary must be left out", [](Task& t) { t.model = "mlp"; }},
  };
  for (const auto& [start, change] : bad_text) {
    BOOST_TEST(problem_after(next_word(), change).starts_with(start));
  }
  const std::vector<std::pair<std::string, Change>> bad_table = {
      {"column must be left out", [](Task& t) { t.model = "cnn"; }},
      {"column must have one with target", [](Task& t) { t.columns.pop_back(); }},
      {"column must have one with target",
       [](Task& t) {
         t.columns.push_back(t.columns.back());
         t.columns.back().name = "dead";
       }},
      {"column must have at most one with group",
       [](Task& t) { t.columns.push_back({.name = "patient", .group = true}); }},
      {"column \"age\" is there twice", [](Task& t) { t.columns[1].name = "age"; }},
      {"column \"age\" must have a low", [](Task& t) { t.columns[0].low = 80; }},
      {"column must have one of which",
       [](Task& t) {
         t.columns = {t.columns[1], t.columns[3]};
       }},
      {"column must be there at most 1024", [](Task& t) { t.columns.resize(1025); }},
      {"column must be shorter",
       [](Task& t) {
         for (int i = 0; i < 300; ++i) {
           t.columns.push_back({.name = std::string(250, 'x') + std::to_string(i)});
         }
       }},
      {"classes must be 2", [](Task& t) { t.classes = 3; }},
  };
  for (const auto& [start, change] : bad_table) {
    BOOST_TEST(problem_after(hearts(), change).starts_with(start));
  }
}

BOOST_AUTO_TEST_CASE(several_yes_no_columns_may_be_predicted) {
  Task task = hearts();
  task.columns.back() = {.name = "dead", .kind = Column::Kind::yes_no, .target = true};
  task.columns.push_back({.name = "ill", .kind = Column::Kind::yes_no, .target = true});
  task.classes = 2;
  BOOST_REQUIRE(!problem(task));
  BOOST_TEST(is_multi_label(task));
  BOOST_TEST(!is_regression(task));
  BOOST_TEST(outputs(task) == 2U);
  BOOST_TEST(class_name(task, 1) == "ill");
  BOOST_TEST(metric_of(task) == "auroc");
  BOOST_TEST(canonical_text(task).find("loss=binary-cross-entropy\n") != std::string::npos);
  BOOST_TEST(score(task, std::log(2.0)) == kith::model::score(std::log(2.0), 2));
  task.columns.push_back({.name = "old", .kind = Column::Kind::yes_no, .target = true});
  BOOST_TEST(problem(task).value() == "classes must be 3, as follows from what is predicted");
  task.classes = 3;
  BOOST_TEST(largest_score(task) == worst_score(2));  // each is a choice of two
  task.class_weights = {1, 1, 1};
  BOOST_TEST(problem(task).value().starts_with("class_weights must be left out"));
  task.class_weights.clear();
  task.loss = "cross-entropy";
  BOOST_TEST(problem(task).value().starts_with("loss must be left out"));
}

BOOST_AUTO_TEST_CASE(a_text_classifier_names_its_classes_and_has_words) {
  Task task = next_word();
  task.model = "text-classifier";
  task.classes = 2;
  task.words = 1002;
  BOOST_TEST(problem(task).value().starts_with("labels must name"));
  task.labels = {"bad", "good"};
  BOOST_REQUIRE(!problem(task));
  BOOST_TEST(!predicts_words(task));
  BOOST_TEST(metric_of(task) == "accuracy");
  BOOST_TEST(canonical_text(task).find("label_00001=good\n") != std::string::npos);
  task.words = 0;
  BOOST_TEST(problem(task).value().starts_with("vocabulary must have"));
  task.words = 1002;
  task.loss = "binary-cross-entropy";
  BOOST_TEST(problem(task).value().starts_with("loss must be \"cross-entropy\""));
}

BOOST_AUTO_TEST_CASE(a_number_may_be_predicted_and_is_one_output) {
  Task task = hearts();
  task.columns.back() = {
      .name = "price", .kind = Column::Kind::number, .target = true, .low = 1, .high = 9};
  BOOST_TEST(problem(task).value_or("none").starts_with("classes must be 1,"));
  task.classes = 1;
  BOOST_TEST(problem(task).value_or("none") == "none");
  BOOST_TEST(
      problem_after(digits(), [](Task& t) { t.classes = 1; }).starts_with("classes must be"));
}

BOOST_AUTO_TEST_CASE(two_manifests_differ_in_the_fields_that_differ_and_those_one_lacks) {
  const auto other = changed([](Task& t) {
    t.learning_rate = 0.25;
    t.batch = 64;
  });
  const std::string ours = manifest(Task(other), {});
  const auto found = differences(manifest(changed([](Task&) {}), {}), ours);
  BOOST_TEST_REQUIRE(found.size() == 2U);
  BOOST_TEST((found[0] == TaskDifference{"batch", "32", "64"}));
  BOOST_TEST((found[1] == TaskDifference{"learning_rate", "0.1", "0.25"}));
  BOOST_TEST(differences(ours, ours).empty());
  BOOST_TEST((differences("a=1\nb=2", "a=1\n\nnoise\nc=3=4\n") ==
              std::vector<TaskDifference>{{"b", "2", ""}, {"c", "", "3=4"}}));
}

BOOST_AUTO_TEST_CASE(an_mlp_without_hidden_layers_is_a_task) {
  const auto linear = changed([](Task& t) {
    t.model = "mlp";
    t.sizes = {};
  });
  BOOST_TEST(!problem(linear).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace task_test
