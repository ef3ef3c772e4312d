#include "daemon/exchange/sealed_snapshot.hpp"

#include "crypto/seal.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/learning/worker_process.hpp"
#include "model/pipe/memfd.hpp"
#include "model/snapshot.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdlib.h>
#include <vector>

namespace kith::model {
std::ostream& operator<<(std::ostream& out, Encoding encoding) { return out << name(encoding); }
}  // namespace kith::model

namespace sealed_snapshot_test {

namespace data = boost::unit_test::data;
namespace fs = std::filesystem;
using namespace kith;
using namespace kith::daemon;
using model::Encoding;

constexpr std::size_t kChunk = net::limits::kChunk / 4;  // values, as fp32

/// A model of so many weights that no compression makes smaller.
Bytes content(std::size_t weights) {
  std::vector<float> values(weights);
  std::mt19937 random(1);
  const auto any = [&] { return std::bit_cast<float>(static_cast<std::uint32_t>(random())); };
  std::ranges::generate(values, any);
  return model::write_snapshot({{{"w", {weights}}}}, values);
}

struct Circle : CryptoReady {
  Circle() { blobs.emplace(folder.path()); }

  static NodeKeys keys() {
    return {crypto::Identity::generate().id(), crypto::ChannelKey::generate()};
  }
  static SnapshotReader reader(const NodeKeys& keys) {
    return {keys.id, keys.channel.public_key()};
  }
  /// All of them are as fp32 here, to be compared byte for byte; encodings have their own tests.
  net::Manifest seal(ByteView file) {
    form = form_of(file, Encoding::fp32);
    return seal_snapshot(pipe::sealed_memfd("test", file), form, readers, context, *blobs);
  }
  std::variant<pipe::Fd, Unopened> open(const net::Manifest& manifest) {
    return open_snapshot(manifest, form, context, bob, *blobs);
  }
  /// Why not; a Fd is a failed test.
  Unopened refusal(const std::variant<pipe::Fd, Unopened>& opened) {
    BOOST_TEST_REQUIRE(std::holds_alternative<Unopened>(opened));
    return std::get<Unopened>(opened);
  }

  NodeKeys alice = keys(), bob = keys();
  std::vector<SnapshotReader> readers{reader(alice), reader(bob)};
  Bytes context{std::byte{1}, std::byte{2}};
  SnapshotForm form;  ///< of the last that was sealed
  test::TemporaryDirectory folder;
  std::optional<Blobs> blobs;
};

BOOST_FIXTURE_TEST_SUITE(sealed_snapshot_tests, Circle)

BOOST_DATA_TEST_CASE_F(Circle, every_member_opens_what_was_sealed_byte_for_byte,
                       data::make<std::size_t>({1, 1000, kChunk - 1, kChunk, kChunk + 1,
                                                3 * kChunk}),
                       weights) {
  const Bytes file = content(weights);
  const net::Manifest sealed = seal(file);
  BOOST_TEST(sealed.chunks.size() == net::chunk_count(form.encoded_size()));
  BOOST_TEST(sealed.keys.size() == 2U);
  const auto opened = open(sealed);
  BOOST_TEST_REQUIRE(std::holds_alternative<pipe::Fd>(opened));
  const auto map = pipe::SealedMap::open(std::get<pipe::Fd>(opened), file.size());
  BOOST_TEST_REQUIRE(std::holds_alternative<pipe::SealedMap>(map));
  BOOST_TEST(std::ranges::equal(std::get<pipe::SealedMap>(map).bytes(), file));
}

BOOST_DATA_TEST_CASE(form_has_as_many_chunks_as_the_network_thinks,
                     data::make({Encoding::bf16, Encoding::fp32, Encoding::int8}) *
                         data::make<std::size_t>({1, 251, 252, 253, kChunk, kChunk + 1, 2 * kChunk,
                                                  2 * kChunk + 1, 516'096, 516'097, 10'000'000}),
                     encoding, values) {
  const SnapshotForm one{{}, values, encoding};
  BOOST_TEST(one.chunks() == net::chunk_count(one.encoded_size()));
  for (std::uint64_t i = 0; i < one.chunks(); ++i) {
    BOOST_TEST(model::encoded_size(encoding, one.values_in(i)) ==
               net::chunk_size(one.encoded_size(), i));
  }
}

BOOST_AUTO_TEST_CASE(rounded_model_is_half_as_many_chunks_and_opens_with_the_same_header) {
  const Bytes file = content(3 * kChunk);
  form = form_of(file, Encoding::bf16);
  const auto sealed = seal_snapshot(pipe::sealed_memfd("test", file), form, readers, context, *blobs);
  BOOST_TEST(sealed.chunks.size() == 2U);
  const auto opened = open(sealed);
  BOOST_TEST_REQUIRE(std::holds_alternative<pipe::Fd>(opened));
  const auto map = pipe::SealedMap::open(std::get<pipe::Fd>(opened), file.size());
  BOOST_TEST_REQUIRE(std::holds_alternative<pipe::SealedMap>(map));
  const ByteView read = std::get<pipe::SealedMap>(map).bytes();
  BOOST_TEST(read.size() == file.size());
  BOOST_TEST(std::ranges::equal(read.first(form.header.size()), form.header));
}

BOOST_AUTO_TEST_CASE(what_lies_on_disk_is_not_the_model_and_never_the_same_twice) {
  const Bytes plain = content(1000);
  const auto first = seal(plain), second = seal(plain);
  BOOST_TEST((first.chunks != second.chunks));
  const auto blob = blobs->read(first.chunks[0]);
  BOOST_TEST_REQUIRE(blob.has_value());
  model::ChunkEncoder encoder(Encoding::fp32);
  std::vector<float> values(1000);
  std::memcpy(values.data(), plain.data() + form.header.size(), 4 * values.size());
  const ByteView chunk = encoder.encode(values);
  BOOST_TEST(blob->size() == chunk.size() + crypto::kChunkOverhead);
  BOOST_TEST(std::ranges::search(*blob, chunk.first(8)).empty());
}

BOOST_AUTO_TEST_CASE(somebody_else_cannot_open_it) {
  const auto sealed = seal(content(1000));
  const NodeKeys eve = keys();
  const auto as_eve = open_snapshot(sealed, form, context, eve, *blobs);
  BOOST_TEST(refusal(as_eve).why == "it is not sealed to this node");
  bob.channel = crypto::ChannelKey::generate();
  BOOST_TEST(refusal(open(sealed)).why == "it is not sealed to this node");
}

BOOST_AUTO_TEST_CASE(what_was_sealed_to_the_former_key_is_opened) {
  const Bytes file = content(1000);
  const auto sealed = seal(file);
  bob.former = std::exchange(bob.channel, crypto::ChannelKey::generate());
  BOOST_TEST(std::holds_alternative<pipe::Fd>(open(sealed)));
}

BOOST_AUTO_TEST_CASE(chunk_that_is_gone_or_damaged_is_lost_not_refused_for_ever) {
  const auto sealed = seal(content(2 * kChunk));
  const auto name = sealed.chunks[1];
  Bytes damaged = blobs->read(name).value();
  damaged[100] ^= std::byte{1};
  blobs->write(name, damaged, Blobs::Durability::refetchable);
  BOOST_TEST(refusal(open(sealed)).lost);
  blobs->remove(name);
  BOOST_TEST(refusal(open(sealed)).lost);
}

BOOST_AUTO_TEST_CASE(manifest_that_lies_is_refused) {
  const auto sealed = seal(content(2 * kChunk));
  net::Manifest swapped = sealed;
  std::swap(swapped.chunks[0], swapped.chunks[1]);
  BOOST_TEST(refusal(open(swapped)).why == "it does not decrypt");
  BOOST_TEST(!refusal(open(swapped)).lost);

  net::Manifest broken = sealed;
  for (auto& key : broken.keys) key.sealed[0] ^= std::byte{1};
  BOOST_TEST(refusal(open(broken)).why == "it is not sealed to this node");

  net::Manifest other_key = sealed;
  other_key.keys = seal(content(2 * kChunk)).keys;
  BOOST_TEST(refusal(open(other_key)).why ==
             "this node was given another key than the one that its origin vouches for");
}

// A member could publish, as its own, what it cannot read.
BOOST_AUTO_TEST_CASE(snapshot_that_is_passed_on_from_another_place_is_not_opened) {
  const auto sealed = seal(content(2 * kChunk));
  context[0] = std::byte{9};
  BOOST_TEST(!refusal(open(sealed)).lost);
}

BOOST_AUTO_TEST_CASE(snapshot_of_another_form_than_the_tasks_is_refused) {
  const auto sealed = seal(content(2 * kChunk));
  const SnapshotForm ours = form;
  form.values = kChunk;
  BOOST_TEST(refusal(open(sealed)).why == "it has the wrong number of chunks");
  form.values = 2 * kChunk - 1;
  BOOST_TEST(refusal(open(sealed)).why == "it is not encoded as the task says");
  BOOST_TEST(!refusal(open(sealed)).lost);
  form = {ours.header, 4 * kChunk - 2, Encoding::bf16};  // as many chunks
  BOOST_TEST(refusal(open(sealed)).why == "it is not encoded as the task says");
}

BOOST_AUTO_TEST_CASE(file_of_another_form_than_the_initial_model_is_not_sealed) {
  const Bytes initial = content(1000);
  form = form_of(initial, Encoding::bf16);
  Bytes renamed = initial;
  renamed[10] = std::byte{'v'};  // {"v":...
  const auto sealing = [&](const pipe::Fd& file) {
    static_cast<void>(seal_snapshot(file, form, readers, context, *blobs));
  };
  for (const Bytes& other : {content(999), content(1001), renamed}) {
    BOOST_CHECK_THROW(sealing(pipe::sealed_memfd("test", other)), WorkerLost);
  }
  BOOST_CHECK_THROW(sealing(pipe::MemfdWriter("empty").seal()), WorkerLost);
  BOOST_CHECK_THROW(sealing(pipe::Fd()), WorkerLost);
  BOOST_TEST(blobs->names().empty());
  BOOST_CHECK_THROW(static_cast<void>(form_of(ByteView(initial).first(50), Encoding::bf16)),
                    WorkerLost);
}

BOOST_AUTO_TEST_CASE(model_of_more_than_4_gib_is_said_to_be_too_large) {
  form = {{}, (std::uint64_t{4} << 30) / 2 + 1, Encoding::bf16};
  BOOST_CHECK_EXCEPTION(static_cast<void>(seal_snapshot(pipe::Fd(), form, readers, context, *blobs)),
                        Failure,
                        [](const Failure& failure) { return failure.code() == EX_CONFIG; });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace sealed_snapshot_test
