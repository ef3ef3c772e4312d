#include "daemon/doctor/doctor.hpp"

#include "daemon/api/control.hpp"
#include "daemon/doctor/checks.hpp"
#include "daemon/doctor/machine.hpp"
#include "daemon/doctor/program.hpp"
#include "daemon/doctor/reach.hpp"
#include "daemon/system/file_lock.hpp"
#include "daemon/system/version.hpp"
#include "net/asio/dial.hpp"
#include "tests/daemon/doctor/made_node.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <sys/stat.h>
#include <thread>

namespace doctor_test {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::daemon::doctor;
using net::asio::ip::tcp;
using nlohmann::json;
namespace daemon = kith::daemon;
namespace fs = std::filesystem;

std::ostream& operator<<(std::ostream& out, Verdict verdict) { return out << name(verdict); }

/// What a running, healthy node says of itself.
json running() {
  return {
      {"version", daemon::version()},    {"pid", ::getpid()},       {"worker_pid", nullptr},
      {"listening", {"127.0.0.1:7700"}}, {"alarms", json::array()}, {"other_tasks", json::array()},
      {"own_guards", json::array()},     {"guards", json::array()}, {"phase", "training"}};
}

json peer(const std::string& agent) {
  return {{"name", "ben"}, {"connected", true}, {"trouble", nullptr}, {"runs", {{"agent", agent}}}};
}

void expect(const Finding& found, Verdict verdict, const std::string& part = "") {
  BOOST_TEST((found.verdict == verdict), found.what);
  BOOST_TEST(found.what.find(part) != std::string::npos, found.what);
  BOOST_TEST(found.what.ends_with('.'), found.what);
  BOOST_TEST(found.help.empty() == (verdict == Verdict::pass), found.help);
}

/// Of all checks, but for those about this machine's clock, speed and kernel.
std::string failures(const Diagnosis& diagnosis) {
  std::string all;
  for (const auto& item : diagnosis.checks) {
    if (item.result == "FAIL") all += item.name + ": " + item.what + "\n";
  }
  return all;
}

struct Port {
  net::asio::io_context io;
  tcp::acceptor acceptor{io, tcp::endpoint(net::asio::ip::address_v4::loopback(), 0)};
  [[nodiscard]] std::string address() const { return net::text(acceptor.local_endpoint()); }
};

BOOST_AUTO_TEST_SUITE(doctor_tests)

BOOST_AUTO_TEST_CASE(new_node_has_nothing_that_fails_but_what_this_machine_lacks) {
  const MadeNode made;
  const std::vector<Check> all = checks();
  std::vector<Check> without_machine;
  const std::set<std::string> machine{"clock synchronised", "worker", "linear algebra",
                                      "disk space", "limits"};
  for (const Check& check : all) {
    if (!machine.contains(check.name)) without_machine.push_back(check);
  }
  BOOST_TEST(without_machine.size() == all.size() - machine.size());
  BOOST_TEST(failures(diagnose(made.examined(), without_machine)) == "");
}

BOOST_AUTO_TEST_CASE(every_check_answers_in_a_folder_that_is_not_there) {
  const kith::test::TemporaryDirectory directory;
  const Diagnosis diagnosis = diagnose(examine(directory / "nowhere" / "kith.toml"));
  BOOST_TEST_REQUIRE(diagnosis.checks.size() == checks().size());
  BOOST_TEST(diagnosis.passed + diagnosis.warned + diagnosis.failed == checks().size());
  const std::string failed = failures(diagnosis);
  for (const char* name : {"folder:", "configuration:", "channel key:", "card:", "charter:"}) {
    BOOST_TEST(failed.find(name) != std::string::npos, name);
  }
  for (const auto& item : diagnosis.checks)
    BOOST_TEST(item.help.empty() == (item.result == "PASS"), item.name);
  BOOST_TEST(!fs::exists(directory / "nowhere"));
}

BOOST_AUTO_TEST_CASE(broken_configuration_leaves_the_keys_to_be_checked) {
  const MadeNode made;
  std::ofstream(made.folder / "kith.toml") << "[node\n";
  const Examined node = made.examined();
  expect(check_configuration(node), Verdict::fail, "kith.toml:");
  expect(check_channel_key(node), Verdict::pass, "sound");
  expect(check_charter(node), Verdict::pass, "this node included");
  expect(check_data(node), Verdict::warn, "Not checked");
}

BOOST_AUTO_TEST_CASE(exception_in_one_check_is_its_failure_and_no_others) {
  const std::vector<Check> some{
      {"first", [](const Examined&) -> Finding { throw std::runtime_error("it broke"); }},
      {"second", [](const Examined&) { return pass("Fine."); }}};
  const Diagnosis diagnosis = diagnose(Examined(), some);
  BOOST_TEST(diagnosis.checks[0].result == "FAIL");
  BOOST_TEST(diagnosis.checks[0].what == "it broke.");
  BOOST_TEST(diagnosis.checks[1].result == "PASS");
  BOOST_TEST(diagnosis.checks[1].number == 2U);
  BOOST_TEST(diagnosis.failed == 1U);
}

BOOST_AUTO_TEST_CASE(clock_that_cannot_be_is_told) {
  const MadeNode made;
  Examined node = made.examined();
  expect(check_clock(node), Verdict::pass);
  node.now -= std::chrono::hours(24 * 3);
  expect(check_clock(node), Verdict::fail, "card was signed on");
  node.now = std::chrono::system_clock::time_point();
  expect(check_clock(node), Verdict::fail, "1970-01-01");
}

BOOST_AUTO_TEST_CASE(folders_that_others_can_change_or_read_are_told) {
  const MadeNode made;
  fs::create_directory(made.config.node.state);
  ::chmod(made.config.node.state.c_str(), 0755);
  expect(check_state(made.examined()), Verdict::warn, "Others can read");
  ::chmod(made.config.node.state.c_str(), 0700);
  expect(check_state(made.examined()), Verdict::pass);
  ::chmod(made.folder.c_str(), 0777);
  expect(check_folder(made.examined()), Verdict::fail, "Others than its owner can change");
  BOOST_TEST(check_folder(made.examined()).help.starts_with("chmod go-w"));
}

BOOST_AUTO_TEST_CASE(keys_that_are_missing_open_or_of_somebody_else_are_told) {
  const MadeNode made, other;
  ::chmod(made.config.node.channel_key.c_str(), 0644);
  expect(check_channel_key(made.examined()), Verdict::fail, "channel.key");
  ::chmod(made.config.node.channel_key.c_str(), 0600);
  expect(check_channel_key(made.examined()), Verdict::pass);
  fs::remove(made.config.node.key);
  expect(check_node_key(made.examined()), Verdict::pass, "kept elsewhere");
  fs::copy_file(other.config.node.channel_key, made.config.node.channel_key,
                fs::copy_options::overwrite_existing);
  expect(check_channel_key(made.examined()), Verdict::fail, "another node");
  fs::remove(made.config.node.channel_key);
  expect(check_channel_key(made.examined()), Verdict::fail, "There is no");
  fs::copy_file(other.config.node.card, made.config.node.card,
                fs::copy_options::overwrite_existing);
  expect(check_card(made.examined()), Verdict::fail, "another consortium");
}

BOOST_AUTO_TEST_CASE(sealed_key_needs_a_passphrase_file_that_only_this_user_reads) {
  const MadeNode made;
  Examined node = made.examined();
  expect(check_passphrase(node), Verdict::pass, "No passphrase");
  crypto::Passphrase passphrase;
  passphrase.size = 5;
  daemon::seal_key_file(made.config.node.channel_key, &passphrase);
  expect(check_channel_key(node), Verdict::pass, "sealed");
  expect(check_passphrase(node), Verdict::warn, "KITH_PASSPHRASE_FILE");
  static std::string named;
  named = (made.folder / "passphrase").string();
  node.environment = [](const char* key) {
    return key == std::string("KITH_PASSPHRASE_FILE") ? named.c_str() : nullptr;
  };
  expect(check_passphrase(node), Verdict::fail, "cannot be read");
  std::ofstream(named) << "a secret\n";
  ::chmod(named.c_str(), 0644);
  expect(check_passphrase(node), Verdict::fail, "Every user can read");
  ::chmod(named.c_str(), 0600);
  expect(check_passphrase(node), Verdict::pass);
}

BOOST_AUTO_TEST_CASE(charter_tells_its_age_and_whom_it_leaves_out) {
  MadeNode made;
  const auto founded = std::chrono::system_clock::now();
  Examined node = made.examined();
  expect(check_charter_age(node), Verdict::pass, "valid until");
  node.now = founded + std::chrono::hours(24 * 350);
  expect(check_charter_age(node), Verdict::warn, "expires on");
  node.now = founded + std::chrono::hours(24 * 370);
  expect(check_charter_age(node), Verdict::warn, "expired on");
  node.now = founded + std::chrono::hours(24 * 400);
  expect(check_charter_age(node), Verdict::fail, "no node starts");
  const MadeNode stranger;
  node.card = stranger.examined().card;
  expect(check_charter(node), Verdict::fail, "none of them");
}

BOOST_AUTO_TEST_CASE(kith_that_holds_the_folder_and_does_not_answer_is_told) {
  const MadeNode made;
  expect(check_one_kith(made.examined()), Verdict::pass, "No kith has used");
  fs::create_directory(made.config.node.state);
  {
    const daemon::FileLock held(made.config.node.state / "lock", made.config.node.state);
    expect(check_one_kith(made.examined()), Verdict::fail, std::to_string(::getpid()));
    Examined node = made.examined();
    node.status = running();
    expect(check_one_kith(node), Verdict::pass);
    node.status["pid"] = 1;
    expect(check_one_kith(node), Verdict::warn, "held by process");
  }
  expect(check_one_kith(made.examined()), Verdict::pass, "No kith uses");
}

BOOST_AUTO_TEST_CASE(node_that_answers_is_found_and_one_that_hangs_is_no_wait_without_end) {
  const MadeNode made;
  expect(check_control_socket(made.examined()), Verdict::pass, "No node runs");
  net::asio::io_context io;
  net::asio::local::stream_protocol::acceptor deaf(io, made.config.node.control.string());
  const auto begin = std::chrono::steady_clock::now();
  const Examined node = made.examined();
  BOOST_TEST((std::chrono::steady_clock::now() - begin < 8s));
  expect(check_control_socket(node), Verdict::fail, "does not answer");
}

BOOST_AUTO_TEST_CASE(port_of_somebody_else_is_told_and_our_own_nodes_is_not) {
  const Port port;
  MadeNode made;
  made.config.node.listen = {port.address()};
  made.save();
  Examined node = made.examined();
  expect(check_ports(node), Verdict::fail, port.address());
  node.status = running();
  expect(check_ports(node), Verdict::pass, "listens at");
  node.status["listening"] = json::array();
  expect(check_ports(node), Verdict::warn, "training");
}

BOOST_AUTO_TEST_CASE(own_address_is_dialled_once_the_node_runs) {
  const Port port;
  const MadeNode silent, made({port.address()}), wrong({"localhost.invalid:7700"});
  expect(check_own_addresses(silent.examined()), Verdict::pass, "names no address");
  Examined node = made.examined();
  expect(check_own_addresses(node), Verdict::pass, "once it runs");
  node.status = running();
  expect(check_own_addresses(node), Verdict::pass, "Somebody answers");
  const MadeNode closed({"127.0.0.1:1"});
  node = closed.examined();
  node.status = running();
  expect(check_own_addresses(node), Verdict::warn, "127.0.0.1:1");
  expect(check_own_addresses(wrong.examined()), Verdict::fail, "leads nowhere");
}

BOOST_AUTO_TEST_CASE(peers_are_dialled_and_those_that_cannot_be_reached_are_named) {
  const Port port;
  MadeNode made, ben, cleo;
  expect(check_peer_addresses(made.examined()), Verdict::pass, "no peers yet");
  net::Charter charter = made.record.chain.newest().charter;
  charter.number = 2;
  charter.previous = made.record.chain.newest().id;
  charter.members.push_back({ben.identity->id(), "ben"});
  charter.members.push_back({cleo.identity->id(), "cleo"});
  std::ranges::sort(charter.members, {}, &net::Member::id);
  net::SignedCharter next = net::unsigned_charter(charter);
  net::sign(next, *made.identity);
  BOOST_TEST_REQUIRE(!made.record.chain.append(std::move(next)));
  const auto card_of = [&](const MadeNode& node, const char* name, const std::string& address) {
    return daemon::make_card(node.keys(), *node.identity, {name, {address}},
                             made.record.chain.founded(), std::chrono::system_clock::now());
  };
  const auto cards = made.record.cards;
  const auto examined = [&](const std::string& of_ben, const std::string& of_cleo) {
    made.record.cards = cards;
    made.record.cards.push_back(card_of(ben, "ben", of_ben));
    made.record.cards.push_back(card_of(cleo, "cleo", of_cleo));
    daemon::write_whole(made.config.consortium.charter, net::encode_record(made.record));
    return made.examined();
  };
  expect(check_peer_addresses(examined(port.address(), port.address())), Verdict::pass, "2 of 2");
  expect(check_peer_addresses(examined(port.address(), "127.0.0.1:1")), Verdict::warn,
         "cleo (127.0.0.1:1: Connection refused)");
  Examined node = examined("127.0.0.1:1", "localhost.invalid:1");
  expect(check_peer_addresses(node), Verdict::fail, "its name leads nowhere");
  node.peers = json::array({peer("kith " + daemon::version())});  // it dialled us
  expect(check_peer_addresses(node), Verdict::warn, "1 of 2");
}

BOOST_AUTO_TEST_CASE(dead_name_server_and_many_addresses_end_in_time) {
  static std::atomic<bool> release = false;
  const auto before = net::detail::ask_system.exchange([](const net::Endpoint&) {
    while (!release) std::this_thread::sleep_for(10ms);
    return std::vector<tcp::endpoint>();
  });
  std::vector<Reached> many(200, Reached{"ben", "hangs.example:7700", ""});
  const auto begin = std::chrono::steady_clock::now();
  const auto tried = reach(many, How::connect, 500ms);
  BOOST_TEST((std::chrono::steady_clock::now() - begin < 3s));
  BOOST_TEST(tried.size() == many.size());
  for (const Reached& one : tried) BOOST_TEST(!one.fault.empty());
  release = true;
  std::this_thread::sleep_for(50ms);  // until the threads have gone
  net::detail::ask_system = before;
}

BOOST_AUTO_TEST_CASE(proxy_is_named_by_its_variable_and_its_password_stays_away) {
  Examined node;
  node.environment = [](const char* key) {
    return key == std::string("HTTPS_PROXY") ? "http://me:hunter2@proxy:3128" : nullptr;
  };
  const Finding found = check_proxies(node);
  expect(found, Verdict::warn, "HTTPS_PROXY");
  BOOST_TEST((found.what + found.help).find("hunter2") == std::string::npos);
  node.environment = [](const char*) -> const char* { return nullptr; };
  expect(check_proxies(node), Verdict::pass);
}

BOOST_AUTO_TEST_CASE(disk_that_is_too_full_is_told) {
  MadeNode made;
  Examined node = made.examined();
  node.config.limits.disk_free.bytes = node.config.limits.disk.bytes = 1;
  expect(check_disk_space(node), Verdict::pass);
  node.config.limits.disk.bytes = std::uint64_t{1} << 60;
  expect(check_disk_space(node), Verdict::warn, "may come to");
  node.config.limits.disk_free.bytes = std::uint64_t{1} << 60;
  expect(check_disk_space(node), Verdict::fail, "nothing is fetched");
}

BOOST_AUTO_TEST_CASE(disk_speed_leaves_no_file_behind) {
  const MadeNode made;
  const auto count = [&] {
    return std::distance(fs::directory_iterator(made.folder), fs::directory_iterator());
  };
  const auto before = count();
  BOOST_TEST(check_disk_speed(made.examined()).what.find("4 KiB are on the disk") !=
             std::string::npos);
  BOOST_TEST(count() == before);
}

BOOST_AUTO_TEST_CASE(memory_is_estimated_from_data_and_model_and_says_how) {
  Examined node;
  const MemoryEstimate small = estimate_memory(node);
  node.config.task.sizes = {4096, 4096};
  const MemoryEstimate large = estimate_memory(node);
  // An mlp of 784 inputs, two layers and 10 classes, as often as the basis says.
  const std::uint64_t parameters = 785 * 4096 + 4097 * 4096 + 4097 * 10;
  BOOST_TEST(large.basis.find(std::to_string(parameters)) != std::string::npos, large.basis);
  BOOST_TEST(large.bytes > small.bytes + 8 * 4 * parameters);
  node.config.task.model = "resnet";
  BOOST_TEST(estimate_memory(node).basis.find("not counted") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(limits_are_read_as_the_kernel_writes_them) {
  const auto limit = [](const char* field) {
    std::istringstream text(
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max core file size        0                    unlimited            bytes     \n"
        "Max open files            1024                 4096                 files     \n"
        "Max locked memory         unlimited            unlimited            bytes     \n");
    return limit_in(text, field);
  };
  BOOST_TEST(*limit("Max core file size") == 0U);
  BOOST_TEST(*limit("Max open files") == 1024U);
  BOOST_TEST(*limit("Max locked memory") == UINT64_MAX);
  BOOST_TEST(!limit("Max nothing"));
}

BOOST_AUTO_TEST_CASE(worker_that_is_missing_or_of_another_make_is_told) {
  MadeNode made;
  Examined node = made.examined();
  node.config.worker.command = made.folder / "nothing";
  expect(check_worker(node), Verdict::fail, "There is no worker program");
  const fs::path program = made.folder / "worker";
  const auto says = [&](const std::string& script) {
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    ::chmod(program.c_str(), 0700);
    node.config.worker.command = program;
  };
  says("echo kith-worker " + daemon::version());
  expect(check_worker(node), Verdict::pass);
  says("echo kith-worker 0.0.1");
  expect(check_worker(node), Verdict::fail, "0.0.1");
  says("echo hello");
  expect(check_worker(node), Verdict::warn, "another make");
  node.config.task.model = "worker";
  expect(check_worker(node), Verdict::pass, "its members' own");
  expect(check_linear_algebra(node), Verdict::pass, "its members' own");
  node.config.task.model = "mlp";
  says("exit 127");
  expect(check_worker(node), Verdict::fail, "status 127");
  says("echo '{\"library\":\"a plain BLAS\",\"operations_per_second\":5e8}'");
  expect(check_linear_algebra(node), Verdict::warn, "0.5 * 10^9");
  says("echo '{\"library\":\"OpenBLAS\",\"operations_per_second\":3e10}'");
  expect(check_linear_algebra(node), Verdict::pass, "OpenBLAS at 30 ");
  says("echo hello");
  expect(check_linear_algebra(node), Verdict::warn, "cannot be measured");
}

BOOST_AUTO_TEST_CASE(program_that_never_ends_is_ended) {
  const MadeNode made;
  const fs::path program = made.folder / "hangs";
  std::ofstream(program) << "#!/bin/sh\nexec sleep 600\n";
  ::chmod(program.c_str(), 0700);
  const auto begin = std::chrono::steady_clock::now();
  BOOST_TEST(!run_program(program, "--version", 300ms).fault.empty());
  BOOST_TEST((std::chrono::steady_clock::now() - begin < 3s));
}

BOOST_AUTO_TEST_CASE(data_that_are_missing_unreadable_or_to_be_mended_are_told) {
  const MadeNode made;
  Examined node = made.examined();
  expect(check_data(node), Verdict::pass, "8 examples to train on");
  node.look_at_data = [](const daemon::Config&) -> data::CheckReport {
    throw std::runtime_error("line 3 is odd");
  };
  BOOST_TEST(diagnose(node, {{"data", check_data}}).checks[0].what == "line 3 is odd.");
  node.look_at_data = [](const daemon::Config&) {
    return data::CheckReport{.to_mend = {"Copies."}};
  };
  expect(check_data(node), Verdict::warn, "Copies.");
  fs::remove(node.config.data.train[0]);
  expect(check_data(node), Verdict::fail, "cannot be read");
}

BOOST_AUTO_TEST_CASE(guards_that_do_not_hold_are_told) {
  Examined node;
  node.status = running();
  node.status["own_guards"] =
      json::array({{{"name", "files"}, {"holds", false}, {"what", "no Landlock"}}});
  expect(check_sandbox(node), Verdict::warn, "kith: files, no Landlock");
  node.status["own_guards"][0]["holds"] = true;
  expect(check_sandbox(node), Verdict::pass);
}

BOOST_AUTO_TEST_CASE(versions_tasks_and_alarms_are_the_running_nodes) {
  Examined node;
  for (const auto check : {check_versions, check_peer_tasks, check_alarms})
    expect(check(node), Verdict::pass, "No node runs here");
  node.status = running();
  node.peers = json::array({peer("kith " + daemon::version())});
  for (const auto check : {check_versions, check_peer_tasks, check_alarms})
    expect(check(node), Verdict::pass);
  node.peers[0] = peer("kith 0.0.9");
  expect(check_versions(node), Verdict::warn, "ben (kith 0.0.9)");
  node.peers[0]["trouble"] = {{"reason", "version_mismatch"}};
  expect(check_versions(node), Verdict::fail, "ben");
  node.status["other_tasks"] = {{{"name", "ben"}, {"differs", nullptr}}};
  expect(check_peer_tasks(node), Verdict::warn, "ben");
  const auto alarm = [](const char* severity, const char* what) {
    return json{{"name", "x"}, {"severity", severity}, {"what", what}, {"help", "Do."}};
  };
  node.status["alarms"] = {alarm("notice", "It is warm.")};
  expect(check_alarms(node), Verdict::pass);
  node.status["alarms"] = {alarm("warning", "It smokes."), alarm("notice", "It is warm.")};
  expect(check_alarms(node), Verdict::warn, "It smokes.");
  node.status["alarms"] = {alarm("error", "It burns."), alarm("warning", "It smokes.")};
  expect(check_alarms(node), Verdict::fail, "It burns. It smokes.");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace doctor_test
