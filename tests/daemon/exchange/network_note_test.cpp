#include "daemon/exchange/network_note.hpp"

#include "crypto/seal.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

namespace network_note_test {

using namespace kith;
using namespace kith::daemon;
using nlohmann::json;
namespace data = boost::unit_test::data;

struct Notes : CryptoReady {
  Notes() {
    alice_head.origin = alice.id();
    alice_head.position = {5, 1};
    eve_head.origin = eve.id();
    eve_head.position = {5, 1};
  }
  static net::Directory directory_of(
      const std::vector<std::pair<const crypto::Identity*, const crypto::ChannelKey*>>& members) {
    net::Directory directory("ours", {});
    std::vector<net::Member> named;
    for (const auto& [node, channel] : members) named.push_back({node->id(), "m"});
    std::ranges::sort(named, {}, &net::Member::id);
    directory.set_members(named);
    for (const auto& [node, channel] : members) {
      net::Card card;
      card.name = "m";
      BOOST_TEST(directory.put(net::sign_card(std::move(card), *node, *channel)));
    }
    return directory;
  }
  /// The manifest with a note for bob.
  net::Manifest for_bob() {
    net::Manifest manifest;
    BOOST_TEST(!put_note({said, to_string(bob.id())}, alice_head, consortium, manifest));
    return manifest;
  }

  const json said{{"row", {{"x", 0.5}}}};
  crypto::Identity alice = crypto::Identity::generate(), bob = crypto::Identity::generate(),
                   eve = crypto::Identity::generate();
  crypto::ChannelKey alice_channel = crypto::ChannelKey::generate(),
                     bob_channel = crypto::ChannelKey::generate(),
                     eve_channel = crypto::ChannelKey::generate();
  net::Directory consortium = directory_of(
      {{&alice, &alice_channel}, {&bob, &bob_channel}, {&eve, &eve_channel}});
  net::Head alice_head, eve_head;
};

BOOST_FIXTURE_TEST_SUITE(network_note_tests, Notes)

BOOST_AUTO_TEST_CASE(note_for_all_is_read_by_all) {
  net::Manifest manifest;
  BOOST_TEST(!put_note({said, ""}, alice_head, consortium, manifest));
  BOOST_TEST(!manifest.note_sealed);
  for (const auto* key : {&bob_channel, &eve_channel}) {
    BOOST_TEST(parse_note(note_text(manifest, alice_head, *key).value()) == said);
  }
}

BOOST_AUTO_TEST_CASE(no_note_is_no_note) {
  net::Manifest manifest;
  BOOST_TEST(!put_note({}, alice_head, consortium, manifest));
  BOOST_TEST(manifest.note.empty());
  BOOST_TEST(!note_text(manifest, alice_head, bob_channel).has_value());
  BOOST_TEST(parse_note("").is_null());
}

BOOST_AUTO_TEST_CASE(note_for_one_is_read_by_it_alone) {
  const net::Manifest manifest = for_bob();
  BOOST_TEST(parse_note(note_text(manifest, alice_head, bob_channel).value()) == said);
  BOOST_TEST(!note_text(manifest, alice_head, eve_channel).has_value());
  BOOST_TEST(!note_text(manifest, alice_head, alice_channel).has_value());
  const std::string text(reinterpret_cast<const char*>(manifest.note.data()), manifest.note.size());
  BOOST_TEST(text.find("row") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(sealed_note_says_nothing_in_the_snapshot_of_another_or_in_another_snapshot) {
  const net::Manifest manifest = for_bob();
  BOOST_TEST(!note_text(manifest, eve_head, bob_channel).has_value());  // copied by eve
  net::Head later = alice_head;
  ++later.position.sequence;
  BOOST_TEST(!note_text(manifest, later, bob_channel).has_value());
}

BOOST_AUTO_TEST_CASE(sealed_note_that_is_altered_or_cut_is_none) {
  const net::Manifest whole = for_bob();
  for (const std::size_t at : {std::size_t{0}, std::size_t{40}, whole.note.size() - 1}) {
    net::Manifest altered = whole;
    altered.note[at] ^= std::byte{1};
    BOOST_TEST(!note_text(altered, alice_head, bob_channel).has_value());
    altered.note.resize(at);
    BOOST_TEST(!note_text(altered, alice_head, bob_channel).has_value());
  }
  net::Manifest empty = whole;  // sealed to bob, but without the snapshot's name
  empty.note = crypto::seal_to(bob_channel.public_key(), as_byte_view("{}"));
  BOOST_TEST(!note_text(empty, alice_head, bob_channel).has_value());
}

BOOST_AUTO_TEST_CASE(note_that_cannot_travel_leaves_the_manifest_as_it_was) {
  net::Manifest manifest;
  const auto stranger = crypto::Identity::generate();
  BOOST_TEST(put_note({said, to_string(stranger.id())}, alice_head, consortium, manifest).value() ==
             "its reader is not a member, or not heard of yet");
  BOOST_TEST(put_note({said, "nobody"}, alice_head, consortium, manifest).has_value());
  const json endless{{"text", std::string(net::limits::kNote, 'x')}};
  BOOST_TEST(put_note({endless, ""}, alice_head, consortium, manifest).value() == "it is too long");
  BOOST_TEST(manifest.note.empty());
  BOOST_TEST(!manifest.note_sealed);
}

BOOST_AUTO_TEST_CASE(largest_consortium_fits_into_a_note) {
  json row = json::object(), pairs = json::array();
  for (std::size_t i = 0; i < net::limits::kMembers; ++i) {
    const std::string id = to_string(crypto::Identity::generate().id());
    row[id] = 0.123;
    if (i % 2 == 0) pairs.push_back(json::array());
    pairs.back().push_back(id);
  }
  for (const json& note : {json{{"row", row}}, json{{"groups", pairs}}}) {
    net::Manifest manifest;
    BOOST_TEST(!put_note({note, to_string(bob.id())}, alice_head, consortium, manifest));
    BOOST_TEST(parse_note(note_text(manifest, alice_head, bob_channel).value()) == note);
  }
}

BOOST_DATA_TEST_CASE(what_is_no_small_object_is_null,
                     data::make({"", "3", "[]", "null", "{", R"({"a": [[[1]]]})", R"({"a": 1e999})",
                                 "{}{}", "{\"a\": \"\xff\"}"}),
                     text) {
  BOOST_TEST(parse_note(text).is_null());
}

BOOST_AUTO_TEST_CASE(note_with_too_many_values_is_null_however_short) {
  std::string many = "[0";
  for (std::size_t i = 0; i < 3 * net::limits::kMembers + 8; ++i) many += ",0";
  BOOST_TEST(parse_note("{\"groups\":" + many + "]}").is_null());
  BOOST_TEST(parse_note(std::string(net::limits::kNote, '[')).is_null());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace network_note_test
