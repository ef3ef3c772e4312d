#pragma once

#include "net/asio/dial.hpp"
#include "net/asio/host.hpp"
#include "net/endpoint.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

/// Nodes with real sockets on loopback, in one thread.
namespace kith::net {

using namespace std::chrono_literals;

/// A node on loopback that fetches everything and keeps it in memory.
class TestHost : public HostOwner {
 public:
  TestHost(std::string name, Bytes content)
      : name_(std::move(name)), content_(std::move(content)) {}

  Member member() const { return {identity_.id(), name_}; }
  /// In the consortium that was founded so; where it is reached.
  Card card(const Hash& founded, std::vector<std::string> addresses = {}) const {
    Card made;
    made.founded = founded;
    made.issued = ++issued_;
    made.name = name_;
    made.addresses = std::move(addresses);
    return sign_card(std::move(made), identity_, channel_);
  }
  void start(asio::io_context& io, const MembershipRecord& record,
             const std::vector<std::string>& listen = {}, Hash task = {}) {
    io_ = &io;
    task_ = task;
    founded_ = record.chain.founded();
    LocalNode local;
    local.id = identity_.id();
    local.channel = &channel_;
    local.task = task;
    local.agent = "test";
    local.version = version;
    local.oldest = oldest;
    local.dials_loopback = dials_loopback;
    local.card = card(founded_, listen);
    if (answers_applicants) local.takes_applications = [] { return true; };
    host_ = std::make_unique<Host>(io, std::move(local), record, *this);
    host_->listen(listen);
  }
  void publish(std::uint64_t sequence) {
    Manifest manifest;
    std::vector<Bytes> chunks;
    for (std::size_t at = 0; at < content_.size(); at += limits::kChunk) {
      const auto part =
          ByteView(content_).subspan(at, std::min(limits::kChunk, content_.size() - at));
      chunks.emplace_back(part.begin(), part.end());
      manifest.chunks.push_back(crypto::hash(part));
    }
    const Bytes encoded = encode(manifest);
    Head head;
    head.founded = founded_;
    head.origin = identity_.id();
    head.key = channel_.public_key();
    head.position = {1, sequence};
    head.task = task_;
    head.size = content_.size();
    head.manifest = crypto::hash(encoded);
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    const SignedHead signed_head = sign_head(head, channel_);
    for (std::uint32_t i = 0; i < chunks.size(); ++i) pieces_[{signed_head.id(), i}] = chunks[i];
    BOOST_TEST(host_->publish(signed_head, manifest));
  }
  Host& host() { return *host_; }
  void destroy() { host_.reset(); }

  /// What arrived from `origin`, put together.
  Bytes received(const TestHost& origin) const {
    Bytes all;
    for (const SnapshotId& id : complete_) {
      const auto head = heads_.at(id);
      if (head.origin != origin.identity_.id()) continue;
      for (std::uint32_t i = 0; i < chunk_count(head.size); ++i) {
        const Bytes& piece = pieces_.at({id, i});
        all.insert(all.end(), piece.begin(), piece.end());
      }
    }
    return all;
  }

  void read_piece(const SnapshotId& id, std::uint32_t piece, PieceRead done) override {
    const auto found = pieces_.find({id, piece});
    auto data = found == pieces_.end() ? std::nullopt : std::optional(found->second);
    asio::post(*io_, [done = std::move(done), data = std::move(data)] { done(data); });
  }
  void write_piece(const SnapshotId& id, std::uint32_t piece, Bytes data,
                   std::function<void()> written) override {
    pieces_[{id, piece}] = std::move(data);
    if (disk_hangs) return hanging_writes.push_back(std::move(written));
    asio::post(*io_, std::move(written));
  }
  void discovered(const SnapshotId& id, const Head&) override {
    if (disk_is_full) throw std::runtime_error("no space left");
    host_->want(id);
  }
  void begun(const SnapshotId&, const Head&) override {}
  void needed(const SnapshotId& id, const Head&) override { host_->relay(id); }
  void completed(const SnapshotId& id, const Head& head) override {
    complete_.insert(id);
    heads_[id] = head;
  }
  void dropped(const SnapshotId&, const Head&, const std::vector<Hash>&) override {}
  void peer_connected(const Member& peer, const Hello&) override {
    events.push_back("+" + peer.name);
  }
  void peer_disconnected(const Member& peer, const Trouble& trouble) override {
    events.push_back("-" + peer.name + " " + std::string(name(trouble.reason)));
  }
  void peer_failed(const Member* peer, const Trouble& trouble) override {
    events.push_back("!" + (peer ? peer->name : "somebody") + " " +
                     std::string(name(trouble.reason)));
  }
  void peer_accused(const Member& peer, const std::string&) override {
    events.push_back("accused " + peer.name);
  }
  void peer_convicted(const Member& peer, const Evidence&) override {
    events.push_back("convicted " + peer.name);
  }
  void outrun(const LogPosition&) override { events.push_back("outrun"); }
  void charter_changed(const Gossip::CharterChanged& change) override {
    for (const Member& peer : change.added) events.push_back("admitted " + peer.name);
    for (const Member& peer : change.removed) events.push_back("expelled " + peer.name);
  }
  void renewed(const Member& peer) override { events.push_back("renewed " + peer.name); }
  void failed(const Member* peer, const std::string& what, const std::exception& error) override {
    events.push_back("failed at " + what + " of " + (peer ? peer->name : "somebody") + ": " +
                     error.what());
  }

  Admission applied(const Apply& apply) override {
    events.push_back("applied " + apply.card.name);
    return answers_applicants.value_or(Admission{});
  }
  const crypto::Identity& identity() const { return identity_; }
  const crypto::ChannelKey& channel() const { return channel_; }

  std::vector<std::string> events;
  std::optional<Admission> answers_applicants;                       ///< before start()
  std::uint8_t version = kProtocolVersion, oldest = kOldestVersion;  ///< before start()
  bool dials_loopback = true;                                        ///< before start()
  bool disk_is_full = false, disk_hangs = false;
  std::vector<std::function<void()>> hanging_writes;

 private:
  asio::io_context* io_ = nullptr;
  std::string name_;
  Bytes content_;
  crypto::Identity identity_ = crypto::Identity::generate();
  crypto::ChannelKey channel_ = crypto::ChannelKey::generate();
  mutable std::uint64_t issued_ = 0;  // of cards
  Hash task_{}, founded_{};
  std::unique_ptr<Host> host_;
  std::map<std::pair<SnapshotId, std::uint32_t>, Bytes> pieces_;
  std::set<SnapshotId> complete_;
  std::map<SnapshotId, Head> heads_;
};

inline Bytes content(std::size_t size, int start) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>(start + static_cast<int>(i / 1000));
  return bytes;
}

/// Where nobody listens, most likely.
inline std::string free_address(asio::io_context& io, const std::string& host = "127.0.0.1") {
  asio::ip::tcp::acceptor held(io, {asio::ip::make_address(host), 0});
  return text(held.local_endpoint());
}

/// A consortium of these nodes, with their cards: those that listen, and where.
inline MembershipRecord consortium(
    const std::vector<std::pair<const TestHost*, std::vector<std::string>>>& nodes) {
  Charter charter;
  charter.consortium = "ours";
  charter.expires = 2'000'000'000;
  charter.stewards = {{nodes.front().first->identity().id(), "steward"}};
  for (const auto& [node, addresses] : nodes) charter.members.push_back(node->member());
  std::ranges::sort(charter.members, {}, &Member::id);
  SignedCharter version = unsigned_charter(charter);
  sign(version, nodes.front().first->identity());
  MembershipRecord record;
  BOOST_TEST_REQUIRE(!record.chain.append(version));
  for (const auto& [node, addresses] : nodes) {
    record.cards.push_back(node->card(record.chain.founded(), addresses));
  }
  return record;
}

struct Loopback : CryptoReady {
  asio::io_context io;
  TestHost alice{"alice", content(3 * limits::kChunk + 77, 1)};
  TestHost bob{"bob", content(100, 2)};
  MembershipRecord record;

  /// Bob listens at `addresses`, or somewhere; alice dials.
  void start_both(Hash alice_task = {}, std::vector<std::string> addresses = {}) {
    if (addresses.empty()) addresses = {free_address(io)};
    record = consortium({{&bob, addresses}, {&alice, {}}});
    bob.start(io, record, addresses);
    alice.start(io, record, {}, alice_task);
    bob.host().connect();
    alice.host().connect();
  }
  template <class Condition>
  bool run_until(Condition condition, Duration limit = 10s) {
    const auto end = Clock::now() + limit;
    while (!condition() && Clock::now() < end) {
      io.restart();
      io.run_for(10ms);
    }
    return condition();
  }
  ~Loopback() {
    for (TestHost* node : {&alice, &bob}) node->destroy();
    io.restart();
    io.poll();
  }
};

inline bool has(const std::vector<std::string>& events, const std::string& wanted) {
  return std::ranges::find(events, wanted) != events.end();
}

}  // namespace kith::net
