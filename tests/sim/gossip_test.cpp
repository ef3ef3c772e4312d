#include "tests/sim/gossip_network.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>

namespace gossip_test {

namespace data = boost::unit_test::data;
using namespace std::chrono_literals;
using namespace kith;
using sim::GossipNetwork;

constexpr std::uint32_t kChunks = 3;  // of a snapshot, unless told otherwise

constexpr std::uint64_t kRate = 100'000'000 / 8;  // 100 Mbit/s
constexpr net::Duration kChunkTime(net::limits::kChunk * 1'000'000'000 / kRate);

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

BOOST_AUTO_TEST_SUITE(gossip_tests)

BOOST_AUTO_TEST_CASE(six_nodes_on_a_clean_network_have_everything_within_a_second) {
  GossipNetwork network(1, 6, {.latency = 50ms});
  network.connect_randomly(6);
  const auto published = everyone_publishes(network, 1);
  network.simulator().run_for(1s);
  everyone_holds_all(network, published);
}

BOOST_DATA_TEST_CASE(every_wanted_snapshot_reaches_all_of_32_nodes_despite_loss,
                     data::make<unsigned>({0, 20, 40}) * data::xrange<std::uint64_t>(1, 3), loss,
                     seed) {
  GossipNetwork network(seed, 32, {.latency = 50ms, .jitter = 20ms, .loss_percent = loss});
  network.connect_randomly(3);
  const auto published = everyone_publishes(network, 1);
  network.simulator().run_for(30min);
  everyone_holds_all(network, published);
  nobody_was_accused(network);
}

BOOST_DATA_TEST_CASE(partition_that_heals_loses_nothing, data::xrange<std::uint64_t>(1, 3), seed) {
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
  network.wants = [](auto, const auto&) { return false; };
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
  network.wants = [](auto, const auto&) { return false; };
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
  manifest.chunks.resize(kChunks);
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
  one.chunks.resize(kChunks);
  other.chunks.assign(kChunks, crypto::hash(as_byte_view("other")));
  network.inject(0, 1, net::Heads{{network.sign(2, 7, one)}});
  BOOST_TEST_REQUIRE(network.gossip(1).snapshot_count() == 1U);
  network.inject(0, 1, net::Heads{{network.sign(2, 7, other)}});
  BOOST_TEST(network.gossip(1).snapshot_count() == 0U);
  BOOST_TEST(network.gossip(1).quarantined(network.id(2)));
  network.inject(0, 1, net::Heads{{network.sign(2, 8, one)}});
  BOOST_TEST(network.gossip(1).snapshot_count() == 0U);
}

BOOST_AUTO_TEST_CASE(member_that_publishes_without_end_is_heard_ten_times_a_second) {
  using net::limits::kHeadsAtOnce;
  GossipNetwork network(1, 3, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest manifest;
  manifest.chunks.resize(kChunks);
  std::set<net::SnapshotId> asked;
  network.watch = [&](auto from, auto, const net::Message& message) {
    const auto* fetch = std::get_if<net::Fetch>(&message);
    if (fetch != nullptr && from == 1) asked.insert(fetch->snapshot);
  };
  std::uint64_t sequence = 0;
  const auto publish = [&](int count) {  // in turn by whoever is connected, or by somebody unseen
    for (int i = 0; i < count; ++i) {
      network.inject(0, 1, net::Heads{{network.sign(2, ++sequence, manifest)}});
    }
  };
  publish(10 * kHeadsAtOnce);
  BOOST_TEST(network.gossip(1).head(*network.gossip(1).newest(network.id(2)))->position.sequence <=
             kHeadsAtOnce + 1U);
  for (int second = 0; second < 60; ++second) {
    network.simulator().run_for(1s);
    publish(100);
  }
  BOOST_TEST(asked.size() <= kHeadsAtOnce + 62U * 10);
  BOOST_TEST(network.accused(1).empty());
}

BOOST_AUTO_TEST_CASE(manifest_that_contradicts_its_head_is_given_up) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest short_one;
  short_one.chunks.resize(kChunks - 1);
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
  manifest.chunks.resize(kChunks);
  const auto head = network.sign(0, 1, manifest);
  net::Gossip& gossip = network.gossip(0);
  BOOST_TEST(gossip.publish(network.simulator().now(), head, manifest));
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
  net::Gossip fresh(network.simulator().now(), GossipNetwork::kIssued, network.disk(1).record,
                    network.id(1), GossipNetwork::task(), 1);
  BOOST_TEST(fresh.restore(head, manifest, net::Swarm::Stored::whole));
  BOOST_TEST(fresh.complete(id));
  BOOST_TEST(!fresh.restore(head, manifest, net::Swarm::Stored::whole));  // once is enough
}

BOOST_AUTO_TEST_CASE(manifests_are_served_one_at_a_time_like_chunks) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest manifest;
  manifest.chunks.resize(kChunks);
  const auto head = network.sign(0, 1, manifest);
  net::Gossip& gossip = network.gossip(0);
  BOOST_TEST(gossip.publish(network.simulator().now(), head, manifest));
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
  manifest.chunks.resize(kChunks);
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
    BOOST_TEST_REQUIRE(
        gossip.restore(network.sign(2, sequence, mixed), mixed, net::Swarm::Stored::whole));
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
  network.gossip(1).found(network.simulator().now(), id, {true, false, true});
  BOOST_TEST(!network.gossip(1).complete(id));
  network.inject(0, 1, net::Holding{id});  // drives it
  network.simulator().run_for(1s);
  BOOST_TEST(network.gossip(1).complete(id));
  network.gossip(0).found(network.simulator().now(), id,
                          {false, false, false});  // even the origin gets it back
  network.inject(1, 0, net::Holding{id});
  network.simulator().run_for(1s);
  BOOST_TEST(network.gossip(0).complete(id));
}

BOOST_AUTO_TEST_CASE(same_seed_same_history) {
  using Over = GossipNetwork::Over;
  const auto events = [](std::uint64_t seed, Over over) {
    const unsigned loss = over == Over::messages ? 20 : 0;
    GossipNetwork network(seed, 12, {.latency = 50ms, .jitter = 20ms, .loss_percent = loss}, over);
    network.connect_randomly(3);
    everyone_publishes(network, 1);
    network.simulator().run_for(5min);
    return std::pair(network.simulator().events_run(), network.messages());
  };
  for (const Over over : {Over::messages, Over::sessions}) {
    BOOST_TEST((events(9, over) == events(9, over)));
    BOOST_TEST((events(9, over) != events(10, over)));
  }
}

// --- The swarm ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(who_holds_a_part_serves_it) {
  GossipNetwork network(1, 3, {.latency = 10ms, .rate = kRate});
  network.chunks = 64;
  network.connect(0, 1);
  network.connect(1, 2);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(20s);
  BOOST_TEST_REQUIRE((network.completed(1, id) && network.completed(2, id)));
  const auto behind = *network.completed(2, id) - *network.completed(1, id);
  BOOST_TEST((behind < 10 * kChunkTime));  // and not the 64 that a whole snapshot takes
}

BOOST_DATA_TEST_CASE(snapshot_reaches_who_is_not_connected_to_its_origin_over_relays,
                     data::xrange<std::uint64_t>(1, 4), seed) {
  // 0 is behind a NAT: it dialled 1, and nobody else can reach it.  Only 4 wants what it publishes.
  GossipNetwork network(seed, 5, {.latency = 50ms});
  network.wants = [&](auto self, const auto&) { return self == 4; };
  for (GossipNetwork::Node node = 0; node < 4; ++node) network.connect(node, node + 1);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(30s);
  BOOST_TEST(network.gossip(4).complete(id));
  nobody_was_accused(network);
}

// In whatever order they are asked: it rests whenever one of those that it lost is among them.
BOOST_DATA_TEST_CASE(origin_that_lost_some_chunks_is_asked_for_the_others,
                     data::xrange<std::uint64_t>(1, 9), seed) {
  GossipNetwork network(seed, 2, {.latency = 10ms});
  network.chunks = 8;
  const auto id = network.publish(0, 1);
  for (std::uint32_t chunk = 0; chunk < 6; ++chunk) network.disk(0).pieces.erase({id, chunk});
  network.connect(0, 1);
  network.simulator().run_for(30s);
  for (std::uint32_t chunk = 0; chunk < 8; ++chunk) {
    BOOST_TEST(network.disk(1).pieces.contains({id, chunk}) == (chunk >= 6));
  }
}

BOOST_AUTO_TEST_CASE(relays_only_a_few_snapshots_at_once) {
  GossipNetwork network(1, 12, {.latency = 50ms});
  network.wants = [](auto, const auto&) { return false; };
  network.connect(0, 1);
  for (GossipNetwork::Node origin = 2; origin < 12; ++origin) {
    const auto head = network.sign(origin, 1, {});  // of who is not there, so it never comes
    network.inject(0, 1, net::Heads{{head}});
    network.inject(0, 1, net::Wanted{head.id(), true});
  }
  BOOST_TEST(network.gossip(1).held_bytes() ==
             net::limits::kRelaysAtOnce * kChunks * net::limits::kChunk);
}

BOOST_AUTO_TEST_CASE(asking_what_we_hold_and_to_relay_is_heard_as_often_as_time_pays_for) {
  GossipNetwork network(1, 3, {.latency = 50ms});
  network.wants = [](auto, const auto&) { return false; };
  network.connect(0, 1);
  network.connect(0, 2);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(1min);
  const auto answers = [&](GossipNetwork::Node from, bool relay) {
    const auto before = network.messages<net::Holding>();
    for (int i = 0; i < 5000; ++i) network.inject(from, 0, net::Wanted{id, relay});
    return network.messages<net::Holding>() - before;
  };
  BOOST_TEST(answers(1, false) == net::limits::kEffortAtOnce / net::limits::kWantedEffort);
  BOOST_TEST(answers(2, true) == net::limits::kEffortAtOnce / net::limits::kRelayEffort);
}

BOOST_DATA_TEST_CASE(relays_that_withhold_what_they_promise_are_worked_around_and_lose_standing,
                     data::xrange<std::uint64_t>(1, 4), seed) {
  GossipNetwork network(seed, 16, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = 16;
  for (const GossipNetwork::Node liar : {1U, 5U, 9U, 13U}) {
    network.natures[liar] = GossipNetwork::Nature::withholds;
  }
  network.connect_as_hosts_do();
  for (const std::uint64_t sequence : {1U, 2U, 3U}) {
    const auto id = network.publish(0, sequence);
    network.simulator().run_for(20s);
    for (GossipNetwork::Node node = 0; node < network.size(); ++node) {
      if (!network.natures.contains(node)) BOOST_TEST(network.gossip(node).complete(id));
    }
  }
  for (GossipNetwork::Node peer = 1; peer < network.size(); ++peer) {
    double standing = 0;  // with all who are honest
    for (GossipNetwork::Node node = 0; node < network.size(); ++node) {
      if (network.natures.contains(node)) continue;
      standing += network.gossip(node).standing(network.simulator().now(), network.id(peer));
    }
    BOOST_TEST((standing < 0) == network.natures.contains(peer));
  }
  nobody_was_accused(network);
}

BOOST_DATA_TEST_CASE(relays_that_corrupt_are_accused_and_nobody_else_is,
                     data::xrange<std::uint64_t>(1, 4), seed) {
  GossipNetwork network(seed, 16, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = 16;
  for (const GossipNetwork::Node liar : {1U, 5U, 9U, 13U}) {
    network.natures[liar] = GossipNetwork::Nature::corrupts;
  }
  network.connect_as_hosts_do();
  const auto id = network.publish(0, 1);
  network.simulator().run_for(60s);
  std::size_t accusations = 0;
  for (GossipNetwork::Node node = 0; node < network.size(); ++node) {
    if (network.natures.contains(node)) continue;
    BOOST_TEST(network.gossip(node).complete(id));
    accusations += network.accusations(node).size();
    for (GossipNetwork::Node peer = 0; peer < network.size(); ++peer) {
      const auto now = network.simulator().now();
      const double standing = network.gossip(node).standing(now, network.id(peer));
      if (!network.natures.contains(peer)) BOOST_TEST(standing > -net::Conduct::kBrokenPromise);
    }
  }
  BOOST_TEST(accusations > 0U);
}

// How many chunks reach node 1, of 64, if `interrupt` happens half way.
std::size_t chunks_sent_despite(std::uint64_t seed, void (*interrupt)(GossipNetwork&)) {
  GossipNetwork network(seed, 3, {.latency = 10ms, .rate = kRate});
  network.chunks = 64;
  network.wants = [](auto self, const auto&) { return self == 1; };
  std::size_t count = 0;
  network.watch = [&](auto, auto to, const net::Message& message) {
    const auto* piece = std::get_if<net::Piece>(&message);
    if (to == 1 && piece && piece->piece != net::kManifestPiece) ++count;
  };
  network.connect(0, 1);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(32 * kChunkTime);
  BOOST_TEST(!network.gossip(1).complete(id));
  interrupt(network);
  network.connect(0, 1);
  network.want(1, id);
  network.simulator().run_for(20s);
  BOOST_TEST(network.gossip(1).complete(id));
  return count;
}

BOOST_AUTO_TEST_CASE(download_goes_on_after_a_lost_connection) {
  BOOST_TEST(chunks_sent_despite(1, [](auto& network) { network.disconnect(0, 1); }) <= 64U);
}

BOOST_AUTO_TEST_CASE(download_goes_on_after_a_restart) {
  BOOST_TEST(chunks_sent_despite(1, [](auto& network) { network.restart(1); }) <= 64U);
}

BOOST_AUTO_TEST_CASE(peers_that_do_not_take_their_pieces_hold_up_nobody_for_long) {
  GossipNetwork network(1, 8, {.latency = 50ms});
  network.wants = [](auto, const auto&) { return false; };
  for (GossipNetwork::Node node = 1; node < 8; ++node) network.connect(0, node);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(1s);
  net::Gossip& gossip = network.gossip(0);
  net::Instant now = network.simulator().now();
  // Straight to the object, so that nobody drains.
  const auto reads = [&] {
    std::size_t count = 0;
    while (const auto event = gossip.poll_event()) {
      count += std::holds_alternative<net::Gossip::ReadPiece>(*event) ? 1U : 0U;
    }
    return count;
  };
  for (GossipNetwork::Node node = 1; node <= net::limits::kUploadsAtOnce + 1; ++node) {
    gossip.handle_message(now, network.id(node), net::Fetch{id, 0});
  }
  BOOST_TEST(reads() == net::limits::kUploadsAtOnce);
  gossip.handle_timeout(now += net::limits::kUploadTurn);
  BOOST_TEST(reads() == 1U);
}

BOOST_AUTO_TEST_CASE(fetch_that_is_taken_back_is_not_served) {
  GossipNetwork network(1, 2, {.latency = 50ms});
  network.wants = [](auto, const auto&) { return false; };
  network.connect(0, 1);
  const auto id = network.publish(0, 1);
  network.simulator().run_for(1s);
  net::Gossip& gossip = network.gossip(0);
  const auto now = network.simulator().now();
  for (const std::uint32_t piece : {0U, 1U, 2U}) {
    gossip.handle_message(now, network.id(1), net::Fetch{id, piece});
  }
  gossip.handle_message(now, network.id(1), net::Cancel{id, 1});
  std::vector<std::uint32_t> served;
  while (const auto event = gossip.poll_event()) {
    const auto* read = std::get_if<net::Gossip::ReadPiece>(&*event);
    if (!read) continue;
    served.push_back(read->piece);
    gossip.handle_piece_read(now, network.id(1), id, read->piece, Bytes(1));
    gossip.handle_drained(now, network.id(1));
  }
  BOOST_TEST((served == std::vector<std::uint32_t>{0, 2}));
}

BOOST_DATA_TEST_CASE(churn_loses_nothing, data::xrange<std::uint64_t>(1, 4), seed) {
  GossipNetwork network(seed, 24, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = 8;
  network.connect_randomly(4);
  auto published = everyone_publishes(network, 1);
  auto& random = network.simulator().random();
  for (int turn = 0; turn < 60; ++turn) {
    const auto all = network.connections();
    const auto [a, b] = all[random() % all.size()];
    network.disconnect(a, b);
    network.connect(random() % network.size(), random() % network.size());
    if (turn % 10 == 9) {
      const auto victim = random() % network.size();
      network.restart(victim);
      for (int i = 0; i < 4; ++i) network.connect(victim, random() % network.size());
      for (const auto& [id, origin] : published) network.want(victim, id);
    }
    network.simulator().run_for(1s);
  }
  network.simulator().run_for(3min);
  everyone_holds_all(network, published);
  nobody_was_accused(network);
}

// --- Evidence and restored backups ------------------------------------------------------------

BOOST_DATA_TEST_CASE(everyone_convicts_who_signs_two_heads_for_one_place_and_says_so_once,
                     data::xrange<std::uint64_t>(1, 4), seed) {
  GossipNetwork network(seed, 32, {.latency = 50ms, .jitter = 20ms});
  network.wants = [](auto, const auto&) { return false; };
  network.connect_as_hosts_do();
  network.simulator().run_for(10s);
  std::map<std::pair<std::size_t, std::size_t>, int> told;
  network.watch = [&](auto from, auto to, const net::Message& message) {
    if (std::holds_alternative<net::Evidence>(message)) ++told[{from, to}];
  };
  std::vector<std::size_t> neighbours;
  for (const auto& [a, b] : network.connections()) {
    if (a == 0) neighbours.push_back(b);
  }
  net::Manifest one, other;
  one.chunks.resize(kChunks);
  other.chunks.assign(kChunks, crypto::hash(as_byte_view("other")));
  network.inject(0, neighbours.front(), net::Heads{{network.sign(0, 7, one)}});
  network.inject(0, neighbours.back(), net::Heads{{network.sign(0, 7, other)}});
  network.simulator().run_for(60s);  // two rounds of anti-entropy
  for (GossipNetwork::Node node = 1; node < network.size(); ++node) {
    BOOST_TEST(network.gossip(node).quarantined(network.id(0)));
    BOOST_TEST(network.gossip(node).snapshot_count() == 0U);
  }
  for (const auto& [edge, count] : told) BOOST_TEST(count == 1);

  network.restart(3);  // and alone, so nobody tells it again
  BOOST_TEST(network.gossip(3).quarantined(network.id(0)));
  network.connect(3, 0);
  network.inject(0, 3, net::Heads{{network.sign(0, 8, one)}});
  BOOST_TEST(network.gossip(3).snapshot_count() == 0U);
  nobody_was_accused(network);
}

BOOST_AUTO_TEST_CASE(evidence_that_proves_nothing_convicts_nobody) {
  GossipNetwork network(1, 3, {.latency = 50ms});
  network.connect(0, 1);
  net::Manifest one, other;
  one.chunks.resize(kChunks);
  other.chunks.assign(kChunks, crypto::hash(as_byte_view("other")));
  net::SignedHead first = network.sign(2, 7, one), second = network.sign(2, 7, other);
  if (second.bytes < first.bytes) std::swap(first, second);
  const auto refused = [&](const net::Evidence& evidence, const std::string& what) {
    network.inject(0, 1, evidence);
    BOOST_TEST(network.gossip(1).quarantined().empty());
    BOOST_TEST_REQUIRE(!network.accusations(1).empty());
    BOOST_TEST(network.accusations(1).back() == what);
  };
  refused({second, first}, "sent evidence that is malformed");
  refused({first, first}, "sent evidence that is malformed");
  refused({network.sign(2, 6, one), second}, "sent evidence that is malformed");
  net::SignedHead forged = second;
  forged.signature[9] ^= std::byte{1};
  refused({first, forged}, "sent evidence whose signatures are wrong");
  network.inject(0, 1, net::Evidence{first, second});
  BOOST_TEST(network.gossip(1).quarantined(network.id(2)));
}

BOOST_AUTO_TEST_CASE(node_restored_from_a_backup_twice_opens_new_logs_and_convicts_itself_never) {
  GossipNetwork network(1, 4, {.latency = 50ms});
  const auto join = [&] {
    for (GossipNetwork::Node node = 1; node < 4; ++node) network.connect(0, node);
    network.simulator().run_for(10s);
  };
  join();
  for (const std::uint64_t sequence : {1U, 2U}) network.publish(0, sequence);
  const GossipNetwork::Disk backup = network.disk(0);
  for (int restore = 0; restore < 3; ++restore) {
    for (const std::uint64_t sequence : {3U, 4U, 5U}) {
      const auto id = network.publish(0, sequence, std::to_string(restore));
      network.simulator().run_for(1min);
      BOOST_TEST(network.gossip(2).complete(id));
    }
    network.disk(0) = backup;
    network.set_calendar(0, -std::chrono::hours(1000 + restore));  // and its clock is wrong
    network.restart(0);
    join();
  }
  for (GossipNetwork::Node node = 1; node < 4; ++node) {
    BOOST_TEST(network.gossip(node).quarantined().empty());
  }
}

// --- At scale; tests/bench/dissemination.cpp measures the same -----------------------------------

BOOST_AUTO_TEST_CASE(sixty_four_nodes_have_a_snapshot_in_at_most_1_6_upload_times) {
  GossipNetwork network(1, 64, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = 192;
  network.connect_as_hosts_do();
  network.simulator().run_for(5s);
  const auto start = network.simulator().now();
  const auto id = network.publish(0, 1);
  network.simulator().run_until(start + 192 * kChunkTime * 16 / 10);
  BOOST_TEST(network.holders(id, 0) == 64U);
}

BOOST_AUTO_TEST_CASE(loss_of_a_third_of_the_nodes_delays_nobody_else) {
  GossipNetwork network(1, 36, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = 96;
  network.connect_as_hosts_do();
  network.simulator().run_for(5s);
  const auto start = network.simulator().now();
  const auto id = network.publish(0, 1);
  network.simulator().run_for(48 * kChunkTime);
  for (GossipNetwork::Node node = 24; node < 36; ++node) network.isolate(node);
  network.simulator().run_until(start + 96 * kChunkTime * 2);
  for (GossipNetwork::Node node = 0; node < 24; ++node)
    BOOST_TEST(network.gossip(node).complete(id));
  nobody_was_accused(network);
}

BOOST_AUTO_TEST_CASE(gossip_of_32_nodes_is_under_1_percent_of_their_payload) {
  GossipNetwork network(1, 32, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = 16;
  network.wants = [&](auto self, const net::Head& head) {
    for (std::size_t other = 1; other <= 6; ++other) {
      if (head.origin == network.id((self + other * other) % 32)) return true;
    }
    return false;
  };
  network.connect_as_hosts_do();
  for (std::uint64_t round = 1; round <= 2; ++round) {
    everyone_publishes(network, round);
    network.simulator().run_for(2min);
  }
  for (GossipNetwork::Node node = 0; node < 32; ++node) {
    const auto& sent = network.traffic(node);
    BOOST_TEST(double(sent.other + sent.manifests) < 0.01 * double(sent.chunks));
  }
}

BOOST_AUTO_TEST_CASE(memory_does_not_grow_with_what_was_published) {
  for (const auto over : {GossipNetwork::Over::messages, GossipNetwork::Over::sessions}) {
    GossipNetwork network(1, 5, {.latency = 20ms, .jitter = 10ms}, over);
    network.connect_as_hosts_do();
    network.simulator().run_for(1s);
    std::uint64_t sequence = 0;
    const auto after_publishing = [&](std::uint64_t times) {
      for (const std::uint64_t end = sequence + times; sequence < end;) {
        everyone_publishes(network, ++sequence);
        network.simulator().run_for(5s);
      }
      return sim::allocated();
    };
    const std::size_t before = after_publishing(50);
    const std::size_t after = after_publishing(200);
    // A hash of each of these snapshots, kept once by each node, would be twice as much.
    BOOST_TEST(after <
               before + 200 * network.size() * network.size() * sizeof(net::SnapshotId) / 2);
  }
}

BOOST_AUTO_TEST_CASE(messages_for_a_head_do_not_grow_with_the_number_of_nodes) {
  for (const std::size_t nodes : {9U, 32U, 128U}) {
    GossipNetwork network(1, nodes, {.latency = 20ms, .jitter = 10ms});
    network.wants = [](auto, const auto&) { return false; };
    network.connect_as_hosts_do();
    network.simulator().run_for(1s);
    const auto before = network.messages<net::Heads>();
    const auto id = network.publish(0, 1);
    network.simulator().run_for(1s);
    for (std::size_t node = 0; node < nodes; ++node) {
      BOOST_TEST(network.gossip(node).head(id).has_value());
    }
    BOOST_TEST(network.messages<net::Heads>() - before <= 16 * nodes);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gossip_test
