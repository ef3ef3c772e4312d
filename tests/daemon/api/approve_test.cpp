#include "daemon/api/approve.hpp"

#include "daemon/api/ask.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/file_lock.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <optional>
#include <thread>

namespace approve_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// The founder of a consortium, who is its only steward, and whose node is stopped; m2 has applied.
struct Founder : CryptoReady {
  test::TemporaryDirectory folder;
  Config config;
  net::Hash founded{};
  std::string number;  // of the invitation

  Founder() {
    config.node.name = "m1";
    config.node.key = folder.path() / "node.key";
    config.node.channel_key = folder.path() / "channel.key";
    config.node.card = folder.path() / "node.card";
    config.node.state = folder.path() / "state";
    config.node.control = folder.path() / "control.sock";
    config.consortium.charter = folder.path() / "charter.kith";
  }
  /// With as many stewards, of whom the node is one, as must sign.
  void found(int others) {
    const auto now = std::chrono::system_clock::now();
    const KeyFiles files{config.node.key, config.node.channel_key, config.node.card};
    const crypto::Identity node = make_keys(files);
    net::Charter first = founding_version("study", {node.id(), "m1"}, now);
    for (int i = 0; i < others; ++i) first.stewards.push_back(test::steward(50 + i));
    first.threshold = static_cast<std::uint32_t>(1 + others);
    first = test::ordered(first);
    net::SignedCharter version = net::unsigned_charter(first);
    sign(version, node);
    for (int i = 0; i < others; ++i) sign(version, test::identity(50 + i));
    net::MembershipRecord record;
    BOOST_TEST_REQUIRE(!record.chain.append(std::move(version)));
    founded = record.chain.founded();
    record.cards.push_back(write_card(files, node, {"m1", {"host:7001"}}, founded, now));
    write_whole(config.consortium.charter, net::encode_record(record));
    Membership membership(config.consortium.charter);
    const auto invite = membership.invite(record.cards.front(), "two", 24h, "", now);
    net::Card card = test::card(2, founded);
    card.addresses = {"host:7001"};
    (void)membership.consider({invite.token, net::sign_card(std::move(card), test::identity(2),
                                                            test::channel_key(2))},
                              now);
    number = membership.invitations().pending(membership.chain(), now).front().number();
  }
  int refused(const ApproveRequest& request) const {
    try {
      (void)approve(config, request);
      return 0;
    } catch (const Failure& failure) {
      return failure.code();
    }
  }
  net::CharterChain chain() const { return load_record(config.consortium.charter).chain; }
};

BOOST_FIXTURE_TEST_SUITE(approve_tests, Founder)

BOOST_AUTO_TEST_CASE(applicant_is_a_member_once_the_only_steward_approves) {
  found(0);
  const std::string id = to_string(test::identity(2).id());
  const Approved done = approve(config, {.who = "m2", .id = id, .key = config.node.key});
  BOOST_TEST(done.admitted());
  BOOST_TEST(done.signed_here);
  BOOST_TEST(done.number == 2U);
  BOOST_TEST(done.fingerprint == fingerprint(chain().newest().id));
  BOOST_TEST(chain().newest().charter.find_member("m2") != nullptr);
  BOOST_TEST_REQUIRE(done.shared.size() == 1U);
  BOOST_TEST(done.shared.front().name == "m1");
  BOOST_TEST(done.shared.front().address == "host:7001");
  BOOST_TEST(refused({.who = "m2", .key = config.node.key}) == EX_USAGE);  // it is one already
}

BOOST_AUTO_TEST_CASE(invitation_asked_for_while_the_node_starts_is_made_once) {
  found(0);
  fs::create_directory(config.node.state);
  std::optional<FileLock> starting(std::in_place, config.node.state / "lock", config.node.state);
  std::thread start([&] {
    std::this_thread::sleep_for(300ms);  // it was asked by then, and more than once
    starting.reset();
  });
  (void)ask_membership(config, "POST", "/v1/invitations", {{"for", "three"}});
  start.join();
  const Membership membership(config.consortium.charter);
  const auto now = std::chrono::system_clock::now();
  BOOST_TEST(membership.invitations().pending(membership.chain(), now).size() == 2U);  // and m2's
}

BOOST_AUTO_TEST_CASE(node_that_starts_while_a_verb_is_at_work_on_its_files_waits_for_it) {
  found(0);
  std::optional<Membership> verb(std::in_place, config.consortium.charter);
  std::thread work([&] {
    std::this_thread::sleep_for(100ms);
    verb.reset();
  });
  BOOST_CHECK_NO_THROW(Membership(config.consortium.charter));
  work.join();
}

BOOST_AUTO_TEST_CASE(with_several_stewards_there_is_a_proposal_to_pass_round) {
  found(1);
  const Approved done = approve(config, {.who = number, .key = config.node.key});
  BOOST_TEST_REQUIRE(done.proposal.has_value());
  BOOST_TEST(load_proposal(*done.proposal).version.signatures.size() == 1U);
  BOOST_TEST(done.signatures.at("missing").size() == 1U);
  BOOST_TEST(chain().versions().size() == 1U);
}

BOOST_AUTO_TEST_CASE(without_a_stewards_key_nobody_signs) {
  found(0);
  const Approved done = approve(config, {.who = "m2", .key = folder.path() / "elsewhere"});
  BOOST_TEST(!done.signed_here);
  BOOST_TEST(!done.admitted());
  BOOST_TEST(load_proposal(*done.proposal).version.signatures.empty());
}

BOOST_AUTO_TEST_CASE(applicant_who_is_not_meant_is_not_taken_in) {
  found(0);
  BOOST_TEST(refused({.who = "m3", .key = config.node.key}) == EX_USAGE);
  const std::string other = to_string(test::identity(3).id());
  BOOST_TEST(refused({.who = "m2", .id = other, .key = config.node.key}) == EX_DATAERR);
  BOOST_TEST(chain().versions().size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace approve_test
