#include "net/asio/link.hpp"

#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace link_test {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::net;
using asio::ip::tcp;

/// Two links with one connection between them.
struct Linked : CryptoReady {
  struct Side {
    crypto::Identity identity = crypto::Identity::generate();
    crypto::ChannelKey channel = crypto::ChannelKey::generate();
    LocalNode local{};
    std::shared_ptr<Link> link;
    std::size_t bytes = 0;  // of the pieces that came
    std::optional<CloseReason> closed;

    void join(Directory& directory) {
      Card card;
      card.issued = 1;
      card.name = "somebody";
      directory.put(sign_card(card, identity, channel));
      local.id = identity.id();
      local.channel = &channel;
      local.directory = &directory;
    }
    Link::Callbacks callbacks() {
      return {.established = [] {},
              .message =
                  [this](const Message& message) {
                    if (const auto* piece = std::get_if<Piece>(&message))
                      bytes += piece->data.size();
                  },
              .drained = [] {},
              .closed = [this](CloseReason reason) { closed = reason; }};
    }
  };

  asio::io_context io;
  Side a, b;
  Directory directory{"ours", {}};

  Linked() {
    directory.set_members({{a.identity.id(), "a"}, {b.identity.id(), "b"}});
    a.join(directory);
    b.join(directory);
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    tcp::socket dialling(io);
    dialling.connect(acceptor.local_endpoint());
    b.link = Link::start(acceptor.accept(), b.local, std::nullopt, b.callbacks());
    const Callee callee{b.identity.id(), b.channel.dh().public_key()};
    a.link = Link::start(std::move(dialling), a.local, callee, a.callbacks());
    run_until([&] { return a.link->session().established() && b.link->session().established(); });
  }
  ~Linked() {
    a.link->close(CloseReason::shutting_down);
    b.link->resume();
    run_until([&] { return a.closed && b.closed; });
  }
  template <class Condition>
  bool run_until(Condition condition, Duration limit = 10s) {
    const auto end = Clock::now() + limit;
    while (!condition() && Clock::now() < end) {
      io.restart();
      io.run_for(5ms);
    }
    return condition();
  }
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }
};

BOOST_FIXTURE_TEST_SUITE(link_tests, Linked)

BOOST_AUTO_TEST_CASE(paused_link_reads_nothing_until_it_is_resumed) {
  b.link->pause();
  run_for(20ms);  // a read under way may still end
  const Piece piece{{}, 0, Bytes(limits::kChunk)};
  a.link->send(piece);
  a.link->send(piece);
  run_for(300ms);
  BOOST_TEST(b.bytes == 0U);
  b.link->resume();
  BOOST_TEST(run_until([&] { return b.bytes == 2 * limits::kChunk; }));
}

BOOST_AUTO_TEST_CASE(two_mebibytes_are_the_most_that_wait_for_a_peer) {
  b.link->pause();
  const Piece piece{{}, 0, Bytes(limits::kChunk)};
  std::size_t sent = 0;
  // What the kernel takes is not ours to hold; then it gathers.
  run_until([&] {
    if (!a.link->session().closed()) {
      a.link->send(piece);
      sent += limits::kChunk;
    }
    BOOST_TEST_REQUIRE(a.link->queued() < limits::kHopeless + Piece::kMaximum + 64 * 1024);
    return a.closed.has_value();
  });
  BOOST_TEST_REQUIRE(a.closed.has_value());
  BOOST_TEST((*a.closed == CloseReason::stalled));
  BOOST_TEST(sent > limits::kHopeless);
}

BOOST_AUTO_TEST_CASE(ten_thousand_messages_a_second_are_the_most_that_a_peer_is_heard) {
  const std::uint64_t before = b.link->session().messages();
  const auto start = Clock::now();
  for (int i = 0; i < 30'000; ++i) a.link->send(Holding{});
  BOOST_TEST(run_until([&] { return b.link->session().messages() - before >= 30'000U; }, 30s));
  // A second's worth at once, and those that one read brings on top of it.
  const double most_at_once = 10'000 + 65'536 / 55.0;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  BOOST_TEST(seconds >= (30'000 - most_at_once) / 10'000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace link_test
