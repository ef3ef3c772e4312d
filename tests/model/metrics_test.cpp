#include "model/metrics.hpp"

#include <boost/test/unit_test.hpp>

#include <array>

namespace metrics_test {

using namespace kith::model;
using boost::test_tools::tolerance;

constexpr double kExact = 1e-9;

BOOST_AUTO_TEST_SUITE(metrics_tests)

BOOST_AUTO_TEST_CASE(who_says_healthy_to_everybody_is_accurate_but_not_balanced) {
  std::vector<std::int64_t> truth(94, 0);
  truth.resize(100, 1);
  const std::vector<std::int64_t> said(100, 0);
  const Metrics metrics = class_metrics(truth, said, 2);
  BOOST_TEST(metrics.at("accuracy") == 0.94, tolerance(kExact));
  BOOST_TEST(metrics.at("balanced_accuracy") == 0.5, tolerance(kExact));
  BOOST_TEST(metrics.at("macro_f1") == 0.94 / 1.94, tolerance(kExact));
}

// The numbers that scikit-learn 1.2 gives for these.
BOOST_AUTO_TEST_CASE(metrics_are_those_of_scikit_learn) {
  constexpr std::array<std::int64_t, 10> truth{0, 0, 0, 1, 1, 1, 1, 2, 2, 0};
  constexpr std::array<std::int64_t, 10> said{0, 0, 1, 1, 1, 2, 1, 2, 0, 0};
  const Metrics metrics = class_metrics(truth, said, 3);
  BOOST_TEST(metrics.at("accuracy") == 0.7, tolerance(kExact));
  BOOST_TEST(metrics.at("balanced_accuracy") == 2.0 / 3, tolerance(kExact));
  BOOST_TEST(metrics.at("macro_f1") == 2.0 / 3, tolerance(kExact));

  const std::vector<std::uint64_t> rows{3, 1, 0, 0, 3, 1, 1, 0, 1};
  BOOST_TEST(confusion(truth, said, 3) == rows, boost::test_tools::per_element());

  constexpr std::array<std::int64_t, 8> positive{0, 0, 1, 1, 0, 1, 0, 1};
  constexpr std::array<float, 8> scores{0.1F, 0.4F, 0.35F, 0.8F, 0.4F, 0.4F, 0.2F, 0.9F};
  const Metrics ranking = ranking_metrics(positive, scores);
  BOOST_TEST(ranking.at("auroc") == 0.8125, tolerance(kExact));
  BOOST_TEST(ranking.at("average_precision") == 0.8166666666666667, tolerance(kExact));

  constexpr std::array<double, 4> values{3, -0.5, 2, 7}, guesses{2.5, 0, 2, 8};
  const Metrics numbers = number_metrics(values, guesses);
  BOOST_TEST(numbers.at("mae") == 0.5, tolerance(kExact));
  BOOST_TEST(numbers.at("rmse") == 0.6123724356957945, tolerance(kExact));
  BOOST_TEST(numbers.at("r2") == 0.9486081370449679, tolerance(kExact));
}

BOOST_AUTO_TEST_CASE(several_targets_are_judged_one_by_one) {
  // Two targets of five examples, of which one is not known; the first is told apart but for one pair.
  constexpr std::array<std::int64_t, 10> truth{0, 1, 0, 1, 1, 0, 1, -100, 0, 1};
  constexpr std::array<float, 10> scores{-2, 3, 1, 3, 2, -1, 0.5F, 9, -1, -4};
  const Metrics metrics = multi_label_metrics(truth, scores, 2);
  BOOST_TEST(metrics.at("accuracy") == 7.0 / 9, tolerance(kExact));
  BOOST_TEST(metrics.at("macro_f1") == (4.0 / 5 + 4.0 / 5) / 2, tolerance(kExact));
  BOOST_TEST(metrics.at("auroc") == (5.0 / 6 + 2.0 / 3) / 2, tolerance(kExact));
  constexpr std::array<std::int64_t, 4> always{1, 0, 1, 0};
  constexpr std::array<float, 4> said{1, -1, 1, -1};
  const Metrics plain = multi_label_metrics(always, said, 2);
  BOOST_TEST(!plain.contains("auroc"));
  BOOST_TEST(plain.at("macro_f1") == 1.0, tolerance(kExact));
}

BOOST_AUTO_TEST_CASE(what_is_not_defined_on_these_examples_is_left_out) {
  BOOST_TEST(class_metrics({}, {}, 3).empty());
  constexpr std::array<std::int64_t, 2> one_class{1, 1};
  constexpr std::array<float, 2> scores{0.1F, 0.9F};
  BOOST_TEST(ranking_metrics(one_class, scores).empty());
  constexpr std::array<double, 2> alike{4, 4}, said{4, 5};
  BOOST_TEST(!number_metrics(alike, said).contains("r2"));
  BOOST_TEST(number_metrics(alike, said).at("mae") == 0.5, tolerance(kExact));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace metrics_test
