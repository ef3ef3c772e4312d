#include "crypto/random_stream.hpp"
#include "model/torch/initial.hpp"
#include "model/torch/network.hpp"
#include "model/torch/noise.hpp"
#include "tests/model/worker/worker_process.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>

namespace goals_test {

using namespace kith;
using namespace kith::worker;
namespace data_sets = boost::unit_test::data;

constexpr std::size_t kExamples = 400;
constexpr std::size_t kFeatures = 4;

model::Task perceptron() {
  model::Task task;
  task.name = "bench";
  task.sizes = {16};
  task.input = {1, 1, kFeatures};
  task.batch = 20;
  return task;
}

Samples inputs(const std::string& name) {
  crypto::RandomStream random(crypto::hash(as_byte_view(name)));
  Samples samples;
  samples.shape = {kFeatures};
  samples.inputs.resize(kExamples * kFeatures);
  add_noise(samples.inputs, 1, random);
  return samples;
}

/// A number that follows from the inputs, in the range -1 to 1 for most.
Samples numbers(const std::string& name) {
  Samples samples = inputs(name);
  for (std::size_t i = 0; i < kExamples; ++i) {
    const float* const x = &samples.inputs[i * kFeatures];
    samples.values.push_back(0.3F * x[0] - 0.2F * x[1] * x[2]);
  }
  return samples;
}

/// One in about twelve is of class 1, and hard to tell.
Samples rare_class(const std::string& name) {
  Samples samples = inputs(name);
  for (std::size_t i = 0; i < kExamples; ++i) {
    const float* const x = &samples.inputs[i * kFeatures];
    samples.targets.push_back(x[0] + 0.7F * x[3] > 1.7F ? 1 : 0);
    samples.inputs[i * kFeatures + 3] = 0;  // what decides it is hidden
  }
  return samples;
}

template <class Make>
Dataset dataset(const Make& make) {
  return {make("train"), make("validation"), make("validation"), make("test"), {}, {}, {}, {}, ""};
}

pipe::Evaluation learn(const model::Task& task, const Dataset& data, std::uint64_t epochs) {
  Network network(task, data, test::test_device(), 1);
  const Params start = initial_model(network.schema(), 0.1, 1);
  const auto trained = network.train(start, {.seed = 1, .round = 1, .epochs = epochs}, [](auto&) {});
  return network.evaluate(trained.params, Part::test);
}

BOOST_AUTO_TEST_SUITE(goals_tests)

BOOST_DATA_TEST_CASE(a_number_is_learnt_and_judged_in_its_own_unit,
                     data_sets::make({"squared", "absolute", "huber"}), loss) {
  model::Task task = perceptron();
  task.loss = loss;
  task.classes = 1;
  BOOST_TEST(!model::problem(task).has_value());
  const auto data = dataset(numbers);
  const auto plain = learn(task, data, 30);
  BOOST_TEST(plain.metric("r2") > 0.8);
  BOOST_TEST(plain.examples == kExamples);
  BOOST_TEST(plain.confusion.empty());
  task.target_range = {1000, 3000};
  const auto wide = learn(task, data, 30);
  BOOST_TEST(wide.metric("r2") == plain.metric("r2"), boost::test_tools::tolerance(1e-9));
  BOOST_TEST(wide.metric("rmse") == 1000 * plain.metric("rmse"), boost::test_tools::tolerance(1e-9));
  BOOST_TEST(wide.loss == plain.loss);
}

BOOST_AUTO_TEST_CASE(the_loss_of_a_number_is_the_one_that_the_task_names) {
  model::Task task = perceptron();
  task.classes = 1;
  const auto data = dataset(numbers);
  const auto first_loss = [&](const char* loss) {
    task.loss = loss;
    Network network(task, data, test::test_device(), 1);
    Params zero(network.schema().parameters());
    return network.losses(zero, Part::test)[0];
  };
  const float target = data.test.values[0];
  BOOST_TEST(first_loss("squared") == target * target, boost::test_tools::tolerance(1e-5F));
  BOOST_TEST(first_loss("absolute") == std::abs(target), boost::test_tools::tolerance(1e-5F));
}

BOOST_AUTO_TEST_CASE(class_weights_find_more_of_the_rare_class) {
  model::Task task = perceptron();
  task.classes = 2;
  const auto data = dataset(rare_class);
  const auto recall = [](const pipe::Evaluation& judged) {
    const auto& counts = judged.confusion;
    return static_cast<double>(counts.at(3)) / static_cast<double>(counts[2] + counts[3]);
  };
  const auto plain = learn(task, data, 20);
  task.class_weights = {1, 8};
  const auto weighted = learn(task, data, 20);
  BOOST_TEST(recall(weighted) > recall(plain) + 0.2);
  BOOST_TEST(weighted.metric("balanced_accuracy") > plain.metric("balanced_accuracy"));
  BOOST_TEST(plain.metric("auroc") > 0.8);
}

/// Three questions to each example, of which the last is rarely yes and sometimes not answered.
Samples questions(const std::string& name) {
  Samples samples = inputs(name);
  samples.width = 3;
  for (std::size_t i = 0; i < kExamples; ++i) {
    const float* const x = &samples.inputs[i * kFeatures];
    samples.targets.push_back(x[0] > 0);
    samples.targets.push_back(x[1] + x[2] > 0);
    samples.targets.push_back(i % 7 == 0 ? Samples::kNoTarget : x[3] > 1.2F);
  }
  return samples;
}

BOOST_AUTO_TEST_CASE(several_questions_are_learnt_at_once) {
  model::Task task = perceptron();
  task.classes = 3;
  task.loss = "binary-cross-entropy";
  BOOST_TEST(!model::problem(task).has_value());
  BOOST_TEST(model::metric_of(task) == "auroc");
  const auto data = dataset(questions);
  const auto judged = learn(task, data, 30);
  BOOST_TEST(judged.examples == kExamples);
  BOOST_TEST(judged.metric("auroc") > 0.95);
  BOOST_TEST(judged.metric("macro_f1") > 0.8);
  BOOST_TEST(judged.metric("accuracy") > 0.9);
  BOOST_TEST(judged.loss < 0.25);  // ln(2) = 0.69
  BOOST_TEST(judged.confusion.empty());
  Network network(task, data, test::test_device(), 1);
  const Params start = initial_model(network.schema(), 0.1, 1);
  const auto losses = network.losses(start, Part::test);
  BOOST_REQUIRE(losses.size() == kExamples);
  // What is not known does not count: no example is worse than a toss by much.
  for (const float loss : losses) BOOST_TEST(std::abs(loss - 0.69F) < 0.5F);
  const auto outcomes = network.outcomes(start, Part::test);
  for (const float share : outcomes.correct) BOOST_TEST((share >= 0 && share <= 1));
  for (std::size_t i = 0; i < kExamples; ++i) {
    BOOST_TEST(model::score(task, static_cast<double>(losses[i])) <= model::largest_score(task));
  }
}

/// Windows of one channel in which a spike stands early or late, by their class, and another of noise.
Samples windows(const std::string& name) {
  constexpr std::size_t kLength = 24;
  crypto::RandomStream random(crypto::hash(as_byte_view(name)));
  Samples samples;
  samples.shape = {kLength, 2};
  samples.inputs.resize(kExamples * kLength * 2);
  add_noise(samples.inputs, 0.3, random);
  for (std::size_t i = 0; i < kExamples; ++i) {
    const std::size_t at = 2 + (i * 7) % 8 + (i % 2) * 12;
    for (std::size_t k = 0; k < 3; ++k) samples.inputs[(i * kLength + at + k) * 2] += 2;
    samples.targets.push_back(static_cast<std::int64_t>(i % 2));
  }
  return samples;
}

BOOST_AUTO_TEST_CASE(a_convolution_along_time_finds_where_something_is) {
  model::Task task = perceptron();
  task.model = "cnn1d";
  task.sizes = {8, 8};
  task.input = {24, 2};
  task.classes = 2;
  BOOST_TEST(!model::problem(task).has_value());
  BOOST_TEST(learn(task, dataset(windows), 10).metric("accuracy") > 0.95);
  for (const std::vector<unsigned>& input : {std::vector<unsigned>{1, 24, 2}, std::vector<unsigned>{24}}) {
    task.input = input;
    BOOST_TEST(model::problem(task).value().starts_with("input must be the length"));
  }
}

BOOST_AUTO_TEST_CASE(weights_of_scored_examples_are_those_of_their_classes) {
  model::Task task = perceptron();
  task.classes = 2;
  task.class_weights = {1, 3};
  const auto data = dataset(rare_class);
  const auto weights = Network(task, data, test::test_device(), 1).weights(Part::scored);
  BOOST_REQUIRE(weights.size() == kExamples);
  for (std::size_t i = 0; i < kExamples; ++i) {
    BOOST_TEST(weights[i] == (data.scored.targets[i] == 0 ? 0.5F : 1.5F));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace goals_test
