#include "model/selection.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
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

Selected run(ForwardSelection& selection, const std::function<double(const Members&)>& loss) {
  while (const auto members = selection.next()) selection.record(same(loss(*members)));
  return selection.result();
}

/// Answers the measurements with these losses, in turn.
Selected answer(ForwardSelection& selection, const std::vector<double>& losses) {
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

// Members that collude were good alone, and so first; each ruined an average, and three of them
// ended the search before anybody honest was tried.
BOOST_AUTO_TEST_CASE(who_fails_in_the_average_ends_the_search_for_nobody_else) {
  ForwardSelection selection(same(1.0), letters(7));
  const auto selected = answer(selection, {9, 9, 9, 9, 0.9, 0.8, 9});
  BOOST_TEST(selected.members == (Members{"e", "f"}), boost::test_tools::per_element());
  BOOST_TEST(selected.refused == (Members{"a", "b", "c", "d", "g"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nobody_helps_nobody_is_kept) {
  ForwardSelection alone(same(1.0), {});
  BOOST_TEST(answer(alone, {}).members.empty());
  ForwardSelection harmful(same(1.0), letters(5));
  const auto selected = answer(harmful, {1.1, 1.1, 1.1, 1.1, 1.1});
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
  ForwardSelection hopeless(same(1.0), letters(2));
  BOOST_TEST(answer(hopeless, {loss, loss}).members.empty());
}

BOOST_DATA_TEST_CASE(any_finite_average_is_better_than_an_own_model_without_a_loss,
                     data::make({kNaN, HUGE_VAL}), own) {
  ForwardSelection forward(same(own), letters(2));
  BOOST_TEST(answer(forward, {5, 6}).members == Members{"a"}, boost::test_tools::per_element());
}

// ---- Many ----

Members numbered(std::size_t count) {
  Members result;
  for (std::size_t at = 1; at <= count; ++at) result.push_back(std::to_string(at));
  return result;
}

BOOST_AUTO_TEST_CASE(of_many_the_later_are_added_several_at_once) {
  ForwardSelection selection(same(1.0), numbered(50));
  std::vector<std::size_t> lengths;
  const auto selected = run(selection, [&lengths](const Members& members) {
    lengths.push_back(members.size());
    return 0.9;
  });
  const std::vector<std::size_t> expected{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 50};
  BOOST_TEST(lengths == expected, boost::test_tools::per_element());
  BOOST_TEST(selected.members == numbered(50), boost::test_tools::per_element());
}

// The first of all was in every prefix, and so nobody was averaged with.
BOOST_DATA_TEST_CASE(of_many_each_that_ruins_is_found_wherever_it_stands,
                     data::make({1, 3, 6, 11, 16, 24, 31}), where) {
  const std::string bad = std::to_string(where);
  ForwardSelection selection(same(1.0), numbered(31));
  const auto selected = run(selection, [&](const Members& members) {
    return std::ranges::find(members, bad) == members.end() ? 0.9 : 5.0;
  });
  BOOST_TEST(selected.members.size() == 30U);
  BOOST_TEST(selected.refused == Members{bad}, boost::test_tools::per_element());
  BOOST_TEST(selected.trace.size() <= 18U);
}

BOOST_AUTO_TEST_CASE(of_many_that_all_ruin_it_a_bounded_number_is_looked_at) {
  ForwardSelection selection(same(1.0), numbered(500));
  const auto selected = run(selection, [](const Members&) { return 5.0; });
  BOOST_TEST(selected.members.empty());
  BOOST_TEST(selected.trace.size() <= 60U);
}

// ---- Turns ----

Selected outcome(Members members, Members refused) {
  Selected selected;
  selected.members = std::move(members);
  selected.refused = std::move(refused);
  return selected;
}

BOOST_AUTO_TEST_CASE(who_was_refused_three_times_in_a_row_sits_out_three_rounds) {
  Turns turns(3);
  const Members both{"a", "b"};
  std::vector<std::uint64_t> tried;
  for (std::uint64_t round = 1; round <= 15; ++round) {
    const Members able = turns.of(round, both);
    const bool has_turn = std::ranges::find(able, "b") != able.end();
    BOOST_TEST(able.front() == "a");  // nobody else waits
    if (has_turn) tried.push_back(round);
    turns.record(round, outcome({"a"}, has_turn ? Members{"b"} : Members()));
  }
  const std::vector<std::uint64_t> expected{1, 2, 3, 7, 11, 15};
  BOOST_TEST(tried == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(who_is_kept_once_has_a_clean_record) {
  Turns turns(2);
  turns.record(1, outcome({"a"}, {"b"}));
  turns.record(2, outcome({"a", "b"}, {}));
  turns.record(3, outcome({"a"}, {"b"}));
  BOOST_TEST(turns.of(4, {"b"}).size() == 1U);
  turns.record(4, outcome({"a"}, {"b"}));
  BOOST_TEST(turns.of(5, {"b"}).empty());
}

// It may be the own model that goes together with none.
BOOST_AUTO_TEST_CASE(where_nobody_is_kept_nobody_is_blamed) {
  Turns turns(1);
  for (std::uint64_t round = 1; round <= 5; ++round) turns.record(round, outcome({}, {"a", "b"}));
  BOOST_TEST(turns.of(6, {"a", "b"}).size() == 2U);
}

// ----

BOOST_DATA_TEST_CASE(where_there_is_no_doubt_it_is_never_worse_than_alone, data::xrange(50U),
                     seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> loss(0.5, 1.5);
  const auto candidates = letters(random() % 20);
  ForwardSelection selection(same(1.0), candidates);
  const auto selected = run(selection, [&](const Members&) { return loss(random); });
  BOOST_TEST(selected.loss <= 1.0);
  double lowest = 1.0;
  for (const auto& trial : selected.trace) lowest = std::min(lowest, trial.loss);
  BOOST_TEST(selected.loss == lowest);
}

BOOST_AUTO_TEST_CASE(finds_the_partners_that_average_to_the_best_model) {
  // Own model at 1, the best at 0: b pulls too little, c and d far off to either side.
  const std::map<std::string, double> points{
      {"a", -0.9}, {"b", 0.2}, {"c", -0.3}, {"d", 5}, {"e", -4}};
  ForwardSelection forward(same(1.0), letters(5));
  const auto chosen = run(forward, [&](const Members& m) { return line_loss(points, m); });
  BOOST_TEST(chosen.loss < 0.0025);
  BOOST_TEST(chosen.trace.size() <= 6U);
}

// ---- Over the rounds ----

BOOST_AUTO_TEST_CASE(who_raises_the_loss_a_little_in_every_round_is_refused_in_the_end) {
  Doubt doubt(kSlack);
  std::uint64_t round = 0;
  for (bool kept = true; kept;) {
    BOOST_TEST_REQUIRE(++round < 12U);
    ForwardSelection selection(std::vector<float>(16, 1), letters(1),
                               Settings{.doubt = &doubt, .round = round});
    selection.record(spread(1.2, 0.6));  // by 1.3 standard errors
    kept = !selection.result().members.empty();
  }
  BOOST_TEST(round > 1U);
}

// ---- Rivals ----

BOOST_AUTO_TEST_CASE(rival_with_more_models_is_taken_at_half_the_doubt) {
  const auto taken = [](double loss, std::size_t models) {
    Rivals rivals(2);
    rivals.begin(1, std::vector<float>(16, 1), 3);
    return rivals.compare("rival", spread(loss, 0.4), models).taken;  // standard error 0.103
  };
  BOOST_TEST(!taken(0.92, 4));
  BOOST_TEST(taken(0.87, 4));
  BOOST_TEST(!taken(0.87, 3));
  BOOST_TEST(!taken(0.87, 2));
  BOOST_TEST(taken(0.77, 2));
  BOOST_TEST(!taken(kNaN, 4));
}

BOOST_AUTO_TEST_CASE(of_several_rivals_the_one_with_the_lowest_loss_is_taken) {
  Rivals rivals(2);
  rivals.begin(1, same(1), 3);
  BOOST_TEST(rivals.compare("a", same(0.9), 4).taken);
  BOOST_TEST(!rivals.compare("b", same(0.95), 4).taken);
  BOOST_TEST(rivals.compare("c", same(0.8), 2).taken);
  rivals.begin(2, same(0.7), 3);
  BOOST_TEST(!rivals.compare("c", same(0.8), 2).taken);
}

BOOST_AUTO_TEST_CASE(rival_that_is_a_little_better_in_each_round_is_taken_in_the_end) {
  Rivals rivals(2);
  std::uint64_t round = 1;
  const auto compare = [&] {
    rivals.begin(round, std::vector<float>(16, 1), 3);
    return rivals.compare("rival", spread(0.87, 0.4), 3);
  };
  while (round < 20 && !compare().taken) ++round;
  BOOST_TEST(round > 1);
  BOOST_TEST(round < 10);
  BOOST_TEST(compare().better_by > 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace selection_test
