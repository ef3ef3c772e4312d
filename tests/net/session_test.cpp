#include "net/session.hpp"

#include "tests/crypto_ready.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <ostream>

namespace session_test {

namespace data = boost::unit_test::data;
using namespace std::chrono_literals;
using namespace kith;
using namespace kith::net;

struct Party {
  crypto::Identity identity = crypto::Identity::generate();
  crypto::ChannelKey channel = crypto::ChannelKey::generate();

  [[nodiscard]] NodeId id() const { return identity.id(); }
  [[nodiscard]] Callee callee() const { return {id(), channel.dh().public_key()}; }
  [[nodiscard]] Card card(const Hash& founded, std::string name, std::uint64_t issued = 1) const {
    Card made;
    made.founded = founded;
    made.issued = issued;
    made.name = std::move(name);
    return sign_card(std::move(made), identity, channel);
  }
};

struct Parties : CryptoReady {
  Party alice, bob, stranger;
  Hash ours = crypto::hash(as_byte_view("ours")), theirs = crypto::hash(as_byte_view("theirs"));
  Directory directory = of(ours), other = of(theirs);
  Instant now{};
  LocalNode alice_node = local(alice, directory), bob_node = local(bob, directory);

  Directory of(const Hash& founded) const {
    Directory made("study", founded);
    made.set_members({{alice.id(), "alice"}, {bob.id(), "bob"}});
    made.put(alice.card(founded, "alice"));
    made.put(bob.card(founded, "bob"));
    return made;
  }
  static LocalNode local(const Party& party, const Directory& directory) {
    LocalNode node;
    node.id = party.id();
    node.channel = &party.channel;
    node.directory = &directory;
    node.agent = "test";
    return node;
  }

  /// Carries bytes both ways, `step` at a time, until nobody has anything to say.
  void talk(Session& a, Session& b, std::size_t step = 100'000) {
    for (bool quiet = false; !quiet;) {
      const Bytes ab = a.take_output(), ba = b.take_output();
      quiet = ab.empty() && ba.empty();
      deliver(ab, b, step);
      deliver(ba, a, step);
      a.handle_written(now, 0);
      b.handle_written(now, 0);
    }
  }
  void deliver(ByteView bytes, Session& to, std::size_t step) const {
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(step, bytes.size()));
      to.handle_bytes(now, part);
      bytes = bytes.subspan(part.size());
    }
  }
};

/// Which versions two programs speak, and the newest that both do; 0 if there is none.
struct Skew {
  std::uint8_t a_oldest, a, b_oldest, b, common;
};
std::ostream& operator<<(std::ostream& out, const Skew& skew) {
  return out << +skew.a_oldest << ".." << +skew.a << " and " << +skew.b_oldest << ".." << +skew.b;
}
constexpr auto kSkews = {
    Skew{2, 2, 2, 2, 2}, Skew{2, 2, 2, 3, 2}, Skew{2, 3, 2, 2, 2}, Skew{2, 3, 3, 4, 3},
    Skew{3, 4, 2, 3, 3}, Skew{1, 9, 4, 5, 5}, Skew{2, 2, 3, 3, 0}, Skew{3, 4, 1, 2, 0},
};

/// Alice, with another channel key than that of her card in the directories.
struct Renewing {
  explicit Renewing(const Parties& parties) : node(parties.alice_node) {
    node.channel = &channel;
    Card card;
    card.founded = parties.ours;
    card.issued = 2;
    card.name = "alice";
    node.card = sign_card(card, parties.alice.identity, channel);
  }
  crypto::ChannelKey channel = crypto::ChannelKey::generate();
  LocalNode node;
};

struct Connected : Parties {
  Session a{alice_node, bob.callee(), now}, b{bob_node, std::nullopt, now};
  Connected() { talk(a, b); }
};

BOOST_FIXTURE_TEST_SUITE(session_tests, Parties)

BOOST_DATA_TEST_CASE_F(Parties, both_sides_know_each_other_whatever_the_packets,
                       data::make<std::size_t>({1, 2, 3, 64, 100'000}), step) {
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b, step);
  BOOST_TEST_REQUIRE(a.established());
  BOOST_TEST_REQUIRE(b.established());
  BOOST_TEST((a.peer() == bob.id()));
  BOOST_TEST((b.peer() == alice.id()));
  BOOST_TEST(b.hello()->agent == "test");
}

BOOST_DATA_TEST_CASE_F(Connected, messages_of_any_size_arrive_in_order,
                       data::make<std::size_t>({1, 1000, 100'000}), step) {
  for (const std::size_t size : {0UL, 1UL, 65'519UL, 65'520UL, 200'000UL, Piece::kMaximum}) {
    a.send(now, Piece{{}, 5, Bytes(size, std::byte{7})});
  }
  a.send(now, Fetch{{}, 6});
  talk(a, b, step);
  for (const std::size_t size : {0UL, 1UL, 65'519UL, 65'520UL, 200'000UL, Piece::kMaximum}) {
    const auto message = b.poll_message();
    BOOST_TEST_REQUIRE((message && std::holds_alternative<Piece>(*message)));
    BOOST_TEST((std::get<Piece>(*message).data == Bytes(size, std::byte{7})));
  }
  BOOST_TEST(std::holds_alternative<Fetch>(b.poll_message().value()));
  BOOST_TEST(!b.poll_message().has_value());
}

BOOST_AUTO_TEST_CASE(stranger_is_told_that_he_is_no_member) {
  const LocalNode node = local(stranger, directory);
  Session a(node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::not_a_member));
  BOOST_TEST((a.closed() == CloseReason::not_a_member));
  BOOST_TEST(a.closed_by_peer());
  BOOST_TEST(!b.closed_by_peer());
  BOOST_TEST(!b.peer().has_value());
}

// --- Who it is, and not only which key it has --------------------------------------------------

BOOST_AUTO_TEST_CASE(member_with_a_renewed_key_shows_its_card_and_is_let_in) {
  Directory as_bob_knows_it = directory;
  bob_node.directory = &as_bob_knows_it;
  bob_node.take_card = [&](const Card& card) { as_bob_knows_it.put(card); };
  const Renewing renewing(*this);
  Session a(renewing.node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST(a.established());
  BOOST_TEST(b.established());
  BOOST_TEST((b.peer() == alice.id()));
  Session again(renewing.node, bob.callee(), now), c(bob_node, std::nullopt, now);
  talk(again, c);  // by now it is known, and shown all the same
  BOOST_TEST(again.established());
  BOOST_TEST(c.established());
}

BOOST_AUTO_TEST_CASE(member_whose_card_is_not_taken_has_an_outdated_key) {
  bob_node.take_card = [](const Card&) {};
  const Renewing renewing(*this);
  Session a(renewing.node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::outdated_key));
  BOOST_TEST((a.closed() == CloseReason::outdated_key));
  BOOST_TEST(a.closed_by_peer());
}

BOOST_AUTO_TEST_CASE(card_of_another_key_than_the_one_proved_is_malformed) {
  bool asked = false;
  bob_node.take_card = [&](const Card&) { asked = true; };
  Renewing renewing(*this);
  renewing.node.channel = &alice.channel;
  Session a(renewing.node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::malformed));
  BOOST_TEST(!asked);
}

// What was proven: mallory names victor's address, and others talk to victor and book it on mallory.
BOOST_AUTO_TEST_CASE(a_call_that_another_member_gets_is_not_answered) {
  const Callee mallory{stranger.id(), bob.channel.dh().public_key()};
  Session a(alice_node, mallory, now), b(bob_node, std::nullopt, now);
  b.handle_bytes(now, a.take_output());
  BOOST_TEST((b.closed() == CloseReason::handshake_failed));
  BOOST_TEST(b.take_output().empty());
}

// Two members who share a key by agreement: each connection is the one's that says so.
BOOST_AUTO_TEST_CASE(of_two_members_with_one_key_it_is_the_one_that_it_says) {
  Party twin;
  twin.channel = crypto::ChannelKey::from_seed(alice.channel.seed());
  Directory with_twin = directory;
  with_twin.set_members({{alice.id(), "alice"}, {bob.id(), "bob"}, {twin.id(), "twin"}});
  with_twin.put(twin.card(ours, "twin"));
  bob_node.directory = &with_twin;
  for (const Party* party : {&alice, &twin}) {
    const LocalNode node = local(*party, with_twin);
    Session a(node, bob.callee(), now), b(bob_node, std::nullopt, now);
    talk(a, b);
    BOOST_TEST(b.established());
    BOOST_TEST((b.peer() == party->id()));
  }
}

BOOST_AUTO_TEST_CASE(nobody_is_taken_for_a_member_whose_key_it_does_not_have) {
  LocalNode node = alice_node;
  node.channel = &stranger.channel;
  Session a(node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::outdated_key));
  LocalNode as_bob = local(bob, directory);  // one that says it is who it calls
  as_bob.channel = &alice.channel;
  Session c(as_bob, bob.callee(), now), d(bob_node, std::nullopt, now);
  talk(c, d);
  BOOST_TEST((d.closed() == CloseReason::not_a_member));
}

// Whose key it is changes at the receiver while a handshake hangs: that was an assertion.
BOOST_AUTO_TEST_CASE(keys_that_change_hands_during_a_handshake_end_nothing_but_the_connection) {
  for (std::size_t step = 0; step < 4; ++step) {
    Directory moving = directory;
    bob_node.directory = &moving;
    alice_node.directory = &moving;
    Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
    for (std::size_t i = 0; i < step; ++i) {
      b.handle_bytes(now, a.take_output());
      a.handle_bytes(now, b.take_output());
    }
    Party heir;
    moving.set_members({{heir.id(), "heir"}, {bob.id(), "bob"}});
    heir.channel = crypto::ChannelKey::from_seed(alice.channel.seed());
    moving.put(heir.card(ours, "heir"));
    talk(a, b);
    const bool known = b.peer() == alice.id();  // it had said hello before
    BOOST_TEST((known || b.closed() == CloseReason::not_a_member));
  }
}

BOOST_AUTO_TEST_CASE(who_takes_another_key_while_it_is_dialled_is_not_spoken_to_by_the_former_one) {
  const auto renewed = crypto::ChannelKey::generate();
  bob_node.channel = &renewed;
  bob_node.former_channel = &bob.channel;
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  b.handle_bytes(now, a.take_output());
  Card card;
  card.founded = ours;
  card.issued = 2;
  card.name = "bob";
  directory.put(sign_card(card, bob.identity, renewed));  // somebody has told alice
  talk(a, b);
  BOOST_TEST((a.closed() == CloseReason::outdated_key));
  Session again(alice_node, Callee{bob.id(), renewed.dh().public_key()}, now);
  Session c(bob_node, std::nullopt, now);
  talk(again, c);
  BOOST_TEST(again.established());
}

BOOST_AUTO_TEST_CASE(former_key_is_answered_to_for_a_while_and_then_gone) {
  const auto renewed = crypto::ChannelKey::generate();
  bob_node.channel = &renewed;
  bob_node.former_channel = &bob.channel;
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST(a.established());
  BOOST_TEST(b.established());
  bob_node.former_channel = nullptr;
  Session late(alice_node, bob.callee(), now), c(bob_node, std::nullopt, now);
  c.handle_bytes(now, late.take_output());
  BOOST_TEST((c.closed() == CloseReason::handshake_failed));
  BOOST_TEST(c.take_output().empty());
}

BOOST_AUTO_TEST_CASE(other_consortium_gets_no_answer) {
  const LocalNode node = local(alice, other);
  Session a(node, bob.callee(), now), b(bob_node, std::nullopt, now);
  b.handle_bytes(now, a.take_output());
  BOOST_TEST((b.closed() == CloseReason::handshake_failed));
  BOOST_TEST(b.take_output().empty());
}

BOOST_DATA_TEST_CASE_F(Parties, garbage_gets_no_answer, data::xrange(0, 256, 15), byte) {
  Session b(bob_node, std::nullopt, now);
  b.handle_bytes(now, Bytes(5000, static_cast<std::byte>(byte)));
  BOOST_TEST(b.take_output().empty());
  if (byte > 0) BOOST_TEST((b.closed() == CloseReason::handshake_failed));
}

BOOST_AUTO_TEST_CASE(web_browser_gets_no_answer) {
  Session b(bob_node, std::nullopt, now);
  b.handle_bytes(now, as_byte_view("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  BOOST_TEST((b.closed() == CloseReason::handshake_failed));
  BOOST_TEST(b.take_output().empty());
}

BOOST_AUTO_TEST_CASE(other_task_parts_both_with_the_reason) {
  bob_node.task[0] = std::byte{1};
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((a.closed() == CloseReason::other_task));
  BOOST_TEST((b.closed() == CloseReason::other_task));
  BOOST_TEST(!a.other_task().has_value());
}

/// They learn different things and say what.
struct OtherTasks : Parties {
  OtherTasks() {
    alice_node.manifest = "a=1\n";
    bob_node.manifest = "a=2\n";
    for (LocalNode* node : {&alice_node, &bob_node}) {
      node->task = crypto::hash(as_byte_view(node->manifest));
    }
  }
};

BOOST_FIXTURE_TEST_CASE(before_other_tasks_part_each_side_knows_both, OtherTasks) {
  for (const std::size_t step : {100'000U, 1U}) {
    Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
    talk(a, b, step);
    BOOST_TEST((a.closed() == CloseReason::other_task));
    BOOST_TEST((b.closed() == CloseReason::other_task));
    BOOST_TEST(a.other_task().value_or("") == bob_node.manifest);
    BOOST_TEST(b.other_task().value_or("") == alice_node.manifest);
  }
}

BOOST_FIXTURE_TEST_CASE(who_does_not_tell_its_task_is_told_nothing_of_ours, OtherTasks) {
  bob_node.manifest.clear();
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((a.closed() == CloseReason::other_task));
  BOOST_TEST((b.closed() == CloseReason::other_task));
  BOOST_TEST(!a.other_task().has_value());
  BOOST_TEST(!b.other_task().has_value());
}

BOOST_FIXTURE_TEST_CASE(manifest_that_is_not_of_the_task_in_the_hello_does_not_count, OtherTasks) {
  bob_node.manifest = "a=3\n";
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((a.closed() == CloseReason::other_task));
  BOOST_TEST(!a.other_task().has_value());
}

BOOST_FIXTURE_TEST_CASE(who_learns_something_else_and_falls_silent_is_sent_away, OtherTasks) {
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  while (!b.hello()) {
    deliver(a.take_output(), b, 1);
    if (!b.hello()) deliver(b.take_output(), a, 1);
  }
  BOOST_TEST(!b.established());
  b.handle_timeout(now + limits::kHandshake);
  BOOST_TEST((b.closed() == CloseReason::other_task));
}

BOOST_FIXTURE_TEST_CASE(manifest_that_nobody_waits_for_is_malformed, Parties) {
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST_REQUIRE(a.established());
  a.send(now, TaskManifest{"a=1\n"});
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::malformed));
}

BOOST_DATA_TEST_CASE_F(Parties, neighbouring_versions_work_together_and_others_part_knowing_why,
                       data::make(kSkews), skew) {
  alice_node.version = skew.a;
  alice_node.oldest = skew.a_oldest;
  bob_node.version = skew.b;
  bob_node.oldest = skew.b_oldest;
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST(a.hello()->version == skew.b);
  BOOST_TEST(a.hello()->oldest == skew.b_oldest);
  BOOST_TEST(b.hello()->version == skew.a);
  BOOST_TEST(b.hello()->agent == "test");
  if (skew.common == 0) {
    BOOST_TEST((a.closed() == CloseReason::version_mismatch));
    BOOST_TEST((b.closed() == CloseReason::version_mismatch));
    return;
  }
  BOOST_TEST_REQUIRE((a.established() && b.established()));
  BOOST_TEST(a.version() == skew.common);
  BOOST_TEST(b.version() == skew.common);
}

BOOST_AUTO_TEST_CASE(nothing_is_computed_for_who_says_nothing_or_nothing_like_a_first_message) {
  Session silent(bob_node, std::nullopt, now), long_one(bob_node, std::nullopt, now);
  BOOST_TEST((silent.shown() == Session::Shown::silent));
  Bytes message(2 + 49);
  message[1] = std::byte{49};
  long_one.handle_bytes(now, message);
  BOOST_TEST((long_one.closed() == CloseReason::handshake_failed));
  BOOST_TEST((long_one.shown() == Session::Shown::silent));
}

BOOST_AUTO_TEST_CASE(a_stranger_stands_higher_the_more_he_has_shown) {
  Session wrong(bob_node, std::nullopt, now), a(alice_node, bob.callee(), now),
      b(bob_node, std::nullopt, now);
  Bytes message(2 + 48);
  message[1] = std::byte{48};
  wrong.handle_bytes(now, message);
  BOOST_TEST((wrong.shown() == Session::Shown::wrong));
  b.handle_bytes(now, a.take_output());
  BOOST_TEST((b.shown() == Session::Shown::plausible));
  talk(a, b);
  BOOST_TEST((b.shown() == Session::Shown::member));
}

BOOST_AUTO_TEST_CASE(one_flipped_bit_on_the_way_ends_the_connection) {
  // Every handshake message and the first record, every bit: nothing gets through altered.
  for (std::size_t message = 0; message < 3; ++message) {
    std::size_t size = 1;
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
      Session* from = &a;
      Session* to = &b;
      for (std::size_t i = 0; i < message; ++i, std::swap(from, to)) {
        to->handle_bytes(now, from->take_output());
      }
      Bytes bytes = from->take_output();
      size = bytes.size();
      bytes[bit / 8] ^= std::byte(1 << (bit % 8));
      to->handle_bytes(now, bytes);
      BOOST_TEST(!to->established());
      // A longer announced length only makes it wait; its deadline then ends it.
      to->handle_timeout(now + limits::kHandshake);
      BOOST_TEST(to->closed().has_value());
    }
  }
}

BOOST_AUTO_TEST_CASE(handshake_has_ten_seconds) {
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  BOOST_TEST((b.next_timeout() == now + 10s));
  b.handle_timeout(now + 9999ms);
  BOOST_TEST(!b.closed().has_value());
  b.handle_timeout(now + 10s);
  BOOST_TEST((b.closed() == CloseReason::handshake_timeout));
}

/// Stranger has an invitation of bob's.
struct Applying : Parties {
  Directory bootstrap{"study", ours};  // all that an applicant knows
  LocalNode applicant = local(stranger, bootstrap);
  Callee inviter = bob.callee();
  bool expected = true;
  Applying() {
    bob_node.takes_applications = [this] { return expected; };
  }
  Apply apply(const Party& party) const { return {{std::byte{7}}, party.card(ours, "new")}; }
};

BOOST_FIXTURE_TEST_CASE(stranger_applies_if_one_is_expected_and_is_answered, Applying) {
  Session a(applicant, inviter, now, 0, apply(stranger)), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST(b.applying());
  BOOST_TEST(!b.established());
  BOOST_TEST(!b.peer().has_value());
  BOOST_TEST((b.proved() == stranger.channel.dh().public_key()));
  BOOST_TEST((b.shown() == Session::Shown::wrong));
  BOOST_TEST((std::get<Apply>(b.poll_message().value()) == apply(stranger)));
  const Admission waiting{.why = "wait"};
  b.send(now, waiting);
  b.close(CloseReason::not_a_member);
  talk(a, b);
  BOOST_TEST((a.closed() == CloseReason::not_a_member));
  // Although both came at once.
  BOOST_TEST((std::get<Admission>(a.poll_message().value()) == waiting));
}

BOOST_FIXTURE_TEST_CASE(stranger_who_applies_is_sent_away_if_nobody_is_expected, Applying) {
  expected = false;
  Session a(applicant, inviter, now, 0, apply(stranger)), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::not_a_member));
  BOOST_TEST(!b.applied());
  BOOST_TEST(!b.poll_message().has_value());
}

BOOST_FIXTURE_TEST_CASE(stranger_may_say_nothing_but_apply, Applying) {
  Session a(applicant, inviter, now), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::not_a_member));
  BOOST_TEST(!b.poll_message().has_value());
}

BOOST_FIXTURE_TEST_CASE(member_that_does_not_know_it_yet_applies_too, Applying) {
  const LocalNode node = local(alice, bootstrap);
  Session a(node, inviter, now, 0, apply(alice)), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST(a.applying());
  BOOST_TEST(b.applying());
  BOOST_TEST((std::get<Apply>(b.poll_message().value()) == apply(alice)));
  a.send(now, CharterWanted{});
  talk(a, b);
  BOOST_TEST(std::holds_alternative<CharterWanted>(b.poll_message().value()));
}

BOOST_FIXTURE_TEST_CASE(applying_twice_or_after_hello_or_to_who_dialled_is_malformed, Applying) {
  {
    Session a(applicant, inviter, now, 0, apply(stranger)), b(bob_node, std::nullopt, now);
    talk(a, b);
    a.send(now, apply(stranger));
    talk(a, b);
    BOOST_TEST((b.closed() == CloseReason::malformed));
  }
  for (const bool by_who_dialled : {true, false}) {
    Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
    talk(a, b);
    (by_who_dialled ? a : b).send(now, apply(alice));
    talk(a, b);
    BOOST_TEST(((by_who_dialled ? b : a).closed() == CloseReason::malformed));
  }
}

BOOST_FIXTURE_TEST_CASE(stranger_who_applies_and_says_goodbye_at_once_is_not_heard, Applying) {
  Session a(applicant, inviter, now, 0, apply(stranger)), b(bob_node, std::nullopt, now);
  b.handle_bytes(now, a.take_output());
  a.handle_bytes(now, b.take_output());  // a says Apply,
  a.close(CloseReason::shutting_down);   // and goodbye
  b.handle_bytes(now, a.take_output());
  BOOST_TEST(b.closed_by_peer());
  BOOST_TEST(b.applied());
  BOOST_TEST(!b.poll_message().has_value());
}

BOOST_FIXTURE_TEST_CASE(applicant_is_heard_for_a_minute, Applying) {
  Session a(applicant, inviter, now, 0, apply(stranger)), b(bob_node, std::nullopt, now);
  talk(a, b);
  BOOST_TEST((b.next_timeout() == now + 60s));
  b.handle_timeout(now + 59'999ms);
  BOOST_TEST(!b.closed().has_value());
  b.handle_timeout(now + 60s);
  BOOST_TEST((b.closed() == CloseReason::handshake_timeout));
}

BOOST_FIXTURE_TEST_CASE(silent_peer_is_closed_after_two_minutes, Connected) {
  for (int i = 0; i < 4; ++i) {
    now += 30s;
    b.handle_timeout(now);
  }
  BOOST_TEST((b.closed() == CloseReason::idle));
}

BOOST_FIXTURE_TEST_CASE(pings_keep_a_quiet_connection_and_measure_it, Connected) {
  for (int i = 0; i < 100; ++i) {
    now = std::min(a.next_timeout(), b.next_timeout());
    a.handle_timeout(now);
    b.handle_timeout(now);
    now += 20ms;
    talk(a, b);
  }
  BOOST_TEST(a.established());
  BOOST_TEST(b.established());
  BOOST_TEST_REQUIRE(a.round_trip().has_value());
  BOOST_TEST((*a.round_trip() == 20ms));
}

// The owner's first message used to take the place of the first ping.
BOOST_AUTO_TEST_CASE(round_trip_is_measured_at_once_whatever_is_said_first) {
  Session a(alice_node, bob.callee(), now), b(bob_node, std::nullopt, now);
  while (!a.established()) {
    b.handle_bytes(now, a.take_output());
    a.handle_bytes(now, b.take_output());
  }
  a.send(now, Fetch{{}, 1});
  now += 20ms;
  b.handle_bytes(now, a.take_output());
  now += 20ms;
  a.handle_bytes(now, b.take_output());
  BOOST_TEST_REQUIRE(a.round_trip().has_value());
  BOOST_TEST((*a.round_trip() == 40ms));
}

BOOST_FIXTURE_TEST_CASE(peer_that_does_not_read_is_closed_after_a_minute, Connected) {
  a.send(now, Piece{{}, 0, Bytes(1000)});
  BOOST_TEST(!a.take_output().empty());  // given to the socket, never written
  now += 59s;
  a.handle_timeout(now);
  BOOST_TEST(!a.closed().has_value());
  now += 1s;
  a.handle_timeout(now);
  BOOST_TEST((a.closed() == CloseReason::stalled));
}

BOOST_FIXTURE_TEST_CASE(silence_before_a_message_does_not_count_as_not_reading_it, Connected) {
  now += 29s;
  a.send(now, Piece{{}, 0, Bytes(1000)});
  BOOST_TEST(!a.take_output().empty());
  now += 59s;
  a.handle_timeout(now);
  BOOST_TEST(!a.closed().has_value());
  now += 1s;
  a.handle_timeout(now);
  BOOST_TEST((a.closed() == CloseReason::stalled));
}

BOOST_FIXTURE_TEST_CASE(peer_that_reads_slowly_is_not_closed_and_one_that_stops_is, Connected) {
  a.send(now, Piece{{}, 0, Bytes(1000)});
  BOOST_TEST(!a.take_output().empty());
  for (std::size_t waiting = 1000; waiting > 990; --waiting) {
    now += 50s;
    b.send(now, Holding{});  // it lives
    deliver(b.take_output(), a, 1000);
    b.handle_written(now, 0);
    static_cast<void>(a.take_output());
    a.handle_timeout(now);
    BOOST_TEST_REQUIRE(!a.closed().has_value());
    static_cast<void>(a.take_output());
    a.handle_written(now, waiting);
  }
  now += 60s;
  a.handle_timeout(now);
  BOOST_TEST((a.closed() == CloseReason::stalled));
}

BOOST_FIXTURE_TEST_CASE(a_day_old_connection_asks_for_a_fresh_handshake, Connected) {
  while (!a.closed() && now < Instant{} + 25h) {
    now = std::min(a.next_timeout(), b.next_timeout());
    a.handle_timeout(now);
    b.handle_timeout(now);
    talk(a, b);
  }
  BOOST_TEST((a.closed() == CloseReason::expired));
  BOOST_TEST((now == Instant{} + 24h));
}

BOOST_FIXTURE_TEST_CASE(goodbye_tells_the_reason, Connected) {
  a.close(CloseReason::shutting_down);
  talk(a, b);
  BOOST_TEST((b.closed() == CloseReason::shutting_down));
  BOOST_TEST(b.closed_by_peer());
  a.close(CloseReason::idle);
  BOOST_TEST((a.closed() == CloseReason::shutting_down));  // the first reason wins
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(hostile_member_tests)

/// A member whose session is genuine up to the hello, and who then writes records of his own.
struct Hostile : Parties {
  crypto::Handshake handshake =
      crypto::Handshake::initiator(alice.channel.dh(), bob.channel.dh().public_key(),
                                   prologue(ours, bob.id()));
  Session b{bob_node, std::nullopt, now};
  std::optional<crypto::Transport> transport;

  Hostile() {
    send_frame(handshake.write({}));
    const Bytes answer = b.take_output();
    BOOST_REQUIRE(handshake.read(ByteView(answer).subspan(2)));
    send_frame(handshake.write({}));
    transport.emplace(handshake.split());
  }
  void send_frame(ByteView frame) {
    Bytes bytes{static_cast<std::byte>(frame.size() >> 8), static_cast<std::byte>(frame.size())};
    bytes.insert(bytes.end(), frame.begin(), frame.end());
    b.handle_bytes(now, bytes);
  }
  void send_text(ByteView text) {
    Bytes record;
    transport->seal(text, record);
    send_frame(record);
  }
  [[nodiscard]] Hello hello() const { return {.from = alice.id(), .to = bob.id()}; }
  void send_message(const Message& message, std::int64_t lie = 0) {
    const Bytes body = encode_message(message);
    const auto length = static_cast<std::uint32_t>(static_cast<std::int64_t>(body.size()) + lie);
    Bytes text(4);
    std::memcpy(text.data(), &length, sizeof length);
    text.insert(text.end(), body.begin(), body.end());
    send_text(text);
  }
};

BOOST_FIXTURE_TEST_CASE(genuine_hello_is_accepted, Hostile) {
  send_message(hello());
  BOOST_TEST(b.established());
}

BOOST_FIXTURE_TEST_CASE(newer_program_that_still_speaks_our_version_is_accepted, Hostile) {
  Hello newer = hello();
  newer.version = 9;
  newer.oldest = 1;
  newer.features = ~std::uint64_t{0};
  send_message(newer);
  BOOST_TEST(b.established());
}

BOOST_FIXTURE_TEST_CASE(program_too_new_for_us_is_told, Hostile) {
  Hello newer = hello();
  newer.version = 9;
  newer.oldest = kProtocolVersion + 1;
  send_message(newer);
  BOOST_TEST((b.closed() == CloseReason::version_mismatch));
}

BOOST_FIXTURE_TEST_CASE(hello_for_somebody_else_is_refused, Hostile) {
  Hello wrong = hello();
  wrong.to = stranger.id();
  send_message(wrong);
  BOOST_TEST((b.closed() == CloseReason::wrong_peer));
}

BOOST_FIXTURE_TEST_CASE(cards_without_end_or_after_hello_or_of_others_are_no_greeting, Hostile) {
  send_message(Cards{{alice.card(ours, "alice"), alice.card(ours, "alice", 2)}});
  BOOST_TEST((b.closed() == CloseReason::malformed));
}

BOOST_FIXTURE_TEST_CASE(second_message_of_cards_before_hello_is_refused, Hostile) {
  send_message(Cards{{alice.card(ours, "alice")}});
  BOOST_TEST(!b.closed().has_value());
  send_message(Cards{{alice.card(ours, "alice")}});
  BOOST_TEST((b.closed() == CloseReason::malformed));
}

BOOST_FIXTURE_TEST_CASE(message_before_hello_is_refused, Hostile) {
  send_message(Ping{});
  BOOST_TEST((b.closed() == CloseReason::malformed));
}

BOOST_FIXTURE_TEST_CASE(second_hello_is_refused, Hostile) {
  send_message(hello());
  send_message(hello());
  BOOST_TEST((b.closed() == CloseReason::malformed));
}

BOOST_FIXTURE_TEST_CASE(announced_gigabytes_are_refused_on_the_spot, Hostile) {
  send_message(hello());
  send_text(Bytes(4, std::byte{0xff}));
  BOOST_TEST((b.closed() == CloseReason::oversized));
}

BOOST_FIXTURE_TEST_CASE(message_shorter_than_announced_waits_for_the_rest, Hostile) {
  send_message(hello());
  send_message(Fetch{}, 5);
  BOOST_TEST(!b.poll_message().has_value());
  BOOST_TEST(b.established());
}

BOOST_FIXTURE_TEST_CASE(message_longer_than_announced_is_refused, Hostile) {
  send_message(hello());
  send_message(Fetch{}, -1);
  BOOST_TEST((b.closed() == CloseReason::malformed));
}

BOOST_FIXTURE_TEST_CASE(control_message_over_its_limit_is_refused, Hostile) {
  send_message(hello());
  Summary summary;
  summary.entries.resize(1024);
  Bytes body = encode_message(summary);
  body.resize(limits::kControlMessage + 1);
  BOOST_TEST(!decode_message(body).has_value());
}

BOOST_FIXTURE_TEST_CASE(message_of_no_bytes_is_refused, Hostile) {
  send_message(hello());
  send_text(Bytes(4));
  BOOST_TEST((b.closed() == CloseReason::malformed));
}

BOOST_FIXTURE_TEST_CASE(replayed_record_is_refused, Hostile) {
  send_message(hello());
  Bytes record;
  transport->seal(Bytes(1), record);
  send_frame(record);
  BOOST_TEST(b.established());
  send_frame(record);
  BOOST_TEST((b.closed() == CloseReason::forged));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace session_test
