#pragma once

#include "crypto/init.hpp"
#include "net/gossip.hpp"
#include "tests/charters.hpp"
#include "tests/sim/simulator.hpp"
#include "tests/sim/wire.hpp"

#include <algorithm>
#include <cassert>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kith::sim {

/// N production Gossip objects on one simulated network; connections come and go as told.
///
/// On messages alone: each is encoded and decoded on its way, and may be lost by itself, which TCP
/// does not do.  Or over production Sessions: with handshakes, keep-alives and their ends.
class GossipNetwork {
 public:
  using Node = Network::Node;
  enum class Nature {
    honest,
    withholds,  ///< says that it holds what others want, and sends nothing
    corrupts,   ///< the same, and sends something else
  };
  struct Traffic {
    std::uint64_t chunks = 0, manifests = 0, other = 0;  ///< bytes sent, as on the wire
  };

  enum class Over { messages, sessions };

  GossipNetwork(std::uint64_t seed, std::size_t size, Link link, Over over = Over::messages)
      : over_(over), sim_(seed), network_(sim_, link) {
    crypto::init();
    for (Node node = 0; node < size; ++node) {
      identities_.push_back(identity(node));
      channels_.emplace_back().push_back(
          crypto::ChannelKey::from_seed(numbered(1 << 16 | node << 8 | 1)));
      index_[identities_[node].id()] = node;
    }
    const net::Charter charter = first_charter({test::steward(1)}, 1);
    net::MembershipRecord record;
    [[maybe_unused]] const auto fault = record.chain.append(test::signed_by(charter, {1}));
    assert(!fault);
    begin(record);
  }

  /// All nodes are members.
  [[nodiscard]] net::Charter first_charter(std::vector<net::Steward> stewards,
                                           std::uint32_t threshold) const {
    net::Charter charter;
    charter.consortium = "simulated";
    charter.expires = test::kExpires;
    charter.stewards = std::move(stewards);
    charter.threshold = threshold;
    for (Node node = 0; node < identities_.size(); ++node) charter.members.push_back(member(node));
    return test::ordered(charter);
  }
  [[nodiscard]] net::Member member(Node node) const { return {id(node), std::to_string(node)}; }
  /// Everybody begins anew with this charter, and the first card of everybody.
  void begin(net::MembershipRecord record) {
    record.cards.clear();
    for (Node node = 0; node < identities_.size(); ++node) {
      record.cards.push_back(make_card(node, record.chain.founded(), kIssued));
    }
    nodes_.clear();
    for (Node node = 0; node < identities_.size(); ++node) {
      nodes_.push_back(std::make_unique<State>());
      State& state = *nodes_.back();
      state.disk.record = record;
      state.local.id = id(node);
      state.local.task = task();
      state.local.agent = "simulated";
      state.local.take_card = [this, node](const net::Card& card) {
        gossip(node).take_card(now(node), card);
        drive(node);
      };
      state.gossip = make_gossip(node);
    }
  }

  /// The same for every run, so that a seed repeats everything.
  static crypto::Identity identity(Node node) {
    return crypto::Identity::from_seed(numbered(node));
  }
  /// When all cards of the beginning were made, in seconds since 1970; what the time is then.
  static constexpr std::uint64_t kIssued = 20'000ULL * 24 * 60 * 60;
  /// As the node's calendar shows it, in seconds since 1970.
  std::uint64_t date(Node node) {
    const auto shown = nodes_[node]->calendar.shows(sim_.now()).time_since_epoch();
    return kIssued + static_cast<std::uint64_t>(
                         std::chrono::duration_cast<std::chrono::seconds>(shown).count());
  }
  const net::Hash& founded(Node node) { return gossip(node).directory().founded(); }
  /// With the channel key that it has now.
  [[nodiscard]] net::Card make_card(Node node, const net::Hash& founded,
                                    std::uint64_t issued) const {
    net::Card card;
    card.founded = founded;
    card.issued = issued;
    card.name = std::to_string(node);
    card.addresses = {"node:" + std::to_string(1 + node)};
    return net::sign_card(std::move(card), identities_[node], channel(node));
  }
  [[nodiscard]] const crypto::ChannelKey& channel(Node node) const {
    return channels_[node].back();
  }
  /// The node takes another channel key, and tells everybody: as kith key renew does.
  void renew(Node node, std::uint64_t issued) {
    channels_[node].push_back(
        crypto::ChannelKey::from_seed(numbered(1 << 16 | node << 8 | (channels_[node].size() + 1))));
    const net::Card card = make_card(node, founded(node), issued);
    use_keys(node);
    nodes_[node]->local.card = card;
    gossip(node).set_own_card(card);
    disk(node).record = gossip(node).record();
    drive(node);
  }
  static net::Hash task() { return crypto::hash(as_byte_view("task")); }
  Simulator& simulator() { return sim_; }
  Network& network() { return network_; }
  /// What the node's calendar shows is so far ahead of the truth, or behind it.
  void set_calendar(Node node, net::Duration ahead) { nodes_[node]->calendar = {ahead, 0}; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  net::Gossip& gossip(Node node) { return *nodes_[node]->gossip; }
  net::NodeId id(Node node) const { return identities_[node].id(); }
  Node index(const net::NodeId& id) const { return index_.at(id); }
  const std::vector<std::string>& accusations(Node by) const { return nodes_[by]->accusations; }
  /// Whom it has accused.
  const std::set<Node>& accused(Node by) const { return nodes_[by]->accused; }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  /// How often a message of this kind was sent.
  template <class Body>
  [[nodiscard]] std::uint64_t messages() const {
    const auto found = kinds_.find(net::Message(Body{}).index());
    return found == kinds_.end() ? 0 : found->second;
  }
  const Traffic& traffic(Node of) const { return nodes_[of]->traffic; }
  /// When the node came to hold all of it; nullopt if it does not, or no longer does.
  std::optional<net::Instant> completed(Node node, const net::SnapshotId& snapshot) const {
    const auto& times = nodes_[node]->completed;
    const auto found = times.find(snapshot);
    return found == times.end() ? std::nullopt : std::optional(found->second);
  }

  /// `a` dials `b`.
  void connect(Node a, Node b) {
    if (a == b || connections_.contains(std::minmax(a, b)) || !knows(a, b)) return;
    if (over_ == Over::sessions) {
      connections_.insert(std::minmax(a, b));
      dialled_[std::minmax(a, b)] =
          Wire::dial(sim_, network_, {a, b}, {&nodes_[a]->local, &nodes_[b]->local},
                     wire_callbacks_);
      return;
    }
    notice(a, b);
    notice(b, a);
    connections_.insert(std::minmax(a, b));
    ++epoch_[std::minmax(a, b)];
    gossip(b).take_card(now(b), make_card_of(a));
    gossip(a).handle_connected(now(a), id(b));
    gossip(b).handle_connected(now(b), id(a));
    drive(a);
    drive(b);
  }
  /// `a` says goodbye to `b`.
  void disconnect(Node a, Node b) {
    if (connections_.erase(std::minmax(a, b)) == 0) return;
    if (over_ == Over::sessions) {
      dialled_.at(std::minmax(a, b))->close(a, net::CloseReason::shutting_down);
      return;
    }
    gossip(a).handle_disconnected(now(a), id(b));
    gossip(b).handle_disconnected(now(b), id(a));
    drive(a);
    drive(b);
  }
  /// The connection is gone, but `unaware` does not know: what it says is lost, until it has heard
  /// nothing for limits::kIdle or is connected anew.
  void break_silently(Node aware, Node unaware) {
    const std::pair<Node, Node> edge = std::minmax(aware, unaware);
    if (connections_.erase(edge) == 0) return;
    if (over_ == Over::sessions) {
      dialled_.at(edge)->cut();
      dialled_.at(edge)->close(aware, net::CloseReason::connection_lost);
      return;
    }
    half_open_.insert({unaware, aware});
    gossip(aware).handle_disconnected(now(aware), id(unaware));
    drive(aware);
    sim_.after(net::limits::kIdle, [this, aware, unaware, edge, epoch = epoch_[edge]] {
      if (epoch_[edge] == epoch) notice(unaware, aware);
    });
  }
  /// Everyone gets `degree` random neighbours beside the ring that keeps the graph connected.
  void connect_randomly(std::size_t degree) {
    for (Node node = 0; node < size(); ++node) {
      connect(node, (node + 1) % size());
      for (std::size_t i = 0; i < degree; ++i) connect(node, sim_.random()() % size());
    }
  }
  /// As net/asio/host.cpp does it: all with all up to nine, then each dials eight.
  void connect_as_hosts_do() {
    for (Node node = 0; node < size(); ++node) {
      std::vector<Node> others;
      for (Node other = 0; other < size(); ++other) {
        if (other != node) others.push_back(other);
      }
      std::ranges::shuffle(others, sim_.random());
      if (size() > 9) others.resize(8);
      for (const Node other : others) connect(node, other);
    }
  }
  /// Cuts all its connections.
  void isolate(Node node) {
    for (const auto& [a, b] : connections()) {
      if (a == node || b == node) disconnect(a, b);
    }
    for (Node other = 0; other < size(); ++other) {
      notice(node, other);
      notice(other, node);
      if (const auto wire = end_of(node, other))
        wire->close(node, net::CloseReason::connection_lost);
    }
  }
  std::vector<std::pair<Node, Node>> connections() const {
    return {connections_.begin(), connections_.end()};
  }

  /// Publishes the node's next snapshot; its chunks are `chunks` short texts, which travel as if
  /// they were whole chunks.
  net::SnapshotId publish(Node node, std::uint64_t sequence, const std::string& flavour = "") {
    net::Manifest manifest;
    std::vector<Bytes> data;
    for (std::uint32_t piece = 0; piece < chunks; ++piece) {
      const std::string text = flavour + std::to_string(node) + "/" + std::to_string(sequence) +
                               "/" + std::to_string(piece);
      const ByteView view = as_byte_view(text);
      data.emplace_back(view.begin(), view.end());
      manifest.chunks.push_back(crypto::hash(view));
    }
    const net::SignedHead head = sign(node, sequence, manifest);
    for (std::uint32_t piece = 0; piece < chunks; ++piece) {
      nodes_[node]->disk.pieces[{head.id(), piece}] = data[piece];
    }
    nodes_[node]->disk.snapshots[head.id()] = {head, manifest, true};
    [[maybe_unused]] const bool published = gossip(node).publish(now(node), head, manifest);
    drive(node);
    return head.id();
  }
  /// In the log that the node writes now.
  net::SignedHead sign(Node node, std::uint64_t sequence, const net::Manifest& manifest) {
    const Bytes encoded = net::encode(manifest);
    net::Head head;
    head.founded = founded(node);
    head.origin = id(node);
    head.key = channel(node).public_key();
    head.position = {nodes_[node]->disk.log, sequence};
    head.task = task();
    head.size = std::uint64_t{chunks} * net::limits::kChunk;
    head.manifest = crypto::hash(encoded);
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    return net::sign_head(head, channel(node));
  }
  void want(Node node, const net::SnapshotId& snapshot) {
    gossip(node).want(now(node), snapshot);
    drive(node);
  }

  [[nodiscard]] const net::CharterChain& charter(Node node) {
    return gossip(node).charters().chain();
  }
  /// The node's operator puts that charter there.
  void follow(Node node, const net::CharterChain& charter) {
    net::MembershipRecord record = gossip(node).record();
    record.chain = charter;
    gossip(node).follow(now(node), std::move(record));
    disk(node).record = gossip(node).record();
    drive(node);
  }
  /// Delivers `message` to `to` as if `from` had sent it: for liars.
  void inject(Node from, Node to, const net::Message& message) {
    gossip(to).handle_message(now(to), id(from), message);
    drive(to);
  }
  /// The number of nodes that hold all of `snapshot`, byte for byte.
  std::size_t holders(const net::SnapshotId& snapshot, Node origin) const {
    std::size_t count = 0;
    for (const auto& node : nodes_) {
      bool all = node->gossip->complete(snapshot);
      for (std::uint32_t piece = 0; all && piece < chunks; ++piece) {
        const auto mine = node->disk.pieces.find({snapshot, piece});
        all = mine != node->disk.pieces.end() &&
              mine->second == nodes_[origin]->disk.pieces.at({snapshot, piece});
      }
      count += all ? 1 : 0;
    }
    return count;
  }

  /// What a node keeps over a restart; a copy of it is a backup.
  struct Disk {
    struct Snapshot {
      net::SignedHead head;
      net::Manifest manifest;
      bool complete = false;
    };
    std::map<net::SnapshotId, Snapshot> snapshots;
    std::map<std::pair<net::SnapshotId, std::uint32_t>, Bytes> pieces;
    std::vector<net::Evidence> evidence;
    net::MembershipRecord record;
    std::uint64_t log = 1;
  };
  Disk& disk(Node node) { return nodes_[node]->disk; }
  /// The process ends and a new one begins with what the disk has, unconnected, in a new log.
  void restart(Node node) {
    isolate(node);
    State& state = *nodes_[node];
    state.gossip = make_gossip(node);
    state.alarm = net::Instant::max();
    open_log(node);
    for (const net::Evidence& evidence : state.disk.evidence) state.gossip->restore(evidence);
    for (const auto& [id, stored] : state.disk.snapshots) {
      using net::Swarm;
      state.gossip->restore(stored.head, stored.manifest,
                            stored.complete ? Swarm::Stored::whole : Swarm::Stored::partly);
      if (!stored.complete) state.gossip->found(now(node), id, on_disk(node, id));
    }
    drive(node);
  }

  /// Which pieces of it are on the node's disk, and right.
  std::vector<bool> on_disk(Node node, const net::SnapshotId& snapshot) {
    std::vector<bool> there;
    for (const net::Hash& chunk : gossip(node).manifest(snapshot)->chunks) {
      const auto piece =
          disk(node).pieces.find({snapshot, static_cast<std::uint32_t>(there.size())});
      there.push_back(piece != disk(node).pieces.end() && crypto::hash(piece->second) == chunk);
    }
    return there;
  }

  /// The worker reads it: what is damaged is noticed, and fetched again.  Whether it is all there.
  bool read(Node node, const net::SnapshotId& snapshot) {
    if (!gossip(node).complete(snapshot)) return false;
    const auto there = on_disk(node, snapshot);
    gossip(node).found(now(node), snapshot, there);
    drive(node);
    return std::ranges::find(there, false) == there.end();
  }

  std::uint32_t chunks = 3;  ///< of every snapshot published here
  std::function<bool(Node, const net::Head&)> wants = [](Node, const net::Head&) { return true; };
  std::map<Node, Nature> natures;  ///< of who is not honest
  /// Everything that reaches anyone passes here first.
  std::function<void(Node from, Node to, const net::Message&)> watch;
  /// The node has all of it, as it says.
  std::function<void(Node, const net::SnapshotId&)> on_completed = [](auto, const auto&) {};
  /// Others know what the node published later than anything that it remembers.
  std::function<void(Node)> on_outrun = [](Node) {};

 private:
  struct State {
    std::unique_ptr<net::Gossip> gossip;
    Disk disk;
    std::vector<std::string> accusations;
    std::set<Node> accused;
    std::map<net::SnapshotId, net::Instant> completed;
    Traffic traffic;
    net::Instant alarm = net::Instant::max();
    net::LocalNode local{};
    SkewedClock calendar;
  };

  net::Instant now(Node node) { return sim_.now(node); }

  static crypto::Secret<32> numbered(std::size_t number) {
    crypto::Secret<32> secret;
    for (const std::size_t i : {0U, 1U, 2U}) {
      secret.data()[i] = static_cast<std::byte>(number >> 8 * i);
    }
    return secret;
  }

  // --- Over sessions: what net/asio/host.cpp does with its links -------------------------------

  void established(const std::shared_ptr<Wire>& wire, Node self, Node other) {
    // The newer one counts; the other side of the older is long gone.
    const auto older = std::exchange(ends_[{self, other}], wire);
    if (older) {
      older->close(self, net::CloseReason::duplicate);
      gossip(self).handle_disconnected(now(self), id(other));
    }
    gossip(self).handle_connected(now(self), id(other));
    drive(self);
  }
  void closed(const Wire* wire, Node self, Node other) {
    const auto dialled = dialled_.find(std::minmax(self, other));
    if (dialled != dialled_.end() && dialled->second.get() == wire) {
      connections_.erase(std::minmax(self, other));
    }
    if (end_of(self, other).get() != wire) return;
    ends_.erase({self, other});
    gossip(self).handle_disconnected(now(self), id(other));
    drive(self);
  }
  [[nodiscard]] std::shared_ptr<Wire> end_of(Node self, Node other) const {
    const auto end = ends_.find({self, other});
    return end == ends_.end() ? nullptr : end->second;
  }

  // --- Over messages alone -----------------------------------------------------------------------

  /// `self` notices that it is connected with `other` no more.
  void notice(Node self, Node other) {
    if (half_open_.erase({self, other}) == 0) return;
    gossip(self).handle_disconnected(now(self), id(other));
    drive(self);
  }
  [[nodiscard]] net::Card make_card_of(Node node) {
    const auto* const entry = gossip(node).directory().find(id(node));
    return entry != nullptr && entry->card ? *entry->card : net::Card{};
  }
  /// Whether `a` knows how to dial `b`, and `b` may hear of it.
  [[nodiscard]] bool knows(Node a, Node b) {
    const auto* const there = gossip(a).directory().find(id(b));
    return there != nullptr && there->card &&
           (over_ == Over::sessions || gossip(b).directory().find(id(a)) != nullptr);
  }
  void use_keys(Node node) {
    net::LocalNode& local = nodes_[node]->local;
    local.channel = &channels_[node].back();
    local.former_channel = channels_[node].size() > 1 ? &*std::prev(channels_[node].end(), 2)
                                                      : nullptr;
  }
  std::unique_ptr<net::Gossip> make_gossip(Node node) {
    State& state = *nodes_[node];
    auto made =
        std::make_unique<net::Gossip>(now(node), date(node), state.disk.record, id(node), task(),
                                      sim_.seed() * 1000 + node);
    use_keys(node);
    state.local.directory = &made->directory();
    state.local.card = make_card(node, made->directory().founded(), kIssued);
    const auto* const known = made->directory().find(id(node));
    if (known != nullptr && known->card) state.local.card = known->card;
    return made;
  }

  // The whole shell around the protocol: what net/asio/host.cpp does with real sockets.
  void drive(Node self) {
    State& node = *nodes_[self];
    while (auto event = node.gossip->poll_event()) carry_out(self, node, *event);
    const net::Instant next = node.gossip->next_timeout();
    if (next == net::Instant::max() || next == node.alarm) return;
    node.alarm = next;
    sim_.at(self, next, [this, self, next] {
      if (nodes_[self]->alarm != next) return;
      nodes_[self]->alarm = net::Instant::max();
      gossip(self).handle_timeout(now(self));
      drive(self);
    });
  }
  void carry_out(Node self, State& node, net::Gossip::Event& event) {
    using net::Gossip;
    if (const auto* out = std::get_if<Gossip::Transmit>(&event)) {
      const Node to = index_.at(out->to);
      const net::Instant sent = post(self, to, out->message);
      if (std::holds_alternative<net::Piece>(out->message)) {
        sim_.at(sent, [this, self, to] {
          gossip(self).handle_drained(now(self), id(to));
          drive(self);
        });
      }
    } else if (const auto* read = std::get_if<Gossip::ReadPiece>(&event)) {
      std::optional<Bytes> data;
      const auto* manifest = node.gossip->manifest(read->snapshot);
      if (read->piece == net::kManifestPiece && manifest) {
        data = net::encode(*manifest);
      } else if (manifest) {
        const std::vector<bool> there = on_disk(self, read->snapshot);
        if (there[read->piece]) data = node.disk.pieces.at({read->snapshot, read->piece});
        if (!data) node.gossip->found(now(self), read->snapshot, there);
      }
      node.gossip->handle_piece_read(now(self), read->for_peer, read->snapshot, read->piece, data);
      if (!data) node.gossip->handle_drained(now(self), read->for_peer);
    } else if (auto* write = std::get_if<Gossip::WritePiece>(&event)) {
      node.disk.pieces[{write->snapshot, write->piece}] = std::move(write->data);
    } else if (const auto* found = std::get_if<Gossip::Discovered>(&event)) {
      if (wants(self, found->head)) node.gossip->want(now(self), found->snapshot);
    } else if (const auto* begun = std::get_if<Gossip::Begun>(&event)) {
      node.disk.snapshots[begun->snapshot] = {*node.gossip->signed_head(begun->snapshot),
                                              *node.gossip->manifest(begun->snapshot), false};
    } else if (const auto* needed = std::get_if<Gossip::Needed>(&event)) {
      node.gossip->relay(now(self), needed->snapshot);
    } else if (const auto* completed = std::get_if<Gossip::Completed>(&event)) {
      node.disk.snapshots.at(completed->snapshot).complete = true;
      node.completed.emplace(completed->snapshot, sim_.now());
      on_completed(self, completed->snapshot);
    } else if (const auto* dropped = std::get_if<Gossip::Dropped>(&event)) {
      node.disk.snapshots.erase(dropped->snapshot);
      node.completed.erase(dropped->snapshot);
      std::erase_if(node.disk.pieces,
                    [&](const auto& piece) { return piece.first.first == dropped->snapshot; });
    } else if (const auto* accused = std::get_if<Gossip::Accused>(&event)) {
      node.accusations.push_back(accused->what);
      node.accused.insert(index_.at(accused->peer));
    } else if (const auto* convicted = std::get_if<Gossip::Convicted>(&event)) {
      node.disk.evidence.push_back(convicted->evidence);
    } else if (const auto* changed = std::get_if<Gossip::CharterChanged>(&event)) {
      node.disk.record = node.gossip->record();
      for (const net::Member& member : changed->removed) part(self, index_.at(member.id));
    } else if (const auto* renewed = std::get_if<Gossip::Renewed>(&event)) {
      node.disk.record = node.gossip->record();
      const Node other = index_.at(renewed->member);
      const auto* const entry = node.gossip->directory().find(renewed->member);
      const auto end = end_of(self, other);
      if (end && !entry->has_key(end->proved(self))) end->close(self, net::CloseReason::outdated_key);
    } else if (std::holds_alternative<Gossip::Contradicted>(event)) {
      node.disk.record = node.gossip->record();
    } else if (const auto* outrun = std::get_if<Gossip::Outrun>(&event)) {
      if (outrun->position.log < node.disk.log) return;
      open_log(self, outrun->position.log);
      on_outrun(self);
    }
  }
  /// As daemon/store.cpp does it.
  void open_log(Node node, std::uint64_t above = 0) {
    constexpr std::uint64_t kSpread = 1 << 20;  // microseconds
    constexpr auto kNow = std::chrono::days(20'000);
    std::uint64_t& log = nodes_[node]->disk.log;
    const auto shown = nodes_[node]->calendar.shows(sim_.now() + kNow).time_since_epoch();
    const auto stamp = std::chrono::duration_cast<std::chrono::microseconds>(shown).count();
    log = std::max({log + 1, above + 1, static_cast<std::uint64_t>(stamp)}) +
          sim_.random()() % kSpread;
  }

  /// `other` is no member any more, for `self`.
  void part(Node self, Node other) {
    if (const auto end = end_of(self, other)) end->close(self, net::CloseReason::not_a_member);
    if (over_ == Over::messages) disconnect(self, other);
  }

  net::Instant post(Node from, Node to, const net::Message& message) {
    const std::pair<Node, Node> edge = std::minmax(from, to);  // not auto: it would hold references
    const auto end = end_of(from, to);
    if (over_ == Over::sessions ? !end : !connections_.contains(edge)) return sim_.now();
    Bytes bytes = net::encode_message(message);
    std::size_t size = bytes.size() + 4;
    const auto* piece = std::get_if<net::Piece>(&message);
    const bool chunk = piece && piece->piece != net::kManifestPiece;
    if (chunk) size = net::kLargestMessage + 4;
    size += 18 * (size / 65519 + 1);  // records
    ++messages_;
    ++kinds_[message.index()];
    Traffic& traffic = nodes_[from]->traffic;
    (chunk ? traffic.chunks : piece ? traffic.manifests : traffic.other) += size;
    if (end) return end->send(from, message, size);
    return network_.send(from, to, size,
                         [this, from, to, edge, epoch = epoch_[edge], bytes = std::move(bytes)] {
                           // Or it was lost with its connection.
                           if (connections_.contains(edge) && epoch_[edge] == epoch)
                             deliver(from, to, bytes);
                         });
  }
  void deliver(Node from, Node to, const Bytes& bytes) {
    auto message = net::decode_message(bytes);
    assert(message);
    receive(from, to, std::move(*message));
  }
  void receive(Node from, Node to, net::Message message) {
    if (watch) watch(from, to, message);
    if (!natures.contains(to) || !lie(from, to, message)) {
      gossip(to).handle_message(now(to), id(from), std::move(message));
    }
    drive(to);
  }
  /// What a liar does with a message; false: what everyone does.
  bool lie(Node from, Node self, const net::Message& message) {
    if (const auto* wanted = std::get_if<net::Wanted>(&message)) {
      post(self, from, net::Holding{wanted->snapshot});
      return true;
    }
    const auto* fetch = std::get_if<net::Fetch>(&message);
    const auto* manifest = fetch ? gossip(self).manifest(fetch->snapshot) : nullptr;
    if (fetch && fetch->piece == net::kManifestPiece && manifest) return false;  // so far, so good
    if (fetch && natures.at(self) == Nature::corrupts) {
      post(self, from, net::Piece{fetch->snapshot, fetch->piece, Bytes(7)});
    }
    return fetch != nullptr;
  }

  Over over_;
  Simulator sim_;
  Network network_;
  std::vector<crypto::Identity> identities_;
  std::vector<std::deque<crypto::ChannelKey>> channels_;  // of each, the newest last
  std::vector<std::unique_ptr<State>> nodes_;
  std::map<net::NodeId, Node> index_;
  std::set<std::pair<Node, Node>> connections_;
  Wire::Callbacks wire_callbacks_{
      .established = [this](const auto& wire, Node self,
                            Node other) { established(wire, self, other); },
      .message = [this](Node self, Node other,
                        net::Message message) { receive(other, self, std::move(message)); },
      .closed = [this](const Wire* wire, Node self, Node other) { closed(wire, self, other); }};
  std::map<std::pair<Node, Node>, std::shared_ptr<Wire>> dialled_;  // last, by edge
  std::map<std::pair<Node, Node>, std::shared_ptr<Wire>> ends_;     // by self and other
  std::set<std::pair<Node, Node>> half_open_;  // the one that is unaware, and the other
  std::map<std::pair<Node, Node>, std::uint64_t> epoch_;
  std::uint64_t messages_ = 0;
  std::map<std::size_t, std::uint64_t> kinds_;  // by type
};

}  // namespace kith::sim
