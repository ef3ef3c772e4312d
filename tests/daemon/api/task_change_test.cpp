#include "daemon/api/task_change.hpp"

#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

namespace task_change_test {

using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;
using nlohmann::json;

const std::string kText = R"(# mine
[node]
name = "ward a"
[task]
name = "digits"
[privacy]
noise = 1.0
[data]
train = ["images", "labels"]
[consortium]
charter = "charter.kith"
)";

/// A node that has learnt two rounds of its task, and is stopped.
struct Stopped : CryptoReady {
  test::TemporaryDirectory folder;
  fs::path file = folder.path() / "kith.toml", state = folder.path() / "state";

  Stopped() {
    write_whole(file, as_byte_view(kText));
    Store store(state);
    store.put_text("task", "0123456789abcdef");
    store.put_text("manifest", model::manifest(load_config(file).task, crypto::Hash{}));
    store.put_text("privacy", "spent");
    for (std::uint64_t round : {1U, 2U}) store.put_round(round, {}, {{"members", json::array()}});
    write_whole(state / kCheckpoint, as_byte_view("model"));
    fs::create_directories(state / kHistory);
  }
  std::string text() const { return read_text(file, 1 << 20); }
  model::Task other() const {
    model::Task task = load_config(file).task;
    task.learning_rate = 0.025;
    return task;
  }
};

BOOST_FIXTURE_TEST_SUITE(task_change_tests, Stopped)

BOOST_AUTO_TEST_CASE(change_says_what_would_become_of_the_file_and_writes_nothing) {
  const TaskChange change = change_task(file, other());
  BOOST_TEST_REQUIRE(change.differences().size() == 1U);
  BOOST_TEST(change.differences().front().field == "learning_rate");
  BOOST_TEST(change.differences().front().theirs == "0.025");
  BOOST_TEST(change.after.privacy.noise == 1.0);
  BOOST_TEST(change.text.starts_with("# mine\n"));
  BOOST_TEST(text() == kText);
  BOOST_TEST(change_task(file, std::nullopt).differences().empty());
}

BOOST_AUTO_TEST_CASE(another_task_begins_anew_and_what_was_learnt_lies_aside) {
  const AcceptedTask done = accept_task(file, other());
  BOOST_TEST(done.fingerprint == fingerprint_of(other()));
  BOOST_TEST(done.begins_anew);
  BOOST_TEST_REQUIRE(done.aside.has_value());
  BOOST_TEST(*done.aside == state / "task-01234567");
  BOOST_TEST(read_text(*done.aside / kCheckpoint, 100) == "model");
  BOOST_TEST(json::parse(read_text(*done.aside / "rounds.json", 1 << 20)).size() == 2U);
  BOOST_TEST(!fs::exists(state / kCheckpoint));
  BOOST_TEST(!fs::exists(state / kHistory));
  BOOST_TEST(load_config(file).task.learning_rate == 0.025);
  BOOST_TEST(load_config(file).privacy.noise == 1.0);
  BOOST_TEST(Store(state).text("privacy").value() == "spent");
  BOOST_TEST(Store(state).rounds(9).empty());
  BOOST_TEST(read_audit_log(state / kAuditLog, 1).at(0).at("event") == "task_accepted");
}

BOOST_AUTO_TEST_CASE(task_that_is_learnt_already_changes_nothing) {
  const model::Task ours = load_config(file).task;
  for (const auto& task : {std::optional(ours), std::optional<model::Task>()}) {
    const AcceptedTask done = accept_task(file, task);
    BOOST_TEST(done.differs.empty());
    BOOST_TEST(!done.begins_anew);
    BOOST_TEST(!done.aside.has_value());
  }
  BOOST_TEST(text() == kText);
  BOOST_TEST(fs::exists(state / kCheckpoint));
  BOOST_TEST(!fs::exists(state / kAuditLog));
}

BOOST_AUTO_TEST_CASE(task_that_was_changed_in_the_file_by_hand_begins_anew_too) {
  const TaskChange change = change_task(file, other());
  write_whole(file, as_byte_view(change.text));
  const AcceptedTask done = accept_task(file, std::nullopt);
  BOOST_TEST(done.differs.empty());
  BOOST_TEST(done.begins_anew);
  BOOST_TEST(text() == change.text);
}

BOOST_AUTO_TEST_CASE(running_node_keeps_its_task) {
  const Store running(state);
  BOOST_CHECK_EXCEPTION((void)accept_task(file, other()), Failure, [](const Failure& failure) {
    return failure.code() == EX_TEMPFAIL;
  });
  BOOST_TEST(text() == kText);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace task_change_test
