#include "daemon/api/forget.hpp"

#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/report.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>

namespace forget_test {

using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;
using nlohmann::json;

/// Node 1 of three, stopped after ten rounds: alone, then with member 2 from the fourth and with
/// member 3 from the sixth on.
struct Stopped : CryptoReady {
  static constexpr std::uint64_t kRounds = 10;
  test::TemporaryDirectory folder;
  fs::path state = folder.path() / "state", charter = folder.path() / "charter.kith";
  crypto::NodeId self = test::identity(1).id();
  std::unique_ptr<Membership> membership;

  Stopped() {
    write_whole(charter, net::encode_record(test::consortium_of(3)));
    membership = std::make_unique<Membership>(charter);
    Store store(state);
    History history(state / kHistory);
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      json members = json::array();
      if (round >= 4) members.push_back(averaged(2));
      if (round >= 6) members.push_back(averaged(3));
      store.put_round(round, {}, {{"members", members}});
      write_whole(state / kCheckpoint, as_byte_view("model " + std::to_string(round)));
      history.keep(round, state / kCheckpoint, 64);
    }
  }
  static json averaged(int member) {
    return {{"id", to_string(test::identity(member).id())}, {"name", test::member(member).name}};
  }
  Forgotten forget(const ForgetRequest& request) {
    return daemon::forget(state, *membership, self, request);
  }
  int refused(const ForgetRequest& request) {
    try {
      (void)forget(request);
      return 0;
    } catch (const Failure& failure) {
      return failure.code();
    }
  }
  std::string model() const { return read_text(state / kCheckpoint, 100); }
  std::size_t rounds() const { return Store(state).rounds(SIZE_MAX).size(); }
};

BOOST_FIXTURE_TEST_SUITE(forget_tests, Stopped)

BOOST_AUTO_TEST_CASE(node_has_again_the_model_of_before_the_first_contribution) {
  const Forgotten done = forget({.who = "m3"});
  BOOST_TEST(done.id == to_string(test::identity(3).id()));
  BOOST_TEST(done.found.count == 5U);
  BOOST_TEST(done.found.first == 6U);
  BOOST_TEST(done.back_to == 5U);
  BOOST_TEST(done.rounds_lost == 5U);
  BOOST_TEST((done.may_carry_it == std::set<std::string>{"m2"}));
  BOOST_TEST(done.may_come_again);
  BOOST_TEST(model() == "model 5");
  BOOST_TEST(rounds() == 5U);
  BOOST_TEST((History(state / kHistory).rounds() == std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  const json logged = read_audit_log(state / kAuditLog, 1).at(0);
  BOOST_TEST(logged.at("event") == "forgot");
  BOOST_TEST(logged.at("back_to") == 5);
  const Forgotten again = forget({.who = "m3"});
  BOOST_TEST(again.found.count == 0U);
  BOOST_TEST(again.rounds_lost == 0U);
  BOOST_TEST(to_json(again).at("first").is_null());
}

BOOST_AUTO_TEST_CASE(only_what_was_averaged_from_a_round_on_is_forgotten_if_asked_so) {
  const Forgotten done = forget({.who = "m2", .from = 8});
  BOOST_TEST(done.found.count == 3U);
  BOOST_TEST(done.back_to == 7U);
  BOOST_TEST(forget({.who = "m2", .from = 100}).found.count == 0U);
  BOOST_TEST(model() == "model 7");
}

BOOST_AUTO_TEST_CASE(node_that_keeps_no_earlier_model_begins_anew) {
  fs::remove_all(state / kHistory);
  BOOST_TEST(forget({.who = "m2"}).back_to == 0U);
  BOOST_TEST(!fs::exists(state / kCheckpoint));
  BOOST_TEST(rounds() == 0U);
}

BOOST_AUTO_TEST_CASE(who_is_denied_as_well_may_not_come_again_though_nothing_of_it_was_found) {
  const Forgotten done = forget({.who = "m3", .from = 100, .deny = true});
  BOOST_TEST(!done.may_come_again);
  BOOST_TEST(membership->denied().size() == 1U);
  BOOST_TEST(model() == "model 10");
  BOOST_TEST(read_audit_log(state / kAuditLog, 1).at(0).at("event") == "denied");
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused_and_changes_nothing) {
  BOOST_TEST(refused({.who = "nobody"}) == EX_USAGE);
  BOOST_TEST(refused({.who = "m1"}) == EX_USAGE);  // itself
  {
    const Store running(state);
    BOOST_TEST(refused({.who = "m2"}) == EX_TEMPFAIL);
  }
  BOOST_TEST(model() == "model 10");
  BOOST_TEST(rounds() == kRounds);
  fs::remove_all(state);
  BOOST_TEST(refused({.who = "m2"}) == EX_NOINPUT);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace forget_test
