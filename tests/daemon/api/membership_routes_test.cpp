#include "daemon/api/membership_routes.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>

namespace membership_routes_test {

using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;
using nlohmann::json;

/// Member 1 of a consortium of three, of which it is the only steward, and its operator.
struct Desk : CryptoReady {
  test::TemporaryDirectory folder;
  fs::path file = folder.path() / "charter.kith";
  net::MembershipRecord record = test::consortium_of(3);
  std::unique_ptr<Membership> membership;
  ControlRoutes routes;
  std::vector<std::string> audited;

  Desk() {
    write_whole(file, net::encode_record(record));
    membership = std::make_unique<Membership>(file);
    MembershipDesk desk;
    desk.membership = membership.get();
    desk.card = [this] { return std::optional(test::card(1, record.chain.founded())); };
    desk.audit = [this](std::string_view event, const json&) { audited.emplace_back(event); };
    add_membership_routes(routes, std::move(desk));
  }
  json ask(std::string_view method, std::string_view target, const json& body = {}) const {
    return control_request(routes, method, target, body);
  }
  json post(std::string_view target, const json& body) const { return ask("POST", target, body); }
  int refused(std::string_view target, const json& body) const {
    try {
      (void)post(target, body);
      return 0;
    } catch (const Failure& failure) {
      return failure.code();
    }
  }
  /// A file as requests carry it.
  static json carried(const char* name, ByteView bytes) {
    return {{"name", name}, {"content", crypto::to_base64(bytes)}};
  }
  static json carried(const char* name, const net::MembershipRecord& file) {
    return carried(name, net::encode_record(file));
  }
  /// Somebody has used the invitation.
  void apply(const json& invited, int who) {
    const auto parsed = net::parse_invite(invited.at("invite").get<std::string>());
    const auto& invite = std::get<net::Invite>(parsed);
    (void)membership->consider({invite.token, test::card(who, record.chain.founded())},
                               std::chrono::system_clock::now());
  }
};

BOOST_FIXTURE_TEST_SUITE(membership_routes_tests, Desk)

BOOST_AUTO_TEST_CASE(invitation_is_made_listed_used_and_withdrawn) {
  const json invited = post("/v1/invitations", {{"for", "four"}, {"days", 3}});
  BOOST_TEST(ask("GET", "/v1/invitations").at(0).at("state") == "invited");
  apply(invited, 4);
  const json applied = ask("GET", "/v1/invitations").at(0);
  BOOST_TEST(applied.at("state") == "applied");
  BOOST_TEST(applied.at("name") == "m4");
  BOOST_TEST(post("/v1/deny", {{"who", "m4"}}).at("refused") == true);
  BOOST_TEST(ask("GET", "/v1/invitations").at(0).at("state") == "refused");
  (void)post("/v1/invitations/accept", {{"number", applied.at("number")}});
  BOOST_TEST(ask("GET", "/v1/invitations").at(0).at("state") == "applied");
  (void)post("/v1/invitations", {{"for", "five"}});
  BOOST_TEST(post("/v1/deny", {{"who", "five"}}).at("withdrawn") == true);
  BOOST_TEST(ask("GET", "/v1/invitations").size() == 1U);
}

BOOST_AUTO_TEST_CASE(members_are_denied_and_allowed_by_name_or_id) {
  const std::string id = to_string(test::identity(2).id());
  BOOST_TEST(post("/v1/deny", {{"who", "m2"}}).at("id") == id);
  BOOST_TEST(membership->denied().size() == 1U);
  BOOST_TEST(post("/v1/allow", {{"who", id.substr(0, 12)}}).at("name") == "m2");
  BOOST_TEST(membership->denied().empty());
  BOOST_TEST(refused("/v1/deny", {{"who", "nobody"}}) == EX_USAGE);
  BOOST_TEST(refused("/v1/deny", {{"who", "m1"}}) == EX_USAGE);  // itself
  BOOST_TEST((audited == std::vector<std::string>{"denied", "allowed"}));
}

BOOST_AUTO_TEST_CASE(name_that_a_member_and_an_invitation_have_is_asked_about) {
  (void)post("/v1/invitations", {{"for", "m2"}});
  BOOST_TEST(refused("/v1/deny", {{"who", "m2"}}) == EX_USAGE);
}

BOOST_AUTO_TEST_CASE(files_are_merged_and_adopted) {
  net::MembershipRecord longer = record;
  test::extend(longer.chain, test::kExpires + 1, {1});
  const json merged = post("/v1/charter/merge", {{"files", {carried("newer.kith", longer)}}});
  BOOST_TEST(merged.at("changed") == true);
  BOOST_TEST(merged.at("number") == 2);
  net::MembershipRecord rival = record;
  test::extend(rival.chain, test::kExpires + 2, {1});
  const json other = carried("other.kith", rival);
  const json contradicted = post("/v1/charter/merge", {{"files", {other}}});
  BOOST_TEST(contradicted.at("changed") == false);
  BOOST_TEST(contradicted.at("rivals").at(0).at("signed_twice").at(0).at("name") == "s1");
  (void)post("/v1/charter/adopt", other);
  BOOST_TEST((membership->chain().newest().id == rival.chain.newest().id));
  BOOST_TEST((audited == std::vector<std::string>{"adopted"}));
}

BOOST_AUTO_TEST_CASE(proposal_comes_back_with_the_signatures_of_all_files_of_it) {
  const net::Charter second = next_version(
      record.chain, {.steward_add = {test::steward(2), test::steward(3)}, .threshold = 3},
      std::chrono::system_clock::now());
  const auto signed_by = [&](const std::vector<int>& stewards) {
    return carried("p", encode_proposal({test::signed_by(second, stewards)}));
  };
  const json waits = post("/v1/charter/merge", {{"files", {signed_by({1}), signed_by({2})}}});
  BOOST_TEST(waits.at("changed") == false);
  BOOST_TEST(waits.at("signatures").at("missing").size() == 1U);
  BOOST_TEST((waits.at("unfinished") == signed_by({1, 2})));
  const json done = post("/v1/charter/merge", {{"files", {waits.at("unfinished"), signed_by({3})}}});
  BOOST_TEST(done.at("number") == 2);
  BOOST_TEST(!done.contains("unfinished"));
}

BOOST_AUTO_TEST_CASE(requests_that_make_no_sense_are_refused_and_change_nothing) {
  for (const json& body : {json(), json(7), json::array(), json::object()}) {
    BOOST_TEST(refused("/v1/deny", body) == EX_USAGE);
    BOOST_TEST(refused("/v1/charter/merge", body) == EX_USAGE);
    BOOST_TEST(refused("/v1/charter/adopt", body) == EX_USAGE);
    BOOST_TEST(refused("/v1/invitations/accept", body) == EX_USAGE);
  }
  BOOST_TEST(refused("/v1/invitations", {{"for", 7}}) == EX_USAGE);
  BOOST_TEST(refused("/v1/invitations", {{"days", -1}}) == EX_USAGE);
  BOOST_TEST(refused("/v1/invitations", {{"for", "a\nb"}}) == EX_USAGE);
  for (const json& wrong : {json("/a/path"), json{{"name", "x"}}, json{{"content", "AAAA"}},
                           json{{"name", "x"}, {"content", "no base64!"}}}) {
    BOOST_TEST(refused("/v1/charter/merge", {{"files", {wrong}}}) == EX_USAGE);
    BOOST_TEST(refused("/v1/charter/adopt", wrong) == EX_USAGE);
  }
  const json noise{{"name", "x"}, {"content", "AAAA"}};
  BOOST_TEST(refused("/v1/charter/merge", {{"files", {noise}}}) == EX_DATAERR);
  BOOST_TEST(refused("/v1/charter/adopt", noise) == EX_DATAERR);
  BOOST_TEST(refused("/v1/nothing", {}) == EX_USAGE);
  BOOST_TEST(membership->chain().versions().size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace membership_routes_test
