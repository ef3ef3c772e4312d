#include "crypto/random_stream.hpp"
#include "model/torch/initial.hpp"
#include "model/torch/network.hpp"
#include "model/torch/noise.hpp"
#include "tests/model/worker/worker_process.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string>

namespace private_training_test {

using namespace kith;
using namespace kith::worker;
using boost::test_tools::tolerance;
namespace data_sets = boost::unit_test::data;

constexpr std::int64_t kExamples = 24;
constexpr double kHardlyAny = 1e-9;   // noise
constexpr double kHardlyEver = 1000;  // a clip that no gradient reaches

crypto::RandomStream stream(const std::string& name) {
  return crypto::RandomStream(crypto::hash(as_byte_view(name)));
}

double length(const Params& values) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

Params difference(const Params& one, const Params& other) {
  Params result(one.size());
  std::transform(one.begin(), one.end(), other.begin(), result.begin(), std::minus<>());
  return result;
}

std::vector<std::int64_t> everybody() {
  std::vector<std::int64_t> all(kExamples);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// A small network and examples of no meaning.
struct Bench {
  explicit Bench(const std::string& kind) {
    task.name = "bench";
    task.model = kind;
    task.sizes = {4, 8};
    if (kind == "mlp") task.sizes = {16};
    if (kind == "resnet") task.sizes = {8, 16};
    task.input = {1, 8, 8};
    task.classes = 7;
    task.batch = kExamples;
    task.learning_rate = 0.1;
    Samples samples;
    auto random = stream("examples");
    if (kind == "gru-lm") {
      samples.width = 5;  // words, the same in every sentence: else a batch weighs words, not them
    } else {
      samples.shape = {1, 8, 8};
      samples.inputs.resize(kExamples * 64);
      add_noise(samples.inputs, 1, random);
    }
    // Words that are unknown are no targets, of which every sentence is to have as many.
    const unsigned first = kind == "gru-lm" ? 2 : 0;
    for (std::size_t i = 0; i < kExamples * samples.width; ++i) {
      samples.targets.push_back(
          static_cast<std::int64_t>(first + random() % (task.classes - first)));
    }
    dataset = {samples, samples, samples, samples, {}, {}, {}, {}, ""};
  }
  Network& network() {
    if (!made) {
      made.emplace(task, dataset, test::test_device(), 1);
      start = initial_model(made->schema(), 1, 1);
    }
    return *made;
  }
  Params train(std::uint64_t epochs, std::optional<Network::Noise> noise) {
    Network& trained = network();
    return trained.train(start, {1, 1, epochs, noise}, [](const auto&) {}).params;
  }

  model::Task task;
  Dataset dataset;
  std::optional<Network> made;
  Params start;
};

const std::string kModels[] = {"mlp", "cnn", "resnet", "gru-lm"};

BOOST_AUTO_TEST_SUITE(private_training_tests)

BOOST_DATA_TEST_CASE(gradient_of_each_example_is_cut_to_the_clip_and_keeps_its_direction, kModels,
                     kind) {
  Bench bench(kind);
  Network& network = bench.network();
  std::vector<double> lengths;
  for (const std::int64_t i : everybody()) {
    lengths.push_back(length(network.clipped_gradients(bench.start, {i}, kHardlyEver)));
  }
  std::vector<double> sorted = lengths;
  std::ranges::sort(sorted);
  const double clip = sorted[kExamples / 2];  // cuts half of them
  for (const std::int64_t i : everybody()) {
    const double whole = lengths[static_cast<std::size_t>(i)];
    const Params cut = network.clipped_gradients(bench.start, {i}, clip);
    BOOST_TEST(length(cut) == std::min(whole, clip), tolerance(1e-5));
    Params scaled = network.clipped_gradients(bench.start, {i}, kHardlyEver);
    for (float& value : scaled) value *= static_cast<float>(std::min(1.0, clip / whole));
    BOOST_TEST(length(difference(cut, scaled)) < 1e-5 * clip);
  }
}

BOOST_DATA_TEST_CASE(one_example_more_changes_the_sum_by_the_clip_at_most, kModels, kind) {
  Bench bench(kind);
  Network& network = bench.network();
  const double clip = 0.1;  // all are longer
  const Params sum = network.clipped_gradients(bench.start, everybody(), clip);
  for (const std::int64_t left_out : everybody()) {
    auto rest = everybody();
    std::erase(rest, left_out);
    const Params without = network.clipped_gradients(bench.start, rest, clip);
    BOOST_TEST(length(difference(sum, without)) == clip, tolerance(1e-4));
  }
}

BOOST_AUTO_TEST_CASE(example_whose_gradient_is_not_finite_counts_as_zero) {
  Bench bench("mlp");
  bench.dataset.train.inputs[0] = std::numeric_limits<float>::infinity();
  Network& network = bench.network();
  BOOST_TEST(length(network.clipped_gradients(bench.start, {0}, 1)) == 0);
  BOOST_TEST(length(network.clipped_gradients(bench.start, {0, 1}, 1)) ==
             length(network.clipped_gradients(bench.start, {1}, 1)));
}

BOOST_DATA_TEST_CASE(without_noise_clip_and_chance_it_is_plain_training, kModels, kind) {
  Bench bench(kind);
  bench.task.momentum = 0.9;
  bench.task.weight_decay = 0.01;
  bench.task.learning_rate = 0.003;
  auto random = stream("noise");
  const Params hidden = bench.train(3, Network::Noise{kHardlyAny, kHardlyEver, &random});
  // All examples at once, too.
  const auto plain = bench.network().train(bench.start, {1, 1, 3}, [](const auto&) {});
  BOOST_TEST_REQUIRE(plain.best.number == 3U);  // else params are not of the last epoch
  BOOST_TEST(length(difference(hidden, plain.params)) <
             1e-4 * length(difference(plain.params, bench.start)));
}

BOOST_AUTO_TEST_CASE(noise_has_the_deviation_that_was_asked_for) {
  Bench bench("cnn");
  const double noise = 3, clip = 0.5;
  auto one = stream("one"), other = stream("other");
  // Everybody is in the batch, so the gradients are the same and only noise differs.
  const Params first = bench.train(1, Network::Noise{noise, clip, &one});
  const Params second = bench.train(1, Network::Noise{noise, clip, &other});
  const Params between = difference(first, second);
  const auto count = static_cast<double>(between.size());
  const double deviation = length(between) / std::sqrt(count);
  const double expected = bench.task.learning_rate * std::sqrt(2) * noise * clip / kExamples;
  BOOST_TEST(deviation == expected, tolerance(5 / std::sqrt(2 * count)));
}

BOOST_AUTO_TEST_CASE(equal_streams_give_equal_models_and_others_do_not) {
  Bench bench("mlp");
  bench.task.batch = 6;
  auto one = stream("one"), same = stream("one"), other = stream("other");
  const Params model = bench.train(2, Network::Noise{1, 1, &one});
  BOOST_TEST((model == bench.train(2, Network::Noise{1, 1, &same})));
  BOOST_TEST((model != bench.train(2, Network::Noise{1, 1, &other})));
}

BOOST_AUTO_TEST_CASE(last_epoch_is_kept_whatever_validation_says) {
  Bench bench("mlp");
  auto random = stream("noise");
  Network& network = bench.network();
  std::vector<double> losses;
  const auto training =
      network.train(bench.start, {1, 1, 6, Network::Noise{30, 1, &random}},
                    [&](const auto& epoch) { losses.push_back(epoch.validation.loss); });
  BOOST_TEST_REQUIRE(std::ranges::min(losses) < losses.back());  // noise makes it worse
  BOOST_TEST(training.best.number == 6U);
  BOOST_TEST(network.evaluate(training.params, Part::validation).loss == losses.back());
}

BOOST_AUTO_TEST_CASE(accountant_is_told_the_chance_and_the_steps_that_are_taken) {
  Bench bench("mlp");
  bench.task.batch = 5;
  const auto steps = bench.network().private_steps(1.5, 3);
  BOOST_TEST(steps.step.sampling == 5.0 / kExamples);
  BOOST_TEST(steps.step.noise == 1.5);
  BOOST_TEST(steps.count == 15U);  // an epoch has 24 / 5, rounded up
  Bench whole("mlp");
  whole.task.batch = 1000;
  BOOST_TEST(whole.network().private_steps(1.5, 3).step.sampling == 1);
  BOOST_TEST(whole.network().private_steps(1.5, 3).count == 3U);
}

BOOST_AUTO_TEST_CASE(noise_is_normal) {
  auto random = stream("normal");
  std::vector<float> values(200'001);
  add_noise(values, 2, random);
  double mean = 0, squares = 0, fourth = 0, neighbours = 0, beyond = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double z = static_cast<double>(values[i]) / 2;
    mean += z;
    squares += z * z;
    fourth += z * z * z * z;
    if (i > 0) neighbours += z * static_cast<double>(values[i - 1]) / 2;
    beyond += std::abs(z) > 3 ? 1 : 0;
  }
  const auto count = static_cast<double>(values.size());
  BOOST_TEST(std::abs(mean / count) < 5 / std::sqrt(count));
  BOOST_TEST(std::abs(squares / count - 1) < 5 * std::sqrt(2 / count));
  BOOST_TEST(std::abs(fourth / count - 3) < 5 * std::sqrt(96 / count));
  BOOST_TEST(std::abs(neighbours / count) < 5 / std::sqrt(count));
  BOOST_TEST(std::abs(beyond / count - 0.0027) < 5 * std::sqrt(0.0027 / count));
}

BOOST_AUTO_TEST_CASE(each_example_is_drawn_with_its_chance_independently) {
  auto random = stream("draws");
  constexpr int kDraws = 20'000;
  const double chance = 0.3;
  double first = 0, last = 0, both = 0, sizes = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const auto drawn = poisson_sample(10, chance, random);
    const bool has_first = std::ranges::find(drawn, 0) != drawn.end();
    const bool has_last = std::ranges::find(drawn, 9) != drawn.end();
    first += has_first;
    last += has_last;
    both += has_first && has_last;
    sizes += static_cast<double>(drawn.size());
    squares += static_cast<double>(drawn.size() * drawn.size());
  }
  const double error = 5 * std::sqrt(chance * (1 - chance) / kDraws);
  BOOST_TEST(std::abs(first / kDraws - chance) < error);
  BOOST_TEST(std::abs(last / kDraws - chance) < error);
  BOOST_TEST(std::abs(both / kDraws - chance * chance) < error);
  const double mean = sizes / kDraws;
  BOOST_TEST(squares / kDraws - mean * mean == 10 * chance * (1 - chance), tolerance(0.05));
  BOOST_TEST(poisson_sample(10, 1, random).size() == 10U);
  BOOST_TEST(poisson_sample(10, 0, random).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace private_training_test
