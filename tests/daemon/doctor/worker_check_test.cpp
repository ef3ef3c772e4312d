#include "daemon/doctor/worker_check.hpp"

#include "daemon/doctor/program.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/dataset.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

// What a whole check says of good and of broken workers: tests/e2e/own_worker_test.py.
namespace worker_check_test {

using namespace kith;
using namespace kith::daemon;
using namespace kith::daemon::doctor;
using test::TemporaryDirectory;

std::string content(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

BOOST_AUTO_TEST_SUITE(worker_check_tests)

BOOST_AUTO_TEST_CASE(a_worker_that_makes_everything_up_is_found_out) {
  const TemporaryDirectory folder;
  Config config = made_up_node(folder.path(), "worker");
  config.worker.command = KITH_FAKE_WORKER;
  std::vector<std::string> told;
  const auto tell = [&](const Diagnosis::Item& item) { told.push_back(item.name); };
  const Diagnosis diagnosis = check_worker(config, folder.path(), {}, tell);
  BOOST_TEST(diagnosis.failed == 2U);
  BOOST_TEST(diagnosis.passed == 0U);
  // What it was opened with is not what it says: nothing more is asked of it.
  BOOST_TEST((told == std::vector<std::string>{"before open", "open"}));
  BOOST_TEST(diagnosis.checks[0].help == "it accepted evaluate before open");
  BOOST_TEST(diagnosis.checks[1].help == "\"classes\" is not that of the task");
}

BOOST_AUTO_TEST_CASE(the_task_that_is_made_up_is_one_and_its_rows_can_be_learnt_from) {
  const TemporaryDirectory folder, other;
  const Config config = made_up_node(folder.path(), "mlp");
  BOOST_TEST(!model::problem(config.task));
  const auto dataset = data::read_dataset(config.data, config.task, 1000);
  BOOST_TEST(dataset.train.count() + dataset.validation.count() == 160U);
  BOOST_TEST(dataset.test.count() == 80U);
  const Config again = made_up_node(other.path(), "mlp");
  BOOST_TEST(content(again.data.train[0]) == content(config.data.train[0]));
}

BOOST_AUTO_TEST_CASE(a_command_is_a_program_that_takes_more_arguments) {
  const TemporaryDirectory folder;
  BOOST_TEST(program_of({"/bin/echo"}, folder.path()) == "/bin/echo");
  BOOST_TEST(program_of({"echo"}, folder.path()).filename() == "echo");
  const auto script = program_of({"echo", "it's", "$HOME `id`"}, folder.path());
  const Said said = run_program(script, "--fd", std::chrono::seconds(10));
  BOOST_TEST(said.output == "it's $HOME `id` --fd\n");
  for (const char* const missing : {"/no/such/worker", "no-such-worker"}) {
    const auto names_it = [&](const Failure& failure) {
      return failure.code() == EX_UNAVAILABLE &&
             std::string(failure.what()).find(missing) != std::string::npos;
    };
    BOOST_CHECK_EXCEPTION(static_cast<void>(program_of({missing}, folder.path())), Failure,
                          names_it);
  }
}

BOOST_AUTO_TEST_CASE(a_check_that_is_none_is_refused) {
  const TemporaryDirectory folder;
  Config config = made_up_node(folder.path(), "worker");
  config.worker.command = KITH_FAKE_WORKER;
  BOOST_CHECK_THROW(static_cast<void>(check_worker(config, folder.path(), {"everything"}, {})),
                    Failure);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace worker_check_test
