#include "daemon/node/service_manager.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <stdlib.h>
#include <string>
#include <unistd.h>

namespace service_manager_test {

using namespace std::chrono_literals;
using namespace kith;
using kith::daemon::ServiceManager;
namespace asio = net::asio;
using Protocol = asio::local::datagram_protocol;

/// systemd's end.
struct Listener {
  kith::test::TemporaryDirectory directory;
  std::string path = (directory / "notify").string();
  asio::io_context io;
  Protocol::socket socket;

  explicit Listener(const std::string& at = "") : socket(io) {
    std::string address = at.empty() ? path : at;
    if (address[0] == '@') address[0] = '\0';
    socket.open(Protocol());
    socket.bind(Protocol::endpoint(address));
    socket.non_blocking(true);
  }
  /// The next datagram, or "".
  std::string heard() {
    std::array<char, 512> buffer{};
    net::error_code ec;
    const std::size_t size = socket.receive(asio::buffer(buffer), 0, ec);
    return ec ? "" : std::string(buffer.data(), size);
  }
};

BOOST_AUTO_TEST_SUITE(service_manager_tests)

BOOST_AUTO_TEST_CASE(what_happens_is_told_in_the_words_of_sd_notify) {
  Listener listener;
  ServiceManager manager(listener.io, listener.path, 30s);
  BOOST_TEST(manager.listens());
  BOOST_TEST((manager.watchdog() == 30s));
  manager.ready();
  BOOST_TEST(listener.heard() == "READY=1");
  manager.alive();
  BOOST_TEST(listener.heard() == "WATCHDOG=1");
  manager.status("round 3,\ntraining");
  BOOST_TEST(listener.heard() == "STATUS=round 3, training");
  manager.status("round 3,\ntraining");
  BOOST_TEST(listener.heard() == "");  // no news
  manager.reloading();
  BOOST_TEST(listener.heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  manager.stopping();
  BOOST_TEST(listener.heard() == "STOPPING=1\nSTATUS=stopping");
  manager.ready();  // a late reload
  BOOST_TEST(listener.heard() == "");
}

BOOST_AUTO_TEST_CASE(abstract_socket_is_one_too) {
  const std::string name = "@kith-test-" + std::to_string(::getpid());
  Listener listener(name);
  ServiceManager manager(listener.io, name, std::nullopt);
  manager.ready();
  BOOST_TEST(listener.heard() == "READY=1");
}

BOOST_AUTO_TEST_CASE(nobody_who_listens_costs_nothing) {
  asio::io_context io;
  const kith::test::TemporaryDirectory directory;
  for (const std::string& socket : {std::string(), std::string("vsock:2:1"),
                                    (directory / "nobody").string(), "/" + std::string(200, 'x')}) {
    ServiceManager manager(io, socket, 30s);
    BOOST_TEST(!manager.listens());
    BOOST_TEST(!manager.watchdog());
    manager.ready();
    manager.stopping();
  }
  Listener listener;
  ServiceManager manager(listener.io, listener.path, std::nullopt);
  listener.socket.close();
  for (int i = 0; i < 1000; ++i) manager.alive();
}

BOOST_AUTO_TEST_CASE(full_queue_of_a_slow_manager_blocks_nobody) {
  Listener listener;
  ServiceManager manager(listener.io, listener.path, std::nullopt);
  for (int i = 0; i < 10'000; ++i) manager.alive();
  BOOST_TEST(listener.heard() == "WATCHDOG=1");
}

BOOST_AUTO_TEST_CASE(environment_says_who_listens_and_whose_watchdog_it_is) {
  Listener listener;
  ::setenv("NOTIFY_SOCKET", listener.path.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  BOOST_TEST((ServiceManager::of_environment(listener.io).watchdog() == 2s));
  ::setenv("WATCHDOG_PID", "1", 1);
  BOOST_TEST(!ServiceManager::of_environment(listener.io).watchdog());
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  BOOST_TEST((ServiceManager::of_environment(listener.io).watchdog() == 2s));
  ::setenv("WATCHDOG_USEC", "soon", 1);
  BOOST_TEST(!ServiceManager::of_environment(listener.io).watchdog());
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  BOOST_TEST(!ServiceManager::of_environment(listener.io).listens());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace service_manager_test
