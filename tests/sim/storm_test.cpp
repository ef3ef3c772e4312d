#include "tests/sim/gossip_network.hpp"
#include "tests/sim/options.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

/// Everything that can go wrong, in an order that a seed decides; and what must hold all the same.
///
///     sim_tests --run_test=storm_tests -- --seeds 10000        more of them
///     sim_tests --run_test=storm_tests -- --first 17           one again
namespace storm_test {

using namespace std::chrono_literals;
using namespace kith;
using sim::GossipNetwork;
using Node = GossipNetwork::Node;
using Over = GossipNetwork::Over;

constexpr net::Duration kStorm = 5min;
constexpr net::Duration kHealed = 5min;  // by then everyone has everything
constexpr net::Duration kDialled = 3s;   // a connection is established by then
constexpr net::Duration kCalm = 2min;    // and then nobody has anything to ask for
// Bytes for each node, with what is on its disk and on its way; chunks are short here.  A quarter
// more than the most that any of 300 storms took.
constexpr std::size_t kMemory = 60'000, kMemoryOfHead = 10'000, kMemoryOfChunk = 600;

/// A few nodes for some minutes: they publish, lose connections, power and files, come out of
/// backups, and a third of them at most lies.  The liars have the key of the founder, who is no
/// steward any more, and that of one of three who are, of whom two must sign.  Then it is over.
class Storm {
 public:
  explicit Storm(std::uint64_t seed)
      : random_(seed),
        over_(chance(2) ? Over::messages : Over::sessions),
        link_(some_link()),
        network_(seed, 4 + random_() % 8, link_, over_),
        state_(network_.size()) {
    network_.chunks = static_cast<std::uint32_t>(1 + random_() % 10);
    for (Node node = 0; node < network_.size(); ++node) {
      if (3 * (liars_.size() + 1) < network_.size() && chance(4))
        liars_.push_back(node);
      else
        honest_.push_back(node);
    }
    for (const Node liar : liars_) {
      if (chance(3))
        network_.natures[liar] = GossipNetwork::Nature::withholds;
      else if (chance(2))
        network_.natures[liar] = GossipNetwork::Nature::corrupts;
    }
    network_.wants = [this](Node node, const net::Head&) { return !state_[node].full; };
    for (Node node = 0; node < network_.size(); ++node) some_clock_and_line(node);
    make_charters();
    net::MembershipRecord record;
    record.chain = chain_;
    network_.begin(record);  // anew, by these clocks
    for (Node node = 0; node < network_.size(); ++node) set_calendar(node);
    network_.on_outrun = [this](Node node) { state_[node].published.reset(); };
    network_.on_completed = [this](Node node, const net::SnapshotId& id) { completed(node, id); };
    network_.watch = [this](Node from, Node to, const net::Message& message) {
      if (std::holds_alternative<net::Fetch>(message) && !is_liar(from) && !is_liar(to)) ++fetches_;
      if (std::holds_alternative<net::CharterWanted>(message) && is_liar(to) && chance(2)) {
        const net::CharterVersion answer{some_rival()};
        network_.simulator().after(1ms, [=, this] { network_.inject(to, from, answer); });
      }
    };
  }

  /// The first thing that did not hold; nullopt if all did.
  std::optional<std::string> run() {
    for (const Node node : honest_) round(node);
    for (Node node = 0; node < network_.size(); ++node) dial_some(node);
    const net::Instant end = now() + kStorm;
    while (now() < end && !broken_) {
      network_.simulator().run_for(std::chrono::milliseconds(random_() % 10000));
      something_happens();
      check_always();
    }
    heal();
    pass(kHealed);
    check_what_is_left();
    for (std::size_t i = 0; i < net::limits::kSnapshotsPerOrigin; ++i) {
      for (const Node node : honest_) publish(node);  // so that nobody asks for what is lost
      pass(kHealed);
    }
    check_healed();
    return broken_;
  }

  [[nodiscard]] std::string description() const {
    std::ostringstream text;
    text << (over_ == Over::sessions ? "sessions, " : "messages, ") << network_.size() << " nodes, "
         << liars_.size() << " of them liars, " << network_.chunks << " chunks";
    return text.str();
  }

 private:
  struct State {
    std::uint64_t sequence = 0;
    std::optional<net::SnapshotId> published;  // last
    bool full = false;                         // its disk
    std::optional<GossipNetwork::Disk> backup;
    std::uint64_t sequence_of_backup = 0;
  };

  sim::Link some_link() {
    sim::Link link;
    link.latency = std::chrono::milliseconds(1 + random_() % 200);
    link.jitter = std::chrono::milliseconds(random_() % 100);
    if (over_ == Over::messages) link.loss_percent = static_cast<unsigned>(random_() % 20);
    if (chance(2)) link.rate = 2'500'000 * (1 + random_() % 10);
    return link;
  }
  /// No two computers agree what time it is, nor how long a second takes; and some lines are slow.
  void some_clock_and_line(Node node) {
    const std::chrono::hours up(random_() % 1000);
    network_.simulator().set_clock(node, {up, static_cast<int>(random_() % 20'001) - 10'000});
    if (chance(3)) network_.network().set_rate(node, 1'000'000 + random_() % 2'000'000);
  }
  void set_calendar(Node node) {
    const std::chrono::hours off(chance(2) ? 0 : static_cast<int>(random_() % 20'000) - 10'000);
    network_.set_calendar(node, off);
  }
  bool chance(unsigned of) { return random_() % of == 0; }
  net::Instant now() { return network_.simulator().now(); }
  Node someone() { return random_() % network_.size(); }
  Node someone_honest() { return honest_[random_() % honest_.size()]; }
  [[nodiscard]] bool is_liar(Node node) const {
    return std::ranges::find(liars_, node) != liars_.end();
  }
  void claim(bool holds, const std::string& otherwise) {
    if (!holds && !broken_) broken_ = otherwise;
  }

  // --- What the nodes do ------------------------------------------------------------------------

  /// Publishes, and wants what is newest, as the learner does; again and again.
  void round(Node node) {
    if (!ended_ && chance(2)) publish(node);
    want_newest(node);
    network_.simulator().after(std::chrono::milliseconds(5000 + random_() % 30000),
                               [this, node] { round(node); });
  }
  void publish(Node node) {
    State& state = state_[node];
    state.published = network_.publish(node, ++state.sequence, std::to_string(now_ms()));
  }
  void want_newest(Node node) {
    if (state_[node].full) return;
    auto newest = network_.gossip(node).newest();
    if (state_[node].published) newest.push_back(*state_[node].published);
    for (const net::SnapshotId& id : newest) {
      network_.want(node, id);
      network_.read(node, id);
    }
  }
  void dial_some(Node node) {
    for (auto times = random_() % 3; times > 0; --times) network_.connect(node, someone());
  }
  std::uint64_t now_ms() {
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(now() - net::Instant{});
    return static_cast<std::uint64_t>(since.count());
  }

  // --- What happens to them ---------------------------------------------------------------------

  void something_happens() {
    const auto connections = network_.connections();
    const auto some = [&] { return connections[random_() % connections.size()]; };
    switch (random_() % 16) {
      case 15:
        return next_version(someone_honest());
      case 0:
      case 1:
        return dial_some(someone());
      case 2:
        if (!connections.empty()) network_.disconnect(some().first, some().second);
        return;
      case 3:
        if (!connections.empty()) lose_silently(some());
        return;
      case 4:
        return power_cut(someone_honest());
      case 5:
        return back_up(someone_honest());
      case 6:
        return restore_backup(someone_honest());
      case 7:
        return rot(someone_honest());
      case 8:
        return cut_in_two();
      case 9:
        return network_.network().stall(someone(), now() + std::chrono::seconds(random_() % 60));
      case 10:
        state_[someone_honest()].full ^= true;
        return;
      case 11:
        return set_calendar(someone());
      case 12:
        if (!liars_.empty()) drip(liars_[random_() % liars_.size()]);
        return;
      default:
        if (liars_.empty()) return;
        return mischief(liars_[random_() % liars_.size()], someone_honest());
    }
  }
  void lose_silently(std::pair<Node, Node> connection) {
    if (chance(2)) std::swap(connection.first, connection.second);
    network_.break_silently(connection.first, connection.second);
  }
  /// What was fetched is not synced to the disk: some of it is lost, or half written.
  void power_cut(Node node) {
    for (auto piece = network_.disk(node).pieces.begin();
         piece != network_.disk(node).pieces.end();) {
      const auto current = piece++;
      const auto& snapshots = network_.disk(node).snapshots;
      const auto snapshot = snapshots.find(current->first.first);
      const bool own = snapshot != snapshots.end() &&
                       net::parse_head(snapshot->second.head)->origin == network_.id(node);
      if (own || !chance(4)) continue;
      if (chance(2))
        current->second.pop_back();
      else
        network_.disk(node).pieces.erase(current);
    }
    start_again(node);
  }
  void start_again(Node node) {
    network_.restart(node);
    if (!chance(4)) dial_some(node);
    const auto& published = state_[node].published;
    claim(!published || network_.gossip(node).complete(*published),
          "node " + std::to_string(node) + " lost what it had published");
  }
  void back_up(Node node) {
    state_[node].backup = network_.disk(node);
    state_[node].sequence_of_backup = state_[node].sequence;
  }
  void restore_backup(Node node) {
    State& state = state_[node];
    if (!state.backup) return;
    network_.disk(node) = *state.backup;
    state.sequence = state.sequence_of_backup;
    state.published.reset();
    start_again(node);
  }
  void rot(Node node) {
    auto& pieces = network_.disk(node).pieces;
    if (pieces.empty()) return;
    const auto piece =
        std::next(pieces.begin(), static_cast<std::ptrdiff_t>(random_() % pieces.size()));
    if (!piece->second.empty()) piece->second[0] ^= std::byte{1};
    rotten_.insert({node, piece->first.first});
  }
  void cut_in_two() {
    for (const auto& [a, b] : network_.connections()) {
      if (a % 2 != b % 2) network_.disconnect(a, b);
    }
  }

  /// For a while the liar says things slowly enough to keep everyone waiting.
  void drip(Node liar) {
    network_.network().drip(liar, true);
    network_.simulator().after(std::chrono::seconds(random_() % 300),
                               [this, liar] { network_.network().drip(liar, false); });
  }
  /// What a liar may say.  It has honest things to say as well: the real gossip runs there, too.
  void mischief(Node liar, Node victim) {
    network_.connect(liar, victim);
    network_.simulator().after(kDialled, [this, liar, victim] { say_something(liar, victim); });
  }
  void say_something(Node liar, Node victim) {
    net::Manifest manifest;
    manifest.chunks.resize(network_.chunks);
    const auto newest = network_.gossip(liar).newest(network_.id(victim));
    const net::SnapshotId snapshot = newest.value_or(net::SnapshotId{});
    const auto number = static_cast<std::uint32_t>(random_() % (network_.chunks + 2));
    const auto say = [&](const net::Message& message) { network_.inject(liar, victim, message); };
    switch (random_() % 17) {
      case 11:
        return say(net::CharterVersion{some_rival()});
      case 12: {
        const net::SignedCharter rival = some_rival();
        return say(net::CharterHead{{std::get<net::Charter>(net::parse(rival)).number, rival.id()}});
      }
      case 13:
      case 14:
        return say(net::Cards{{some_card(liar, victim)}});
      case 15:
        return say(net::CharterVersion{chain_.versions()[random_() % 2].signed_charter});
      case 0: {
        net::SignedHead forged = network_.sign(victim, 1 + random_() % 100, manifest);
        forged.signature[random_() % 64] ^= std::byte{4};
        return say(net::Heads{std::vector(1 + random_() % 64, forged)});
      }
      case 1:
        return equivocate(liar, victim, someone_honest());
      case 2:  // a manifest that nobody has
        return say(net::Heads{{network_.sign(liar, 500 + random_() % 500, manifest)}});
      case 3:
        return say(net::Have{snapshot, {number, number + 1}});
      case 4:
        for (int i = 0; i < 100; ++i) say(net::Fetch{snapshot, number});
        return;
      case 5:
        return say(net::Unavailable{snapshot, number, chance(2)});
      case 6:
        return say(net::Piece{snapshot, chance(4) ? net::kManifestPiece : number, Bytes(100)});
      case 7:
        return say(net::Holding{snapshot});
      case 8:
        for (int i = 0; i < 200; ++i) say(net::Wanted{snapshot, chance(2)});
        return;
      case 9:
        for (int i = 0; i < 50; ++i)
          say(net::Summary{.entries = {{snapshot, true}}, .answer = false});
        return;
      default:
        for (const auto& [id, stored] : network_.disk(liar).snapshots)
          say(net::Heads{{stored.head}});
    }
  }
  /// The stewards who are honest sign the next version; the operator of one node puts it there.
  void next_version(Node node) {
    if (chain_.versions().size() < 6) {
      test::extend(chain_, test::kExpires + random_() % 1000, {103, 104});
    }
    network_.follow(node, chain_);
  }
  void make_charters() {
    constexpr int kFounder = 101, kBad = 102;
    test::append(chain_,
                 test::signed_by(network_.first_charter({test::steward(kFounder)}, 1), {kFounder}));
    net::Charter second = test::next_version(chain_);
    second.stewards = {test::steward(kBad), test::steward(103), test::steward(104)};
    second.threshold = 2;
    net::CharterChain founders = chain_;
    const auto leaves_out = [&](net::Charter charter, Node node) {
      std::erase_if(charter.members, [&](const auto& m) { return m.id == network_.id(node); });
      return charter;
    };
    const auto rival = [&](const net::CharterChain& after, Node node, const std::vector<int>& by) {
      rivals_.push_back(test::signed_by(leaves_out(test::next_version(after), node), by));
    };
    rival(founders, honest_.front(), {kFounder});
    test::append(founders, rivals_.back());
    rival(founders, honest_.back(), {kFounder});
    test::append(founders, rivals_.back());
    rival(founders, honest_.back(), {kFounder, kBad});
    test::append(chain_, test::signed_by(test::ordered(second), {kFounder, 103, 104}));
    rival(chain_, honest_.front(), {kBad});
    rival(chain_, honest_.back(), {kFounder, kBad});
  }
  const net::SignedCharter& some_rival() { return rivals_[random_() % rivals_.size()]; }
  /// Of the liar, as it pleases; or of the victim, as it was before the first, or with a key of the
  /// liar's.
  net::Card some_card(Node liar, Node victim) {
    net::Card card = network_.make_card(liar, network_.founded(liar), some_date());
    switch (random_() % 4) {
      case 0:
        return card;
      case 1:
        return network_.make_card(victim, network_.founded(liar), GossipNetwork::kIssued - 1000);
      case 2:
        card.channel = network_.channel(victim).public_key();
        return card;
      default:
        card.node = network_.id(victim);
        return card;
    }
  }
  std::uint64_t some_date() {
    constexpr std::uint64_t kDay = 24 * 60 * 60;
    return GossipNetwork::kIssued + (random_() % 20) * kDay - 10 * kDay;
  }
  void equivocate(Node liar, Node one, Node other) {
    net::Manifest first, second;
    first.chunks.resize(network_.chunks);
    second.chunks.assign(network_.chunks, crypto::hash(as_byte_view("other")));
    const std::uint64_t sequence = 1000 + lies_++;
    tell(liar, one, network_.sign(liar, sequence, first));
    tell(liar, other, network_.sign(liar, sequence, second));
  }

  /// A head that it tells nobody else.
  void tell_alone(Node liar, Node node) {
    net::Manifest manifest;
    manifest.chunks.resize(network_.chunks);
    tell(liar, node, network_.sign(liar, 1000 + lies_++, manifest));
  }
  void tell(Node liar, Node node, const net::SignedHead& head) {
    network_.connect(liar, node);
    network_.simulator().after(
        kDialled, [this, liar, node, head] { network_.inject(liar, node, net::Heads{{head}}); });
  }

  /// The cables are mended, and the disks have room.  What all have lost with their backups, the
  /// newest version of the charter, say, is lost, unless a liar tells it again.
  void heal() {
    ended_ = true;
    for (State& state : state_) state.full = false;
    for (const Node liar : liars_) network_.network().drip(liar, false);
    for (Node node = 0; node < network_.size(); ++node) dial_some(node);
    for (const Node node : honest_) {
      newest_ = std::max(newest_, network_.charter(node).versions().size());
    }
  }
  void pass(net::Duration time) {
    for (const net::Instant until = now() + time; now() < until && !broken_;) {
      for (std::size_t i = 0; i < honest_.size(); ++i) {
        network_.connect(honest_[i], honest_[(i + 1) % honest_.size()]);
      }
      network_.simulator().run_for(10s);
      check_always();
    }
  }

  // --- What must hold ---------------------------------------------------------------------------

  void completed(Node node, const net::SnapshotId& id) {
    if (rotten_.contains({node, id})) return;  // which is noticed when it is read
    const auto there = network_.on_disk(node, id);
    claim(std::ranges::find(there, false) == there.end(),
          "node " + std::to_string(node) + " takes a snapshot for complete that is not");
  }

  void check_always() {
    const std::size_t heads = net::limits::kSnapshotsPerOrigin * network_.size();
    const std::uint64_t size = std::uint64_t{network_.chunks} * net::limits::kChunk;
    for (const Node node : honest_) {
      const std::string name = "node " + std::to_string(node);
      net::Gossip& gossip = network_.gossip(node);
      for (const Node other : network_.accused(node)) {
        claim(is_liar(other), name + " accuses node " + std::to_string(other) +
                                  ", which is honest: " + network_.accusations(node).back());
      }
      const auto& followed = network_.charter(node);
      claim(net::common_versions(followed, chain_) == followed.versions().size(),
            name + " follows a charter that the stewards did not make");
      for (const net::NodeId& liar : gossip.quarantined()) {
        claim(is_liar(network_.index(liar)), name + " has convicted an honest node");
      }
      claim(gossip.snapshot_count() <= heads, name + " keeps more heads than it should");
      claim(gossip.held_bytes() <= heads * size, name + " holds more than it should");
    }
    const std::size_t most = kMemory + heads * (kMemoryOfHead + kMemoryOfChunk * network_.chunks);
    claim(sim::allocated() <= allocated_before_ + network_.size() * most, "memory is used up");
  }

  /// If somebody still has all of what was published last, everybody does.
  void check_what_is_left() {
    for (const Node origin : honest_) {
      const auto& published = state_[origin].published;
      const auto has_all = [&](Node node) { return network_.read(node, *published); };
      if (!published || std::ranges::none_of(honest_, has_all)) continue;
      for (const Node node : honest_) {
        claim(has_all(node), "node " + std::to_string(node) + " lacks what others have, of node " +
                                 std::to_string(origin));
      }
    }
  }

  void check_healed() {
    for (const Node node : honest_) {
      const net::CharterChain& followed = network_.charter(node);
      claim(followed.versions().size() >= newest_ &&
                followed.newest().id == network_.charter(honest_.front()).newest().id,
            "node " + std::to_string(node) + " has not got the newest charter");
      for (const Node of : honest_) {
        const auto* const entry = network_.gossip(node).directory().find(network_.id(of));
        const auto own = network_.make_card(of, network_.founded(of), GossipNetwork::kIssued);
        claim(entry != nullptr && entry->card == own,
              "node " + std::to_string(node) + " has another card of node " + std::to_string(of));
      }
    }
    for (const Node origin : honest_) {
      for (const Node node : honest_) {
        claim(network_.gossip(node).complete(*state_[origin].published),
              "node " + std::to_string(node) + " has not got what node " + std::to_string(origin) +
                  " published last");
      }
    }
    const auto before = fetches_;
    network_.simulator().run_for(kCalm);
    claim(fetches_ == before, "honest nodes ask one another for pieces, though all have all");
    for (const Node liar : liars_) equivocate(liar, honest_.front(), honest_.back());
    network_.simulator().run_for(1min);
    for (const Node liar : liars_) {
      for (const Node node : honest_) tell_alone(liar, node);  // who missed the news hears it now
    }
    network_.simulator().run_for(3min);
    for (const Node node : honest_) {
      for (const Node liar : liars_) {
        claim(network_.gossip(node).quarantined(network_.id(liar)),
              "node " + std::to_string(node) + " has not heard who signed two heads");
      }
    }
    check_always();
  }

  const std::size_t allocated_before_ = sim::allocated();
  std::mt19937_64 random_;
  Over over_;
  sim::Link link_;
  GossipNetwork network_;
  std::vector<State> state_;
  std::vector<Node> honest_, liars_;
  std::set<std::pair<Node, net::SnapshotId>> rotten_;
  net::CharterChain chain_;   // that the honest stewards make
  std::size_t newest_ = 0;    // number of the newest that an honest node has when it is over
  std::vector<net::SignedCharter> rivals_;
  std::uint64_t lies_ = 0, fetches_ = 0;
  bool ended_ = false;
  std::optional<std::string> broken_;
};

BOOST_AUTO_TEST_SUITE(storm_tests)

BOOST_AUTO_TEST_CASE(whatever_happened_once_it_is_over_everyone_has_everything) {
  using sim::option;
  const std::uint64_t first = option("--first", 1), seeds = option("--seeds", first > 1 ? 1 : 20);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    Storm storm(seed);
    const auto broken = storm.run();
    if (broken) BOOST_ERROR("seed " << seed << " (" << storm.description() << "): " << *broken);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace storm_test
