#include "tests/sim/simulator.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace simulator_test {

using namespace std::chrono_literals;
using kith::sim::Simulator;

BOOST_AUTO_TEST_SUITE(simulator_tests)

BOOST_AUTO_TEST_CASE(events_run_by_time_then_by_posting_order) {
  Simulator sim(1);
  std::string order;
  sim.after(2s, [&] { order += 'c'; });
  sim.after(1s, [&] { order += 'a'; });
  sim.after(1s, [&] { order += 'b'; });
  sim.run_for(10s);
  BOOST_TEST(order == "abc");
}

BOOST_AUTO_TEST_CASE(time_stops_exactly_where_asked) {
  Simulator sim(1);
  const auto start = sim.now();
  sim.run_for(24h);
  BOOST_TEST((sim.now() - start == 24h));
}

BOOST_AUTO_TEST_CASE(alarm_goes_off_when_the_nodes_own_clock_says_so) {
  for (const int fast : {-10'000, 0, 10'000}) {
    Simulator sim(1);
    sim.set_clock(0, {100h, fast});
    sim.run_for(1h);
    const auto due = sim.now(0) + 60s;
    bool early = false, late = true;
    sim.at(0, due - 1ns, [&] { early = sim.now(0) >= due; });
    sim.at(0, due, [&] { late = sim.now(0) > due + 2ns; });
    sim.run_for(61s);
    BOOST_TEST(!early);
    BOOST_TEST(!late);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace simulator_test
