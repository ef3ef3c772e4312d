#include "daemon/state/history.hpp"

#include "daemon/system/disk.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

namespace history_test {

using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;

struct State {
  test::TemporaryDirectory folder;
  fs::path checkpoint = folder.path() / kCheckpoint;
  History history{folder.path() / kHistory};

  /// As a node does after each round.
  void finish(std::uint64_t round, std::size_t most = 8) {
    write_whole(checkpoint, as_byte_view("model " + std::to_string(round)));
    history.keep(round, checkpoint, most);
  }
  std::string model() const { return read_text(checkpoint, 100); }
};

BOOST_FIXTURE_TEST_SUITE(history_tests, State)

BOOST_AUTO_TEST_CASE(of_many_rounds_few_are_kept_and_going_back_costs_twice_as_many_and_an_eighth) {
  for (const std::size_t most : {2U, 3U, 8U, 64U}) {
    std::vector<std::uint64_t> kept;
    for (std::uint64_t round = 1; round <= 1000; ++round) {
      kept.push_back(round);
      kept = thinned(std::move(kept), most);
      BOOST_TEST_REQUIRE(kept.size() == std::min<std::size_t>(round, most));
      BOOST_TEST(kept.front() == 1U);
      BOOST_TEST(kept.back() == round);
      if (most < 8) continue;
      for (std::size_t i = 1; i < kept.size(); ++i) {  // the worst: to go back to before kept[i]
        BOOST_TEST_REQUIRE(round - kept[i - 1] <= 2 * (round - kept[i]) + round / 8 + 1);
      }
    }
  }
  BOOST_TEST(thinned({1, 2, 3}, 0).empty());
}

BOOST_AUTO_TEST_CASE(an_earlier_model_comes_back_and_the_later_ones_are_gone) {
  for (std::uint64_t round = 1; round <= 5; ++round) finish(round);
  history.restore(3, checkpoint);
  history.forget_after(3);
  BOOST_TEST(model() == "model 3");
  BOOST_TEST((history.rounds() == std::vector<std::uint64_t>{1, 2, 3}));
  history.restore(3, checkpoint);  // interrupted, and done again
  BOOST_TEST(model() == "model 3");
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), {}) == 2);
  finish(4);
  history.restore(3, checkpoint);  // what is written anew leaves the old one alone
  BOOST_TEST(model() == "model 3");
}

BOOST_AUTO_TEST_CASE(what_is_not_wanted_any_more_is_removed) {
  for (std::uint64_t round = 1; round <= 5; ++round) finish(round);
  finish(6, 2);
  BOOST_TEST((history.rounds() == std::vector<std::uint64_t>{1, 6}));
  finish(7, 0);
  BOOST_TEST(history.rounds().empty());
}

BOOST_AUTO_TEST_CASE(other_files_are_left_alone) {
  finish(1);
  write_whole(folder.path() / kHistory / "notes.txt", as_byte_view("x"));
  write_whole(folder.path() / kHistory / "1x.safetensors", as_byte_view("x"));
  BOOST_TEST((history.rounds() == std::vector<std::uint64_t>{1}));
  BOOST_TEST(History(folder.path() / "nothing").rounds().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace history_test
