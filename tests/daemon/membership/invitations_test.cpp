#include "daemon/membership/invitations.hpp"

#include "daemon/system/failure.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace invitations_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
using State = net::Admission::State;
using std::chrono::system_clock;

/// A node with one open invitation, for hospital-b, for a day.
struct Inviter : CryptoReady {
  Invitations invites;
  system_clock::time_point now = system_clock::now();
  net::Token token{std::byte{1}};
  net::CharterChain chain = test::study();
  Inviter() { invites.add(invitation(token, "hospital-b"), now); }

  void change(const std::function<void(net::Charter&)>& how) {
    net::Charter charter = test::next_version(chain);
    how(charter);
    BOOST_TEST_REQUIRE(!chain.append(test::signed_by(test::ordered(charter), {1, 2})));
  }
  void take_in(const net::Member& member) {
    change([&](net::Charter& charter) { charter.members.push_back(member); });
  }
  void expel(const net::Member& member) {
    change([&](net::Charter& charter) { std::erase(charter.members, member); });
  }

  Invitation invitation(const net::Token& of, const std::string& label) const {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    Invitation made;
    made.label = label;
    made.token = net::token_hash(of);
    made.made = static_cast<std::uint64_t>(seconds);
    made.charter = chain.newest().charter.number;
    made.expires = made.made + 86400;
    return made;
  }
  static net::Apply application(const net::Token& with, const crypto::Identity& who,
                                const std::string& name) {
    net::Card card;
    card.name = name;
    return {with, sign_card(std::move(card), who, crypto::ChannelKey::generate())};
  }
};

BOOST_FIXTURE_TEST_SUITE(invitations_tests, Inviter)

BOOST_AUTO_TEST_CASE(the_first_who_applies_has_the_invitation_and_waits_for_the_operator) {
  const auto b = crypto::Identity::generate(), thief = crypto::Identity::generate();
  const auto first = invites.consider(application(token, b, "hospital-b"), chain, now);
  BOOST_TEST((first.admission.state == State::waiting));
  BOOST_TEST(first.news);
  const auto again = invites.consider(application(token, b, "hospital-b"), chain, now);
  BOOST_TEST((again.admission.state == State::waiting));
  BOOST_TEST(!again.news);
  const auto late = invites.consider(application(token, thief, "hospital-b"), chain, now);
  BOOST_TEST((late.admission.state == State::refused));
  BOOST_TEST((invites.open(now).at(0).applicant->node == b.id()));
}

BOOST_AUTO_TEST_CASE(a_token_that_was_not_given_or_has_expired_or_was_withdrawn_is_refused) {
  const auto b = crypto::Identity::generate();
  const auto state = [&](const net::Token& with, system_clock::time_point at) {
    return invites.consider(application(with, b, "hospital-b"), chain, at).admission.state;
  };
  BOOST_TEST((state({std::byte{2}}, now) == State::refused));
  BOOST_TEST((state(token, now + 25h) == State::refused));
  BOOST_TEST((state(token, now) == State::waiting));
  invites.remove(invites.open(now).at(0));
  BOOST_TEST((state(token, now) == State::refused));
}

BOOST_AUTO_TEST_CASE(who_was_refused_stays_so) {
  const auto b = crypto::Identity::generate();
  (void)invites.consider(application(token, b, "hospital-b"), chain, now);
  invites.refuse(invites.find("hospital-b", Invitations::Which::all, chain, now), true);
  BOOST_TEST((invites.consider(application(token, b, "hospital-b"), chain, now).admission.state ==
              State::refused));
}

BOOST_AUTO_TEST_CASE(who_was_approved_waits_until_the_node_knows_and_is_pending_no_more) {
  const auto b = crypto::Identity::generate();
  const net::Apply apply = application(token, b, "hospital-b");
  (void)invites.consider(apply, chain, now);
  BOOST_TEST(invites.pending(chain, now).size() == 1U);
  const net::CharterChain before = chain;
  take_in({apply.card.node, apply.card.name});
  BOOST_TEST(invites.pending(chain, now).empty());
  BOOST_CHECK_THROW((void)invites.find("hospital-b", Invitations::Which::all, chain, now), Failure);
  // The node has not taken up the new charter yet.
  BOOST_TEST((invites.consider(apply, before, now).admission.state == State::waiting));
  invites.used(token);
  BOOST_TEST(invites.open(now).empty());
  invites.used(token);
}

BOOST_AUTO_TEST_CASE(who_was_expelled_before_it_heard_that_it_was_taken_in_is_not_pending_again) {
  const auto b = crypto::Identity::generate();
  const net::Apply apply = application(token, b, "hospital-b");
  (void)invites.consider(apply, chain, now);
  take_in({apply.card.node, apply.card.name});
  expel({apply.card.node, apply.card.name});
  BOOST_TEST(invites.pending(chain, now).empty());
  const auto answer = invites.consider(apply, chain, now).admission;
  BOOST_TEST((answer.state == State::refused));
  BOOST_TEST(answer.why.find("expelled") != std::string::npos);
  // A new invitation is a new start.
  const net::Token another{std::byte{2}};
  invites.add(invitation(another, "hospital-b"), now);
  BOOST_TEST((invites.consider(application(another, b, "hospital-b"), chain, now).admission.state ==
              State::waiting));
  BOOST_TEST(invites.pending(chain, now).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_name_that_a_member_has_is_refused_and_the_invitation_stays_free) {
  const auto b = crypto::Identity::generate();
  const auto answer = invites.consider(application(token, b, "m1"), chain, now).admission;
  BOOST_TEST((answer.state == State::refused));
  BOOST_TEST(answer.why.find("kith join --name") != std::string::npos);
  BOOST_TEST(!invites.open(now).at(0).applicant.has_value());
}

BOOST_AUTO_TEST_CASE(two_invitations_for_one_name_are_told_apart_by_their_numbers) {
  invites.add(invitation({std::byte{2}}, "hospital-b"), now);
  using Which = Invitations::Which;
  const auto both = invites.open(now);
  BOOST_CHECK_EXCEPTION((void)invites.find("hospital-b", Which::all, chain, now), Failure,
                        [](const Failure& failure) {
                          return std::string(failure.what()).find("give the number") !=
                                 std::string::npos;
                        });
  for (const Invitation& one : both) {
    BOOST_TEST((invites.find(one.number(), Which::all, chain, now).token == one.token));
  }
  BOOST_CHECK_THROW((void)invites.find("hospital-b", Which::applied, chain, now), Failure);
  const auto b = crypto::Identity::generate();
  (void)invites.consider(application(token, b, "hospital-b"), chain, now);
  BOOST_TEST(
      (invites.find("hospital-b", Which::applied, chain, now).token == net::token_hash(token)));
}

BOOST_AUTO_TEST_CASE(a_name_that_begins_another_applicants_id_is_that_of_whom_it_names) {
  const auto b = crypto::Identity::generate(), c = crypto::Identity::generate();
  const net::Token second{std::byte{2}};
  invites.add(invitation(second, "c"), now);
  const std::string name = to_string(c.id()).substr(0, 1);
  (void)invites.consider(application(token, b, name), chain, now);
  (void)invites.consider(application(second, c, "another"), chain, now);
  BOOST_TEST((invites.find(name, Invitations::Which::all, chain, now).applicant->node == b.id()));
}

BOOST_AUTO_TEST_CASE(whether_any_is_open_follows_the_time) {
  BOOST_TEST(invites.any_open(now));
  BOOST_TEST(!invites.any_open(now + 25h));
  invites.remove(invites.open(now).at(0));
  BOOST_TEST(!invites.any_open(now));
}

BOOST_AUTO_TEST_CASE(name_that_people_would_take_for_a_members_is_refused) {
  const auto b = crypto::Identity::generate();
  const auto answer = invites.consider(application(token, b, "M1"), chain, now).admission;
  BOOST_TEST((answer.state == State::refused));
}

BOOST_AUTO_TEST_CASE(an_applicant_may_correct_its_card) {
  const auto b = crypto::Identity::generate();
  (void)invites.consider(application(token, b, "hospital-b"), chain, now);
  BOOST_TEST(!invites.consider(application(token, b, "hospital-bee"), chain, now).news);
  BOOST_TEST(invites.find("hospital-bee", Invitations::Which::all, chain, now).applicant->name ==
             "hospital-bee");
}

BOOST_AUTO_TEST_CASE(the_token_itself_is_kept_nowhere) {
  const std::string text = to_json(invites.open(now).at(0)).dump();
  BOOST_TEST(text.find(crypto::to_hex(token)) == std::string::npos);
  BOOST_TEST(text.find(crypto::to_hex(net::token_hash(token))) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(invitations_are_read_back_and_what_is_none_is_not) {
  (void)invites.consider(application(token, crypto::Identity::generate(), "hospital-b"), chain, now);
  const Invitation one = invites.open(now).at(0);
  BOOST_TEST((parse_invitation(to_json(one)) == one));
  nlohmann::json wrong = to_json(one);
  wrong["applicant"] = "kith-card-2-nonsense";
  BOOST_TEST(!parse_invitation(wrong).has_value());
  wrong = to_json(one);
  wrong["token"] = "abc";
  BOOST_TEST(!parse_invitation(wrong).has_value());
  BOOST_TEST(!parse_invitation(nlohmann::json::object()).has_value());
  BOOST_TEST(!parse_invitation(nlohmann::json::array()).has_value());
}

BOOST_AUTO_TEST_CASE(no_more_than_sixty_four_invitations_are_open) {
  for (unsigned i = 2; i <= net::limits::kInvites; ++i) {
    invites.add(invitation({static_cast<std::byte>(i)}, std::to_string(i)), now);
  }
  BOOST_TEST(invites.open(now).size() == net::limits::kInvites);
  BOOST_CHECK_EXCEPTION(invites.add(invitation({std::byte{99}}, "more"), now), Failure,
                        [](const Failure& failure) { return failure.code() == EX_CANTCREAT; });
  now += 25h;  // all have expired
  invites.add(invitation({std::byte{99}}, "more"), now);
  BOOST_TEST(invites.open(now).size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_refused_with_those_that_there_are) {
  invites.add(invitation({std::byte{2}}, ""), now);
  BOOST_CHECK_EXCEPTION((void)invites.find("nobody", Invitations::Which::all, chain, now), Failure,
                        [](const Failure& failure) {
                          return std::string(failure.what()).find("hospital-b") !=
                                 std::string::npos;
                        });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace invitations_test
