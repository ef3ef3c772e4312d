#include "net/renewal_sync.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace renewal_test {

using namespace kith;
using namespace kith::net;
using namespace kith::test;
using namespace std::chrono_literals;

constexpr std::uint64_t kFirst = 1'800'000'000;  // when the first renewal was issued

crypto::ChannelPublicKey channel(int number) {
  crypto::ChannelPublicKey key{};
  key[1] = static_cast<std::byte>(number);
  key[2] = static_cast<std::byte>(number >> 8);
  key[31] = std::byte{1};
  return key;
}

/// Of member `number` in the charter study().
Renewal renewal(int number, std::uint64_t issued = kFirst, int key = 0) {
  return renew(member(number), issued, channel(key > 0 ? key : 100 + number), {"elsewhere:7000"},
               identity(number));
}

Charter charter_of(int members) {
  Charter charter = first_version({1}, 1);
  charter.members.clear();
  for (int number = 1; number <= members; ++number) charter.members.push_back(member(number));
  return ordered(charter);
}

/// Nodes that follow one charter of three members; what they say arrives at once, and in order.
class Town {
 public:
  explicit Town(int nodes, const Charter& charter = charter_of(3)) {
    for (int i = 0; i < nodes; ++i) {
      nodes_.push_back(std::make_unique<Node>(id(i)));
      nodes_.back()->sync.follow(charter);
    }
  }
  static NodeId id(int node) { return identity(200 + node).id(); }
  RenewalSync& sync(int node) { return nodes_[static_cast<std::size_t>(node)]->sync; }
  auto& renewed(int at) { return nodes_[static_cast<std::size_t>(at)]->renewed; }
  auto& accusations(int by) { return nodes_[static_cast<std::size_t>(by)]->accusations; }
  Conduct& conduct(int of) { return nodes_[static_cast<std::size_t>(of)]->conduct; }

  void connect(int a, int b) {
    links_.insert({a, b});
    links_.insert({b, a});
    sync(a).handle_connected(now, id(b));
    sync(b).handle_connected(now, id(a));
    settle();
  }
  bool show(int to, const Renewal& renewal) {
    const bool taken = sync(to).take_shown(now, renewal);
    settle();
    return taken;
  }
  /// As if `from` said it.
  void say(int from, int to, const Message& message) {
    deliver(from, to, message);
    settle();
  }

  void wait(Duration time) {
    now += time;
    for (const auto& node : nodes_) node->sync.handle_timeout(now);
    settle();
  }

  Instant now{};
  bool deaf = false;  ///< all that is said gets lost
  std::size_t messages = 0, renewals_sent = 0;

 private:
  struct Node {
    explicit Node(const NodeId& self) : sync(self, conduct) {}
    Conduct conduct;
    RenewalSync sync;
    std::vector<RenewalSync::Renewed> renewed;
    std::vector<std::string> accusations;
  };

  void deliver(int from, int to, const Message& message) {
    const auto decoded = decode_message(encode_message(message));
    BOOST_TEST_REQUIRE(decoded.has_value());
    if (const auto* list = std::get_if<RenewalList>(&*decoded)) {
      sync(to).handle(now, id(from), *list);
    } else {
      sync(to).handle(now, id(from), std::get<Renewals>(*decoded));
    }
  }
  void settle() {
    for (bool quiet = false; !quiet;) {
      quiet = true;
      for (int self = 0; self < static_cast<int>(nodes_.size()); ++self) {
        while (auto event = sync(self).poll_event()) {
          quiet = false;
          BOOST_TEST_REQUIRE(++events_ < 10'000);  // nobody talks without end
          take(self, *event);
        }
      }
    }
  }
  void take(int self, const RenewalSync::Event& event) {
    Node& node = *nodes_[static_cast<std::size_t>(self)];
    if (const auto* sent = std::get_if<RenewalSync::Transmit>(&event)) {
      ++messages;
      if (const auto* renewals = std::get_if<Renewals>(&sent->message)) {
        renewals_sent += renewals->renewals.size();
      }
      for (int to = 0; !deaf && to < static_cast<int>(nodes_.size()); ++to) {
        if (id(to) == sent->to && links_.contains({self, to})) deliver(self, to, sent->message);
      }
    } else if (const auto* renewed = std::get_if<RenewalSync::Renewed>(&event)) {
      node.renewed.push_back(*renewed);
    } else if (const auto* accused = std::get_if<RenewalSync::Accused>(&event)) {
      node.accusations.push_back(accused->what);
    }
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<std::pair<int, int>> links_;
  std::size_t events_ = 0;
};

BOOST_FIXTURE_TEST_SUITE(renewal_tests, CryptoReady)

BOOST_AUTO_TEST_CASE(renewal_is_signed_by_the_member_and_what_is_altered_is_not_sound) {
  const Renewal made = renewal(1);
  BOOST_TEST(is_sound(made));
  BOOST_TEST((decode<Renewal>(encode(made)) == made));
  Bytes bytes = encode(made);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= std::byte{1};
    const auto altered = decode<Renewal>(bytes);
    BOOST_TEST((!altered || !is_sound(*altered)));
    bytes[i] ^= std::byte{1};
  }
}

BOOST_AUTO_TEST_CASE(file_of_renewals_is_read_whole_or_not_at_all) {
  const std::vector<Renewal> renewals{renewal(1), renewal(2)};
  const Bytes file = renewals_file(renewals);
  BOOST_TEST((parse_renewals_file(file) == renewals));
  for (std::size_t size = 0; size < file.size(); ++size) {
    BOOST_TEST(!parse_renewals_file(ByteView(file).first(size)).has_value());
  }
  Bytes longer = file;
  longer.push_back({});
  BOOST_TEST(!parse_renewals_file(longer).has_value());
}

BOOST_AUTO_TEST_CASE(only_what_renews_an_entry_of_the_charter_is_in_force) {
  const Charter charter = charter_of(3);
  Member moved = member(2);
  moved.addresses = {"host:1"};
  Renewal forged = renewal(3);
  forged.issued += 1;
  const auto found =
      in_force(charter, {renewal(1), forged, renewal(1, kFirst + 2, 50), renewal(1, kFirst + 1),
                         renewal(4), renew(moved, kFirst, channel(7), {}, identity(2))});
  BOOST_TEST_REQUIRE(found.size() == 1U);
  BOOST_TEST((found[0] == renewal(1, kFirst + 2, 50)));
}

BOOST_AUTO_TEST_CASE(no_renewal_in_force_has_a_key_that_the_charter_gives_to_another_member) {
  const Charter charter = charter_of(3);
  const auto theft = renew(member(1), kFirst, member(2).channel, {}, identity(1));
  BOOST_TEST(in_force(charter, {theft}).empty());
  const auto same = renew(member(1), kFirst, member(1).channel, {"other:1"}, identity(1));
  BOOST_TEST(in_force(charter, {same}).size() == 1U);  // new addresses only
  BOOST_TEST(in_force(charter, {renewal(1, kFirst, 9), renewal(2, kFirst, 9)}).size() == 2U);
}

BOOST_AUTO_TEST_CASE(news_of_a_renewal_reaches_everybody_once) {
  Town town(4);
  town.connect(0, 1);
  town.connect(1, 2);
  town.connect(2, 3);
  town.connect(3, 0);
  BOOST_TEST(town.show(0, renewal(1)));
  for (int node = 0; node < 4; ++node) {
    BOOST_TEST_REQUIRE(town.renewed(node).size() == 1U);
    BOOST_TEST((town.renewed(node)[0].member == member(1).id));
    BOOST_TEST((town.renewed(node)[0].channel == renewal(1).channel));
    BOOST_TEST((town.renewed(node)[0].addresses == renewal(1).addresses));
  }
  BOOST_TEST(town.show(0, renewal(1)));  // as on its next connection
  BOOST_TEST(town.renewed(0).size() == 1U);
}

BOOST_AUTO_TEST_CASE(who_comes_back_is_sent_what_it_lacks_and_nothing_else) {
  Town town(2);
  BOOST_TEST(town.show(0, renewal(1, kFirst + 1)));
  BOOST_TEST(town.show(0, renewal(2)));
  BOOST_TEST(town.show(1, renewal(1, kFirst)));
  BOOST_TEST(town.show(1, renewal(3)));
  town.connect(0, 1);
  BOOST_TEST((town.sync(0).all() == town.sync(1).all()));
  BOOST_TEST(town.sync(0).all().size() == 3U);
  BOOST_TEST(town.renewals_sent == 4U);  // of member 1, each its own
  town.renewals_sent = 0;
  town.connect(0, 1);
  BOOST_TEST(town.renewals_sent == 0U);
}

BOOST_AUTO_TEST_CASE(two_hundred_renewals_arrive_in_messages_of_a_few) {
  const Charter charter = charter_of(200);
  Town town(2, charter);
  std::vector<Renewal> all;
  for (int number = 1; number <= 200; ++number)
    all.push_back(renewal(number, kFirst, 300 + number));
  town.sync(0).restore(all);
  town.connect(0, 1);
  BOOST_TEST(town.sync(1).all().size() == 200U);
  BOOST_TEST(town.messages == 2U + 13U);
}

BOOST_AUTO_TEST_CASE(what_got_lost_on_its_way_arrives_when_lists_are_sent_again) {
  Town town(2);
  town.connect(0, 1);
  town.deaf = true;
  BOOST_TEST(town.show(0, renewal(1)));
  town.deaf = false;
  BOOST_TEST(town.sync(1).all().empty());
  town.wait(limits::kRenewalList);
  BOOST_TEST(town.sync(1).all().size() == 1U);
}

BOOST_AUTO_TEST_CASE(asking_for_renewals_again_and_again_is_answered_as_often_as_lists_are_sent) {
  Town town(2);
  BOOST_TEST(town.show(0, renewal(1)));
  town.connect(0, 1);
  const std::size_t before = town.messages;
  for (int i = 0; i < 100; ++i) town.say(1, 0, RenewalList{});
  BOOST_TEST(town.messages == before);
}

BOOST_AUTO_TEST_CASE(forged_renewal_is_refused_and_its_bringer_reported) {
  Town town(2);
  town.connect(0, 1);
  Renewal forged = renewal(1);
  forged.channel = channel(66);
  for (int i = 0; i < 100; ++i) town.say(1, 0, Renewals{{forged}});
  BOOST_TEST(town.renewed(0).empty());
  BOOST_TEST(town.accusations(0).size() > 0U);
  BOOST_TEST(town.accusations(0).size() < 12U);
  BOOST_TEST(town.conduct(0).standing(town.now, Town::id(1)) < -50);
}

BOOST_AUTO_TEST_CASE(older_renewal_replayed_changes_nothing) {
  Town town(2);
  town.connect(0, 1);
  BOOST_TEST(town.show(0, renewal(1, kFirst + 1)));
  town.say(1, 0, Renewals{{renewal(1, kFirst, 50)}});
  BOOST_TEST(town.renewed(0).size() == 1U);
  BOOST_TEST(!town.show(0, renewal(1, kFirst, 50)));
  BOOST_TEST(town.accusations(0).empty());  // it may not know better
}

BOOST_AUTO_TEST_CASE(of_two_renewals_of_one_second_everybody_takes_the_same) {
  Town town(2);
  BOOST_TEST(town.show(0, renewal(1, kFirst, 50)));
  BOOST_TEST(town.show(1, renewal(1, kFirst, 51)));
  town.connect(0, 1);
  BOOST_TEST((town.sync(0).all() == town.sync(1).all()));
}

BOOST_AUTO_TEST_CASE(nobody_claims_a_key_that_the_charter_gives_to_another_member) {
  Town town(2);
  town.connect(0, 1);
  const auto theft = renew(member(1), kFirst, member(2).channel, {}, identity(1));
  town.say(1, 0, Renewals{{theft}});
  BOOST_TEST(!town.show(0, theft));
  BOOST_TEST(town.show(0, renewal(2)));
  BOOST_TEST(!town.show(0, theft));  // nor one that it had
  BOOST_TEST(town.renewed(0).size() == 1U);
}

// It cannot prove to have it, so nobody takes it for the other; and the other is not shut out.
BOOST_AUTO_TEST_CASE(who_claims_the_new_key_of_another_keeps_nobody_from_hearing_of_that_one) {
  Town town(2);
  town.connect(0, 1);
  town.say(1, 0, Renewals{{renewal(1, kFirst, 50)}});
  town.say(1, 0, Renewals{{renewal(2, kFirst, 50)}});
  BOOST_TEST(town.sync(0).all().size() == 2U);
}

BOOST_AUTO_TEST_CASE(member_that_renews_itself_without_end_is_heard_a_few_times) {
  Town town(2);
  town.connect(0, 1);
  for (std::uint64_t i = 0; i < 1000; ++i) town.show(0, renewal(1, kFirst + i));
  BOOST_TEST(town.renewed(0).size() == limits::kRenewalsAtOnce + 1U);
  town.now += limits::kRenewalPause;
  for (std::uint64_t i = 0; i < 1000; ++i) town.show(0, renewal(1, kFirst + 1000 + i));
  BOOST_TEST(town.renewed(0).size() == limits::kRenewalsAtOnce + 2U);
  BOOST_TEST(town.show(0, renewal(2)));  // others are not kept waiting
}

BOOST_AUTO_TEST_CASE(new_version_of_the_charter_voids_renewals_of_entries_that_it_changes) {
  Town town(1);
  BOOST_TEST(town.show(0, renewal(1)));
  BOOST_TEST(town.show(0, renewal(2)));
  Charter changed = charter_of(3);
  for (Member& each : changed.members) {
    if (each.id == member(2).id) each.channel = channel(9);
  }
  town.sync(0).follow(changed);
  BOOST_TEST_REQUIRE(town.sync(0).all().size() == 1U);
  BOOST_TEST((town.sync(0).all()[0] == renewal(1)));
  BOOST_TEST(!town.show(0, renewal(2, kFirst + 1)));
}

BOOST_AUTO_TEST_CASE(node_whose_key_was_renewed_elsewhere_hears_of_it_and_goes_on) {
  Conduct conduct;
  RenewalSync sync(member(1).id, conduct);
  sync.follow(charter_of(3));
  const Renewal own = renewal(1);
  sync.restore({own});
  sync.handle_connected({}, member(2).id);
  while (sync.poll_event()) continue;
  sync.handle({}, member(2).id, Renewals{{own, renewal(1, kFirst - 1)}});
  BOOST_TEST(!sync.poll_event().has_value());
  sync.handle({}, member(2).id, Renewals{{renewal(1, kFirst + 1, 50)}});
  const auto event = sync.poll_event();
  BOOST_TEST_REQUIRE(event.has_value());
  BOOST_TEST(std::holds_alternative<RenewalSync::RenewedElsewhere>(*event));
  BOOST_TEST(!sync.poll_event().has_value());
  BOOST_TEST((sync.all() == std::vector{own}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace renewal_test
