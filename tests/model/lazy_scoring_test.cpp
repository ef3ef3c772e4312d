#include "model/lazy_scoring.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <random>
#include <vector>

namespace lazy_scoring_test {

using namespace kith::model;

namespace data = boost::unit_test::data;

constexpr double kClip = 3;
constexpr std::size_t kAll = 512;

/// The losses of a reference, of the own partial, which gains 0.5 on it, and of a peer, which gains
/// `rho` times as much; all with noise of their own.
struct Site {
  Site(unsigned seed, double rho) {
    std::mt19937 random(seed);
    std::normal_distribution<double> noise(0, 0.25), hardness(1.5, 0.3);
    for (std::size_t i = 0; i < kAll; ++i) {
      const double hard = hardness(random);
      reference.push_back(static_cast<float>(hard));
      own.push_back(static_cast<float>(hard - 0.5 - noise(random)));
      peer.push_back(static_cast<float>(hard - 0.5 * rho - noise(random)));
    }
  }
  [[nodiscard]] RelativeInfluence score(std::size_t examples, double z) const {
    const auto first = [examples](const std::vector<float>& losses) {
      return std::span(losses).first(examples);
    };
    return relative_influence(first(reference), first(own), first(peer), z);
  }
  /// How many examples are looked at before the peer is settled.
  [[nodiscard]] std::size_t looked_at(const Stopping& stopping) const {
    std::size_t looked = 0;
    do {
      looked = next_look(looked, kAll);
    } while (looked < kAll && !settled(score(looked, stopping.confidence),
                                       std::span(peer).first(looked), {}, stopping));
    return looked;
  }

  std::vector<float> reference, own, peer;
};

enum class Verdict { in, between, out };
Verdict verdict(double rho) {
  return rho > 0.5 ? Verdict::in : rho < 0.4 ? Verdict::out : Verdict::between;
}

BOOST_AUTO_TEST_SUITE(lazy_scoring_tests)

BOOST_AUTO_TEST_CASE(looks_double_until_all_examples_are_seen) {
  std::vector<std::size_t> looks;
  for (std::size_t looked = 0; looked < 500;) looks.push_back(looked = next_look(looked, 500));
  BOOST_TEST((looks == std::vector<std::size_t>{32, 64, 128, 256, 500}));
}

BOOST_AUTO_TEST_CASE(few_examples_are_looked_at_once) {
  for (const std::size_t all : {2U, 25U, 47U}) BOOST_TEST(next_look(0, all) == all);
}

BOOST_AUTO_TEST_CASE(the_clear_cases_take_a_fraction_of_the_examples) {
  std::size_t useful = 0, useless = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    useful += Site(seed, 1.2).looked_at({});
    useless += Site(seed, -0.2).looked_at({});
  }
  BOOST_TEST(useful < 100 * kAll / 4);
  BOOST_TEST(useless < 100 * kAll / 4);
}

BOOST_AUTO_TEST_CASE(the_unclear_ones_take_all) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    BOOST_TEST(Site(seed, 0.45).looked_at({}) > kAll / 4);
  }
}

// What the few examples say and what all of them say is the same, in 99 of 100 cases and more.
BOOST_DATA_TEST_CASE(stopping_early_decides_what_all_examples_decide,
                     data::make({-0.5, 0.0, 0.2, 0.35, 0.45, 0.55, 0.7, 1.0, 1.4}), rho) {
  int early = 0, other = 0;
  for (unsigned seed = 0; seed < 1000; ++seed) {
    const Site site(seed, rho);
    const std::size_t looked = site.looked_at({});
    if (looked == kAll) continue;
    ++early;
    other += verdict(site.score(looked, 3).rho) != verdict(site.score(kAll, 3).rho) ? 1 : 0;
  }
  BOOST_TEST_MESSAGE("rho " << rho << ": " << early << " of 1000 early, " << other << " otherwise");
  BOOST_TEST(other <= 10);
}

BOOST_AUTO_TEST_CASE(a_useful_peer_that_may_be_worse_than_alone_is_not_settled) {
  const Site site(1, 1.2);
  const RelativeInfluence score = site.score(64, 3);
  const auto peer = std::span(site.peer).first(64);
  std::vector<float> alone(peer.begin(), peer.end());
  BOOST_TEST(settled(score, peer, alone, {}));
  for (float& loss : alone) loss -= 0.01F;
  alone.front() += 0.5F;  // better on the whole, but not clearly
  BOOST_TEST(!settled(score, peer, alone, {}));
  for (float& loss : alone) loss -= 0.3F;  // clearly
  BOOST_TEST(settled(score, peer, alone, {}));
}

BOOST_AUTO_TEST_CASE(without_an_influence_of_our_own_nothing_is_settled) {
  RelativeInfluence score;
  score.low = score.high = -1;
  score.against = Yardstick::best_peers;
  BOOST_TEST(!settled(score, {}, {}, {}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lazy_scoring_test
