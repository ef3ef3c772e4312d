#include "daemon/learning/worker_process.hpp"

#include "daemon/system/failure.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <fcntl.h>
#include <optional>

namespace worker_process_test {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::daemon;
namespace asio = net::asio;

pipe::Open open_as(const std::string& behaviour) {
  pipe::Open open;
  open.task.name = "task";
  open.task.sizes = {1};
  open.data.train = {behaviour};
  return open;
}

/// Runs one coroutine to its end; rethrows what it throws.
template <class Body>
void run(asio::io_context& io, Body body) {
  asio::co_spawn(io, std::move(body), net::rethrow);
  io.restart();
  io.run();
}

BOOST_AUTO_TEST_SUITE(worker_process_tests)

BOOST_AUTO_TEST_CASE(answers_come_with_their_file) {
  asio::io_context io;
  WorkerProcess worker(io, KITH_FAKE_WORKER);
  auto body = [&]() -> net::awaitable<void> {
    const pipe::Open question = open_as("honest");
    const auto answer = co_await worker.call(question);
    BOOST_TEST(answer.result.train == 10U);
    const auto map = pipe::SealedMap::open(answer.file, 1000);
    BOOST_TEST(std::holds_alternative<pipe::SealedMap>(map));
  };
  run(io, std::move(body));
}

BOOST_AUTO_TEST_CASE(worker_inherits_nothing_but_its_pipe) {
  const pipe::Fd leak(::open("/dev/null", O_RDONLY));  // as Asio opens its sockets
  asio::io_context io;
  WorkerProcess worker(io, KITH_FAKE_WORKER);
  auto body = [&]() -> net::awaitable<void> {
    const pipe::Open question = open_as("fds");
    const auto answer = co_await worker.call(question);
    // Three standard ones, the pipe, and the folder being listed.
    BOOST_TEST(answer.result.parameters == 5U);
  };
  run(io, std::move(body));
}

BOOST_AUTO_TEST_CASE(hanging_up_ends_a_call_under_way_and_every_later_one) {
  asio::io_context io;
  WorkerProcess worker(io, KITH_FAKE_WORKER);
  int lost = 0;
  auto body = [&]() -> net::awaitable<void> {
    const pipe::Open question = open_as("slow");
    co_await worker.call(question);
    for (int i = 0; i < 2; ++i) {
      try {
        const pipe::Train train{1, 1, false};
        co_await worker.call(train);
      } catch (const WorkerLost&) {
        ++lost;
      }
    }
  };
  asio::steady_timer timer(io, 200ms);
  timer.async_wait([&](net::error_code) { worker.hang_up(); });
  run(io, std::move(body));
  BOOST_TEST(lost == 2);
}

BOOST_AUTO_TEST_CASE(program_that_does_not_exist_is_named) {
  asio::io_context io;
  const auto names_it = [](const Failure& failure) {
    return failure.code() == EX_UNAVAILABLE &&
           std::string(failure.what()).find("/no/such/worker") < 1000;
  };
  BOOST_CHECK_EXCEPTION(WorkerProcess(io, "/no/such/worker"), Failure, names_it);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace worker_process_test
