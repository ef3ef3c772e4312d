#pragma once

#include "crypto/init.hpp"
#include "net/gossip.hpp"
#include "tests/sim/simulator.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kith::sim {

/// N production Gossip objects on one simulated network.  Every message is encoded and decoded on
/// its way, and the network may lose it; connections come and go as told.
class GossipNetwork {
 public:
  using Node = std::size_t;
  static constexpr std::uint32_t kChunks = 3;  ///< of every snapshot published here

  GossipNetwork(std::uint64_t seed, std::size_t size, Link link)
      : sim_(seed), network_(sim_, link) {
    crypto::init();
    std::vector<net::Member> members;
    for (Node node = 0; node < size; ++node) {
      identities_.push_back(identity(node));
      net::Member member;
      member.id = identities_.back().id();
      member.name = std::to_string(node);
      member.channel[0] = static_cast<std::byte>(node);
      member.channel[1] = static_cast<std::byte>(node >> 8);
      members.push_back(member);
    }
    consortium_ = std::make_unique<net::Consortium>("simulated", members);
    for (Node node = 0; node < size; ++node) {
      nodes_.push_back(std::make_unique<State>());
      nodes_.back()->gossip = std::make_unique<net::Gossip>(*consortium_, identities_[node].id(),
                                                            task(), seed * 1000 + node);
      index_[identities_[node].id()] = node;
    }
  }

  /// The same for every run, so that a seed repeats everything.
  static crypto::Identity identity(Node node) {
    crypto::Secret<32> seed;
    seed.data()[0] = static_cast<std::byte>(node);
    seed.data()[1] = static_cast<std::byte>(node >> 8);
    return crypto::Identity::from_seed(seed);
  }
  static net::Hash task() { return crypto::hash(as_byte_view("task")); }
  Simulator& simulator() { return sim_; }
  Network& network() { return network_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  net::Gossip& gossip(Node node) { return *nodes_[node]->gossip; }
  net::NodeId id(Node node) const { return identities_[node].id(); }
  const std::vector<std::string>& accusations(Node by) const { return nodes_[by]->accusations; }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }

  void connect(Node a, Node b) {
    if (a == b || !connections_.insert(std::minmax(a, b)).second) return;
    ++epoch_[std::minmax(a, b)];
    gossip(a).handle_connected(sim_.now(), id(b));
    gossip(b).handle_connected(sim_.now(), id(a));
    drive(a);
    drive(b);
  }
  void disconnect(Node a, Node b) {
    if (connections_.erase(std::minmax(a, b)) == 0) return;
    gossip(a).handle_disconnected(sim_.now(), id(b));
    gossip(b).handle_disconnected(sim_.now(), id(a));
    drive(a);
    drive(b);
  }
  /// Everyone gets `degree` random neighbours beside the ring that keeps the graph connected.
  void connect_randomly(std::size_t degree) {
    for (Node node = 0; node < size(); ++node) {
      connect(node, (node + 1) % size());
      for (std::size_t i = 0; i < degree; ++i) connect(node, sim_.random()() % size());
    }
  }
  std::vector<std::pair<Node, Node>> connections() const {
    return {connections_.begin(), connections_.end()};
  }

  /// Publishes the node's next snapshot; its chunks are `kChunks` short texts.
  net::SnapshotId publish(Node node, std::uint64_t sequence, const std::string& flavour = "") {
    net::Manifest manifest;
    std::vector<Bytes> chunks;
    for (std::uint32_t piece = 0; piece < kChunks; ++piece) {
      const std::string text = flavour + std::to_string(node) + "/" + std::to_string(sequence) +
                               "/" + std::to_string(piece);
      const ByteView view = as_byte_view(text);
      chunks.emplace_back(view.begin(), view.end());
      manifest.chunks.push_back(crypto::hash(view));
    }
    const net::SignedHead head = sign(node, sequence, manifest);
    for (std::uint32_t piece = 0; piece < kChunks; ++piece) {
      nodes_[node]->stored[{head.id(), piece}] = chunks[piece];
    }
    gossip(node).publish(sim_.now(), head, manifest);
    drive(node);
    return head.id();
  }
  net::SignedHead sign(Node node, std::uint64_t sequence, const net::Manifest& manifest) const {
    const Bytes encoded = net::encode(manifest);
    net::Head head;
    head.origin = id(node);
    head.position = {1, sequence};
    head.task = task();
    head.size = std::uint64_t{kChunks} * net::limits::kChunk;
    head.manifest = crypto::hash(encoded);
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    return net::sign_head(head, identities_[node], consortium_->id());
  }

  /// Delivers `message` to `to` as if `from` had sent it: for liars.
  void inject(Node from, Node to, const net::Message& message) {
    gossip(to).handle_message(sim_.now(), id(from), message);
    drive(to);
  }
  /// The number of nodes that hold all of `snapshot`, byte for byte.
  std::size_t holders(const net::SnapshotId& snapshot, Node origin) const {
    std::size_t count = 0;
    for (const auto& node : nodes_) {
      bool all = node->gossip->complete(snapshot);
      for (std::uint32_t piece = 0; all && piece < kChunks; ++piece) {
        const auto mine = node->stored.find({snapshot, piece});
        all = mine != node->stored.end() &&
              mine->second == nodes_[origin]->stored.at({snapshot, piece});
      }
      count += all ? 1 : 0;
    }
    return count;
  }
  bool wants_everything = true;

 private:
  struct State {
    std::unique_ptr<net::Gossip> gossip;
    std::map<std::pair<net::SnapshotId, std::uint32_t>, Bytes> stored;
    std::vector<std::string> accusations;
    net::Instant alarm = net::Instant::max();
  };

  // The whole shell around the protocol: what net/asio/host.cpp does with real sockets.
  void drive(Node self) {
    State& node = *nodes_[self];
    while (auto event = node.gossip->poll_event()) carry_out(self, node, *event);
    const net::Instant next = node.gossip->next_timeout();
    if (next == net::Instant::max() || next == node.alarm) return;
    node.alarm = next;
    sim_.at(next, [this, self, next] {
      if (nodes_[self]->alarm != next) return;
      nodes_[self]->alarm = net::Instant::max();
      gossip(self).handle_timeout(sim_.now());
      drive(self);
    });
  }
  void carry_out(Node self, State& node, net::Gossip::Event& event) {
    using net::Gossip;
    if (const auto* out = std::get_if<Gossip::Transmit>(&event)) {
      post(self, index_.at(out->to), net::encode_message(out->message));
    } else if (const auto* read = std::get_if<Gossip::ReadPiece>(&event)) {
      const auto found = node.stored.find({read->snapshot, read->piece});
      std::optional<Bytes> data;
      if (found != node.stored.end()) data = found->second;
      const auto* manifest = node.gossip->manifest(read->snapshot);
      if (read->piece == net::kManifestPiece && manifest) data = net::encode(*manifest);
      node.gossip->handle_piece_read(sim_.now(), read->for_peer, read->snapshot, read->piece, data);
      node.gossip->handle_drained(sim_.now(), read->for_peer);
    } else if (auto* write = std::get_if<Gossip::WritePiece>(&event)) {
      node.stored[{write->snapshot, write->piece}] = std::move(write->data);
    } else if (const auto* found = std::get_if<Gossip::Discovered>(&event)) {
      if (wants_everything) node.gossip->want(sim_.now(), found->snapshot);
    } else if (const auto* accused = std::get_if<Gossip::Accused>(&event)) {
      node.accusations.push_back(accused->what);
    }
  }
  void post(Node from, Node to, Bytes bytes) {
    const std::pair<Node, Node> edge = std::minmax(from, to);  // not auto: it would hold references
    if (!connections_.contains(edge)) return;
    ++messages_;
    network_.send([this, from, to, edge, epoch = epoch_[edge], bytes = std::move(bytes)] {
      if (!connections_.contains(edge) || epoch_[edge] != epoch)
        return;  // lost with its connection
      auto message = net::decode_message(bytes);
      assert(message);
      gossip(to).handle_message(sim_.now(), id(from), std::move(*message));
      drive(to);
    });
  }

  Simulator sim_;
  Network network_;
  std::vector<crypto::Identity> identities_;
  std::unique_ptr<net::Consortium> consortium_;
  std::vector<std::unique_ptr<State>> nodes_;
  std::map<net::NodeId, Node> index_;
  std::set<std::pair<Node, Node>> connections_;
  std::map<std::pair<Node, Node>, std::uint64_t> epoch_;
  std::uint64_t messages_ = 0;
};

}  // namespace kith::sim
