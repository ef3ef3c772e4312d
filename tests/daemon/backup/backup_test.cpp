#include "daemon/backup/backup.hpp"

#include "crypto/hash.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/failure.hpp"
#include "tests/daemon/doctor/made_node.hpp"
#include "tests/daemon/failure_of.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <zip.h>

namespace backup_test {

using namespace kith;
using namespace kith::daemon;
using test::contains;
using test::failure_of;
namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::system_clock;

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A node that has learnt for three rounds.
struct Learnt : doctor::MadeNode {
  fs::path config_file = folder / "kith.toml", state = config.node.state;
  fs::path file = directory / "node.zip", there = directory / "there";

  Learnt() {
    Store store(state);
    for (std::uint64_t round = 1; round <= 3; ++round)
      store.put_round(round, system_clock::now(),
                      {{"members", json::array()}, {"served", "averaged"}});
    store.put_head({identity->id(), store.take_position(), {}, {}, false, 3});
    store.put_text("published", "old");
    store.put_text("task", "a task");
    store.blobs().write({}, as_byte_view("a chunk"), Blobs::Durability::durable);
    write_whole(state / kCheckpoint, as_byte_view("weights"));
    write_whole(state / "privacy.ledger", as_byte_view("spent"));
    fs::create_directory(state / kHistory);
    write_whole(state / kHistory / "2.safetensors", as_byte_view("older weights"));
    write_whole(folder / "membership.json", as_byte_view("{}"));
    AuditLog log(state / kAuditLog);
    log.append("started", json::object());
    log.append("published", {{"round", 3}});
  }
  [[nodiscard]] BackupReport back_up(const NewPassphrase& passphrase = {}) const {
    return daemon::back_up(config_file, config, file, passphrase);
  }
  static crypto::Passphrase secret() {
    crypto::Passphrase passphrase;
    for (const char c : std::string_view("open sesame"))
      passphrase.text.data()[passphrase.size++] = static_cast<std::byte>(c);
    return passphrase;
  }
  /// What lies in the folder that files are in: nothing may be left of what went wrong.
  [[nodiscard]] std::vector<std::string> beside() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory.path()))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  /// Puts another text in the place of an entry of the backup.
  void change(const std::string& entry, const std::string& text) const {
    zip_t* const archive = zip_open(file.c_str(), 0, nullptr);
    zip_source_t* const source = zip_source_buffer(archive, text.data(), text.size(), 0);
    BOOST_TEST_REQUIRE(zip_file_add(archive, entry.c_str(), source, ZIP_FL_OVERWRITE) >= 0);
    BOOST_TEST_REQUIRE(zip_close(archive) == 0);
  }
};

BOOST_FIXTURE_TEST_SUITE(backup_tests, Learnt)

BOOST_AUTO_TEST_CASE(what_is_restored_is_what_was_backed_up_without_keys_chunks_and_examples) {
  const BackupReport made = back_up();
  BOOST_TEST(made.round.value() == 3U);
  BOOST_TEST(made.keys.empty());
  BOOST_TEST(((fs::status(file).permissions() & fs::perms::all) ==
              (fs::perms::owner_read | fs::perms::owner_write)));
  const BackupReport restored = restore(file, there);
  BOOST_TEST(restored.name == "ana");
  BOOST_TEST(restored.id == to_string(identity->id()));
  for (const char* name :
       {"kith.toml", "node.card", "charter.kith", "membership.json", "state/privacy.ledger",
        "state/checkpoint.safetensors", "state/history/2.safetensors", "state/audit.log"}) {
    BOOST_TEST(text_of(there / name) == text_of(folder / name), name);
    BOOST_TEST(!text_of(there / name).empty(), name);
  }
  for (const char* name : {"node.key", "channel.key", "rows.csv", "state/blobs", "state/lock"})
    BOOST_TEST(!fs::exists(there / name), name);
  BOOST_TEST(
      ((fs::status(there / "state").permissions() & fs::perms::all) == fs::perms::owner_all));
  Store store(there / "state");
  BOOST_TEST(store.rounds(9).size() == 3U);
  BOOST_TEST(store.heads().empty());  // their chunks are not there
  BOOST_TEST(!store.text("published"));
  BOOST_TEST(store.text("task").value() == "a task");
}

BOOST_AUTO_TEST_CASE(log_that_the_restored_node_opens_comes_after_the_one_that_was_backed_up) {
  (void)back_up();
  const auto later = [&] {
    Store store(state);  // it goes on after the backup
    store.open_log();
    return store.take_position();
  }();
  (void)restore(file, there);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // of two logs of one second chance says which comes first
  Store store(there / "state");
  store.open_log();  // as a node does at its start
  BOOST_TEST((store.take_position() > later));
}

BOOST_AUTO_TEST_CASE(keys_go_in_sealed_only_and_open_with_the_passphrase) {
  const auto before = crypto::load_key_file(config.node.key, crypto::KeyKind::node);
  unsigned asked = 0;
  const BackupReport made = back_up([&] {
    ++asked;
    return secret();
  });
  BOOST_TEST(asked == 1U);
  BOOST_TEST((made.keys == std::vector<std::string>{"node.key", "channel.key"}));
  (void)restore(file, there);
  const std::string seed = crypto::to_hex(ByteView(before.seed.data()));
  BOOST_TEST(text_of(config.node.key).find(seed) != std::string::npos);
  BOOST_TEST(text_of(there / "node.key").find(seed) == std::string::npos);
  for (const auto& [name, kind] :
       {std::pair("node.key", crypto::KeyKind::node), {"channel.key", crypto::KeyKind::channel}}) {
    BOOST_TEST(crypto::is_sealed_key_file(as_byte_view(text_of(there / name))));
    BOOST_CHECK_THROW((void)crypto::load_key_file(there / name, kind), crypto::KeyFileError);
    BOOST_TEST((crypto::load_key_file(there / name, kind, secret).node == identity->id()));
  }
  BOOST_TEST(
      !crypto::is_sealed_key_file(as_byte_view(text_of(config.node.key))));  // ours is as it was
}

BOOST_AUTO_TEST_CASE(key_that_is_sealed_already_goes_in_as_it_is) {
  const crypto::Passphrase own = secret();
  for (const fs::path& key : {config.node.key, config.node.channel_key}) seal_key_file(key, &own);
  const auto ask = []() -> crypto::Passphrase { throw Failure(EX_USAGE, "asked"); };
  (void)back_up(ask);
  (void)restore(file, there);
  BOOST_TEST(text_of(there / "node.key") == text_of(config.node.key));
}

BOOST_AUTO_TEST_CASE(node_that_is_there_is_not_overwritten) {
  (void)back_up();
  const std::string before = text_of(config_file);
  BOOST_TEST(failure_of([&] { (void)restore(file, folder); }).code() == EX_CANTCREAT);
  BOOST_TEST(text_of(config_file) == before);
  fs::create_directory(there);
  write_whole(there / "charter.kith", as_byte_view("mine"));
  const Failure failure = failure_of([&] { (void)restore(file, there); });
  BOOST_TEST(failure.code() == EX_CANTCREAT);
  BOOST_TEST(contains(failure, "charter.kith exists already"));
  BOOST_TEST(std::distance(fs::directory_iterator(there), {}) == 1);
  BOOST_TEST(failure_of([&] { (void)back_up(); }).code() == EX_CANTCREAT);  // nor is a backup
}

BOOST_AUTO_TEST_CASE(keys_that_were_kept_apart_may_lie_there_already) {
  (void)back_up();
  fs::create_directory(there);
  fs::copy(config.node.key, there / "node.key");
  (void)restore(file, there);
  BOOST_TEST(fs::exists(there / "kith.toml"));
}

BOOST_AUTO_TEST_CASE(file_that_is_cut_or_altered_is_refused_and_leaves_nothing) {
  (void)back_up();
  const std::string whole = text_of(file);
  const auto refused = [&](const std::string& text, const std::string& how) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    const Failure failure = failure_of([&] { (void)restore(file, there); });
    BOOST_TEST(failure.code() == EX_DATAERR, how << ": " << failure.what());
    BOOST_TEST(!fs::exists(there), how);
  };
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1})
    refused(whole.substr(0, size), "cut to " + std::to_string(size));
  std::string altered = whole;
  const auto weights = altered.find("weights");  // stored as they are
  BOOST_TEST_REQUIRE(weights != std::string::npos);
  altered[weights] = 'W';
  refused(altered, "a byte of the checkpoint is another");
  refused(std::string(2000, 'x'), "no ZIP at all");
}

BOOST_AUTO_TEST_CASE(entry_that_would_lie_outside_the_folder_is_refused) {
  for (const char* name : {"../evil", "/tmp/evil", "state/../../evil", "a\\b", "state//x"}) {
    fs::remove(file);
    BackupReport told = back_up();
    told.entries.push_back({name, 4});
    change("backup.json", to_json(told).dump());
    change(name, "evil");
    BOOST_TEST(failure_of([&] { (void)restore(file, there); }).code() == EX_DATAERR, name);
    BOOST_TEST(!fs::exists(there), name);
  }
}

BOOST_AUTO_TEST_CASE(backup_or_state_of_a_newer_kith_is_refused_and_leaves_nothing) {
  (void)back_up();
  const std::string whole = text_of(file);
  change("backup.json", R"({"format": 2, "kith": "9.9"})");
  Failure failure = failure_of([&] { (void)restore(file, there); });
  BOOST_TEST(failure.code() == EX_CONFIG);
  BOOST_TEST(contains(failure, "newer kith (9.9)"));
  BOOST_TEST(!fs::exists(there));

  std::ofstream(file, std::ios::binary | std::ios::trunc) << whole;
  (void)restore(file, there);
  sqlite3* database = nullptr;
  BOOST_TEST_REQUIRE(sqlite3_open((there / "state" / "kith.sqlite").c_str(), &database) ==
                     SQLITE_OK);
  sqlite3_exec(database, "PRAGMA user_version = 99", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  change("state/kith.sqlite", text_of(there / "state" / "kith.sqlite"));
  fs::remove_all(there);
  failure = failure_of([&] { (void)restore(file, there); });
  BOOST_TEST(failure.code() == EX_CONFIG);
  BOOST_TEST(contains(failure, "newer kith (schema 99"));
  BOOST_TEST(!fs::exists(there));
}

BOOST_AUTO_TEST_CASE(full_disk_leaves_no_half_backup_and_no_half_node) {
  write_whole(state / kCheckpoint, Bytes(1 << 20, std::byte{7}));
  (void)back_up();
  const auto names = beside();
  // In a process of its own, whose files cannot grow beyond 256 KiB: that is what a full disk is
  // like.
  const auto on_full_disk = [](const auto& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit little{256 << 10, 256 << 10};
      ::setrlimit(RLIMIT_FSIZE, &little);
      ::_exit(failure_of(body).code());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  BOOST_TEST(on_full_disk([&] { (void)restore(file, there); }) == EX_IOERR);
  BOOST_TEST(!fs::exists(there));
  const fs::path other = directory / "other.zip";
  BOOST_TEST(on_full_disk([&] { (void)daemon::back_up(config_file, config, other); }) == EX_IOERR);
  BOOST_TEST((beside() == names));
}

BOOST_AUTO_TEST_CASE(half_a_line_of_the_audit_log_stays_behind) {
  const std::string whole = text_of(state / kAuditLog);
  std::ofstream(state / kAuditLog, std::ios::app) << R"({"n":3,"at":)";
  (void)back_up();
  (void)restore(file, there);
  BOOST_TEST(text_of(there / "state" / kAuditLog) == whole);
}

BOOST_AUTO_TEST_CASE(state_that_a_verb_works_on_is_not_backed_up_meanwhile) {
  const Store held(state);
  const Failure failure = failure_of([&] { (void)back_up(); });
  BOOST_TEST(failure.code() == EX_TEMPFAIL);
  BOOST_TEST(!fs::exists(file));
}

BOOST_AUTO_TEST_CASE(what_the_configuration_keeps_elsewhere_comes_into_the_folder_and_is_named) {
  const fs::path disk = directory / "disk";
  fs::rename(state, disk);
  config.node.state = disk;
  const BackupReport made = back_up();
  BOOST_TEST_REQUIRE(made.elsewhere.size() == 1U);
  BOOST_TEST(made.elsewhere[0] == "elsewhere/state -> " + disk.string());
  (void)restore(file, there);
  BOOST_TEST(text_of(there / "elsewhere" / "state" / kCheckpoint) == "weights");
  BOOST_TEST(text_of(there / "elsewhere" / "state" / kHistory / "2.safetensors") ==
             "older weights");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace backup_test
