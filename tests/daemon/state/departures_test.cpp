#include "daemon/state/departures.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <vector>

namespace departures_test {

using namespace kith;
using namespace kith::daemon;
using nlohmann::json;

struct WithStore {
  test::TemporaryDirectory directory;
  Store store{directory.path()};
  net::Member ben = member(2, "ben"), cy = member(3, "cy");

  static net::Member member(unsigned char key, std::string name) {
    net::Member made;
    made.id.key[0] = std::byte{key};
    made.name = std::move(name);
    return made;
  }
  void finish(std::uint64_t round, double accuracy, const std::vector<net::Member>& averaged = {}) {
    json members = json::array();
    for (const net::Member& each : averaged) members.push_back({{"id", to_string(each.id)}});
    const json validation{{"accuracy", accuracy}, {"loss", 1 - accuracy}};
    store.put_round(round, {},
                    {{"members", members},
                     {"served", "averaged"},
                     {"models", {{"averaged", {{"validation", validation}}}}}});
  }
};

BOOST_FIXTURE_TEST_SUITE(departures_tests, WithStore)

BOOST_AUTO_TEST_CASE(what_was_served_before_and_since_is_compared_over_five_rounds_at_most) {
  for (std::uint64_t round = 1; round <= 10; ++round) {
    finish(round, round > 5 ? 0.8 : 0.1,
           round == 4 || round == 7 ? std::vector{ben} : std::vector{cy});
  }
  note_departure(store, ben, 3);
  json gone = departures(store).at(0);
  BOOST_TEST(gone.at("name") == "ben");
  BOOST_TEST(gone.at("id") == to_string(ben.id));
  BOOST_TEST(gone.at("version") == 3);
  BOOST_TEST(gone.at("round") == 10);
  BOOST_TEST(gone.at("averaged") == 2);
  BOOST_TEST(gone.at("last") == 7);
  BOOST_TEST(gone.at("before").at("rounds") == 5);
  BOOST_TEST(gone.at("before").at("accuracy").get<double>() == 0.8,
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(gone.at("after").is_null());

  finish(11, 0.6);
  finish(12, 0.7);
  gone = departures(store).at(0);
  BOOST_TEST(gone.at("before").at("rounds") == 5);
  BOOST_TEST(gone.at("after").at("rounds") == 2);
  BOOST_TEST(gone.at("after").at("accuracy").get<double>() == 0.65,
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(gone.at("after").at("loss").get<double>() == 0.35, boost::test_tools::tolerance(1e-9));
  for (std::uint64_t round = 13; round <= 60; ++round) finish(round, 0.1);
  BOOST_TEST(departures(store).at(0).at("after").at("rounds") == 5);
  finish(61, 0.1);
  BOOST_TEST(departures(store).empty());  // long ago
}

BOOST_AUTO_TEST_CASE(the_latest_comes_first_and_who_comes_back_is_not_shown) {
  finish(1, 0.5);
  note_departure(store, ben, 3);
  note_departure(store, cy, 4);
  BOOST_TEST(departures(store).size() == 2U);
  BOOST_TEST(departures(store).at(0).at("name") == "cy");
  BOOST_TEST(departures(store).at(0).at("averaged") == 0);
  BOOST_TEST(departures(store).at(0).at("last").is_null());
  forget_departure(store, cy.id);
  BOOST_TEST(departures(store).size() == 1U);
  BOOST_TEST(departures(store).at(0).at("name") == "ben");
}

BOOST_AUTO_TEST_CASE(before_the_first_round_there_is_nothing_to_note) {
  note_departure(store, ben, 3);
  BOOST_TEST(departures(store).empty());
}

BOOST_AUTO_TEST_CASE(rounds_of_another_task_are_not_compared) {
  finish(20, 0.5);
  note_departure(store, ben, 3);
  store.forget_task();
  finish(1, 0.5);
  BOOST_TEST(departures(store).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace departures_test
