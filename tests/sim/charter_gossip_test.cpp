#include "tests/charters.hpp"
#include "tests/sim/gossip_network.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include <chrono>
#include <map>
#include <set>

namespace charter_gossip_test {

namespace data = boost::unit_test::data;
using namespace std::chrono_literals;
using namespace kith;
using namespace kith::test;
using net::ChainRelation;
using sim::GossipNetwork;
using Node = GossipNetwork::Node;

constexpr std::size_t kNodes = 12;
constexpr Node kLiar = kNodes - 1;

/// Half of them talk over sessions, and half in messages of which some are lost.
GossipNetwork network_of(std::uint64_t seed) {
  const bool sessions = seed / 2 % 2 == 0;
  return {seed,
          kNodes,
          {.latency = 50ms, .jitter = 20ms, .loss_percent = sessions ? 0U : 10U},
          sessions ? GossipNetwork::Over::sessions : GossipNetwork::Over::messages};
}

/// Nodes that dial those whom they have lost, as hosts do, unless their line is cut.
struct Town {
  explicit Town(std::uint64_t seed) : net(network_of(seed)) {}
  void connect(std::size_t degree) {
    net.connect_randomly(degree);
    lines_ = net.connections();
  }

  std::size_t any(std::size_t below) { return net.simulator().random()() % below; }
  void run_for(net::Duration time) {
    constexpr auto kRedial = 30s;
    for (; time > kRedial; time -= kRedial) {
      net.simulator().run_for(kRedial);
      dial();
    }
    net.simulator().run_for(time);
    dial();
  }
  void dial() {
    for (auto line : lines_) {
      if (cut_.contains(line)) continue;
      if (any(2) == 0) std::swap(line.first, line.second);
      net.connect(line.first, line.second);
    }
  }
  void cut_or_heal() {
    if (!cut_.empty() && any(2) == 0) return heal();
    for (const auto& line : lines_) {
      if (line.first % 2 == line.second % 2 || any(4) != 0) continue;
      net.disconnect(line.first, line.second);
      cut_.insert(line);
    }
  }
  void heal() {
    cut_.clear();
    dial();
  }

  GossipNetwork net;

 private:
  std::vector<std::pair<Node, Node>> lines_;
  std::set<std::pair<Node, Node>> cut_;
};

/// Members who follow one charter, and its stewards, an odd number; what they do follows from the
/// seed.  More than half must sign, and of the stewards as many are bad as is less than that.
struct History : Town {
  History(std::uint64_t seed, int stewards) : Town(seed) {
    std::vector<net::Steward> all;
    for (int i = 1; i <= stewards; ++i) {
      (2 * i < stewards ? bad_ : honest_).push_back(i);
      all.push_back(steward(i));
    }
    net::MembershipRecord record;
    BOOST_TEST_REQUIRE(!record.chain.append(
        signed_by(net.first_charter(all, static_cast<std::uint32_t>(needed())), honest_)));
    net.begin(record);
    connect(2);
    // What the liar says it follows, it hands out.
    net.watch = [this](Node from, Node to, const net::Message& message) {
      const auto* wanted = std::get_if<net::CharterWanted>(&message);
      if (to != kLiar || !wanted || !forged_.contains(wanted->number)) return;
      const net::CharterVersion answer{forged_.at(wanted->number)};
      net.simulator().at(net.simulator().now(),
                         [this, from, answer] { net.inject(kLiar, from, answer); });
    };
  }

  /// Some honest stewards want a new version, at a node that some operator merges it on.
  void propose() {
    const Node node = any(kNodes - 1);
    CharterChain chain = net.charter(node);
    const Charter charter = changed(chain);
    std::vector<int> willing;
    for (const int i : honest_) {
      if (signs(i, charter)) willing.push_back(i);
    }
    if (willing.size() < needed()) return;
    BOOST_TEST_REQUIRE(!chain.append(signed_by(charter, willing)));
    net.follow(node, chain);
  }
  /// Honest stewards telephone, find out who was deceived, and sign all the same.
  void propose_and_give_up_others() {
    for (const int i : honest_) ledger_[i].erase(net.charter(0).newest().charter.number + 1);
    propose();
  }
  /// The bad stewards deceive some others into signing a version with them, and give it to somebody
  /// for whom it is news; others may see its rival first.
  void conspire() {
    CharterChain chain = net.charter(any(kNodes));
    if (chain.versions().size() > 1 && any(2) == 0)
      chain = chain.first(chain.versions().size() - 1);
    const Charter charter = changed(chain);
    std::vector<int> willing;
    const std::size_t deceived = 1 + any(needed() - 1);
    for (const int i : shuffled(honest_)) {
      if (willing.size() < deceived && signs(i, charter)) willing.push_back(i);
    }
    for (const int i : shuffled(bad_)) {
      if (willing.size() < needed()) willing.push_back(i);
    }
    if (willing.size() < needed()) return;
    BOOST_TEST_REQUIRE(!chain.append(signed_by(charter, willing)));
    const Node node = any(kNodes - 1);
    const bool news = net::relation(net.charter(node), chain) == ChainRelation::longer;
    net.follow(news ? node : kLiar, chain);
  }
  /// The liar says that it follows a version that only the bad stewards have signed.
  void forge() {
    const Node victim = any(kNodes - 1);
    const Charter charter = changed(net.charter(victim));
    const SignedCharter forged = signed_by(charter, bad_);
    forged_.insert_or_assign(charter.number, forged);
    all_forged_.insert(forged.id());
    net.inject(kLiar, victim, net::CharterHead{{charter.number, forged.id()}});
  }
  void run(int steps, int kinds, int pause) {
    for (int step = 0; step < steps; ++step) {
      switch (any(static_cast<std::size_t>(kinds))) {
        case 0:
          propose();
          break;
        case 1:
          forge();
          break;
        case 2:
          cut_or_heal();
          break;
        case 3:
          net.restart(any(kNodes - 1));
          break;
        case 4:
          conspire();
          break;
        default:
          break;
      }
      run_for(std::chrono::seconds(any(static_cast<std::size_t>(pause))));
    }
    heal();
    run_for(10min);
  }
  [[nodiscard]] bool forged(const net::Hash& version) const { return all_forged_.contains(version); }
  [[nodiscard]] bool bad(const net::NodeId& id) const {
    return std::ranges::any_of(bad_, [&](int number) { return identity(number).id() == id; });
  }
  [[nodiscard]] const net::Hash& newest(Node node) { return net.charter(node).newest().id; }

 private:
  Charter changed(const CharterChain& chain) {
    Charter charter = next_version(chain);
    charter.expires = kExpires + ++changes_;
    return charter;
  }
  std::vector<int> shuffled(std::vector<int> stewards) {
    for (std::size_t i = stewards.size(); i > 1; --i) std::swap(stewards[i - 1], stewards[any(i)]);
    return stewards;
  }
  [[nodiscard]] std::size_t needed() const { return bad_.size() + 1; }
  /// An honest steward signs one version of a number.
  bool signs(int steward, const Charter& charter) {
    const net::Hash id = crypto::hash(net::encode(charter));
    return ledger_[steward].emplace(charter.number, id).first->second == id;
  }

  std::vector<int> bad_, honest_;                              // numbers of stewards
  std::map<int, std::map<std::uint64_t, net::Hash>> ledger_;  // by steward and number
  std::map<std::uint64_t, SignedCharter> forged_;
  std::set<net::Hash> all_forged_;
  std::uint64_t changes_ = 0;
};

/// Members who take other channel keys, and thieves.
struct Renewing : Town {
  explicit Renewing(std::uint64_t seed) : Town(seed) { connect(1); }

  void renew() {
    const Node node = any(kLiar);
    net.renew(node, later());
    newest[node] = own_card(node);
  }
  [[nodiscard]] net::Card own_card(Node node) {
    return net.make_card(node, net.founded(0), GossipNetwork::kIssued + made);
  }
  std::uint64_t later() { return GossipNetwork::kIssued + ++made; }
  /// The liar claims, as its own, the key that somebody else has.
  void claim() {
    net::Card card = net.make_card(kLiar, net.founded(0), later());
    card.channel = net.channel(any(kLiar)).public_key();
    tell(card);
  }
  /// The liar has somebody's node key, and signs a card with it, which its owner outbids.
  void steal() {
    const Node victim = any(kLiar);
    net::Card card;
    card.founded = net.founded(0);
    card.name = "victim";
    card.issued = later();
    card.addresses = {"liar:1"};
    tell(net::sign_card(card, GossipNetwork::identity(victim), net.channel(kLiar)));
    stolen.insert(victim);
  }
  /// Nobody can outbid a card of the far future.
  void claim_the_future() {
    net::Card card;
    card.founded = net.founded(0);
    card.name = "victim";
    card.issued = ~std::uint64_t{0};
    tell(net::sign_card(card, GossipNetwork::identity(any(kLiar)), net.channel(kLiar)));
  }
  void tell(const net::Card& card) {
    for (const auto& [a, b] : net.connections()) {
      if (b == kLiar && any(2) == 0) net.inject(kLiar, a, net::Cards{{card}});
    }
  }

  std::map<Node, net::Card> newest;
  std::set<Node> stolen;
  std::uint64_t made = 0;
};

BOOST_AUTO_TEST_SUITE(charter_gossip_tests)

BOOST_DATA_TEST_CASE(newest_card_of_every_member_reaches_all_despite_loss_crashes_and_thieves,
                     data::xrange<std::uint64_t>(1, 21), seed) {
  Renewing town(seed);
  for (int step = 0; step < 40; ++step) {
    switch (town.any(6)) {
      case 0:
        town.renew();
        break;
      case 1:
        town.claim();
        break;
      case 2:
        town.steal();
        break;
      case 3:
        town.claim_the_future();
        break;
      case 4:
        town.net.restart(town.any(kNodes));
        break;
      default:
        break;
    }
    town.run_for(std::chrono::seconds(town.any(90)));
  }
  BOOST_TEST(!town.newest.empty());
  town.run_for(1h);
  for (const Node victim : town.stolen) {  // who has learnt of it by now
    const auto& elsewhere = town.net.gossip(victim).cards().signed_elsewhere();
    const auto& mine = town.net.gossip(victim).directory().find(town.net.id(victim))->card;
    const auto& known = town.net.gossip(kLiar - 1).directory().find(town.net.id(victim))->card;
    BOOST_TEST((known->issued <= mine->issued || elsewhere.has_value()));
    town.net.renew(victim, town.later());
    town.newest[victim] = town.own_card(victim);
  }
  town.run_for(5min);
  town.run_for(1h);  // lists get lost, too
  for (Node node = 0; node < kNodes; ++node) {
    for (const auto& [of, card] : town.newest) {
      const auto& known = town.net.gossip(node).directory().find(town.net.id(of))->card;
      BOOST_TEST((known == card));
    }
  }
}

BOOST_DATA_TEST_CASE(version_merged_on_one_node_reaches_all_of_64_within_seconds,
                     data::xrange<std::uint64_t>(1, 6), seed) {
  GossipNetwork net(seed, 64, {.latency = 50ms, .jitter = 20ms});
  net.connect_as_hosts_do();
  net.simulator().run_for(1s);
  CharterChain chain = net.charter(7);
  extend(chain, kExpires + 1, {1});
  net.follow(7, chain);
  net.simulator().run_for(2s);
  for (Node node = 0; node < 64; ++node) {
    BOOST_TEST(net.disk(node).record.chain.versions().size() == 2U);
  }
}

BOOST_DATA_TEST_CASE(honest_nodes_agree_once_healed_despite_loss_cuts_crashes_and_forgers,
                     data::xrange<std::uint64_t>(1, 21), seed) {
  History history(seed, 5);
  history.run(60, 4, 40);
  const CharterChain& agreed = history.net.charter(0);
  BOOST_TEST(agreed.versions().size() > 1U);
  for (const auto& version : agreed.versions()) BOOST_TEST(!history.forged(version.id));
  for (Node node = 0; node < kNodes; ++node) {
    // Stewards who each sign once cannot be made to sign rivals, whatever the two others do.
    BOOST_TEST(history.net.disk(node).record.rivals.empty());
    BOOST_TEST((history.newest(node) == agreed.newest().id));
  }
}

// At a fork everybody keeps what it follows, and says so; the next version ends it.
BOOST_DATA_TEST_CASE(rivals_are_known_with_who_signed_both_and_the_next_number_brings_all_together,
                     data::xrange<std::uint64_t>(1, 31), seed) {
  History history(seed, seed % 2 == 0 ? 5 : 7);
  history.run(60, 7, 20);
  auto& net = history.net;
  for (Node node = 0; node < kLiar; ++node) {
    const auto& mine = net.disk(node).record;
    for (const auto& version : mine.chain.versions()) BOOST_TEST(!history.forged(version.id));
    const auto decoded = net::decode_record(net::encode_record(mine));
    BOOST_TEST(std::holds_alternative<net::MembershipRecord>(decoded));
    for (Node other = 0; other < node; ++other) {
      const auto& theirs = net.disk(other).record;
      if (mine.chain.newest().id == theirs.chain.newest().id) continue;
      BOOST_TEST(mine.chain.versions().size() == theirs.chain.versions().size());
      BOOST_TEST((!mine.rivals.empty() || !theirs.rivals.empty()));
    }
    for (const SignedCharter& rival : mine.rivals) {
      const auto parsed = net::parse(rival);
      const auto number = std::get<Charter>(parsed).number;
      if (number > mine.chain.versions().size()) continue;
      const auto twice =
          net::signed_twice(mine.chain.versions()[number - 1].signed_charter, rival);
      for (const net::NodeId& id : twice) BOOST_TEST(history.bad(id));
    }
  }
  // The liar may keep one of the next number to itself, for which honest stewards have signed.
  history.propose_and_give_up_others();
  history.run_for(10min);
  history.propose_and_give_up_others();
  history.run_for(10min);
  for (Node node = 0; node < kLiar; ++node) {
    BOOST_TEST((history.newest(node) == history.newest(0)));
    BOOST_TEST((net.disk(node).record.chain.versions().size() >= 2U));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace charter_gossip_test
