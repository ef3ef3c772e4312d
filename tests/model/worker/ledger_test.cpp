#include "model/torch/ledger.hpp"

#include "model/torch/error.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>
#include <string>

namespace ledger_test {

using namespace kith;
using worker::Ledger;

constexpr double kDelta = 1e-5;
const model::PrivateSteps kRound{{0.2, 1}, 10};

double epsilon_of(std::uint64_t rounds) {
  const model::PrivateSteps steps{kRound.step, rounds * kRound.count};
  return model::epsilon(std::span(&steps, 1), kDelta);
}

struct Folder {
  std::filesystem::path file() const { return directory / pipe::kLedgerFile; }
  /// A round by a new worker, written down as kith does.
  Ledger::Spent spend(double budget, const model::PrivateSteps& steps = kRound) const {
    Ledger ledger(directory.path());
    const Ledger::Spent spent = ledger.spend(steps, kDelta, budget);
    std::ofstream(file(), std::ios::binary) << ledger.text();
    return spent;
  }
  std::string content() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  test::TemporaryDirectory directory;
};

BOOST_FIXTURE_TEST_SUITE(ledger_tests, Folder)

BOOST_AUTO_TEST_CASE(every_round_costs_what_the_accountant_says_and_a_restart_forgets_none) {
  for (std::uint64_t round = 1; round <= 5; ++round) {
    const auto spent = spend(0);
    BOOST_TEST(spent.publish);
    BOOST_TEST(spent.epsilon == epsilon_of(round));
  }
}

BOOST_AUTO_TEST_CASE(ledger_is_a_text_that_says_what_was_done) {
  BOOST_TEST(!Ledger(directory.path()).counts());
  spend(0);
  BOOST_TEST(content().find("0.2 1 10 10\n") != std::string::npos, content());
  BOOST_TEST(Ledger(directory.path()).counts());
}

BOOST_AUTO_TEST_CASE(what_goes_beyond_the_budget_is_held_back_and_costs_nothing) {
  const double budget = (epsilon_of(2) + epsilon_of(3)) / 2;
  for (std::uint64_t round = 1; round <= 2; ++round) BOOST_TEST(spend(budget).publish);
  for (int again = 0; again < 3; ++again) {
    const auto spent = spend(budget);
    BOOST_TEST(!spent.publish);
    BOOST_TEST(spent.epsilon == epsilon_of(2));
  }
}

BOOST_AUTO_TEST_CASE(what_was_held_back_counts_once_a_larger_budget_lets_a_later_one_out) {
  const double budget = epsilon_of(1);
  BOOST_TEST(spend(budget).publish);
  BOOST_TEST(!spend(budget).publish);
  const auto spent = spend(1000);
  BOOST_TEST(spent.publish);
  BOOST_TEST(spent.epsilon == epsilon_of(3));
}

BOOST_AUTO_TEST_CASE(first_round_of_all_may_be_too_much) {
  const auto spent = spend(1e-3);
  BOOST_TEST(!spent.publish);
  BOOST_TEST(spent.epsilon == 0);
}

BOOST_AUTO_TEST_CASE(rounds_of_other_noise_or_batches_are_added) {
  spend(0);
  const model::PrivateSteps other{{0.1, 2.5}, 7};
  const double both = spend(0, other).epsilon;
  const std::vector<model::PrivateSteps> all{kRound, other};
  BOOST_TEST(both == model::epsilon(all, kDelta));
}

BOOST_AUTO_TEST_CASE(damaged_ledger_is_refused_and_left_alone) {
  spend(0);
  const std::string good = content();
  for (std::size_t at = 0; at <= good.size(); ++at) {
    std::string bad = good;
    if (at < good.size()) {
      bad[at] ^= 1;
    } else {
      bad.pop_back();
    }
    std::ofstream(file(), std::ios::binary) << bad;
    BOOST_CHECK_THROW(Ledger(directory.path()), worker::WorkerError);
    BOOST_TEST(content() == bad);
  }
  std::ofstream(file(), std::ios::binary) << "";
  BOOST_CHECK_THROW(Ledger(directory.path()), worker::WorkerError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace ledger_test
