#include "net/asio/host.hpp"

#include "net/endpoint.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::net;
using asio::ip::tcp;

/// A node on loopback that fetches everything and keeps it in memory.
class Node : public HostOwner {
 public:
  Node(std::string name, Bytes content) : name_(std::move(name)), content_(std::move(content)) {}

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
    local_ = {identity_.id(), &channel_, &consortium, task, "test"};
    host_ = std::make_unique<Host>(io, local_, *this, 1);
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
  Bytes received(const Node& origin) const {
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
  void write_piece(const SnapshotId& id, std::uint32_t piece, Bytes data) override {
    pieces_[{id, piece}] = std::move(data);
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
  void peer_connected(const Member& peer) override { events.push_back("+" + peer.name); }
  void peer_disconnected(const Member& peer, CloseReason reason, bool) override {
    events.push_back("-" + peer.name + " " + std::string(name(reason)));
  }
  void peer_failed(const Member* peer, const std::string&, CloseReason reason, bool) override {
    events.push_back("!" + (peer ? peer->name : "somebody") + " " + std::string(name(reason)));
  }
  void peer_accused(const Member& peer, const std::string&) override {
    events.push_back("accused " + peer.name);
  }
  void peer_convicted(const Member& peer, const Evidence&) override {
    events.push_back("convicted " + peer.name);
  }
  void outrun(const LogPosition&) override { events.push_back("outrun"); }

  std::vector<std::string> events;
  bool disk_is_full = false;

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

Bytes content(std::size_t size, int start) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>(start + static_cast<int>(i / 1000));
  return bytes;
}

struct Loopback : CryptoReady {
  asio::io_context io;
  Node alice{"alice", content(3 * limits::kChunk + 77, 1)};
  Node bob{"bob", content(100, 2)};
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
    for (Node* node : {&alice, &bob}) node->destroy();
    io.restart();
    io.poll();
  }
};

bool has(const std::vector<std::string>& events, const std::string& wanted) {
  return std::ranges::find(events, wanted) != events.end();
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(host_tests, Loopback)

BOOST_AUTO_TEST_CASE(snapshots_travel_both_ways_over_one_dialled_connection) {
  start_both();
  alice.publish(1);
  bob.publish(1);
  BOOST_TEST_REQUIRE(
      run_until([&] { return !bob.received(alice).empty() && !alice.received(bob).empty(); }));
  BOOST_TEST((bob.received(alice) == content(3 * limits::kChunk + 77, 1)));
  BOOST_TEST((alice.received(bob) == content(100, 2)));
  BOOST_TEST(has(alice.events, "+bob"));
  BOOST_TEST(has(bob.events, "+alice"));
}

BOOST_AUTO_TEST_CASE(lost_peer_is_dialled_again) {
  start_both();
  BOOST_TEST_REQUIRE(run_until([&] { return has(alice.events, "+bob"); }));
  const std::string address = bob.host().listening().at(0);
  bob.host().stop();
  BOOST_TEST_REQUIRE(run_until([&] { return has(alice.events, "-bob shutting_down"); }));
  bob.destroy();
  bob.start(io, *consortium, false);
  bob.host().listen(address);
  alice.events.clear();
  BOOST_TEST(run_until([&] { return has(alice.events, "+bob"); }));
}

BOOST_AUTO_TEST_CASE(node_that_lost_its_memory_is_told_what_it_published) {
  start_both();
  alice.publish(7);
  BOOST_TEST_REQUIRE(run_until([&] { return !bob.received(alice).empty(); }));
  alice.destroy();
  alice.start(io, *consortium, false);  // as if out of a backup from before
  alice.host().connect();
  BOOST_TEST(run_until([&] { return has(alice.events, "outrun"); }));
}

BOOST_AUTO_TEST_CASE(other_task_is_named_on_both_sides) {
  Hash other{};
  other[0] = std::byte{1};
  start_both(other);
  BOOST_TEST(run_until([&] { return has(alice.events, "!bob other_task"); }));
  BOOST_TEST(run_until([&] { return has(bob.events, "!alice other_task"); }));
}

BOOST_AUTO_TEST_CASE(garbage_on_the_port_is_closed_and_disturbs_nobody) {
  start_both();
  tcp::socket vandal(io);
  const auto endpoint = parse_endpoint(bob.host().listening().at(0)).value();
  const auto port = static_cast<std::uint16_t>(std::stoi(endpoint.port));
  vandal.connect({asio::ip::make_address(endpoint.host), port});
  asio::write(vandal, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: kith\r\n\r\n")));
  std::string answer(100, 0);
  std::optional<error_code> ended;
  std::size_t answered = 0;
  vandal.async_read_some(asio::buffer(answer), [&](error_code ec, std::size_t size) {
    ended = ec;
    answered = size;
  });
  BOOST_TEST_REQUIRE(run_until([&] { return ended.has_value(); }));
  BOOST_TEST(answered == 0U);
  BOOST_TEST(has(bob.events, "!somebody handshake_failed"));
  BOOST_TEST(run_until([&] { return has(bob.events, "+alice"); }));
}

BOOST_AUTO_TEST_CASE(sixty_four_silent_sockets_are_the_most_and_members_still_get_in_later) {
  start_both();
  BOOST_TEST_REQUIRE(run_until([&] { return has(bob.events, "+alice"); }));
  const auto endpoint = parse_endpoint(bob.host().listening().at(0)).value();
  const auto port = static_cast<std::uint16_t>(std::stoi(endpoint.port));
  std::vector<tcp::socket> crowd;
  for (std::size_t i = 0; i < limits::kUnauthenticated + 10; ++i) {
    crowd.emplace_back(io).connect({asio::ip::make_address(endpoint.host), port});
  }
  BOOST_TEST(run_until(
      [&] { return std::ranges::count(bob.events, std::string("!somebody crowded")) == 10; }));
  alice.publish(1);
  BOOST_TEST(run_until([&] { return !bob.received(alice).empty(); }));
}

BOOST_AUTO_TEST_CASE(failure_of_the_owner_is_not_lost_in_a_dead_connection) {
  start_both();
  bob.disk_is_full = true;
  alice.publish(1);
  BOOST_CHECK_EXCEPTION(
      run_until([] { return false; }, 5s), std::runtime_error,
      [](const auto& error) { return error.what() == std::string("no space left"); });
}

BOOST_AUTO_TEST_CASE(port_in_use_is_said_so) {
  start_both();
  const std::string address = bob.host().listening().at(0);
  const auto mentions_port = [](const std::runtime_error& error) {
    return std::string(error.what()).find("another program uses this port") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(alice.host().listen(address), std::runtime_error, mentions_port);
  BOOST_CHECK_THROW(alice.host().listen("nonsense"), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
