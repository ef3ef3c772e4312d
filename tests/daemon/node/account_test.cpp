#include "daemon/node/account.hpp"

#include "daemon/state/audit_log.hpp"
#include "daemon/system/failure.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <utility>

namespace account_test {

using namespace kith;
using namespace kith::daemon;
using nlohmann::json;
using std::chrono::system_clock;

struct Kept : CryptoReady {
  test::TemporaryDirectory directory;
  std::filesystem::path state = directory / "state";

  static json judged(double accuracy) {
    return {{"test", {{"accuracy", accuracy}, {"loss", 1.0}, {"examples", 400}}},
            {"validation", {{"accuracy", 0.1}, {"loss", 2.0}, {"examples", 50}}}};
  }
  /// A report as a node keeps it.
  static json report(double served, double alone, const std::vector<std::string>& members,
                     std::uint64_t bytes) {
    json averaged = json::array();
    for (const std::string& name : members)
      averaged.push_back({{"id", "id"}, {"name", name}, {"weight", 0.25}});
    return {{"metric", "accuracy"},
            {"served", "averaged"},
            {"models", {{"averaged", judged(served)}, {"baseline", judged(alone)}}},
            {"members", averaged},
            {"privacy", nullptr},
            {"diverged", nullptr},
            {"opinions", {{"ana", {{"rho", 0.8}, {"low", 0.6}, {"high", 1.1}}}}},
            {"seconds", {{"train", 3.0}, {"gather", 1.5}}},
            {"bytes_in", bytes},
            {"bytes_out", 2 * bytes}};
  }
  static system_clock::time_point at(std::uint64_t seconds) {
    return system_clock::time_point(std::chrono::seconds(seconds));
  }
};

BOOST_FIXTURE_TEST_SUITE(account_tests, Kept)

BOOST_AUTO_TEST_CASE(history_comes_to_gain_partners_and_costs_while_a_node_holds_the_state) {
  Store store(state);  // the node that runs
  store.put_round(1, at(1000), report(0.6, 0.6, {}, 100));
  store.put_round(2, at(1060), report(0.8, 0.6, {"ana"}, 250));
  store.put_round(3, at(1120), report(0.8, 0.6, {"ana", "ben"}, 40));  // it was started again
  json last = report(0.8, 0.6, {"ana"}, 60);
  last["diverged"] = "the loss is not finite";
  store.put_round(4, at(1200), last);

  const Account account = account_of(state, 300);
  BOOST_TEST(account.answer == "yes");
  BOOST_TEST_REQUIRE(account.curve.gain.has_value());
  BOOST_TEST(account.curve.gain->mean == 0.15, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(account.curve.gain->low > 0.0);
  BOOST_TEST(account.curve.gain->examples == 400U);
  BOOST_TEST(account.curve.split == "test");
  BOOST_TEST_REQUIRE(account.partners.size() == 2U);
  BOOST_TEST(account.partners[0].name == "ana");
  BOOST_TEST(account.partners[0].rounds == 3U);
  BOOST_TEST(account.partners[0].first == 2U);
  BOOST_TEST(account.partners[0].last == 4U);
  BOOST_TEST(account.partners[0].weight.value() == 0.25);
  BOOST_TEST(account.partners[0].low.value() == 0.6);
  BOOST_TEST(!account.partners[1].weight);  // ben is not in the newest round
  BOOST_TEST(!account.partners[1].rho);
  BOOST_TEST(account.cost.rounds == 4U);
  BOOST_TEST(account.cost.given_up == 1U);
  BOOST_TEST(account.cost.to - account.cost.from == 200U);
  BOOST_TEST(account.cost.seconds.at("train") == 12.0);
  BOOST_TEST(account.cost.bytes_in == 100U + 150U + 40U + 20U);
  BOOST_TEST(account.cost.bytes_out == 2 * account.cost.bytes_in);
  BOOST_TEST(!account.audit);
}

BOOST_AUTO_TEST_CASE(long_history_is_thinned_for_the_chart_and_whole_for_the_sums) {
  {
    Store store(state);
    for (std::uint64_t i = 1; i <= 25; ++i)
      store.put_round(i, at(i), report(0.7, 0.6, {"ana"}, 10 * i));
  }
  const Account account = account_of(state, 10);
  BOOST_TEST(account.cost.rounds == 25U);
  BOOST_TEST(account.cost.bytes_in == 250U);
  BOOST_TEST(account.curve.round.size() <= 10U);
  BOOST_TEST(account.curve.round.back() == 25U);
  BOOST_TEST(account.curve.step == 3U);
  BOOST_TEST(account.curve.served.size() == account.curve.round.size());
  BOOST_TEST(account.curve.gain->rounds == kGainRounds);
}

BOOST_AUTO_TEST_CASE(node_without_a_round_or_a_state_has_no_answer) {
  BOOST_CHECK_EXCEPTION((void)account_of(state, 300), Failure, [](const Failure& failure) {
    return failure.code() == EX_NOINPUT &&
           std::string_view(failure.what()).find("kith run") != std::string_view::npos;
  });
  { Store store(state); }
  const Account account = account_of(state, 300);
  BOOST_TEST(account.answer == "unknown");
  BOOST_TEST(account.partners.empty());
  BOOST_TEST(account.cost.rounds == 0U);
}

BOOST_AUTO_TEST_CASE(audit_log_comes_to_what_left_and_what_happened) {
  std::filesystem::create_directory(state);
  {
    AuditLog log(state / kAuditLog);
    log.append("started", {{"version", "1"}});
    log.append("published", {{"round", 1}, {"readers", {"ana-id", "ben-id"}}});
    log.append("published", {{"round", 2}, {"readers", {"ben-id"}}});
    log.append("denied", {{"name", "ben"}, {"id", "ben-id"}});
    log.append("denied", {{"name", "ben"}, {"id", "ben-id"}});
    log.append("convicted", {{"name", "eve"}});
    log.append("averaged", {{"round", 2}});
  }
  const Account::Audit audit = audit_of(state / kAuditLog);
  BOOST_TEST(audit.fault.empty());
  BOOST_TEST(audit.entries == 7U);
  BOOST_TEST(audit.hash.size() == 64U);
  BOOST_TEST(audit.published == 2U);
  BOOST_TEST((audit.readers == std::vector<std::string>{"ana-id", "ben-id"}));
  BOOST_TEST_REQUIRE(audit.events.size() == 2U);
  const auto& denied = audit.events[audit.events[0].event == "denied" ? 0 : 1];
  BOOST_TEST(denied.count == 2U);
  BOOST_TEST((denied.who == std::vector<std::string>{"ben"}));
}

BOOST_AUTO_TEST_CASE(audit_log_that_was_changed_is_told_of) {
  std::filesystem::create_directory(state);
  const auto file = state / kAuditLog;
  {
    AuditLog log(file);
    for (int i = 0; i < 3; ++i) log.append("published", {{"round", i}, {"readers", json::array()}});
  }
  std::string text = [&] {
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  text.replace(text.find("\"round\":0"), 9, "\"round\":7");
  std::ofstream(file, std::ios::trunc) << text;
  const Account::Audit audit = audit_of(file);
  BOOST_TEST(audit.fault.starts_with("audit.log, line 2"), audit.fault);
  BOOST_TEST(audit.published == 1U);  // nothing that follows is believed
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace account_test
