#include "daemon/learning/trial.hpp"

#include "daemon/learning/worker_process.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>

namespace trial_test {

using namespace kith;
using namespace kith::daemon;

/// A fake worker that behaves as the file of its data is called.
struct Trial {
  explicit Trial(const std::string& behaviour) {
    config.worker.command = KITH_FAKE_WORKER;
    config.data.train = {folder / behaviour};
    std::ofstream(config.data.train[0]) << "not looked at";
    std::filesystem::create_directory(folder / "state");
  }
  TrialReport run() {
    net::asio::io_context io;
    std::exception_ptr failed;
    TrialReport report;
    const auto tell = [this](const std::string& phase) { phases.push_back(phase); };
    auto body = [&]() -> net::awaitable<void> {
      report = co_await try_round(io, config, folder / "state", tell);
    };
    net::asio::co_spawn(io, std::move(body), [&](std::exception_ptr error) {
      failed = error;
      io.stop();
    });
    io.run();
    if (failed) std::rethrow_exception(failed);
    return report;
  }
  test::TemporaryDirectory folder;
  Config config;
  std::vector<std::string> phases;
};

BOOST_AUTO_TEST_SUITE(trial_tests)

BOOST_AUTO_TEST_CASE(a_trial_says_what_a_round_costs_and_leaves_nothing) {
  Trial trial("honest");
  const TrialReport report = trial.run();
  BOOST_TEST(report.train == 10U);
  BOOST_TEST(report.snapshot_bytes > 0U);
  BOOST_TEST(report.round_bytes_in == trial.config.learning.pull_budget * report.snapshot_bytes);
  BOOST_TEST(report.worker_bytes > 100'000U);
  BOOST_TEST(report.metric == "accuracy");
  BOOST_TEST(report.validation_metric == 0.5);
  BOOST_TEST(trial.phases.size() == 3U);
  BOOST_TEST(std::filesystem::is_empty(trial.folder / "state"));
}

BOOST_AUTO_TEST_CASE(what_a_worker_refuses_in_a_trial_is_told) {
  Trial trial("diverges");
  BOOST_CHECK_THROW(trial.run(), WorkerRefused);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace trial_test
