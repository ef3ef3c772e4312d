#include "daemon/sealed_snapshot.hpp"

#include "daemon/failure.hpp"
#include "model/pipe/memfd.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <stdlib.h>

namespace {

namespace data = boost::unit_test::data;
namespace fs = std::filesystem;
using namespace kith;
using namespace kith::daemon;
using net::limits::kChunk;

Bytes content(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / kChunk);
  return bytes;
}

struct Circle : CryptoReady {
  Circle() {
    std::string name = (fs::temp_directory_path() / "kith-seal-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    blobs.emplace(folder);
  }
  ~Circle() { fs::remove_all(folder); }

  static net::Member member(const crypto::Identity& identity, const crypto::ChannelKey& channel) {
    net::Member made;
    made.id = identity.id();
    made.channel = channel.public_key();
    return made;
  }
  SealedSnapshot seal(ByteView bytes) {
    return seal_snapshot(pipe::sealed_memfd("test", bytes), consortium, *blobs);
  }
  auto open(const SealedSnapshot& sealed) { return open(sealed.manifest, sealed.size); }
  std::variant<pipe::Fd, Unopened> open(const net::Manifest& manifest, std::uint64_t size) {
    return open_snapshot(manifest, size, bob.id(), bob_channel, *blobs);
  }
  /// Why not; a Fd is a failed test.
  Unopened refusal(const std::variant<pipe::Fd, Unopened>& opened) {
    BOOST_TEST_REQUIRE(std::holds_alternative<Unopened>(opened));
    return std::get<Unopened>(opened);
  }

  crypto::Identity alice = crypto::Identity::generate(), bob = crypto::Identity::generate();
  crypto::ChannelKey alice_channel = crypto::ChannelKey::generate(),
                     bob_channel = crypto::ChannelKey::generate();
  net::Consortium consortium{"ours", {member(alice, alice_channel), member(bob, bob_channel)}};
  fs::path folder;
  std::optional<Blobs> blobs;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sealed_snapshot_tests, Circle)

BOOST_DATA_TEST_CASE_F(Circle, every_member_opens_what_was_sealed_byte_for_byte,
                       data::make<std::size_t>({1, 1000, kChunk - 1, kChunk, kChunk + 1,
                                                3 * kChunk}),
                       size) {
  const SealedSnapshot sealed = seal(content(size));
  BOOST_TEST(sealed.size == size);
  BOOST_TEST(sealed.manifest.chunks.size() == net::chunk_count(size));
  BOOST_TEST(sealed.manifest.keys.size() == 2U);
  const auto opened = open(sealed);
  BOOST_TEST_REQUIRE(std::holds_alternative<pipe::Fd>(opened));
  const auto map = pipe::SealedMap::open(std::get<pipe::Fd>(opened), size);
  BOOST_TEST_REQUIRE(std::holds_alternative<pipe::SealedMap>(map));
  BOOST_TEST(std::ranges::equal(std::get<pipe::SealedMap>(map).bytes(), content(size)));
}

BOOST_AUTO_TEST_CASE(what_lies_on_disk_is_not_the_model_and_never_the_same_twice) {
  const Bytes plain(1000, std::byte{'x'});
  const auto first = seal(plain), second = seal(plain);
  BOOST_TEST((first.manifest.chunks != second.manifest.chunks));
  const auto blob = blobs->read(first.manifest.chunks[0]);
  BOOST_TEST_REQUIRE(blob.has_value());
  BOOST_TEST(std::ranges::search(*blob, ByteView(plain).first(8)).empty());
}

BOOST_AUTO_TEST_CASE(somebody_else_cannot_open_it) {
  const auto sealed = seal(content(1000));
  const auto eve = crypto::Identity::generate();
  const auto eve_channel = crypto::ChannelKey::generate();
  const auto as_eve = open_snapshot(sealed.manifest, sealed.size, eve.id(), eve_channel, *blobs);
  BOOST_TEST(refusal(as_eve).why == "it is not sealed to this node");
  const auto as_bob = open_snapshot(sealed.manifest, sealed.size, bob.id(), eve_channel, *blobs);
  BOOST_TEST(refusal(as_bob).why == "it is not sealed to this node");
}

BOOST_AUTO_TEST_CASE(chunk_that_is_gone_or_damaged_is_lost_not_refused_for_ever) {
  const auto sealed = seal(content(2 * kChunk));
  const auto name = sealed.manifest.chunks[1];
  Bytes damaged = blobs->read(name).value();
  damaged[100] ^= std::byte{1};
  blobs->write(name, damaged, Blobs::Durability::refetchable);
  BOOST_TEST(refusal(open(sealed)).lost);
  blobs->remove(name);
  BOOST_TEST(refusal(open(sealed)).lost);
}

BOOST_AUTO_TEST_CASE(manifest_that_lies_is_refused) {
  const auto sealed = seal(content(2 * kChunk));
  BOOST_TEST(refusal(open(sealed.manifest, kChunk)).why == "it has the wrong number of chunks");
  BOOST_TEST(refusal(open(sealed.manifest, 2 * kChunk - 1)).why == "it does not decrypt");

  net::Manifest swapped = sealed.manifest;
  std::swap(swapped.chunks[0], swapped.chunks[1]);
  BOOST_TEST(refusal(open(swapped, sealed.size)).why == "it does not decrypt");
  BOOST_TEST(!refusal(open(swapped, sealed.size)).lost);

  net::Manifest other_key = sealed.manifest;
  other_key.keys = seal(content(1)).manifest.keys;
  BOOST_TEST(refusal(open(other_key, sealed.size)).why == "it does not decrypt");

  net::Manifest broken = sealed.manifest;
  for (auto& key : broken.keys) key.sealed[0] ^= std::byte{1};
  BOOST_TEST(refusal(open(broken, sealed.size)).why == "it is not sealed to this node");
}

BOOST_AUTO_TEST_CASE(worker_that_hands_over_nothing_is_said_so) {
  const auto empty = pipe::MemfdWriter("empty").seal();
  BOOST_CHECK_THROW(static_cast<void>(seal_snapshot(empty, consortium, *blobs)), Failure);
  BOOST_CHECK_THROW(static_cast<void>(seal_snapshot(pipe::Fd(), consortium, *blobs)), Failure);
  BOOST_TEST(blobs->names().empty());
}

BOOST_AUTO_TEST_SUITE_END()
