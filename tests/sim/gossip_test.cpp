#include "tests/sim/gossip_network.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>

namespace {

namespace data = boost::unit_test::data;
using namespace std::chrono_literals;
using namespace kith;
using sim::GossipNetwork;

using Published = std::map<net::SnapshotId, GossipNetwork::Node>;

Published everyone_publishes(GossipNetwork& network, std::uint64_t sequence) {
  Published published;
  for (GossipNetwork::Node node = 0; node < network.size(); ++node) {
    published.emplace(network.publish(node, sequence), node);
  }
  return published;
}

void everyone_holds_all(const GossipNetwork& network, const Published& published) {
  for (const auto& [snapshot, origin] : published) {
    BOOST_TEST(network.holders(snapshot, origin) == network.size());
  }
}

void nobody_was_accused(const GossipNetwork& network) {
  for (GossipNetwork::Node node = 0; node < network.size(); ++node) {
    BOOST_TEST(network.accusations(node).empty());
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gossip_tests)

BOOST_AUTO_TEST_CASE(six_nodes_on_a_clean_network_have_everything_within_a_second) {
  GossipNetwork network(1, 6, {.latency = 50ms});
  network.connect_randomly(6);
  const auto published = everyone_publishes(network, 1);
  network.simulator().run_for(1s);
  everyone_holds_all(network, published);
}

BOOST_DATA_TEST_CASE(every_wanted_snapshot_reaches_all_of_32_nodes_despite_loss,
                     data::make<unsigned>({0, 20, 40}) * data::xrange<std::uint64_t>(1, 6), loss,
                     seed) {
  GossipNetwork network(seed, 32, {.latency = 50ms, .jitter = 20ms, .loss_percent = loss});
  network.connect_randomly(3);
  const auto published = everyone_publishes(network, 1);
  network.simulator().run_for(30min);
  everyone_holds_all(network, published);
  nobody_was_accused(network);
}

BOOST_DATA_TEST_CASE(partition_that_heals_loses_nothing, data::xrange<std::uint64_t>(1, 6), seed) {
  GossipNetwork network(seed, 32, {.latency = 50ms, .jitter = 20ms, .loss_percent = 20});
  network.connect_randomly(3);
  std::vector<std::pair<std::size_t, std::size_t>> cut;
  for (const auto& [a, b] : network.connections()) {
    if ((a < 16) != (b < 16)) cut.emplace_back(a, b);
  }
  network.simulator().run_for(1min);
  auto published = everyone_publishes(network, 1);
  network.simulator().run_for(300ms);  // in the middle of the flood
  for (const auto& [a, b] : cut) network.disconnect(a, b);
  network.simulator().run_for(10min);
  published = everyone_publishes(network, 2);
  network.simulator().run_for(10min);
  for (const auto& [snapshot, origin] : published) {
    BOOST_TEST(network.holders(snapshot, origin) == 16U);  // its half, and only its half
  }
  for (const auto& [a, b] : cut) network.connect(a, b);
  network.simulator().run_for(10min);
  everyone_holds_all(network, published);
  nobody_was_accused(network);
}

BOOST_AUTO_TEST_CASE(newer_snapshots_supersede_and_two_are_kept) {
  GossipNetwork network(1, 4, {.latency = 50ms});
  network.connect_randomly(4);
  std::vector<net::SnapshotId> ids;
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
    ids.push_back(network.publish(0, sequence));
    network.simulator().run_for(1min);
  }
  BOOST_TEST(network.gossip(3).snapshot_count() == net::limits::kSnapshotsPerOrigin);
  BOOST_TEST(!network.gossip(3).head(ids[2]).has_value());
  BOOST_TEST(network.gossip(3).complete(ids[3]));
  BOOST_TEST(network.gossip(3).complete(ids[4]));
}

BOOST_AUTO_TEST_CASE(old_snapshot_told_again_is_not_taken_back) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  const auto first = network.publish(0, 1);
  network.simulator().run_for(1s);
  const net::SignedHead replayed = *network.gossip(1).signed_head(first);
  network.publish(0, 2);
  network.publish(0, 3);
  network.simulator().run_for(1s);
  BOOST_TEST_REQUIRE(!network.gossip(1).head(first).has_value());
  network.inject(0, 1, net::Heads{{replayed}});
  BOOST_TEST(!network.gossip(1).head(first).has_value());
}

BOOST_AUTO_TEST_CASE(relay_that_alters_a_chunk_is_accused_and_routed_around) {
  GossipNetwork network(3, 3, {.latency = 50ms});
  network.connect(0, 1);
  network.connect(1, 2);
  network.wants_everything = false;
  const auto id = network.publish(0, 1);
  network.simulator().run_for(1s);
  network.gossip(2).handle_message(network.simulator().now(), network.id(1), net::Holding{id});
  network.gossip(2).want(network.simulator().now(), id);
  // Node 1 does not hold it; it makes something up.  The manifest is asked first.
  network.inject(1, 2, net::Piece{id, net::kManifestPiece, Bytes(100)});
  BOOST_TEST_REQUIRE(network.accusations(2).size() == 1U);
  BOOST_TEST(network.accusations(2)[0] == "sent a manifest that does not match its hash");
  network.connect(0, 2);
  network.simulator().run_for(10s);
  BOOST_TEST(network.gossip(2).complete(id));
}

BOOST_AUTO_TEST_CASE(piece_that_was_not_asked_for_is_ignored) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  network.wants_everything = false;
  const auto id = network.publish(0, 1);
  network.simulator().run_for(1s);
  network.inject(0, 1, net::Piece{id, 0, Bytes(100)});
  network.inject(0, 1, net::Piece{id, 77777, Bytes(100)});
  network.inject(0, 1, net::Unavailable{id, 3, false});
  BOOST_TEST(network.accusations(1).empty());
  BOOST_TEST(!network.gossip(1).complete(id));
}

BOOST_AUTO_TEST_CASE(forged_head_is_accused_and_not_taken) {
  GossipNetwork network(1, 3, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest manifest;
  manifest.chunks.resize(GossipNetwork::kChunks);
  net::SignedHead head = network.sign(2, 1, manifest);
  head.signature[5] ^= std::byte{1};
  network.inject(0, 1, net::Heads{{head}});
  BOOST_TEST(network.gossip(1).snapshot_count() == 0U);
  BOOST_TEST_REQUIRE(network.accusations(1).size() == 1U);
  BOOST_TEST(network.accusations(1)[0] == "sent a head whose signature is wrong");
}

BOOST_AUTO_TEST_CASE(origin_that_signs_two_heads_for_one_sequence_is_quarantined) {
  GossipNetwork network(1, 3, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest one, other;
  one.chunks.resize(GossipNetwork::kChunks);
  other.chunks.assign(GossipNetwork::kChunks, crypto::hash(as_byte_view("other")));
  network.inject(0, 1, net::Heads{{network.sign(2, 7, one)}});
  BOOST_TEST_REQUIRE(network.gossip(1).snapshot_count() == 1U);
  network.inject(0, 1, net::Heads{{network.sign(2, 7, other)}});
  BOOST_TEST(network.gossip(1).snapshot_count() == 0U);
  BOOST_TEST(network.gossip(1).quarantined().contains(network.id(2)));
  network.inject(0, 1, net::Heads{{network.sign(2, 8, one)}});
  BOOST_TEST(network.gossip(1).snapshot_count() == 0U);
}

BOOST_AUTO_TEST_CASE(manifest_that_contradicts_its_head_is_given_up) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest short_one;
  short_one.chunks.resize(GossipNetwork::kChunks - 1);
  const auto head = network.sign(0, 1, short_one);
  network.inject(0, 1, net::Heads{{head}});
  network.inject(0, 1, net::Piece{head.id(), net::kManifestPiece, net::encode(short_one)});
  BOOST_TEST_REQUIRE(network.accusations(1).size() == 1U);
  BOOST_TEST(network.accusations(1)[0] == "published a snapshot whose manifest is malformed");
  BOOST_TEST(!network.gossip(1).complete(head.id()));
}

BOOST_AUTO_TEST_CASE(peer_that_asks_for_too_much_is_told_to_wait) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest manifest;
  manifest.chunks.resize(GossipNetwork::kChunks);
  const auto head = network.sign(0, 1, manifest);
  net::Gossip& gossip = network.gossip(0);
  gossip.publish(network.simulator().now(), head, manifest);
  // Straight to the object: nobody reads the pieces, so the queue only grows.
  std::size_t busy = 0, reads = 0;
  while (gossip.poll_event()) continue;
  for (int i = 0; i < 100; ++i) {
    gossip.handle_message(network.simulator().now(), network.id(1), net::Fetch{head.id(), 0});
  }
  while (const auto event = gossip.poll_event()) {
    reads += std::holds_alternative<net::Gossip::ReadPiece>(*event) ? 1U : 0U;
    const auto* out = std::get_if<net::Gossip::Transmit>(&*event);
    const auto* answer = out ? std::get_if<net::Unavailable>(&out->message) : nullptr;
    busy += answer && answer->busy ? 1U : 0U;
  }
  BOOST_TEST(reads == 1U);
  BOOST_TEST(busy == 99 - net::limits::kFetchesPerPeer);
}

BOOST_AUTO_TEST_CASE(restored_snapshot_is_served_again) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(1s);
  const auto head = *network.gossip(1).signed_head(id);
  const auto manifest = *network.gossip(1).manifest(id);
  const net::Consortium consortium("simulated", {{.id = network.id(0)}});
  net::Gossip fresh(consortium, network.id(1), GossipNetwork::task(), 1);
  BOOST_TEST(fresh.restore(head, manifest, net::Instant{}));
  BOOST_TEST(fresh.complete(id));
  BOOST_TEST(!fresh.restore(head, manifest, net::Instant{}));  // once is enough
}

BOOST_AUTO_TEST_CASE(manifests_are_served_one_at_a_time_like_chunks) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest manifest;
  manifest.chunks.resize(GossipNetwork::kChunks);
  const auto head = network.sign(0, 1, manifest);
  net::Gossip& gossip = network.gossip(0);
  gossip.publish(network.simulator().now(), head, manifest);
  while (gossip.poll_event()) continue;
  std::size_t pieces = 0, reads = 0;
  for (int i = 0; i < 100; ++i) {
    gossip.handle_message(network.simulator().now(), network.id(1),
                          net::Fetch{head.id(), net::kManifestPiece});
  }
  while (const auto event = gossip.poll_event()) {
    reads += std::holds_alternative<net::Gossip::ReadPiece>(*event) ? 1U : 0U;
    const auto* out = std::get_if<net::Gossip::Transmit>(&*event);
    pieces += out && std::holds_alternative<net::Piece>(out->message) ? 1U : 0U;
  }
  BOOST_TEST(reads == 1U);
  BOOST_TEST(pieces == 0U);
}

BOOST_AUTO_TEST_CASE(member_that_floods_forged_heads_is_reported_a_few_times_then_not_heard) {
  GossipNetwork network(1, 3, {.latency = 50ms});
  network.connect(0, 1);
  network.simulator().run_for(1min);
  net::Manifest manifest;
  manifest.chunks.resize(GossipNetwork::kChunks);
  for (std::uint64_t sequence = 1; sequence <= 5000; ++sequence) {
    net::SignedHead forged = network.sign(2, 1 + sequence % 7, manifest);
    forged.signature[5] ^= static_cast<std::byte>(1 + sequence % 255);
    network.inject(0, 1, net::Heads{{forged}});
  }
  BOOST_TEST(network.accusations(1).size() > 0U);
  BOOST_TEST(network.accusations(1).size() <= 10U);
  const net::SignedHead good = network.sign(2, 9, manifest);
  network.disconnect(0, 1);
  network.connect(0, 1);  // does not help it
  network.inject(0, 1, net::Heads{{good}});
  BOOST_TEST(network.gossip(1).snapshot_count() == 0U);
  network.simulator().run_for(1min);
  network.inject(0, 1, net::Heads{{good}});
  BOOST_TEST(network.gossip(1).snapshot_count() == 1U);
}

BOOST_AUTO_TEST_CASE(empty_summaries_do_not_buy_answers_without_end) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  network.publish(0, 1);
  network.simulator().run_for(1min);
  const std::uint64_t before = network.messages();
  for (int i = 0; i < 5000; ++i) network.inject(1, 0, net::Summary{});
  BOOST_TEST(network.messages() - before <= 100U);
}

BOOST_AUTO_TEST_CASE(liar_who_names_the_chunks_of_another_does_not_get_them_deleted) {
  GossipNetwork network(1, 3, {.latency = 50ms});
  network.connect(0, 1);
  const auto victim = network.publish(0, 1);
  network.simulator().run_for(1s);
  net::Gossip& gossip = network.gossip(1);
  const net::Manifest manifest = *gossip.manifest(victim);
  std::vector<net::Hash> deleted;
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    net::Manifest mixed = manifest;
    mixed.chunks.back() = crypto::hash(as_byte_view(std::to_string(sequence)));
    BOOST_TEST_REQUIRE(gossip.restore(network.sign(2, sequence, mixed), mixed, net::Instant{}));
  }
  // Its next head drops its first two.
  gossip.handle_message(network.simulator().now(), network.id(0),
                        net::Heads{{network.sign(2, 4, manifest)}});
  while (const auto event = gossip.poll_event()) {
    const auto* dropped = std::get_if<net::Gossip::Dropped>(&*event);
    if (dropped) deleted.insert(deleted.end(), dropped->chunks.begin(), dropped->chunks.end());
  }
  const std::vector<net::Hash> own{crypto::hash(as_byte_view("1")),
                                   crypto::hash(as_byte_view("2"))};
  BOOST_TEST((deleted == own));
}

BOOST_AUTO_TEST_CASE(snapshot_lost_on_disk_is_fetched_again) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(1s);
  BOOST_TEST_REQUIRE(network.gossip(1).complete(id));
  BOOST_TEST(network.gossip(1).held_bytes() == network.gossip(1).head(id)->size);
  network.gossip(1).lost(network.simulator().now(), id);
  BOOST_TEST(!network.gossip(1).complete(id));
  network.inject(0, 1, net::Holding{id});  // drives it
  network.simulator().run_for(1s);
  BOOST_TEST(network.gossip(1).complete(id));
  network.gossip(0).lost(network.simulator().now(), id);  // even the origin gets it back
  network.inject(1, 0, net::Holding{id});
  network.simulator().run_for(1s);
  BOOST_TEST(network.gossip(0).complete(id));
}

BOOST_AUTO_TEST_CASE(same_seed_same_history) {
  const auto events = [](std::uint64_t seed) {
    GossipNetwork network(seed, 12, {.latency = 50ms, .jitter = 20ms, .loss_percent = 20});
    network.connect_randomly(3);
    everyone_publishes(network, 1);
    network.simulator().run_for(5min);
    return std::pair(network.simulator().events_run(), network.messages());
  };
  BOOST_TEST((events(9) == events(9)));
  BOOST_TEST((events(9) != events(10)));
}

BOOST_AUTO_TEST_SUITE_END()
