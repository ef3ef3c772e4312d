#pragma once

#include "net/asio/host.hpp"
#include "net/endpoint.hpp"
#include "tests/crypto_ready.hpp"

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

  Member member() const {
    Member made;
    made.id = identity_.id();
    made.channel = channel_.public_key();
    made.name = name_;
    if (host_) made.addresses = host_->listening();
    return made;
  }
  /// `others` must outlive the node.
  void start(asio::io_context& io, const Consortium& consortium, bool listen = true,
             Hash task = {}) {
    io_ = &io;
    local_ = {identity_.id(), &channel_, &consortium, task, "test", version, oldest};
    if (answers_applicants) local_.takes_applications = [] { return true; };
    host_ = std::make_unique<Host>(io, local_, *this);
    if (listen) host_->listen("127.0.0.1:0");
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
    head.origin = identity_.id();
    head.position = {1, sequence};
    head.task = local_.task;
    head.size = content_.size();
    head.manifest = crypto::hash(encoded);
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    const SignedHead signed_head = sign_head(head, identity_, local_.consortium->id());
    for (std::uint32_t i = 0; i < chunks.size(); ++i) pieces_[{signed_head.id(), i}] = chunks[i];
    host_->publish(signed_head, manifest);
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

  Admission applied(const Apply& apply) override {
    events.push_back("applied " + apply.card.member.name);
    return answers_applicants.value_or(Admission{});
  }
  const crypto::Identity& identity() const { return identity_; }
  const crypto::ChannelKey& channel() const { return channel_; }

  std::vector<std::string> events;
  std::optional<Admission> answers_applicants;                       ///< before start()
  std::uint8_t version = kProtocolVersion, oldest = kOldestVersion;  ///< before start()
  bool disk_is_full = false, disk_hangs = false;
  std::vector<std::function<void()>> hanging_writes;

 private:
  asio::io_context* io_ = nullptr;
  std::string name_;
  Bytes content_;
  crypto::Identity identity_ = crypto::Identity::generate();
  crypto::ChannelKey channel_ = crypto::ChannelKey::generate();
  LocalNode local_{};
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

struct Loopback : CryptoReady {
  asio::io_context io;
  TestHost alice{"alice", content(3 * limits::kChunk + 77, 1)};
  TestHost bob{"bob", content(100, 2)};
  std::optional<Consortium> consortium;

  /// Bob listens; alice dials.
  void start_both(Hash alice_task = {}) {
    const Consortium nobody("ours", {});
    bob.start(io, nobody);
    const std::string address = bob.host().listening().at(0);
    bob.destroy();
    Member bob_member = bob.member();
    bob_member.addresses = {address};
    consortium.emplace("ours", std::vector{alice.member(), bob_member});
    bob.start(io, *consortium, false);
    bob.host().listen(address);
    alice.start(io, *consortium, false, alice_task);
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
