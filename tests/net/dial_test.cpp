#include "net/asio/dial.hpp"

#include "net/limits.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <semaphore>
#include <thread>

namespace dial_test {

using namespace std::chrono_literals;
using namespace kith::net;

/// The name server is dead, as long as this lives: each look-up hangs until it ends.
class DeadNameServer {
 public:
  DeadNameServer() : before_(detail::ask_system.exchange(hang)) {}
  ~DeadNameServer() {
    detail::ask_system = before_;
    released_.release(1000);
    while (hanging_ > 0) std::this_thread::sleep_for(1ms);
  }
  static std::atomic<std::size_t>& hanging() { return hanging_; }

 private:
  static std::vector<tcp::endpoint> hang(const Endpoint&) {
    ++hanging_;
    released_.acquire();
    --hanging_;
    return {};
  }
  static inline std::counting_semaphore<> released_{0};
  static inline std::atomic<std::size_t> hanging_ = 0;
  detail::AskSystem before_;
};

/// What came of each of `lists`, all asked for at once, and how long each took.
struct Found {
  std::vector<tcp::endpoint> endpoints;
  Duration took{};
};
std::vector<Found> resolve_all(const std::vector<std::vector<std::string>>& lists) {
  asio::io_context io;
  std::vector<Found> all(lists.size());
  const auto start = Clock::now();
  for (std::size_t i = 0; i < lists.size(); ++i) {
    asio::co_spawn(io, resolve(io.get_executor(), lists[i]),
                   [&all, i, start](std::exception_ptr error, std::vector<tcp::endpoint> found) {
                     BOOST_TEST(!error);
                     all[i] = {std::move(found), Clock::now() - start};
                   });
  }
  io.run();
  return all;
}

BOOST_AUTO_TEST_SUITE(dial_tests)

BOOST_AUTO_TEST_CASE(names_and_numbers_lead_somewhere) {
  const auto found = resolve_all({{"127.0.0.1:7700"}, {"[::1]:7700"}, {"localhost:7700"}});
  BOOST_TEST_REQUIRE(found[0].endpoints.size() == 1U);
  BOOST_TEST(text(found[0].endpoints[0]) == "127.0.0.1:7700");
  BOOST_TEST_REQUIRE(found[1].endpoints.size() == 1U);
  BOOST_TEST(text(found[1].endpoints[0]) == "[::1]:7700");
  BOOST_TEST_REQUIRE(!found[2].endpoints.empty());
  BOOST_TEST(found[2].endpoints[0].port() == 7700);
}

// One resolver thread served all: a peer with a numeric address waited 31 s behind dead names.
BOOST_AUTO_TEST_CASE(a_dead_name_server_holds_up_names_alone) {
  const DeadNameServer dead;
  const auto found =
      resolve_all({{"one.example:1"}, {"two.example:1", "127.0.0.1:7700"}, {"127.0.0.1:7700"}});
  BOOST_TEST((found[2].took < 1s));
  for (const int i : {0, 1}) {
    BOOST_TEST((found[static_cast<std::size_t>(i)].took >= limits::kConnect));
    BOOST_TEST((found[static_cast<std::size_t>(i)].took < limits::kConnect + 2s));
  }
  BOOST_TEST(found[1].endpoints.size() == 1U);
  // While as many hang as may, further names are not found, at once.
  std::vector<std::vector<std::string>> many(40, {"name.example:1"});
  const auto more = resolve_all(many);
  BOOST_TEST(DeadNameServer::hanging() == limits::kLookups);
  const auto at_once = [](const Found& each) { return each.took < 1s; };
  BOOST_TEST(std::ranges::count_if(more, at_once) >=
             std::ssize(more) - static_cast<std::ptrdiff_t>(limits::kLookups));
}

BOOST_AUTO_TEST_CASE(whoever_asked_may_be_gone_before_the_name_server_answers) {
  const DeadNameServer dead;
  asio::io_context io;
  asio::co_spawn(io, resolve(io.get_executor(), {"name.example:1"}), asio::detached);
  io.run_for(50ms);  // and no longer
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dial_test
