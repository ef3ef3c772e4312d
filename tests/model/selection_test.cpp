#include "model/selection.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <vector>

namespace selection_test {

using namespace kith::model;

namespace data = boost::unit_test::data;
using Settings = ForwardSelection::Settings;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Members letters(std::size_t count) {
  Members result;
  for (std::size_t at = 0; at < count; ++at)
    result.push_back(std::string(1, static_cast<char>('a' + at)));
  return result;
}

/// Eight examples with one and the same loss: no doubt about differences.
std::vector<float> same(double loss) { return std::vector<float>(8, static_cast<float>(loss)); }

/// Sixteen examples whose mean is `loss`, half of them `spread` above and half below; `phase` says
/// which.  The difference to same(1.0), sixteen times, has standard error spread / sqrt(15).
std::vector<float> spread(double loss, double spread, std::size_t phase = 0) {
  std::vector<float> losses;
  for (std::size_t i = 0; i < 16; ++i) {
    losses.push_back(static_cast<float>(loss + ((i + phase) % 2 == 0 ? spread : -spread)));
  }
  return losses;
}

Selected run(Selection& selection, const std::function<double(const Members&)>& loss) {
  while (const auto members = selection.next()) selection.record(same(loss(*members)));
  return selection.result();
}

/// Answers the measurements with these losses, in turn.
Selected answer(Selection& selection, const std::vector<double>& losses) {
  for (const double loss : losses) {
    BOOST_TEST_REQUIRE(selection.next().has_value());
    selection.record(same(loss));
  }
  BOOST_TEST(!selection.next().has_value());
  return selection.result();
}

/// Loss when averaging models that are points on a line with the own one at 1, the best one at 0.
double line_loss(const std::map<std::string, double>& points, const Members& members) {
  double sum = 1;
  for (const auto& member : members) sum += points.at(member);
  const double mean = sum / static_cast<double>(members.size() + 1);
  return mean * mean;
}

BOOST_AUTO_TEST_SUITE(selection_tests)

BOOST_AUTO_TEST_CASE(forward_selection_keeps_whoever_does_not_raise_the_loss) {
  ForwardSelection selection(same(1.0), letters(4));
  const auto selected = answer(selection, {0.9, 0.95, 0.9, 0.8});
  BOOST_TEST(selected.members == (Members{"a", "c", "d"}), boost::test_tools::per_element());
  BOOST_TEST(selected.loss == 0.8, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(each_trial_is_the_kept_and_the_next_candidate) {
  ForwardSelection selection(same(1.0), letters(3));
  const auto selected = answer(selection, {2.0, 0.5, 0.4});
  const std::vector<Members> tried{{}, {"a"}, {"b"}, {"b", "c"}};
  const std::vector<bool> kept{true, false, true, true};
  BOOST_TEST_REQUIRE(selected.trace.size() == tried.size());
  for (std::size_t at = 0; at < tried.size(); ++at) {
    BOOST_TEST(selected.trace[at].members == tried[at], boost::test_tools::per_element());
    BOOST_TEST(selected.trace[at].kept == kept[at]);
  }
  BOOST_TEST(selected.trace[0].loss == 1.0);
}

BOOST_AUTO_TEST_CASE(three_refusals_in_a_row_end_it_and_a_success_forgives_them) {
  ForwardSelection selection(same(1.0), letters(9));
  const auto selected = answer(selection, {2, 2, 0.9, 2, 2, 2});
  BOOST_TEST(selected.members == Members{"c"}, boost::test_tools::per_element());
  ForwardSelection hasty(same(1.0), letters(9), {.patience = 1});
  BOOST_TEST(answer(hasty, {2}).members.empty());
}

BOOST_AUTO_TEST_CASE(nobody_helps_nobody_is_kept) {
  ForwardSelection alone(same(1.0), {});
  BOOST_TEST(answer(alone, {}).members.empty());
  ForwardSelection harmful(same(1.0), letters(5));
  const auto selected = answer(harmful, {1.1, 1.1, 1.1});
  BOOST_TEST(selected.members.empty());
  BOOST_TEST(selected.loss == 1.0);
}

BOOST_AUTO_TEST_CASE(rise_within_its_standard_error_is_no_rise) {
  const std::vector<float> own(16, 1.0F);
  ForwardSelection selection(own, letters(2));
  selection.record(spread(1.19, 0.4));  // standard error 0.103
  BOOST_TEST(selection.result().members == Members{"a"}, boost::test_tools::per_element());
  ForwardSelection strict(own, letters(2));
  strict.record(spread(1.23, 0.4));
  BOOST_TEST(strict.result().members.empty());
  ForwardSelection none(own, letters(2), {.slack = 0});
  none.record(spread(1.001, 0.4));
  BOOST_TEST(none.result().members.empty());
  BestPrefix prefix(own, letters(1));
  prefix.record(spread(1.19, 0.4));
  BOOST_TEST(prefix.result().members.size() == 1U);
}

BOOST_AUTO_TEST_CASE(examples_are_compared_in_pairs) {
  // Both spread alike, example by example: then even a small rise is certain.
  ForwardSelection paired(spread(1.0, 0.4), letters(1));
  paired.record(spread(1.05, 0.4));
  BOOST_TEST(paired.result().members.empty());
  ForwardSelection crossed(spread(1.0, 0.4), letters(1));
  crossed.record(spread(1.05, 0.4, 1));
  BOOST_TEST(crossed.result().members.size() == 1U);
}

BOOST_AUTO_TEST_CASE(tolerated_rises_do_not_add_up) {
  const std::vector<float> own(16, 1.0F);
  ForwardSelection selection(own, letters(4));
  for (const double loss : {1.19, 1.195, 1.23, 1.05}) selection.record(spread(loss, 0.4));
  const auto selected = selection.result();
  BOOST_TEST(selected.members == (Members{"a", "b", "d"}), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_loss_that_is_not_finite_is_never_kept,
                     data::make({kNaN, HUGE_VAL, -HUGE_VAL}), loss) {
  ForwardSelection forward(same(1.0), letters(2));
  BOOST_TEST(answer(forward, {loss, 0.9}).members == Members{"b"},
             boost::test_tools::per_element());
  BestPrefix prefix(same(1.0), letters(3));
  BOOST_TEST(answer(prefix, {0.8, loss, 0.9}).members.size() == 1U);
  BestPrefix hopeless(same(1.0), letters(2));
  BOOST_TEST(answer(hopeless, {loss, loss}).members.empty());
}

BOOST_DATA_TEST_CASE(any_finite_average_is_better_than_an_own_model_without_a_loss,
                     data::make({kNaN, HUGE_VAL}), own) {
  ForwardSelection forward(same(own), letters(2));
  BOOST_TEST(answer(forward, {5, 6}).members == Members{"a"}, boost::test_tools::per_element());
  BestPrefix prefix(same(own), letters(2));
  BOOST_TEST(answer(prefix, {5, 6}).members == Members{"a"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(prefixes_are_1_2_3_4_6_8_12_and_so_on_and_all) {
  BestPrefix selection(same(1.0), Members(50, "x"));
  std::vector<std::size_t> lengths;
  (void)run(selection, [&lengths](const Members& members) {
    lengths.push_back(members.size());
    return 2.0;
  });
  const std::vector<std::size_t> expected{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 50};
  BOOST_TEST(lengths == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_best_prefix_is_kept_the_longest_of_equals) {
  BestPrefix selection(same(1.0), letters(6));
  const auto selected = answer(selection, {0.9, 0.7, 0.8, 0.7, 0.75});
  BOOST_TEST(selected.members == letters(4), boost::test_tools::per_element());
  BOOST_TEST(selected.loss == 0.7, boost::test_tools::tolerance(1e-6));
  for (const auto& trial : selected.trace) {
    BOOST_TEST(trial.kept == (trial.members.size() == 4));
  }
}

BOOST_DATA_TEST_CASE(where_there_is_no_doubt_neither_is_ever_worse_than_alone, data::xrange(50U),
                     seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> loss(0.5, 1.5);
  const auto candidates = letters(random() % 20);
  ForwardSelection forward(same(1.0), candidates);
  BestPrefix prefix(same(1.0), candidates);
  for (Selection* selection : std::initializer_list<Selection*>{&forward, &prefix}) {
    const auto selected = run(*selection, [&](const Members&) { return loss(random); });
    BOOST_TEST(selected.loss <= 1.0);
    double lowest = 1.0;
    for (const auto& trial : selected.trace) lowest = std::min(lowest, trial.loss);
    BOOST_TEST(selected.loss == lowest);
  }
}

BOOST_AUTO_TEST_CASE(both_find_the_partners_that_average_to_the_best_model) {
  // Own model at 1, the best at 0: b pulls too little, c and d far off to either side.
  const std::map<std::string, double> points{
      {"a", -0.9}, {"b", 0.2}, {"c", -0.3}, {"d", 5}, {"e", -4}};
  ForwardSelection forward(same(1.0), letters(5));
  const auto chosen = run(forward, [&](const Members& m) { return line_loss(points, m); });
  BOOST_TEST(chosen.loss < 0.0025);
  BOOST_TEST(chosen.trace.size() <= 6U);
  BestPrefix prefix(same(1.0), letters(5));
  const auto best = run(prefix, [&](const Members& m) { return line_loss(points, m); });
  BOOST_TEST(best.members == letters(3), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace selection_test
