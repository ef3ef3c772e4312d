#include "net/card_sync.hpp"

#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace card_sync_test {

using namespace kith;
using namespace kith::net;
using namespace std::chrono_literals;
using test::card;
using test::channel_key;
using test::identity;
using test::kIssued;
using test::member;

const Hash& founded() {
  static const Hash hash = crypto::hash(as_byte_view("the first version"));
  return hash;
}

Card of(int number, std::uint64_t issued = kIssued, int key = 0) {
  return card(number, founded(), issued, key);
}

/// Nodes that follow one charter of some members; what they say arrives at once, and in order.
class Town {
 public:
  explicit Town(int nodes, int members = 3) {
    for (int i = 0; i < nodes; ++i) {
      nodes_.push_back(std::make_unique<Node>(id(i)));
      std::vector<Member> all;
      for (int number = 1; number <= members; ++number) all.push_back(member(number));
      nodes_.back()->directory.set_members(all);
    }
  }
  static NodeId id(int node) { return identity(2000 + node).id(); }
  CardSync& sync(int node) { return nodes_[static_cast<std::size_t>(node)]->sync; }
  Directory& directory(int of) { return nodes_[static_cast<std::size_t>(of)]->directory; }
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
  bool take(int to, const Card& card) {
    const bool taken = sync(to).take(now, date, card);
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
  std::uint64_t date = kIssued;
  bool deaf = false;  ///< all that is said gets lost
  std::size_t messages = 0, cards_sent = 0;

 private:
  struct Node {
    explicit Node(const NodeId& self) : sync(self, directory, conduct) {}
    Conduct conduct;
    Directory directory{"ours", founded()};
    CardSync sync;
    std::vector<NodeId> renewed;
    std::vector<std::string> accusations;
  };

  void deliver(int from, int to, const Message& message) {
    const auto decoded = decode_message(encode_message(message));
    BOOST_TEST_REQUIRE(decoded.has_value());
    if (const auto* list = std::get_if<CardList>(&*decoded)) {
      sync(to).handle(now, id(from), *list);
    } else {
      sync(to).handle(now, date, id(from), std::get<Cards>(*decoded));
    }
  }
  void settle() {
    for (bool quiet = false; !quiet;) {
      quiet = true;
      for (int self = 0; self < static_cast<int>(nodes_.size()); ++self) {
        while (auto event = sync(self).poll_event()) {
          quiet = false;
          BOOST_TEST_REQUIRE(++events_ < 10'000);  // nobody talks without end
          handle(self, *event);
        }
      }
    }
  }
  void handle(int self, const CardSync::Event& event) {
    Node& node = *nodes_[static_cast<std::size_t>(self)];
    if (const auto* sent = std::get_if<CardSync::Transmit>(&event)) {
      ++messages;
      if (const auto* cards = std::get_if<Cards>(&sent->message)) cards_sent += cards->cards.size();
      for (int to = 0; !deaf && to < static_cast<int>(nodes_.size()); ++to) {
        if (id(to) == sent->to && links_.contains({self, to})) deliver(self, to, sent->message);
      }
    } else if (const auto* renewed = std::get_if<CardSync::Renewed>(&event)) {
      node.renewed.push_back(renewed->member);
    } else if (const auto* accused = std::get_if<CardSync::Accused>(&event)) {
      node.accusations.push_back(accused->what);
    }
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<std::pair<int, int>> links_;
  std::size_t events_ = 0;
};

BOOST_FIXTURE_TEST_SUITE(card_sync_tests, CryptoReady)

BOOST_AUTO_TEST_CASE(news_of_a_card_reaches_everybody_once) {
  Town town(4);
  town.connect(0, 1);
  town.connect(1, 2);
  town.connect(2, 3);
  town.connect(3, 0);
  BOOST_TEST(town.take(0, of(1)));
  for (int node = 0; node < 4; ++node) {
    BOOST_TEST_REQUIRE(town.renewed(node).size() == 1U);
    BOOST_TEST((town.renewed(node)[0] == member(1).id));
    BOOST_TEST((town.directory(node).channel_of(member(1).id) == of(1).channel));
  }
  BOOST_TEST(town.take(0, of(1)));  // as on its next connection
  BOOST_TEST(town.renewed(0).size() == 1U);
}

BOOST_AUTO_TEST_CASE(who_comes_back_is_sent_what_it_lacks_and_nothing_else) {
  Town town(2);
  BOOST_TEST(town.take(0, of(1, kIssued + 1)));
  BOOST_TEST(town.take(0, of(2)));
  BOOST_TEST(town.take(1, of(1, kIssued)));
  BOOST_TEST(town.take(1, of(3)));
  town.connect(0, 1);
  BOOST_TEST((town.sync(0).all() == town.sync(1).all()));
  BOOST_TEST(town.sync(0).all().size() == 3U);
  BOOST_TEST(town.cards_sent == 4U);  // of member 1, each its own
  town.cards_sent = 0;
  town.connect(0, 1);
  BOOST_TEST(town.cards_sent == 0U);
}

// What was proven: a file with more than 16 new renewals made the node send them in one message.
BOOST_AUTO_TEST_CASE(two_hundred_cards_of_a_file_arrive_in_messages_of_a_few) {
  Town town(2, 200);
  town.connect(0, 1);
  for (int number = 1; number <= 200; ++number) BOOST_TEST(town.take(0, of(number)));
  BOOST_TEST(town.sync(1).all().size() == 200U);
  Town later(2, 200);
  for (int number = 1; number <= 200; ++number) BOOST_TEST(later.take(0, of(number)));
  later.connect(0, 1);
  BOOST_TEST(later.sync(1).all().size() == 200U);
  BOOST_TEST(later.messages == 2U + 13U);
}

BOOST_AUTO_TEST_CASE(cards_that_got_lost_come_with_the_next_list) {
  Town town(2);
  town.connect(0, 1);
  town.deaf = true;
  BOOST_TEST(town.take(0, of(1)));
  town.deaf = false;
  BOOST_TEST(town.sync(1).all().empty());
  town.wait(limits::kCardList);
  BOOST_TEST(town.sync(1).all().size() == 1U);
}

BOOST_AUTO_TEST_CASE(asking_for_cards_again_and_again_is_answered_as_often_as_time_pays_for) {
  Town town(2);
  BOOST_TEST(town.take(0, of(1)));
  town.connect(0, 1);
  const std::size_t before = town.messages;
  for (int i = 0; i < 1000; ++i) town.say(1, 0, CardList{});
  BOOST_TEST(town.messages - before <= limits::kEffortAtOnce / limits::kCardListEffort);
}

BOOST_AUTO_TEST_CASE(when_members_come_whoever_told_is_asked_for_their_cards) {
  Town town(2, 4);
  town.directory(1).set_members({member(1), member(2), member(3)});
  town.connect(0, 1);
  BOOST_TEST(town.take(0, of(4)));
  BOOST_TEST(town.sync(1).all().empty());  // it is no member there yet
  town.directory(1).set_members({member(1), member(2), member(3), member(4)});
  town.sync(1).handle_members_changed(Town::id(0));
  town.wait(0s);
  BOOST_TEST(town.sync(1).all().size() == 1U);
}

BOOST_AUTO_TEST_CASE(forged_card_is_refused_and_its_bringer_reported) {
  Town town(2);
  town.connect(0, 1);
  Card forged = of(1);
  forged.addresses = {"elsewhere:1"};
  for (int i = 0; i < 100; ++i) town.say(1, 0, Cards{{forged}});
  BOOST_TEST(town.renewed(0).empty());
  BOOST_TEST(town.accusations(0).size() > 0U);
  BOOST_TEST(town.accusations(0).size() < 12U);
  BOOST_TEST(town.conduct(0).standing(town.now, Town::id(1)) < -50);
}

// "A renewal may claim a channel key that another member has": it took every node down, for good.
BOOST_AUTO_TEST_CASE(card_that_claims_the_key_of_another_member_is_a_forgery) {
  Town town(2);
  town.connect(0, 1);
  BOOST_TEST(town.take(0, of(2)));
  Card theft = of(1);
  theft.channel = of(2).channel;
  theft.by_channel = of(2).by_channel;
  town.say(1, 0, Cards{{theft}});
  BOOST_TEST(!town.take(0, theft));
  BOOST_TEST(town.renewed(0).size() == 1U);
  BOOST_TEST((town.directory(0).channel_of(member(2).id) == of(2).channel));
}

// Two that have one key in common can both name it: each is who it says that it is.
BOOST_AUTO_TEST_CASE(colluders_that_share_a_key_harm_nobody) {
  Town town(2);
  town.connect(0, 1);
  town.say(1, 0, Cards{{of(1, kIssued, 50), of(2, kIssued, 50)}});
  BOOST_TEST(town.sync(0).all().size() == 2U);
  BOOST_TEST(town.take(0, of(3)));
}

BOOST_AUTO_TEST_CASE(card_of_another_consortium_or_of_no_member_is_not_taken) {
  Town town(2);
  town.connect(0, 1);
  town.say(1, 0, Cards{{card(1, Hash{})}});
  town.say(1, 0, Cards{{of(9)}});
  BOOST_TEST(town.sync(0).all().empty());
  BOOST_TEST(town.accusations(0).empty());  // it may not know better
}

BOOST_AUTO_TEST_CASE(who_was_left_out_and_is_let_in_again_has_its_card_again_and_is_not_alarmed) {
  Conduct conduct;
  Directory directory("ours", founded());
  directory.set_members({member(1), member(2)});
  CardSync sync(member(1).id, directory, conduct);
  sync.set_own(of(1));
  directory.set_members({member(2)});
  sync.handle_members_changed(std::nullopt);
  directory.set_members({member(1), member(2)});
  sync.handle_members_changed(std::nullopt);
  BOOST_TEST((directory.find(member(1).id)->card == of(1)));
  BOOST_TEST(sync.take({}, kIssued, of(1)));
  BOOST_TEST(!sync.poll_event().has_value());
  BOOST_TEST(!sync.signed_elsewhere().has_value());
}

BOOST_AUTO_TEST_CASE(older_card_replayed_changes_nothing) {
  Town town(2);
  town.connect(0, 1);
  BOOST_TEST(town.take(0, of(1, kIssued + 1)));
  town.say(1, 0, Cards{{of(1, kIssued, 50)}});
  BOOST_TEST(town.renewed(0).size() == 1U);
  BOOST_TEST(!town.take(0, of(1, kIssued, 50)));
  BOOST_TEST(town.accusations(0).empty());
}

BOOST_AUTO_TEST_CASE(of_two_cards_of_one_second_everybody_takes_the_same) {
  Town town(2);
  BOOST_TEST(town.take(0, of(1, kIssued, 50)));
  BOOST_TEST(town.take(1, of(1, kIssued, 51)));
  town.connect(0, 1);
  BOOST_TEST((town.sync(0).all() == town.sync(1).all()));
}

// "issued = 2^64 - 1", or a clock in 2036: nobody could ever outbid it.
BOOST_AUTO_TEST_CASE(a_card_of_tomorrow_is_taken_and_one_of_later_is_not) {
  constexpr std::uint64_t kDay = 24 * 60 * 60;
  Town town(1);
  BOOST_TEST(!town.take(0, of(1, ~std::uint64_t{0})));
  BOOST_TEST(!town.take(0, of(1, kIssued + kDay + 1)));
  BOOST_TEST(town.take(0, of(1, kIssued + kDay)));
  town.date += 1;
  BOOST_TEST(town.take(0, of(1, kIssued + kDay + 1)));  // its day has come
}

BOOST_AUTO_TEST_CASE(member_that_renews_itself_without_end_is_heard_a_few_times) {
  Town town(2);
  town.connect(0, 1);
  for (std::uint64_t i = 0; i < 1000; ++i) town.take(0, of(1, kIssued + i));
  BOOST_TEST(town.renewed(0).size() == limits::kCardsAtOnce + 1U);
  town.now += limits::kCardPause;
  for (std::uint64_t i = 0; i < 1000; ++i) town.take(0, of(1, kIssued + 1000 + i));
  BOOST_TEST(town.renewed(0).size() == limits::kCardsAtOnce + 2U);
  BOOST_TEST(town.take(0, of(2)));  // others are not kept waiting
}

BOOST_AUTO_TEST_CASE(node_whose_key_was_used_elsewhere_hears_what_it_must_outbid_and_can) {
  Conduct conduct;
  Directory directory{"ours", founded()};
  directory.set_members({member(1), member(2)});
  CardSync sync(member(1).id, directory, conduct);
  const Card own = of(1);
  sync.set_own(own);
  sync.handle_connected({}, member(2).id);
  while (sync.poll_event()) continue;
  sync.handle({}, kIssued, member(2).id, Cards{{own, of(1, kIssued - 1)}});
  BOOST_TEST(!sync.poll_event().has_value());
  const Card theft = of(1, kIssued + 100, 50);
  sync.handle({}, kIssued, member(2).id, Cards{{theft}});
  const auto event = sync.poll_event();
  BOOST_TEST_REQUIRE(event.has_value());
  BOOST_TEST_REQUIRE(std::holds_alternative<CardSync::RenewedElsewhere>(*event));
  BOOST_TEST((std::get<CardSync::RenewedElsewhere>(*event).card == theft));
  BOOST_TEST(!sync.poll_event().has_value());
  BOOST_TEST((sync.signed_elsewhere() == theft));
  BOOST_TEST((directory.find(member(1).id)->card == own));
  sync.handle({}, kIssued, member(2).id, Cards{{theft}});
  BOOST_TEST(!sync.poll_event().has_value());  // told once
  sync.set_own(of(1, theft.issued + 1, 60));
  BOOST_TEST(!sync.signed_elsewhere().has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace card_sync_test
