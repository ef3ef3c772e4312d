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
using sim::GossipNetwork;
using Node = GossipNetwork::Node;

constexpr std::size_t kNodes = 12;

/// Half of them talk over sessions, and half in messages of which some are lost.
GossipNetwork network_of(std::uint64_t seed) {
  const bool sessions = seed / 2 % 2 == 0;
  return {seed,
          kNodes,
          {.latency = 50ms, .jitter = 20ms, .loss_percent = sessions ? 0U : 10U},
          sessions ? GossipNetwork::Over::sessions : GossipNetwork::Over::messages};
}

/// Members who follow one charter, and its stewards, an odd number; what they do follows from the
/// seed.  More than half must sign, and of the stewards as many are bad as is less than that.
class History {
 public:
  History(std::uint64_t seed, int stewards) : net(network_of(seed)) {
    for (int i = 1; i <= stewards; ++i) (2 * i < stewards ? bad_ : honest_).push_back(i);
    CharterChain first;
    std::vector<int> all = bad_;
    all.insert(all.end(), honest_.begin(), honest_.end());
    const Charter charter = first_version(all, static_cast<std::uint32_t>(needed()));
    BOOST_TEST_REQUIRE(!first.append(signed_by(charter, all)));
    agreed_ = {1, first.newest().id};
    for (Node node = 0; node < kNodes; ++node) net.follow(node, first);
    net.connect_randomly(2);
    // What the last node says it follows, it hands out.
    net.watch = [this](Node from, Node to, const net::Message& message) {
      const auto* wanted = std::get_if<net::CharterWanted>(&message);
      if (to != kNodes - 1 || !wanted || !forged_.contains(wanted->version)) return;
      const net::CharterVersion answer{forged_.at(wanted->version)};
      net.simulator().at(net.simulator().now(),
                         [this, from, answer] { net.inject(kNodes - 1, from, answer); });
    };
  }

  /// Some honest stewards want a new version, at a node that some operator merges it on.
  void propose() {
    const Node node = any(kNodes);
    CharterChain chain = *net.disk(node).charter;
    Charter charter = next_version(chain);
    charter.expires = kExpires + ++changes_;
    const std::vector<int> willing = willing_to_sign(chain, charter);
    if (willing.size() < needed()) return;
    BOOST_TEST_REQUIRE(!chain.append(signed_by(charter, willing)));
    net.follow(node, chain);
  }
  /// The honest stewards telephone, and agree that what some node follows is right.
  void agree() {
    const CharterChain& chain = *net.disk(any(kNodes)).charter;
    if (!chain.contains(agreed_.number, agreed_.version)) return;
    agreed_ = {chain.newest().charter.number, chain.newest().id};
  }
  /// Some bad stewards sign a version with some others who do not know better, and give it to one
  /// node: its rival may be on its way elsewhere.
  void conspire() {
    const Node node = any(kNodes);
    CharterChain chain = *net.disk(node).charter;
    if (chain.versions().size() > 1 && any(2) == 0)
      chain = chain.first(chain.versions().size() - 1);
    Charter charter = next_version(chain);
    charter.expires = kExpires + ++changes_;
    std::vector<int> willing;
    const std::size_t deceived = 1 + any(needed() - 1);
    for (const int steward : shuffled(honest_)) {
      if (willing.size() < deceived && signs(steward, chain, charter)) willing.push_back(steward);
    }
    for (const int steward : shuffled(bad_)) {
      if (willing.size() < needed()) willing.push_back(steward);
    }
    if (willing.size() < needed()) return;
    BOOST_TEST_REQUIRE(!chain.append(signed_by(charter, willing)));
    net.follow(node, chain);
  }
  /// The last node says that it follows a version that only the bad stewards have signed.
  void forge() {
    const Node victim = any(kNodes - 1);
    const CharterChain& chain = *net.disk(victim).charter;
    Charter charter = next_version(chain);
    charter.expires = kExpires + ++changes_;
    const SignedCharter forged = signed_by(charter, bad_);
    forged_.emplace(forged.id(), forged);
    net.inject(kNodes - 1, victim, net::CharterHeads{{{charter.number, forged.id()}}});
  }
  void cut_or_heal() {
    const auto all = net.connections();
    if (!cut_.empty() && any(2) == 0) return heal();
    for (const auto& [a, b] : all) {
      if (a % 2 == b % 2 || any(4) != 0) continue;
      net.disconnect(a, b);
      cut_.emplace_back(a, b);
    }
  }
  void heal() {
    for (const auto& [a, b] : std::exchange(cut_, {})) net.connect(a, b);
  }
  void crash() {
    const Node node = any(kNodes - 1);
    const auto before = net.connections();
    net.restart(node);
    for (const auto& [a, b] : before) {
      if (a == node || b == node) net.connect(a, b);
    }
  }
  std::size_t any(std::size_t below) { return net.simulator().random()() % below; }
  [[nodiscard]] bool forged(const net::Hash& version) const { return forged_.contains(version); }

  [[nodiscard]] bool bad(const net::NodeId& id) const {
    return std::ranges::any_of(bad_, [&](int number) { return identity(number).id() == id; });
  }

  GossipNetwork net;

 private:
  std::vector<int> shuffled(std::vector<int> stewards) {
    for (std::size_t i = stewards.size(); i > 1; --i) std::swap(stewards[i - 1], stewards[any(i)]);
    return stewards;
  }
  [[nodiscard]] std::size_t needed() const { return bad_.size() + 1; }
  /// An honest steward signs one version of a number after the same one, and upon no rival of what
  /// was agreed or he has signed since.
  bool signs(int steward, const CharterChain& chain, const Charter& charter) {
    if (!chain.contains(agreed_.number, agreed_.version)) return false;
    auto& signed_before = ledger_[steward];
    for (const auto& [previous, place] : signed_before) {
      if (place.number <= agreed_.number || place.number >= charter.number) continue;
      if (!chain.contains(place.number, place.version)) return false;
    }
    const net::CharterPlace place{charter.number, crypto::hash(net::encode(charter))};
    return signed_before.emplace(charter.previous, place).first->second == place;
  }
  std::vector<int> willing_to_sign(const CharterChain& chain, const Charter& charter) {
    std::vector<int> willing;
    for (const int steward : honest_) {
      if (signs(steward, chain, charter)) willing.push_back(steward);
    }
    return willing;
  }

  std::vector<int> bad_, honest_;                                 // numbers of stewards
  std::map<int, std::map<net::Hash, net::CharterPlace>> ledger_;  // by steward and predecessor
  net::CharterPlace agreed_{};
  std::map<net::Hash, SignedCharter> forged_;
  std::vector<std::pair<Node, Node>> cut_;
  std::uint64_t changes_ = 0;
};

/// Members of one charter who renew their keys: with a steward, number 1, who is none of them.
struct Renewing {
  explicit Renewing(std::uint64_t seed) : net(network_of(seed)) {
    Charter charter = first_version({1}, 1);
    charter.members.clear();
    for (Node node = 0; node < kNodes; ++node) {
      Member member;
      member.id = net.id(node);
      member.name = std::to_string(node);
      member.channel[0] = static_cast<std::byte>(node);
      charter.members.push_back(member);
    }
    BOOST_TEST_REQUIRE(!chain.append(signed_by(ordered(charter), {1})));
    for (Node node = 0; node < kNodes; ++node) net.follow(node, chain);
    net.connect_randomly(1);
  }
  std::size_t any(std::size_t below) { return net.simulator().random()() % below; }
  net::Renewal made_by(Node node, std::uint64_t issued, std::uint64_t key) const {
    const auto& members = chain.newest().charter.members;
    const auto entry = std::ranges::find(members, net.id(node), &Member::id);
    crypto::ChannelPublicKey channel{};
    channel[1] = static_cast<std::byte>(key);
    channel[2] = static_cast<std::byte>(key >> 8);
    return net::renew(*entry, issued, channel, {}, GossipNetwork::identity(node));
  }
  /// As kith key renew does: the node begins anew, and dials whom it was connected with.
  void renew() {
    const Node node = any(kNodes);
    auto& known = net.disk(node).renewals;
    std::erase_if(known, [&](const auto& old) { return old.member == net.id(node); });
    ++made;
    newest[node] = made_by(node, 1000 + made, made);
    known.push_back(newest[node]);
    restart(node);
  }
  /// The last node claims, as its own, a key that somebody else has renewed to.
  void steal() {
    if (newest.empty()) return;
    const auto victim = std::next(newest.begin(), static_cast<std::ptrdiff_t>(any(newest.size())));
    net::Renewal theft = made_by(kNodes - 1, 1000 + ++made, 0);
    const auto& entry =
        *std::ranges::find(chain.newest().charter.members, net.id(kNodes - 1), &Member::id);
    theft = net::renew(entry, theft.issued, victim->second.channel, {},
                       GossipNetwork::identity(kNodes - 1));
    net.inject(kNodes - 1, any(kNodes - 1), net::Renewals{{theft}});
  }
  void restart(Node node) {
    const auto before = net.connections();
    net.restart(node);
    for (const auto& [a, b] : before) {
      if (a == node || b == node) connect(node, a == node ? b : a);
    }
  }
  void connect(Node a, Node b) {
    net.connect(a, b);
    if (!std::ranges::count(net.connections(), std::pair<Node, Node>(std::minmax(a, b)))) {
      refused.emplace_back(a, b);
    }
  }
  void dial_again() {
    for (const auto& [a, b] : std::exchange(refused, {})) connect(a, b);
  }

  GossipNetwork net;
  CharterChain chain;
  std::map<Node, net::Renewal> newest;
  std::vector<std::pair<Node, Node>> refused;
  std::uint64_t made = 0;
};

BOOST_AUTO_TEST_SUITE(charter_gossip_tests)

BOOST_DATA_TEST_CASE(newest_renewal_of_every_member_reaches_all_despite_loss_crashes_and_thieves,
                     data::xrange<std::uint64_t>(1, 21), seed) {
  Renewing town(seed);
  for (int step = 0; step < 40; ++step) {
    switch (town.any(4)) {
      case 0:
        town.renew();
        break;
      case 1:
        town.steal();
        break;
      case 2:
        town.restart(town.any(kNodes));
        break;
      default:
        break;
    }
    town.net.simulator().run_for(std::chrono::seconds(town.any(90)));
    town.dial_again();
  }
  BOOST_TEST(town.made > 0U);
  town.net.simulator().run_for(5min);
  town.dial_again();
  town.net.simulator().run_for(1h);                 // lists get lost, too
  for (Node node = 0; node < kNodes - 1; ++node) {  // the thief has shut itself out
    const auto known = town.net.gossip(node).renewals().all();
    for (const auto& [of, renewal] : town.newest) {
      if (of == kNodes - 1) continue;
      BOOST_TEST(std::ranges::count(known, renewal) == 1);
    }
  }
}

BOOST_DATA_TEST_CASE(version_merged_on_one_node_reaches_all_of_64_within_seconds,
                     data::xrange<std::uint64_t>(1, 6), seed) {
  GossipNetwork net(seed, 64, {.latency = 50ms, .jitter = 20ms});
  CharterChain chain = study();
  for (Node node = 0; node < 64; ++node) net.follow(node, chain);
  net.connect_as_hosts_do();
  net.simulator().run_for(1s);
  extend(chain, kExpires + 1, {1, 2});
  net.follow(7, chain);
  net.simulator().run_for(2s);
  for (Node node = 0; node < 64; ++node) {
    BOOST_TEST(net.disk(node).charter->versions().size() == 2U);
  }
}

BOOST_DATA_TEST_CASE(honest_nodes_agree_once_healed_despite_loss_cuts_crashes_and_forgers,
                     data::xrange<std::uint64_t>(1, 21), seed) {
  History history(seed, 5);
  for (int step = 0; step < 60; ++step) {
    switch (history.any(5)) {
      case 0:
        history.propose();
        break;
      case 1:
        history.forge();
        break;
      case 2:
        history.cut_or_heal();
        break;
      case 3:
        history.crash();
        break;
      default:
        break;
    }
    history.net.simulator().run_for(std::chrono::seconds(history.any(40)));
  }
  history.heal();
  history.net.simulator().run_for(10min);
  const CharterChain& agreed = *history.net.disk(0).charter;
  BOOST_TEST(agreed.versions().size() > 1U);
  for (const auto& version : agreed.versions()) BOOST_TEST(!history.forged(version.id));
  for (Node node = 0; node < kNodes; ++node) {
    const auto& charter = *history.net.disk(node).charter;
    // Stewards who each sign once cannot be made to sign rivals, whatever the two others do.
    BOOST_TEST(!history.net.disk(node).rival.has_value());
    BOOST_TEST((charter.encode() == agreed.encode()));
  }
}

// Where a quorum stands behind one of two rivals, nodes decide by themselves, and the alarm ends.
BOOST_DATA_TEST_CASE(no_two_honest_nodes_end_on_rivals_without_an_alarm_that_names_who_signed_both,
                     data::xrange<std::uint64_t>(1, 31), seed) {
  History history(seed, seed % 2 == 0 ? 5 : 7);
  for (int step = 0; step < 60; ++step) {
    switch (history.any(7)) {
      case 0:
        history.propose();
        break;
      case 1:
        history.conspire();
        break;
      case 2:
        history.forge();
        break;
      case 3:
        history.cut_or_heal();
        break;
      case 4:
        history.crash();
        break;
      case 5:
        history.agree();
        break;
      default:
        break;
    }
    history.net.simulator().run_for(std::chrono::seconds(history.any(20)));
  }
  history.heal();
  history.net.simulator().run_for(10min);
  for (Node node = 0; node < kNodes; ++node) {
    const auto& mine = history.net.disk(node);
    for (const auto& version : mine.charter->versions()) BOOST_TEST(!history.forged(version.id));
    const auto decoded = CharterChain::decode(mine.charter->encode());
    BOOST_TEST(std::holds_alternative<CharterChain>(decoded));  // every version has its signatures
    for (Node other = 0; other < node; ++other) {
      const auto& theirs = history.net.disk(other);
      if (mine.charter->encode() == theirs.charter->encode()) continue;
      // One of them may be where its stewards want it, and the other have built upon the rival.
      BOOST_TEST((mine.rival.has_value() || theirs.rival.has_value()));
    }
    if (!mine.rival) continue;
    const auto fork = find_fork(*mine.charter, *mine.rival);
    BOOST_TEST_REQUIRE(fork.has_value());
    BOOST_TEST(!fork->signed_twice.empty());
    for (const net::NodeId& id : fork->signed_twice) BOOST_TEST(history.bad(id));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace charter_gossip_test
