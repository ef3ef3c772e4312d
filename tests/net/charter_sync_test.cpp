#include "net/charter_sync.hpp"

#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <deque>
#include <map>
#include <set>

namespace charter_sync_test {

using namespace kith;
using namespace kith::net;
using namespace kith::test;
using namespace std::chrono_literals;

/// Nodes that are all connected; what they say arrives at once, and in order.
class Town {
 public:
  explicit Town(const std::vector<CharterChain>& charters) {
    for (std::size_t i = 0; i < charters.size(); ++i) {
      nodes_.push_back(std::make_unique<Node>());
      nodes_[i]->sync.follow(now, charters[i], {}, 0);
    }
    for (std::size_t i = 0; i < charters.size(); ++i) {
      for (std::size_t j = 0; j < charters.size(); ++j) {
        if (i != j) nodes_[i]->sync.handle_connected(now, id(j));
      }
    }
    settle();
  }
  static NodeId id(std::size_t node) { return identity(100 + static_cast<int>(node)).id(); }
  CharterSync& sync(std::size_t node) { return nodes_[node]->sync; }
  const CharterChain& chain(std::size_t node) { return sync(node).chain(); }
  const std::vector<std::string>& accusations(std::size_t by) { return nodes_[by]->accusations; }
  /// What came to light at a node that contradicts its charter.
  const std::vector<CharterSync::Contradicted>& rivals(std::size_t seen_by) {
    return nodes_[seen_by]->rivals;
  }
  std::size_t grown(std::size_t node) { return nodes_[node]->grown; }
  std::size_t left(std::size_t node) { return nodes_[node]->left; }

  void follow(std::size_t node, const CharterChain& chain, std::uint64_t settled = 0) {
    sync(node).follow(now, chain, {}, settled);
    settle();
  }
  /// As if `from` said it.
  void say(std::size_t from, std::size_t to, const Message& message) {
    deliver(from, to, encode_message(message));
    settle();
  }
  void wait(Duration time) {
    now += time;
    for (const auto& node : nodes_) node->sync.handle_timeout(now);
    settle();
  }

  Instant now{};
  std::set<std::size_t> mute;  ///< whose words get lost
  std::map<std::size_t, std::size_t> messages{};
  std::map<std::size_t, std::size_t> versions_sent{};
  std::size_t asked = 0;

 private:
  struct Node {
    Conduct conduct;
    CharterSync sync{conduct};
    std::vector<std::string> accusations;
    std::vector<CharterSync::Contradicted> rivals;
    std::size_t grown = 0, left = 0;
  };

  void deliver(std::size_t from, std::size_t to, const Bytes& bytes) {
    auto message = decode_message(bytes);
    BOOST_TEST_REQUIRE(message.has_value());
    const auto handle = [&](auto& body) {
      if constexpr (requires { sync(to).handle(now, id(from), body); }) {
        sync(to).handle(now, id(from), body);
      }
    };
    std::visit(handle, *message);
  }
  void settle() {
    for (bool quiet = false; !quiet;) {
      quiet = true;
      for (std::size_t self = 0; self < nodes_.size(); ++self) {
        while (auto event = sync(self).poll_event()) {
          quiet = false;
          BOOST_TEST_REQUIRE(++events_ < 10'000);  // nobody talks without end
          take(self, *event);
        }
      }
    }
    events_ = 0;
  }
  void take(std::size_t self, CharterSync::Event& event) {
    Node& node = *nodes_[self];
    if (const auto* out = std::get_if<CharterSync::Transmit>(&event)) {
      ++messages[self];
      if (std::holds_alternative<CharterVersion>(out->message)) ++versions_sent[self];
      if (std::holds_alternative<CharterWanted>(out->message)) ++asked;
      if (mute.contains(self)) return;
      for (std::size_t to = 0; to < nodes_.size(); ++to) {
        if (id(to) == out->to) deliver(self, to, encode_message(out->message));
      }
    } else if (const auto* accused = std::get_if<CharterSync::Accused>(&event)) {
      node.accusations.push_back(accused->what);
    } else if (auto* rival = std::get_if<CharterSync::Contradicted>(&event)) {
      node.rivals.push_back(std::move(*rival));
    } else {
      ++node.grown;
      if (std::get<CharterSync::Grown>(event).left_ours) ++node.left;
    }
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  std::size_t events_ = 0;
};

CharterChain study_of(std::size_t versions) {
  CharterChain chain = study();
  while (chain.versions().size() < versions)
    extend(chain, kExpires + chain.versions().size(), {1, 2});
  return chain;
}

bool same(const CharterChain& one, const CharterChain& other) {
  return one.versions().size() == other.versions().size() &&
         one.newest().id == other.newest().id &&
         one.newest().signed_charter.signatures == other.newest().signed_charter.signatures;
}

CharterPlace newest(const CharterChain& chain) {
  return {chain.newest().charter.number, chain.newest().id};
}

/// Two rivals of version `number`, both signed by steward 2.
std::pair<CharterChain, CharterChain> rivals(std::size_t number) {
  CharterChain one = study_of(number - 1), other = one;
  extend(one, kExpires + 1000, {1, 2});
  extend(other, kExpires + 2000, {2, 3});
  return {one, other};
}

/// A node with version 1, and a peer who has said that it follows the last of `told` and hands out
/// what it is asked for, sound or not.
struct Liar : CryptoReady {
  Liar() : town({study(), study()}) { town.mute.insert(1); }
  void tell(const std::vector<SignedCharter>& told, std::uint64_t number) {
    town.say(1, 0, CharterHead{{number, told.back().id()}});
    for (const SignedCharter& version : told) town.say(1, 0, CharterVersion{version});
  }
  void nothing_came_of_it_but(const std::string& accusation) {
    BOOST_TEST(same(town.chain(0), study()));
    BOOST_TEST(town.grown(0) == 0U);
    BOOST_TEST_REQUIRE(town.accusations(0).size() == 1U);
    BOOST_TEST(town.accusations(0)[0].find(accusation) != std::string::npos,
               town.accusations(0)[0]);
  }
  Town town;
};

BOOST_FIXTURE_TEST_SUITE(charter_sync_tests, CryptoReady)

BOOST_AUTO_TEST_CASE(who_lacks_versions_gets_all_of_them_from_who_has_them) {
  Town town({study_of(20), study_of(1), study_of(7)});
  for (std::size_t node = 0; node < 3; ++node) BOOST_TEST(same(town.chain(node), study_of(20)));
  BOOST_TEST(town.grown(1) >= 1U);
  BOOST_TEST(town.accusations(1).empty());
}

BOOST_AUTO_TEST_CASE(a_new_version_reaches_everyone_from_the_one_node_that_was_given_it) {
  Town town({study(), study(), study(), study()});
  town.follow(2, study_of(2));
  for (std::size_t node = 0; node < 4; ++node) {
    BOOST_TEST(same(town.chain(node), study_of(2)));
    BOOST_TEST((town.sync(2).followed_by(Town::id(node)) == newest(study_of(2))) == (node != 2));
  }
}

BOOST_AUTO_TEST_CASE(
    who_was_away_for_long_gets_as_many_versions_as_effort_allows_and_the_rest_later) {
  CharterChain chain = study();
  const CharterChain old = chain;
  for (std::uint64_t i = 1; i <= 1020; ++i) extend(chain, kExpires + i, {1, 2, 3});
  Town town({old, chain});
  const std::size_t at_once = town.chain(0).versions().size();
  BOOST_TEST(at_once > 600U);  // 10 s for three signatures of 5 ms each
  BOOST_TEST(at_once < 700U);
  town.wait(30s);
  town.wait(30s);
  BOOST_TEST(town.chain(0).versions().size() == 1021U);
  BOOST_TEST(town.accusations(0).empty());
}

BOOST_AUTO_TEST_CASE(who_awaits_a_charter_takes_the_one_of_that_foundation_whole) {
  CharterChain chain = study(), other;
  for (std::uint64_t i = 1; i <= 20; ++i) extend(chain, kExpires + i, {1, 2});
  BOOST_TEST_REQUIRE(!other.append(signed_by(first_version({1}, 1), {1})));
  const auto learn = [&](const Hash& founded, const CharterPlace& known) {
    Conduct conduct;
    CharterSync sync(conduct);
    sync.await(founded, known);
    sync.handle_connected({}, identity(1).id());
    BOOST_TEST(!sync.poll_event().has_value());  // it has nothing to tell
    sync.handle({}, identity(1).id(), CharterHead{newest(chain)});
    while (auto event = sync.poll_event()) {
      const auto* out = std::get_if<CharterSync::Transmit>(&*event);
      const auto* wanted = out != nullptr ? std::get_if<CharterWanted>(&out->message) : nullptr;
      if (wanted == nullptr) continue;
      CharterVersion answer{chain.versions().at(wanted->number - 1).signed_charter};
      sync.handle({}, identity(1).id(), answer);
    }
    return sync.chain();
  };
  const CharterPlace known{7, chain.versions()[6].id};
  BOOST_TEST(same(learn(chain.founded(), known), chain));
  BOOST_TEST(learn(other.newest().id, known).empty());
  // Long-range attack on a newcomer: a chain of former stewards lacks what its inviter knew.
  BOOST_TEST(learn(chain.founded(), {7, Hash{}}).empty());
  BOOST_TEST(learn(chain.founded(), {22, Hash{}}).empty());
}

BOOST_AUTO_TEST_CASE(who_agrees_asks_for_nothing_and_says_so_every_half_minute) {
  Town town({study_of(3), study_of(3)});
  BOOST_TEST(town.messages[0] == 1U);
  town.wait(29s);
  BOOST_TEST(town.messages[0] == 1U);
  town.wait(1s);
  BOOST_TEST(town.messages[0] == 2U);
  BOOST_TEST(town.asked == 0U);
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_answer_is_left_for_another_after_ten_seconds) {
  Town town({study(), study(), study()});
  for (const std::size_t silent : {1U, 2U}) town.mute.insert(silent);
  town.say(1, 0, CharterHead{newest(study_of(2))});
  town.follow(2, study_of(2));
  town.say(2, 0, CharterHead{newest(study_of(2))});
  town.mute.erase(2);
  town.wait(9s);
  BOOST_TEST(same(town.chain(0), study()));
  town.wait(1s);
  BOOST_TEST(same(town.chain(0), study_of(2)));
}

BOOST_AUTO_TEST_CASE(a_peer_that_goes_is_left_for_another_at_once) {
  Town town({study(), study(), study()});
  town.mute = {1, 2};
  town.say(1, 0, CharterHead{newest(study_of(2))});
  town.follow(2, study_of(2));
  town.say(2, 0, CharterHead{newest(study_of(2))});
  town.mute.erase(2);
  town.sync(0).handle_disconnected(town.now, Town::id(1));
  town.wait(0s);
  BOOST_TEST(same(town.chain(0), study_of(2)));
}

// --- Rivals ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(rivals_are_seen_by_both_sides_which_stay_with_their_own) {
  const auto [one, other] = rivals(4);
  Town town({one, other});
  BOOST_TEST(same(town.chain(0), one));
  BOOST_TEST(same(town.chain(1), other));
  for (const std::size_t node : {0U, 1U}) {
    BOOST_TEST_REQUIRE(town.rivals(node).size() == 1U);
    BOOST_TEST(town.accusations(node).empty());
    BOOST_TEST(town.rivals(node)[0].number == 4U);
    BOOST_TEST((town.rivals(node)[0].signed_twice == std::vector{identity(2).id()}));
    BOOST_TEST_REQUIRE(town.sync(node).rivals().size() == 1U);
    const CharterChain& theirs = node == 0 ? other : one;
    BOOST_TEST((town.sync(node).rivals()[0].id() == theirs.newest().id));
  }
}

BOOST_AUTO_TEST_CASE(where_a_rival_parts_is_found_however_long_ago_that_was) {
  const auto [one, other] = rivals(4);
  CharterChain ours = one, theirs = other;
  for (std::uint64_t i = 0; i < 300; ++i) extend(ours, kExpires + 3000 + i, {1, 2});
  for (std::uint64_t i = 0; i < 300; ++i) extend(theirs, kExpires + 5000 + i, {2, 3});
  Town town({ours, theirs});
  BOOST_TEST_REQUIRE(town.rivals(0).size() == 1U);
  BOOST_TEST(town.rivals(0)[0].number == 4U);
  BOOST_TEST(town.asked < 40U);
  BOOST_TEST(same(town.chain(0), ours));
}

BOOST_AUTO_TEST_CASE(what_a_quorum_of_present_stewards_signs_next_is_followed_by_everybody) {
  auto [one, other] = rivals(3);
  extend(one, kExpires + 3000, {1, 3});
  Town town({one, other, other});
  for (const std::size_t node : {1U, 2U}) {
    BOOST_TEST(same(town.chain(node), one));
    BOOST_TEST(town.left(node) == 1U);
    // What it followed before is the evidence now.
    BOOST_TEST_REQUIRE(!town.sync(node).rivals().empty());
    BOOST_TEST((town.sync(node).rivals()[0].id() == other.newest().id));
  }
  BOOST_TEST(town.left(0) == 0U);
  extend(one, kExpires + 4000, {1, 2});
  town.follow(2, one);
  for (std::size_t node = 0; node < 3; ++node) BOOST_TEST(same(town.chain(node), one));
}

BOOST_AUTO_TEST_CASE(a_rival_that_comes_to_be_followed_is_evidence_no_more) {
  auto [one, other] = rivals(3);
  Town town({one, other});
  BOOST_TEST_REQUIRE(town.sync(1).rivals().size() == 1U);  // the newest of one
  extend(one, kExpires + 3000, {1, 3});
  town.follow(0, one);
  BOOST_TEST(same(town.chain(1), one));
  BOOST_TEST_REQUIRE(town.sync(1).rivals().size() == 1U);
  BOOST_TEST((town.sync(1).rivals()[0].id() == other.newest().id));
}

// What was proven: one key that was once enough to sign a version was a kill switch for ever.
BOOST_AUTO_TEST_CASE(the_key_of_a_steward_of_long_ago_changes_nothing_however_long_its_chain) {
  CharterChain founded;
  BOOST_TEST_REQUIRE(!founded.append(signed_by(first_version({1}, 1), {1})));
  CharterChain ours = founded;
  Charter hands_over = next_version(ours);
  hands_over.stewards = {steward(2)};
  BOOST_TEST_REQUIRE(!ours.append(signed_by(hands_over, {1, 2})));
  for (std::uint64_t i = 0; i < 3; ++i) extend(ours, kExpires + 10 + i, {2});
  for (const std::size_t length : {2U, 5U, 9U}) {
    CharterChain rival = founded;
    Charter takes_over = next_version(rival);
    takes_over.members = {member(9)};  // names nobody who is here
    BOOST_TEST_REQUIRE(!rival.append(signed_by(takes_over, {1})));
    while (rival.versions().size() < length) extend(rival, kExpires + length, {1});
    Town town({ours, ours, rival});
    for (const std::size_t node : {0U, 1U}) {
      BOOST_TEST(same(town.chain(node), ours));
      BOOST_TEST_REQUIRE(town.rivals(node).size() == 1U);
      BOOST_TEST(town.rivals(node)[0].number == 2U);
      BOOST_TEST((town.rivals(node)[0].signed_twice == std::vector{identity(1).id()}));
    }
  }
}

BOOST_AUTO_TEST_CASE(next_version_is_taken_unasked_and_no_other_is) {
  CharterChain second = study();
  extend(second, kExpires + 1, {1, 2});
  CharterChain third = second;
  extend(third, kExpires + 2, {1, 2});
  Town town({study(), study()});
  const auto version = [](const CharterChain& chain) {
    return CharterVersion{chain.newest().signed_charter};
  };
  town.say(1, 0, version(third));  // there is one between
  BOOST_TEST(town.chain(0).versions().size() == 1U);
  CharterVersion unsigned_one = version(second);
  unsigned_one.charter.signatures.pop_back();
  town.say(1, 0, unsigned_one);
  BOOST_TEST(town.chain(0).versions().size() == 1U);
  town.say(1, 0, version(second));
  BOOST_TEST(town.chain(0).versions().size() == 2U);
  BOOST_TEST(town.grown(0) == 1U);
}

BOOST_AUTO_TEST_CASE(rival_that_comes_to_light_is_passed_on_to_those_who_see_one_side_only) {
  CharterChain ours = study(), theirs = study();
  extend(ours, kExpires + 1, {1, 2});
  extend(theirs, kExpires + 2, {2, 3});
  Town town({ours, ours, ours});
  CharterVersion rival{theirs.newest().signed_charter};
  town.say(1, 0, rival);
  for (const std::size_t node : {0U, 1U, 2U}) {
    BOOST_TEST(town.sync(node).rivals().size() == 1U);
    BOOST_TEST((town.chain(node).newest().id == ours.newest().id));
  }
  rival.charter.signatures.pop_back();
  town.say(1, 2, rival);  // with too few signatures it is nobody's
  BOOST_TEST(town.sync(2).rivals().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_rival_that_is_known_or_settled_is_no_news) {
  const auto [one, other] = rivals(3);
  Town town({one, other});
  town.wait(30s);
  BOOST_TEST(town.rivals(0).size() == 1U);
  Town settled({one, study_of(2)});
  settled.follow(0, one, 3);
  settled.follow(1, other);
  BOOST_TEST(settled.rivals(0).empty());
  BOOST_TEST(same(settled.chain(0), one));
  BOOST_TEST(settled.accusations(0).empty());
}

BOOST_AUTO_TEST_CASE(a_chain_that_an_operator_has_left_is_not_followed_again_for_what_it_had) {
  CharterChain left = study_of(6), ours = study();
  extend(ours, kExpires + 1000, {1, 2});
  Town town({ours, study_of(1)});
  town.follow(0, ours, 6);
  town.follow(1, left);
  BOOST_TEST(same(town.chain(0), ours));
  extend(left, kExpires + 2000, {1, 2});  // the stewards have gone back to it
  town.follow(1, left);
  BOOST_TEST(same(town.chain(0), left));
}

BOOST_FIXTURE_TEST_CASE(rivals_without_end_are_kept_up_to_sixteen, Liar) {
  town.follow(0, study_of(2));
  for (std::uint64_t i = 0; i < 40; ++i) {
    CharterChain rival = study();
    extend(rival, kExpires + 9000 + i, {1, 2});
    const SignedCharter version = rival.newest().signed_charter;
    town.say(1, 0, CharterHead{newest(rival)});
    town.say(1, 0, CharterVersion{version});
    town.wait(10s);
  }
  BOOST_TEST(town.sync(0).rivals().size() == limits::kRivals);
  BOOST_TEST(town.rivals(0).size() == limits::kRivals);
  BOOST_TEST(same(town.chain(0), study_of(2)));
}

// --- Lies --------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(version_that_came_by_file_meanwhile_is_not_waited_for, Liar) {
  town.say(1, 0, CharterHead{newest(study_of(3))});
  town.follow(0, study_of(3));
  BOOST_TEST((town.sync(0).next_timeout() > town.now + 10s));
}

BOOST_FIXTURE_TEST_CASE(rollback_to_an_older_version_is_not_even_asked_for, Liar) {
  Town other({study_of(3), study_of(3)});
  other.say(1, 0, CharterHead{newest(study())});
  BOOST_TEST(other.asked == 0U);
  BOOST_TEST(same(other.chain(0), study_of(3)));
  BOOST_TEST((other.sync(0).followed_by(Town::id(1)) == newest(study())));  // the operator sees it
}

BOOST_FIXTURE_TEST_CASE(version_with_one_signature_too_few_is_refused, Liar) {
  const CharterChain chain = study();
  tell({signed_by(next_version(chain), {1})}, 2);
  nothing_came_of_it_but("refused");
}

BOOST_FIXTURE_TEST_CASE(version_signed_by_strangers_is_refused, Liar) {
  tell({signed_by(next_version(study()), {1, 9})}, 2);
  nothing_came_of_it_but("refused");
}

BOOST_FIXTURE_TEST_CASE(fast_forward_over_a_number_is_refused, Liar) {
  Charter charter = next_version(study());
  charter.number = 7;
  tell({signed_by(charter, {1, 2})}, 7);  // it is not what was asked for
  BOOST_TEST(same(town.chain(0), study()));
  BOOST_TEST(town.grown(0) == 0U);
}

BOOST_FIXTURE_TEST_CASE(version_of_another_number_than_was_asked_for_does_nothing, Liar) {
  town.say(1, 0, CharterHead{newest(study_of(2))});
  town.say(1, 0, CharterVersion{study_of(3).newest().signed_charter});
  BOOST_TEST(same(town.chain(0), study()));
  town.say(1, 0, CharterVersion{study_of(2).newest().signed_charter});  // the right one comes
  BOOST_TEST(same(town.chain(0), study_of(2)));
}

BOOST_FIXTURE_TEST_CASE(version_that_was_cut_short_is_refused, Liar) {
  SignedCharter version = signed_by(next_version(study()), {1, 2});
  version.body.pop_back();
  tell({version}, 2);
  nothing_came_of_it_but("refused");
}

BOOST_FIXTURE_TEST_CASE(another_beginning_is_refused, Liar) {
  CharterChain chain;
  BOOST_TEST_REQUIRE(!chain.append(signed_by(first_version({4, 5}, 2), {4, 5})));
  tell({chain.newest().signed_charter}, 1);
  nothing_came_of_it_but("another beginning");
  BOOST_TEST(town.sync(0).rivals().empty());
}

BOOST_FIXTURE_TEST_CASE(what_was_refused_is_not_asked_for_again, Liar) {
  const std::vector<SignedCharter> forged{signed_by(next_version(study()), {1})};
  tell(forged, 2);
  const std::size_t before = town.asked;
  for (int i = 0; i < 10; ++i) tell(forged, 2);
  BOOST_TEST(town.asked == before);
}

BOOST_FIXTURE_TEST_CASE(version_that_nobody_asked_for_changes_nothing_unless_it_is_the_next, Liar) {
  town.say(1, 0, CharterVersion{study_of(3).newest().signed_charter});
  BOOST_TEST(same(town.chain(0), study()));
  BOOST_TEST(town.accusations(0).empty());
}

BOOST_AUTO_TEST_CASE(a_liar_cannot_spoil_a_version_for_others_who_have_it) {
  CharterChain chain = study();
  const CharterChain old = chain;
  extend(chain, kExpires + 1, {1, 2});
  Town town({old, old, chain});  // 2 has told 0 and 1
  BOOST_TEST(town.chain(0).versions().size() == 2U);
  CharterChain next = chain;
  extend(next, kExpires + 2, {1, 2});
  town.mute = {1};
  // 1 announces the right version before anybody else does, and shows a forged one.
  town.say(1, 0, CharterHead{newest(next)});
  Charter forged = next_version(chain);
  forged.expires += 77;
  town.say(1, 0, CharterVersion{signed_by(forged, {1})});
  BOOST_TEST(town.accusations(0).size() >= 1U);
  town.follow(2, next);
  town.wait(10s);
  BOOST_TEST(town.chain(0).versions().size() == 3U);
}

BOOST_FIXTURE_TEST_CASE(places_that_no_charter_can_have_are_not_asked_for, Liar) {
  town.say(1, 0, CharterHead{{0, Hash{}}});
  town.say(1, 0, CharterHead{{limits::kCharterVersions + 1, Hash{}}});
  BOOST_TEST(town.asked == 0U);
}

BOOST_FIXTURE_TEST_CASE(charters_without_end_are_gone_after_as_often_as_time_pays_for, Liar) {
  for (int i = 0; i < 1000; ++i) {
    CharterPlace place{2, Hash{}};
    place.version[0] = static_cast<std::byte>(i);
    place.version[1] = static_cast<std::byte>(i >> 8);
    town.say(1, 0, CharterHead{place});
    SignedCharter forged = signed_by(next_version(study()), {1});
    town.say(1, 0, CharterVersion{forged});
  }
  BOOST_TEST(town.asked <= limits::kEffortAtOnce / limits::kPursuitEffort);
  BOOST_TEST(same(town.chain(0), study()));
}

BOOST_FIXTURE_TEST_CASE(versions_are_handed_out_as_often_as_time_pays_for, Liar) {
  for (int i = 0; i < 3000; ++i) town.say(1, 0, CharterWanted{1});
  const auto at_once = static_cast<std::size_t>(limits::kEffortAtOnce / limits::kCharterEffort);
  BOOST_TEST(town.versions_sent[0] <= at_once + 1);
  BOOST_TEST(town.versions_sent[0] >= at_once - 1);
  town.wait(limits::kCharterEffort);
  town.say(1, 0, CharterWanted{1});
  BOOST_TEST(town.versions_sent[0] <= at_once + 2);
}

BOOST_FIXTURE_TEST_CASE(version_that_is_not_there_is_not_answered, Liar) {
  const std::size_t before = town.messages[0];
  town.say(1, 0, CharterWanted{7});
  BOOST_TEST(town.messages[0] == before);
}

BOOST_AUTO_TEST_CASE(stranger_to_the_charter_is_neither_heard_nor_served) {
  Conduct conduct;
  CharterSync sync(conduct);
  const NodeId stranger = identity(50).id();
  sync.follow({}, study(), {}, 0);
  sync.handle({}, stranger, CharterWanted{1});
  sync.handle({}, stranger, CharterHead{newest(study_of(2))});
  BOOST_TEST(!sync.poll_event().has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace charter_sync_test
