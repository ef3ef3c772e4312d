#include "crypto/hash.hpp"
#include "model/data/file.hpp"
#include "model/data/inputs.hpp"
#include "model/data/text.hpp"
#include "model/data/unlabelled.hpp"
#include "model/snapshot.hpp"
#include "tests/model/worker/modules.hpp"
#include "tests/model/worker/worker_process.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace predict_test {

using namespace kith;
using Kind = model::Column::Kind;
using pipe::FailureKind;
using pipe::ModelName;
using pipe::Split;
using test::TemporaryDirectory;
using test::WorkerProcess;

constexpr int kRows = 200;

/// A table of x and y, what is to be told of them, and a task for it.
struct Site {
  explicit Site(model::Column target) {
    task.name = "signs";
    task.columns = {{.name = "x", .kind = Kind::number, .low = -50, .high = 50},
                    {.name = "y", .kind = Kind::number, .low = -50, .high = 50},
                    std::move(target)};
    task.classes = model::classes_of(task.columns).value();
    task.sizes = {16};
    task.batch = 16;
  }
  /// `tell` says what is in the last column.
  template <class Tell>
  void write(const Tell& tell) {
    for (const char* const part : {"train.csv", "test.csv"}) {
      std::string text = "x,y," + task.columns.back().name + "\n";
      const int seed = part[1] == 'r' ? 1 : 2;
      for (int i = 0; i < kRows; ++i) {
        const int x = (37 * i + 5 * seed) % 101 - 50, y = (53 * i + 3 * seed) % 97 - 48;
        text += std::to_string(x) + "," + std::to_string(y) + "," + tell(x, y) + "\n";
      }
      data::write_file(folder / part, as_byte_view(text));
    }
  }
  pipe::Open request() const {
    return test::question(task, {{folder / "train.csv"}, {folder / "test.csv"}}, state.path());
  }
  /// Trains, and serves what came of it.
  void learn(std::uint64_t epochs) {
    worker.ask(request());
    worker.ask(pipe::Train{1, epochs, false});
    worker.ask(pipe::Serve{{{"self"}, {1}}});
    worker.ask(pipe::Checkpoint{1});
  }
  pipe::Evaluation judged() { return worker.ask(pipe::Evaluate{ModelName::served, Split::test}); }
  /// As kith predict does it: another worker, which reads no data.
  std::vector<float> predicted(std::size_t at_once = 64) {
    WorkerProcess other;
    pipe::Open open = request();
    open.data = {};
    BOOST_TEST(other.ask(open).resumed);
    std::vector<float> all;
    const auto take = [&](const data::UnlabelledRows& rows) {
      const std::size_t count = rows.inputs.size() / data::input_size(task);
      const auto said =
          other.ask(pipe::Predict{ModelName::served, count},
                    pipe::sealed_memfd("inputs", std::as_bytes(std::span(rows.inputs))));
      BOOST_TEST(said.examples == count);
      const Bytes file = other.last_file();
      std::vector<float> some(file.size() / sizeof(float));
      BOOST_TEST(some.size() == said.numbers * count);
      std::memcpy(some.data(), file.data(), file.size());
      all.insert(all.end(), some.begin(), some.end());
    };
    data::read_unlabelled({folder / "test.csv"}, task, at_once, take);
    return all;
  }

  TemporaryDirectory folder, state;
  model::Task task;
  WorkerProcess worker;
};

const auto kSum = [](int x, int y) { return std::string(x + y > 0 ? "yes" : "no"); };

struct Signs : Site {
  Signs() : Site({.name = "above", .kind = Kind::yes_no, .target = true}) { write(kSum); }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The inputs of so many examples, all zero.
pipe::Fd zeros(std::size_t numbers, float value = 0) {
  const std::vector<float> all(numbers, value);
  return pipe::sealed_memfd("inputs", std::as_bytes(std::span(all)));
}

BOOST_AUTO_TEST_SUITE(predict_tests)

BOOST_AUTO_TEST_CASE(the_likelier_class_is_right_as_often_as_the_evaluation_says) {
  Signs site;
  site.learn(10);
  const auto judged = site.judged();
  const auto said = site.predicted();
  BOOST_REQUIRE(said.size() == 2U * kRows);
  std::vector<std::uint64_t> confusion(4);
  for (int i = 0; i < kRows; ++i) {
    const auto row = static_cast<std::size_t>(i);
    const float no = said[2 * row], yes = said[2 * row + 1];
    BOOST_TEST(no + yes == 1.0F, boost::test_tools::tolerance(1e-5F));
    const int x = (37 * i + 10) % 101 - 50, y = (53 * i + 6) % 97 - 48;
    ++confusion[(x + y > 0 ? 2U : 0U) + (yes > no ? 1U : 0U)];
  }
  BOOST_TEST(confusion == judged.confusion, boost::test_tools::per_element());
  BOOST_TEST(judged.metric("accuracy") > 0.9);  // it has learnt something, so the order matters
}

BOOST_AUTO_TEST_CASE(how_many_are_asked_for_at_once_does_not_matter) {
  Signs site;
  site.learn(2);
  const auto some = site.predicted(7), many = site.predicted(200);
  BOOST_REQUIRE(some.size() == many.size());
  for (std::size_t i = 0; i < some.size(); ++i) {
    BOOST_TEST(some[i] == many[i], boost::test_tools::tolerance(1e-5F));
  }
}

BOOST_AUTO_TEST_CASE(a_number_in_its_unit_misses_by_as_much_as_the_evaluation_says) {
  Site site({.name = "sum", .kind = Kind::number, .target = true, .low = -100, .high = 300});
  site.write([](int x, int y) { return std::to_string(x + 2 * y + 100); });
  site.learn(20);
  const auto said = site.predicted();
  BOOST_REQUIRE(said.size() == static_cast<std::size_t>(kRows));
  double squares = 0;
  for (int i = 0; i < kRows; ++i) {
    const int x = (37 * i + 10) % 101 - 50, y = (53 * i + 6) % 97 - 48;
    const double value =
        model::unscaled_target(site.task, static_cast<double>(said[static_cast<std::size_t>(i)]));
    squares += std::pow(value - (x + 2 * y + 100), 2);
  }
  BOOST_TEST(std::sqrt(squares / kRows) == site.judged().metric("rmse"),
             boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(several_targets_are_each_likely_for_themselves) {
  Site site({.name = "above", .kind = Kind::yes_no, .target = true});
  site.task.columns[1] = {.name = "y", .kind = Kind::yes_no, .target = true};
  site.task.classes = 2;
  std::string text = "x,y,above\n";
  for (int i = 0; i < kRows; ++i) {
    const int x = (37 * i) % 101 - 50;
    text += std::to_string(x) + "," + (x > 20 ? "1" : "0") + (x > -20 ? ",1\n" : ",0\n");
  }
  for (const char* const part : {"train.csv", "test.csv"}) {
    data::write_file(site.folder / part, as_byte_view(text));
  }
  site.learn(40);
  const auto said = site.predicted();
  std::size_t right = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    const int x = (37 * static_cast<int>(i)) % 101 - 50;
    right += (said[2 * i] > 0.5F) == (x > 20);
    right += (said[2 * i + 1] > 0.5F) == (x > -20);
  }
  BOOST_TEST(static_cast<double>(right) / (2 * kRows) == site.judged().metric("accuracy"),
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(right > 300U);
}

BOOST_AUTO_TEST_CASE(the_next_word_follows_from_those_before_it_however_long_its_neighbours_are) {
  const TemporaryDirectory folder, state;
  const data::Vocabulary words({"the", "cat", "purrs", "a", "dog", "barks"});
  model::Task task;
  task.name = "words";
  task.model = "gru-lm";
  task.sizes = {8, 12};
  task.vocabulary = folder / "words";
  data::write_vocabulary(task.vocabulary, words);
  task.vocabulary_hash = crypto::to_hex(words.hash());
  task.classes = static_cast<unsigned>(words.size());
  task.learning_rate = 0.5;
  task.batch = 8;
  std::string text;
  for (int i = 0; i < 60; ++i) text += i % 2 == 0 ? "the cat purrs\n" : "a dog barks\n";
  data::write_file(folder / "train", as_byte_view(text));
  data::write_file(folder / "new", as_byte_view("the cat\na dog barks\na\n"));
  WorkerProcess worker;
  worker.ask(test::question(task, {{folder / "train"}, {}}, state.path()));
  worker.ask(pipe::Train{1, 40, false});
  std::vector<std::int64_t> next;
  data::read_unlabelled({folder / "new"}, task, 10, [&](const data::UnlabelledRows& rows) {
    const auto said = worker.ask(pipe::Predict{ModelName::partial, 3},
                                 pipe::sealed_memfd("in", std::as_bytes(std::span(rows.inputs))));
    BOOST_REQUIRE(said.numbers == words.size());
    const Bytes file = worker.last_file();
    std::vector<float> all(file.size() / sizeof(float));
    std::memcpy(all.data(), file.data(), file.size());
    for (std::size_t i = 0; i < 3; ++i) {
      const auto row = std::span(all).subspan(i * words.size(), words.size());
      next.push_back(std::ranges::max_element(row) - row.begin());
    }
  });
  const std::vector<std::int64_t> expected{words.token("purrs"), data::Vocabulary::kBoundary,
                                           words.token("dog")};
  BOOST_TEST(next == expected, boost::test_tools::per_element());
  const auto beyond =
      worker.failure_of(pipe::Predict{ModelName::partial, 1},
                        zeros(data::kMaxSentence + 1, static_cast<float>(words.size())));
  BOOST_TEST(contains(beyond.error, "no word of the task's vocabulary"));
}

BOOST_AUTO_TEST_CASE(
    inputs_of_another_size_or_that_are_no_numbers_are_refused_and_nothing_happens) {
  Signs site;
  site.learn(1);
  const std::size_t size = data::input_size(site.task);
  const auto refused = [&](std::uint64_t examples, pipe::Fd file) {
    const auto failure =
        site.worker.failure_of(pipe::Predict{ModelName::served, examples}, std::move(file));
    return failure.error;
  };
  BOOST_TEST(contains(refused(2, zeros(size)), "those of the task would have"));
  BOOST_TEST(contains(refused(1, zeros(2 * size)), "allowed"));
  BOOST_TEST(contains(refused(0, zeros(size)), "1 to 65536 examples"));
  BOOST_TEST(contains(refused(~0ULL, zeros(size)), "1 to 65536 examples"));
  BOOST_TEST(contains(refused(1, {}), "as a file"));
  BOOST_TEST(contains(refused(1, zeros(size, std::nanf(""))), "no finite number"));
  BOOST_TEST(site.worker.ask(pipe::Predict{ModelName::served, 1}, zeros(size)).numbers == 2U);
}

BOOST_AUTO_TEST_CASE(a_worker_without_data_predicts_and_does_nothing_that_needs_examples) {
  Signs site;
  site.learn(1);
  WorkerProcess other;
  pipe::Open open = site.request();
  open.data = {};
  const auto opened = other.ask(open);
  BOOST_TEST(opened.train + opened.validation + opened.test == 0U);
  BOOST_TEST(opened.remarks.empty());
  BOOST_TEST(contains(other.failure_of(pipe::Train{2, 1, false}).error, "data.train"));
  BOOST_TEST(contains(other.failure_of(pipe::Evaluate{}).error, "data.train"));
  BOOST_TEST(contains(other.failure_of(pipe::Checkpoint{2}).error, "data.train"));
  BOOST_TEST(other.ask(pipe::Inspect{}).all == 4U);
}

BOOST_AUTO_TEST_CASE(a_model_is_inspected_without_data_and_is_the_same_afterwards) {
  const TemporaryDirectory folder, state;
  Signs site;
  site.task.model = "script";
  site.task.sizes = {};
  site.task.script = folder / "net.pt";
  site.task.share = {"backbone.*", "norm.*"};
  site.task.freeze = {"backbone.bias"};
  test::Modules{.forward = test::kSound}.save(site.task.script);
  pipe::Open open = site.request();
  open.data = {};
  site.worker.ask(open);
  const auto predicted = [&] {
    site.worker.ask(pipe::Predict{ModelName::served, 1}, zeros(4, 0.5F));
    return site.worker.last_file();
  };
  const Bytes before = predicted();
  const auto found = site.worker.ask(pipe::Inspect{0, 3});
  BOOST_TEST(found.all == 8U);
  BOOST_REQUIRE(found.tensors.size() == 8U);
  BOOST_TEST(found.tensors[0].name == "backbone.bias");
  BOOST_TEST((found.tensors[0].role == model::Role::frozen));
  BOOST_TEST((found.tensors[2].role == model::Role::kept));  // head.bias
  BOOST_TEST(found.tensors[5].name == "norm.running_mean");
  BOOST_TEST(!found.tensors[5].parameter);
  BOOST_TEST((found.tensors[5].role == model::Role::kept));
  BOOST_TEST((found.tensors[7].role == model::Role::shared));
  BOOST_TEST(found.batch == (std::vector<std::uint64_t>{16, 4}), boost::test_tools::per_element());
  BOOST_TEST(found.seconds > 0);
  BOOST_TEST((predicted() == before));
  BOOST_TEST(site.worker.ask(pipe::Inspect{6, 0}).tensors.size() == 2U);
  BOOST_TEST(site.worker.ask(pipe::Inspect{99, 0}).tensors.empty());
}

BOOST_AUTO_TEST_CASE(a_model_that_does_not_fit_the_tasks_shapes_is_refused_without_data) {
  const TemporaryDirectory folder;
  Signs site;
  site.task.model = "script";
  site.task.sizes = {};
  site.task.script = folder / "net.pt";
  test::Modules{.forward = test::kSound, .inputs = 7}.save(site.task.script);
  pipe::Open open = site.request();
  open.data = {};
  const auto failure = site.worker.failure_of(open);
  BOOST_TEST((failure.kind == FailureKind::config));
  BOOST_TEST(contains(failure.error, "the model fails on a batch of [2, 4]"), failure.error);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- What takes the steps ----

/// The loss on the test examples after so many epochs of round 1.
double learnt(Signs& site, std::uint64_t epochs = 10) {
  site.learn(epochs);
  return site.judged().loss;
}

BOOST_AUTO_TEST_SUITE(training_settings_tests)

BOOST_AUTO_TEST_CASE(adamw_learns_and_repeats_its_round_to_the_last_bit) {
  const auto set = [](Signs& site) {
    site.task.optimiser = "adamw";
    site.task.learning_rate = 0.01;
    site.task.weight_decay = 0.01;
  };
  Signs site, same;
  set(site), set(same);
  BOOST_TEST(learnt(site) < 0.3);
  BOOST_TEST(site.judged().loss == learnt(same));
}

BOOST_AUTO_TEST_CASE(
    a_gradient_that_is_cut_short_moves_the_model_less_and_one_that_is_not_as_before) {
  Signs plain, loose, tight;
  loose.task.gradient_clip = 1e6;
  tight.task.gradient_clip = 1e-3;
  const double moved = learnt(plain);
  BOOST_TEST(learnt(loose) == moved, boost::test_tools::tolerance(1e-4));
  BOOST_TEST(learnt(tight) > 1.5 * moved);
}

BOOST_AUTO_TEST_CASE(a_round_at_the_end_of_a_cosine_moves_the_model_a_hundredth_as_much) {
  const auto distance = [](std::uint64_t round, unsigned warmup) {
    Signs site;
    site.task.schedule = "cosine";
    site.task.schedule_rounds = 10;
    site.task.warmup_rounds = warmup;
    site.task.momentum = 0;
    site.worker.ask(site.request());
    site.worker.ask(pipe::Train{round, 1, false});
    return site.worker.ask(pipe::Distance{"averaged", {"self"}}).values[0];
  };
  const double first = distance(1, 0), last = distance(1000, 0);
  BOOST_TEST(last < 0.03 * first);
  BOOST_TEST(last > 0.003 * first);
  BOOST_TEST(distance(1, 5) < 0.3 * first);
}

BOOST_AUTO_TEST_CASE(
    smoothed_labels_keep_a_model_from_being_sure_and_what_is_measured_is_not_smoothed) {
  Signs sharp, smooth;
  smooth.task.label_smoothing = 0.4;
  const double without = learnt(sharp, 40), with = learnt(smooth, 40);
  BOOST_TEST(without < 0.2);
  BOOST_TEST(with > without);
  BOOST_TEST(std::ranges::max(smooth.predicted()) < 0.95F);  // 0.8 is what it is taught
  BOOST_TEST(std::ranges::max(sharp.predicted()) > 0.98F);
}

BOOST_AUTO_TEST_CASE(private_training_takes_any_optimiser_but_cuts_no_gradient_of_a_batch) {
  Signs site;
  pipe::Open open = site.request();
  open.privacy = pipe::Privacy{.noise = 1, .clip = 1, .seed = 3};
  open.task.gradient_clip = 1;
  const auto refused = site.worker.failure_of(open);
  BOOST_TEST((refused.kind == FailureKind::config));
  BOOST_TEST(contains(refused.error, "privacy.clip; set task.gradient_clip to 0"), refused.error);
  // What is made of noisy gradients costs no privacy, so the accountant counts the same.
  const auto spent = [&](const std::string& optimiser) {
    WorkerProcess worker;
    const TemporaryDirectory state;
    pipe::Open its = open;
    its.task.gradient_clip = 0;
    its.task.optimiser = optimiser;
    its.task.warmup_rounds = 2;
    its.state = state.path().string();
    worker.ask(its);
    const auto trained = worker.ask(pipe::Train{1, 1, false});
    return trained.privacy.value().epsilon;
  };
  BOOST_TEST(spent("adamw") == spent("sgd"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace predict_test
