#include "daemon/state/store.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "tests/daemon/failure_of.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <limits>
#include <random>
#include <set>
#include <sqlite3.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>

namespace store_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
using test::contains;
using test::failure_of;
namespace fs = std::filesystem;

/// A folder of this test's own.
struct Folder {
  test::TemporaryDirectory directory;
  fs::path path = directory.path();
};

Bytes bytes(std::string_view text) {
  const ByteView view = as_byte_view(text);
  return {view.begin(), view.end()};
}

crypto::NodeId node(unsigned char first) {
  crypto::NodeId id;
  id.key[0] = std::byte{first};
  return id;
}

void run_sql(const fs::path& database, const char* sql) {
  sqlite3* connection = nullptr;
  BOOST_TEST_REQUIRE(sqlite3_open(database.c_str(), &connection) == SQLITE_OK);
  BOOST_TEST_REQUIRE(sqlite3_exec(connection, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(connection);
}

BOOST_FIXTURE_TEST_SUITE(store_tests, Folder)

BOOST_AUTO_TEST_CASE(sequences_rise_by_one_and_go_on_after_reopening) {
  std::uint64_t log = 0;
  {
    Store store(path);
    BOOST_TEST(store.last_position().sequence == 0U);
    const auto first = store.take_position();
    log = first.log;
    BOOST_TEST(log > 1'700'000'000'000'000U);  // microseconds since 1970
    BOOST_TEST(first.sequence == 1U);
    BOOST_TEST(store.take_position().sequence == 2U);
  }
  Store store(path);
  BOOST_TEST((store.last_position() == net::LogPosition{log, 2}));
  BOOST_TEST((store.take_position() == net::LogPosition{log, 3}));
}

/// Takes positions for ever and writes each to `acknowledgements`.
[[noreturn]] void take_for_ever(const fs::path& directory, int acknowledgements) {
  try {
    Store store(directory);
    for (;;) {
      const auto position = store.take_position();
      if (::write(acknowledgements, &position, sizeof position) != sizeof position) ::_exit(2);
    }
  } catch (...) {
    ::_exit(1);
  }
}

/// What a child took until it was killed, after `lifetime` since its first.
std::vector<net::LogPosition> taken_until_killed(const fs::path& directory,
                                                 std::chrono::microseconds lifetime) {
  int ends[2];
  BOOST_TEST_REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  BOOST_TEST_REQUIRE(child >= 0);
  if (child == 0) take_for_ever(directory, ends[1]);
  ::close(ends[1]);
  std::vector<net::LogPosition> taken;
  net::LogPosition position;
  bool killed = false;
  while (::read(ends[0], &position, sizeof position) == sizeof position) {
    taken.push_back(position);
    if (killed) continue;  // what it acknowledged before it died
    ::usleep(static_cast<useconds_t>(lifetime.count()));
    ::kill(child, SIGKILL);
    killed = true;
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  BOOST_TEST((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  return taken;
}

BOOST_AUTO_TEST_CASE(no_acknowledged_sequence_is_lost_or_repeated_by_kill_9) {
  const unsigned seed = std::random_device()();
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  net::LogPosition last{Store(path).last_position()};
  for (int i = 0; i < 20; ++i) {
    const std::chrono::microseconds lifetime(random() % 20'000);
    const auto taken = taken_until_killed(path, lifetime);
    BOOST_TEST_REQUIRE(!taken.empty());
    for (const auto& position : taken) {
      BOOST_TEST_REQUIRE(position.log == last.log);
      BOOST_TEST_REQUIRE(position.sequence > last.sequence);
      last = position;
    }
    const auto stored = Store(path).last_position();
    BOOST_TEST(stored.sequence >= last.sequence);      // none lost
    BOOST_TEST(stored.sequence <= last.sequence + 1);  // at most the one under way
  }
}

/// Counts how often SQLite makes sure that its files are on the disk.
class SyncCounter {
 public:
  SyncCounter() {
    system_ = sqlite3_vfs_find(nullptr);
    counting_ = *system_;
    counting_.zName = "counting";
    counting_.xOpen = open;
    sqlite3_vfs_register(&counting_, 1);
  }
  ~SyncCounter() {
    sqlite3_vfs_unregister(&counting_);
    sqlite3_vfs_register(system_, 1);
  }
  SyncCounter(const SyncCounter&) = delete;
  SyncCounter& operator=(const SyncCounter&) = delete;
  [[nodiscard]] int count() const { return count_; }

 private:
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* opened) {
    const int status = system_->xOpen(system_, name, file, flags, opened);
    if (status != SQLITE_OK) return status;
    // The system has one table of methods for the database and another for its log.
    const auto [entry, is_new] = methods_.try_emplace(file->pMethods, *file->pMethods);
    if (is_new) entry->second.xSync = sync;
    system_sync_ = file->pMethods->xSync;
    file->pMethods = &entry->second;
    return status;
  }
  static int sync(sqlite3_file* file, int how) {
    ++count_;
    return system_sync_(file, how);
  }

  static inline sqlite3_vfs* system_ = nullptr;
  static inline sqlite3_vfs counting_{};
  static inline std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods_;
  static inline int (*system_sync_)(sqlite3_file*, int) = nullptr;
  static inline int count_ = 0;
};

BOOST_AUTO_TEST_CASE(a_position_is_on_the_disk_before_it_is_returned) {
  const SyncCounter counter;
  Store store(path);
  for (int i = 0; i < 5; ++i) {
    const int before = counter.count();
    std::ignore = store.take_position();
    BOOST_TEST(counter.count() > before);
  }
}

BOOST_AUTO_TEST_CASE(a_second_process_is_told_who_has_the_directory) {
  int ends[2];
  BOOST_TEST_REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const Store store(path);
    const bool told = ::write(ends[1], "!", 1) == 1;
    if (told) ::pause();
    ::_exit(1);
  }
  char ready = 0;
  BOOST_TEST_REQUIRE(::read(ends[0], &ready, 1) == 1);
  const Failure failure = failure_of([&] { Store second(path); });
  BOOST_TEST(failure.code() == EX_TEMPFAIL);
  BOOST_TEST(contains(
      failure, "another kith (pid " + std::to_string(child) + ") is using " + path.string()));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  Store free_again(path);
  for (const int end : ends) ::close(end);
}

BOOST_AUTO_TEST_CASE(a_new_log_is_later_than_all_before_and_than_what_others_know) {
  Store store(path);
  const auto first = store.take_position();
  store.open_log();
  const auto second = store.take_position();
  BOOST_TEST(second.log > first.log);
  BOOST_TEST(second.sequence > first.sequence);
  const std::uint64_t theirs = second.log + 1'000'000'000'000;  // our clock was set back
  store.open_log(theirs);
  BOOST_TEST(store.take_position().log > theirs);
}

BOOST_AUTO_TEST_CASE(two_restores_of_one_backup_open_different_logs_though_the_clock_stands_still) {
  const std::uint64_t future = 1ULL << 62;  // so that the clock has no say
  std::set<std::uint64_t> logs;
  for (int restore = 0; restore < 3; ++restore) {
    Store store(path / std::to_string(restore));
    store.open_log(future);
    logs.insert(store.last_position().log);
  }
  BOOST_TEST(logs.size() == 3U);
}

BOOST_AUTO_TEST_CASE(evidence_is_kept_once_for_each_member) {
  {
    Store store(path);
    store.put_evidence(node(1), bytes("one"));
    store.put_evidence(node(2), bytes("two"));
    store.put_evidence(node(1), bytes("one"));
  }
  Store store(path);
  BOOST_TEST((store.evidence() == std::vector{bytes("one"), bytes("two")}));
}

BOOST_AUTO_TEST_CASE(a_store_of_the_schema_before_is_brought_up_to_date) {
  { Store store(path); }
  run_sql(path / "kith.sqlite", "DROP TABLE evidence; PRAGMA user_version = 1");
  Store store(path);
  const auto position = store.last_position();
  store.put_evidence(node(1), bytes("one"));
  BOOST_TEST(store.evidence().size() == 1U);
  BOOST_TEST(position.log > 0U);
}

BOOST_AUTO_TEST_CASE(a_newer_schema_is_refused_and_left_alone) {
  { Store store(path); }
  run_sql(path / "kith.sqlite", "PRAGMA user_version = 99");
  for (int i = 0; i < 2; ++i) {
    const Failure failure = failure_of([&] { Store store(path); });
    BOOST_TEST(failure.code() == EX_CONFIG);
    BOOST_TEST(contains(failure, "written by a newer kith (schema 99"));
  }
}

BOOST_AUTO_TEST_CASE(a_view_reads_what_a_running_node_stores_and_changes_nothing) {
  Store store(path);
  const StoreView view(path);
  BOOST_TEST(!view.newest_round());
  store.put_round(1, {}, {{"opinions", 1}, {"kept", 2}});
  store.put_round(2, {}, {{"opinions", 3}});
  BOOST_TEST(view.newest_round().value().at("opinions") == 3);
  std::vector<nlohmann::json> seen;
  view.each_round([&](const nlohmann::json& report) { seen.push_back(report); });
  BOOST_TEST_REQUIRE(seen.size() == 2U);
  BOOST_TEST(seen[0].at("round") == 1);
  BOOST_TEST(seen[0].at("kept") == 2);
  BOOST_TEST(!seen[0].contains("opinions"));
}

BOOST_AUTO_TEST_CASE(a_view_of_no_state_or_of_a_newer_one_says_so) {
  BOOST_TEST(failure_of([&] { const StoreView view(path); }).code() == EX_NOINPUT);
  { Store store(path); }
  run_sql(path / "kith.sqlite", "PRAGMA user_version = 99");
  BOOST_TEST(failure_of([&] { const StoreView view(path); }).code() == EX_CONFIG);
}

BOOST_AUTO_TEST_CASE(a_copy_is_of_one_moment_while_another_thread_stores) {
  Store store(path);
  std::atomic<bool> done = false;
  // A round and a text are stored together, so no copy may have one without the other.
  auto writing = std::async(std::launch::async, [&] {
    for (std::uint64_t round = 1; !done; ++round) {
      store.atomically([&] {
        store.put_round(round, {}, nlohmann::json::object());
        store.put_text("round", std::to_string(round));
      });
    }
  });
  while (!store.text("round")) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 5; ++i) {
    const fs::path copy = path / ("copy-" + std::to_string(i));
    fs::create_directory(copy);
    StoreView(path).copy_to(copy / "kith.sqlite");
    const Store read(copy);
    BOOST_TEST_REQUIRE(read.rounds(1).size() == 1U);
    BOOST_TEST(read.text("round").value() == read.rounds(1)[0].at("round").dump());
  }
  done = true;
  writing.get();
}

BOOST_AUTO_TEST_CASE(a_damaged_database_says_so) {
  std::ofstream(path / "kith.sqlite") << std::string(8192, 'x');
  const Failure failure = failure_of([&] { Store store(path); });
  BOOST_TEST(failure.code() == EX_DATAERR);
  BOOST_TEST(contains(failure, "kith.sqlite is damaged"));
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_made_says_so) {
  std::ofstream(path / "file") << "x";
  const Failure failure = failure_of([&] { Store store(path / "file" / "state"); });
  BOOST_TEST(failure.code() == EX_CANTCREAT);
}

BOOST_AUTO_TEST_CASE(a_new_directory_is_for_its_owner_alone) {
  Store store(path / "state");
  BOOST_TEST((fs::status(path / "state").permissions() == fs::perms::owner_all));
}

BOOST_AUTO_TEST_CASE(heads_are_kept_replaced_and_dropped) {
  constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
  {
    Store store(path);
    store.put_head({node(1), {5, 1}, bytes("old"), {}, false, 1});
    store.put_head({node(1), {5, 1}, bytes("head"), bytes("manifest"), true, 2});
    store.put_head({node(1), {kHuge, kHuge}, bytes("newest"), {}, false, kHuge});
    store.put_head({node(0), {7, 1}, bytes("other"), {}, false, 3});
    store.put_head({node(2), {1, 1}, bytes("gone"), {}, false, 4});
    store.drop_head(node(2), {1, 1});
    store.drop_head(node(2), {1, 2});  // was never there
  }
  const auto heads = Store(path).heads();
  BOOST_TEST_REQUIRE(heads.size() == 3U);
  BOOST_TEST((heads[0].origin == node(0)));
  BOOST_TEST((heads[1].position == net::LogPosition{kHuge, kHuge}));  // the later one first
  BOOST_TEST(heads[1].round == kHuge);
  BOOST_TEST((heads[2].head == bytes("head")));
  BOOST_TEST((heads[2].manifest == bytes("manifest")));
  BOOST_TEST(heads[2].complete);
  BOOST_TEST(heads[2].round == 2U);
}

BOOST_AUTO_TEST_CASE(the_last_rounds_come_oldest_first) {
  Store store(path);
  const std::chrono::system_clock::time_point time(1000s + 999ms);
  for (unsigned round = 1; round <= 5; ++round) store.put_round(round, time, {{"loss", round}});
  store.put_round(5, time, {{"loss", 0.5}, {"name", "not UTF-8 \xff"}});
  const auto rounds = store.rounds(2);
  BOOST_TEST_REQUIRE(rounds.size() == 2U);
  BOOST_TEST(rounds[0]["round"] == 4U);
  BOOST_TEST(rounds[1]["round"] == 5U);
  BOOST_TEST(rounds[1]["loss"] == 0.5);
  BOOST_TEST(rounds[1]["time"] == 1000U);
  BOOST_TEST(store.rounds(std::numeric_limits<std::size_t>::max()).size() == 5U);
}

BOOST_AUTO_TEST_CASE(opinions_and_texts_survive_reopening) {
  {
    Store store(path);
    store.put_peer(node(1), {{"rho", 0.25}});
    store.put_peer(node(1), {{"rho", 0.75}});
    store.put_text("task", "abc");
    store.put_text("task", "def");
    store.put_text("empty", {});
  }
  const Store store(path);
  BOOST_TEST(store.peers().size() == 1U);
  BOOST_TEST(store.peers().at(node(1))["rho"] == 0.75);
  BOOST_TEST(*store.text("task") == "def");
  BOOST_TEST(store.text("empty")->empty());
  BOOST_TEST(!store.text("nothing"));
}

BOOST_AUTO_TEST_CASE(what_was_there_before_is_made_its_users_alone) {
  {
    Store store(path);
    store.put_text("task", "abc");
  }
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) fs::permissions(entry.path(), fs::perms(0644));
  }
  fs::permissions(path, fs::perms(0755));
  Store store(path);
  store.put_text("task", "def");
  BOOST_TEST((fs::status(path).permissions() == fs::perms(0700)));
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().filename().string().starts_with("kith.sqlite")) {
      BOOST_TEST((fs::status(entry.path()).permissions() == fs::perms(0600)), entry.path());
    }
  }
}

BOOST_AUTO_TEST_CASE(reader_is_not_kept_waiting_by_a_writer_and_sees_what_was_stored) {
  Store store(path);
  store.put_text("task", "before");
  std::promise<void> writing, read;
  std::jthread writer([&] {
    store.atomically([&] {
      store.put_text("task", "after");
      BOOST_TEST(*store.text("task") == "after");  // its own changes
      writing.set_value();
      read.get_future().wait();
    });
  });
  writing.get_future().wait();
  BOOST_TEST(*store.text("task") == "before");
  read.set_value();
  writer.join();
  BOOST_TEST(*store.text("task") == "after");
}

BOOST_AUTO_TEST_CASE(what_was_learnt_is_forgotten_but_not_where_we_are_nor_who_lied) {
  net::LogPosition position;
  {
    Store store(path);
    position = store.take_position();
    store.put_head({node(1), {5, 1}, bytes("head"), {}, false, 1});
    store.put_round(1, {}, {{"loss", 1}});
    store.put_peer(node(1), {{"rho", 0.25}});
    store.put_evidence(node(2), bytes("evidence"));
    for (const char* key : {"task", "manifest", "published", "denied"}) store.put_text(key, key);
    store.forget_task();
  }
  const Store store(path);
  BOOST_TEST(store.heads().empty());
  BOOST_TEST(store.rounds(9).empty());
  BOOST_TEST(store.peers().empty());
  BOOST_TEST(!store.text("task"));
  BOOST_TEST(!store.text("manifest"));
  BOOST_TEST(!store.text("published"));
  BOOST_TEST(store.text("denied").value_or("") == "denied");
  BOOST_TEST(store.evidence().size() == 1U);
  BOOST_TEST((store.last_position() == position));
}

BOOST_AUTO_TEST_CASE(a_report_that_is_no_json_any_more_is_damage) {
  { Store(path).put_peer(node(1), {{"rho", 1}}); }
  run_sql(path / "kith.sqlite", "UPDATE peers SET opinion = '{'");
  const Store store(path);
  BOOST_TEST(failure_of([&] { std::ignore = store.peers(); }).code() == EX_DATAERR);
}

BOOST_AUTO_TEST_CASE(changes_are_stored_together_or_not_at_all) {
  Store store(path);
  const auto interrupted = [&] {
    store.put_text("a", "1");
    throw std::runtime_error("half way");
  };
  BOOST_CHECK_THROW(store.atomically(interrupted), std::runtime_error);
  BOOST_TEST(!store.text("a"));
  store.atomically([&] {
    store.put_text("a", "1");
    store.put_text("b", "2");
  });
  BOOST_TEST((store.text("a") && store.text("b")));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(blobs_tests, Folder)

const crypto::Hash kName = crypto::hash(as_byte_view("content"));
constexpr auto kDurabilities = {Blobs::Durability::durable, Blobs::Durability::refetchable};

BOOST_AUTO_TEST_CASE(what_is_written_is_read_again) {
  for (const auto durability : kDurabilities) {
    Blobs blobs(path / "blobs");
    const Bytes content(200'000, std::byte{7});
    blobs.write(kName, content, durability);
    BOOST_TEST(blobs.contains(kName));
    BOOST_TEST((blobs.read(kName) == content));
    BOOST_TEST((blobs.names() == std::vector{kName}));
    BOOST_TEST(blobs.total_size() == content.size());
    blobs.write(kName, {}, durability);
    BOOST_TEST((blobs.read(kName) == Bytes()));
    blobs.remove(kName);
    blobs.remove(kName);
    BOOST_TEST(!blobs.contains(kName));
    BOOST_TEST(!blobs.read(kName));
    BOOST_TEST(blobs.total_size() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(what_an_interrupted_write_left_is_removed_at_the_start) {
  { Blobs(path / "blobs").write(kName, bytes("content"), Blobs::Durability::durable); }
  const fs::path leftover = path / "blobs" / (crypto::to_hex(crypto::hash({})) + ".tmp");
  std::ofstream(leftover) << "half";
  const Blobs blobs(path / "blobs");
  BOOST_TEST(!fs::exists(leftover));
  BOOST_TEST((blobs.names() == std::vector{kName}));
}

BOOST_AUTO_TEST_CASE(a_failed_write_leaves_the_old_content_and_nothing_else) {
  Blobs blobs(path / "blobs");
  blobs.write(kName, bytes("content"), Blobs::Durability::durable);

  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{4096, before.rlim_max};  // bytes in a file: as if the disk were full
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const Failure failure =
      failure_of([&] { blobs.write(kName, Bytes(8192), Blobs::Durability::refetchable); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);

  BOOST_TEST(failure.code() == EX_IOERR);
  BOOST_TEST(contains(failure, "cannot write " + path.string()));
  BOOST_TEST((blobs.read(kName) == bytes("content")));
  BOOST_TEST(blobs.total_size() == std::string_view("content").size());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace store_test
