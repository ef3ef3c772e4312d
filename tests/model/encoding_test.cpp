#include "model/encoding.hpp"

#include "crypto/hash.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>
#include <zstd.h>

namespace kith::model {
std::ostream& operator<<(std::ostream& out, Encoding encoding) { return out << name(encoding); }
}  // namespace kith::model

namespace encoding_test {

using namespace kith::model;
using kith::Bytes;
using kith::ByteView;

namespace data = boost::unit_test::data;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
const auto kEncodings = data::make({Encoding::bf16, Encoding::fp32, Encoding::int8});
const auto kCounts = data::make<std::size_t>({1, 2, 251, 252, 253, 1000, 70'001});

std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

/// Like the weights of a model.
std::vector<float> weights(std::size_t count, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<float> values(count);
  std::ranges::generate(values, [&] { return normal(random); });
  return values;
}
/// Any floats at all.
std::vector<float> noise(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  std::ranges::generate(values, [&] { return std::bit_cast<float>(std::uint32_t(random())); });
  return values;
}

Bytes encode(Encoding encoding, const std::vector<float>& values) {
  ChunkEncoder encoder(encoding);
  const ByteView chunk = encoder.encode(values);
  return {chunk.begin(), chunk.end()};
}
std::optional<std::vector<float>> decode(Encoding encoding, ByteView chunk, std::size_t count) {
  ChunkDecoder decoder(encoding);
  std::vector<float> values(count);
  if (!decoder.decode(chunk, values)) return std::nullopt;
  return values;
}
std::vector<float> there_and_back(Encoding encoding, const std::vector<float>& values) {
  const auto back = decode(encoding, encode(encoding, values), values.size());
  BOOST_TEST_REQUIRE(back.has_value());
  return *back;
}
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, {}, bits_of, bits_of);
}

/// A zstd frame of `plain`, made with `parameters`.
Bytes frame_of(ByteView plain, std::initializer_list<std::pair<ZSTD_cParameter, int>> parameters) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  for (const auto& [parameter, value] : parameters) {
    ZSTD_CCtx_setParameter(context, parameter, value);
  }
  Bytes frame(ZSTD_compressBound(plain.size()));
  frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), plain.data(), plain.size()));
  ZSTD_freeCCtx(context);
  return frame;
}

/// The value of `name` in the examples of docs/protocol.md.
std::string documented(const std::string& name) {
  std::ifstream file(KITH_DOCS "/protocol.md");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + "  ")) return line.substr(line.find_last_of(' ') + 1);
  }
  return "not there";
}

BOOST_AUTO_TEST_SUITE(encoding_tests)

BOOST_DATA_TEST_CASE(chunk_is_never_longer_than_its_values_encoded, kEncodings* kCounts, encoding,
                     count) {
  for (const auto& values : {weights(count), noise(count), std::vector<float>(count, 0)}) {
    BOOST_TEST(encode(encoding, values).size() <= encoded_size(encoding, count));
  }
}

BOOST_DATA_TEST_CASE(full_chunks_are_of_one_size_and_add_up, kEncodings, encoding) {
  const std::uint64_t full = values_per_chunk(encoding);
  BOOST_TEST(encoded_size(encoding, full) == kEncodedChunk);
  for (const std::uint64_t rest : {1UL, 252UL, 253UL, full - 1}) {
    BOOST_TEST(encoded_size(encoding, 3 * full + rest) ==
               3 * kEncodedChunk + encoded_size(encoding, rest));
  }
  const auto values = weights(full);
  BOOST_TEST(there_and_back(encoding, values).size() == full);
}

BOOST_DATA_TEST_CASE(fp32_comes_back_bit_for_bit_whatever_the_bits, kCounts, count) {
  BOOST_TEST(same_bits(there_and_back(Encoding::fp32, noise(count)), noise(count)));
  BOOST_TEST(same_bits(there_and_back(Encoding::fp32, weights(count)), weights(count)));
}

BOOST_DATA_TEST_CASE(bf16_comes_back_within_half_an_ulp, kCounts, count) {
  for (const auto& values : {weights(count), noise(count)}) {
    const auto back = there_and_back(Encoding::bf16, values);
    for (std::size_t i = 0; i < count; ++i) {
      if (std::isnan(values[i])) {
        BOOST_TEST(std::isnan(back[i]));
        continue;
      }
      BOOST_TEST((bits_of(back[i]) & 0xffff) == 0U);
      const float up = std::bit_cast<float>((bits_of(values[i]) & 0xffff0000) + 0x10000);
      if (!std::isfinite(up)) continue;
      const float down = std::bit_cast<float>(bits_of(values[i]) & 0xffff0000);
      const double half = (static_cast<double>(up) - down) / 2;
      BOOST_TEST(std::abs(static_cast<double>(back[i]) - values[i]) <= std::abs(half));
    }
  }
}

BOOST_AUTO_TEST_CASE(bf16_rounds_ties_to_even_and_keeps_what_is_not_finite) {
  const float largest = std::numeric_limits<float>::max();
  const float signalling = std::bit_cast<float>(0x7f800001U);
  const auto back =
      there_and_back(Encoding::bf16, {0x1.01p0F, 0x1.03p0F, 0x1.010002p0F, -0x1.01p0F, 0.0F, -0.0F,
                                      kInfinity, -kInfinity, kNaN, signalling, largest});
  BOOST_TEST(back[0] == 0x1.00p0F);
  BOOST_TEST(back[1] == 0x1.04p0F);
  BOOST_TEST(back[2] == 0x1.02p0F);
  BOOST_TEST(back[3] == -0x1.00p0F);
  BOOST_TEST(bits_of(back[4]) == 0U);
  BOOST_TEST(bits_of(back[5]) == 0x80000000U);
  BOOST_TEST(back[6] == kInfinity);
  BOOST_TEST(back[7] == -kInfinity);
  BOOST_TEST(std::isnan(back[8]));
  BOOST_TEST(std::isnan(back[9]));
  BOOST_TEST(back[10] == kInfinity);  // as nothing smaller is nearer
}

BOOST_DATA_TEST_CASE(int8_comes_back_within_half_a_step_of_its_block, kCounts, count) {
  auto values = weights(count);
  for (std::size_t i = 0; i < count; ++i) {  // blocks of very different sizes
    values[i] *= std::pow(10.0F, static_cast<float>(i / kValuesPerScale % 60) - 30);
  }
  const auto back = there_and_back(Encoding::int8, values);
  for (std::size_t at = 0; at < count; at += kValuesPerScale) {
    const std::size_t end = std::min(at + kValuesPerScale, count);
    float largest = 0;
    for (std::size_t i = at; i < end; ++i) largest = std::max(largest, std::abs(values[i]));
    const double step = largest / 127.0;
    for (std::size_t i = at; i < end; ++i) {
      BOOST_TEST(std::abs(static_cast<double>(back[i]) - values[i]) <= step * 0.50002);
    }
  }
}

BOOST_AUTO_TEST_CASE(int8_spoils_the_whole_block_of_what_is_not_finite_and_no_other) {
  for (const float bad : {kNaN, kInfinity, -kInfinity, std::bit_cast<float>(0x7f800001U)}) {
    auto values = weights(3 * kValuesPerScale);
    values[kValuesPerScale + 7] = bad;
    const auto back = there_and_back(Encoding::int8, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      BOOST_TEST(std::isnan(back[i]) == (i / kValuesPerScale == 1));
    }
  }
}

BOOST_AUTO_TEST_CASE(int8_makes_zero_of_what_is_too_small_for_a_step) {
  const float least = std::numeric_limits<float>::denorm_min();
  const float smallest = std::numeric_limits<float>::min();
  for (const float tiny : {0.0F, -0.0F, least, -least, 126 * smallest}) {
    for (const float back : there_and_back(Encoding::int8, {tiny, tiny})) BOOST_TEST(back == 0);
  }
  for (const float back : there_and_back(Encoding::int8, {128 * smallest, -128 * smallest})) {
    BOOST_TEST(std::abs(back) == 128 * smallest);
  }
}

BOOST_DATA_TEST_CASE(what_came_back_once_comes_back_the_same_again,
                     data::make({Encoding::bf16, Encoding::fp32}), encoding) {
  // So a copy of what somebody published is told by its equal losses.
  const auto once = there_and_back(encoding, noise(10'000));
  BOOST_TEST(same_bits(there_and_back(encoding, once), once));
}

BOOST_AUTO_TEST_CASE(int8_that_came_back_once_comes_back_all_but_the_same_again) {
  const auto once = there_and_back(Encoding::int8, weights(100'000));
  const auto twice = there_and_back(Encoding::int8, once);
  for (std::size_t i = 0; i < once.size(); ++i) {
    BOOST_TEST(std::abs(twice[i] - once[i]) <= std::abs(once[i]) * 2e-7F);
  }
}

BOOST_AUTO_TEST_CASE(weights_become_smaller_and_noise_stays_as_it_is) {
  constexpr std::size_t kCount = kEncodedChunk / 4;
  const auto share = [](Encoding encoding) {
    return static_cast<double>(encode(encoding, weights(kCount)).size()) / (4.0 * kCount);
  };
  BOOST_TEST(share(Encoding::fp32) < 0.86);
  BOOST_TEST(share(Encoding::bf16) < 0.36);
  BOOST_TEST(share(Encoding::int8) < 0.25);
  BOOST_TEST(encode(Encoding::fp32, noise(kCount)).size() == 4 * kCount);
  BOOST_TEST(encode(Encoding::bf16, noise(kCount)).size() == 2 * kCount);
}

BOOST_DATA_TEST_CASE(chunk_of_more_or_fewer_values_is_refused, kEncodings, encoding) {
  for (const auto& values : {weights(1000), noise(1000)}) {
    const Bytes chunk = encode(encoding, values);
    BOOST_TEST(decode(encoding, chunk, 1000).has_value());
    BOOST_TEST(!decode(encoding, chunk, 999));
    BOOST_TEST(!decode(encoding, chunk, 1001));
    BOOST_TEST(!decode(encoding, chunk, 1));
    BOOST_TEST(!decode(encoding, {}, 1000));
  }
}

BOOST_DATA_TEST_CASE(chunk_that_is_cut_or_goes_on_is_refused, kEncodings, encoding) {
  const std::vector<float> values(2000, 0.5F);
  Bytes chunk = encode(encoding, values);
  for (std::size_t size = 0; size < chunk.size(); ++size) {
    BOOST_TEST(!decode(encoding, ByteView(chunk).first(size), values.size()));
  }
  chunk.push_back(std::byte{0});
  BOOST_TEST(!decode(encoding, chunk, values.size()));
}

BOOST_DATA_TEST_CASE(chunk_with_any_bit_turned_is_refused_or_read_as_so_many_values, kEncodings,
                     encoding) {
  std::vector<float> values = weights(200);
  values.resize(2000, 0.5F);
  const Bytes chunk = encode(encoding, values);
  BOOST_TEST_REQUIRE(chunk.size() < encoded_size(encoding, values.size()));
  for (std::size_t bit = 0; bit < 8 * chunk.size(); ++bit) {
    Bytes turned = chunk;
    turned[bit / 8] ^= std::byte{1} << (bit % 8);
    static_cast<void>(decode(encoding, turned, values.size()));  // the sanitizers watch
  }
}

// What a frame may be, in the same plain form: 8000 bytes that encode 2000 values.
BOOST_AUTO_TEST_CASE(only_one_plain_zstd_frame_of_the_known_size_is_read) {
  const Bytes plain(8000, std::byte{7});
  const auto reads = [](ByteView chunk) { return decode(Encoding::fp32, chunk, 2000).has_value(); };
  const Bytes good = frame_of(plain, {});
  BOOST_TEST(reads(good));
  BOOST_TEST(reads(frame_of(plain, {{ZSTD_c_checksumFlag, 1}})));

  // The size is not announced, or another.
  BOOST_TEST(!reads(frame_of(plain, {{ZSTD_c_contentSizeFlag, 0}})));
  BOOST_TEST(!reads(frame_of(ByteView(plain).first(7999), {})));
  const Bytes more(8001, std::byte{7});
  BOOST_TEST(!reads(frame_of(more, {})));

  // It announces the right size and produces another.
  Bytes liar = frame_of(ByteView(plain).first(7000), {{ZSTD_c_checksumFlag, 0}});
  BOOST_TEST_REQUIRE(liar.size() > 8);
  BOOST_TEST_REQUIRE(((liar[4] >> 6) == std::byte{1}));  // two bytes of size, less 256, follow
  const auto announce = [&](std::size_t size) {
    liar[5] = static_cast<std::byte>((size - 256) & 0xff);
    liar[6] = static_cast<std::byte>((size - 256) >> 8);
  };
  announce(7000);
  BOOST_TEST(decode(Encoding::fp32, liar, 1750).has_value());
  announce(8000);
  BOOST_TEST(!reads(liar));

  // Two frames, of which the second may be empty or one to skip; a frame to skip alone.
  Bytes two = frame_of(ByteView(plain).first(4000), {});
  const Bytes half = two;
  two.insert(two.end(), half.begin(), half.end());
  BOOST_TEST(!reads(two));
  Bytes with_empty = good;
  const Bytes empty = frame_of({}, {});
  with_empty.insert(with_empty.end(), empty.begin(), empty.end());
  BOOST_TEST(!reads(with_empty));
  const Bytes skipped{std::byte{0x50}, std::byte{0x2a}, std::byte{0x4d}, std::byte{0x18},
                      std::byte{0},    std::byte{0},    std::byte{0},    std::byte{0}};
  BOOST_TEST(!reads(skipped));
  Bytes after_skipped = skipped;
  after_skipped.insert(after_skipped.end(), good.begin(), good.end());
  BOOST_TEST(!reads(after_skipped));

  // A format of before zstd 1.0, which a library may still know.
  Bytes old = good;
  old[0] = std::byte{0x27};
  BOOST_TEST(!reads(old));
}

BOOST_AUTO_TEST_CASE(frame_that_wants_a_dictionary_is_refused) {
  // A raw-content dictionary has no id; one with an id needs tables.  So the id is put in by hand:
  // its flag in the descriptor, and a byte of it before the size.
  Bytes frame = frame_of(Bytes(8000, std::byte{7}), {});
  BOOST_TEST_REQUIRE(((frame[4] & std::byte{0x23}) == std::byte{0x20}));
  frame[4] |= std::byte{1};
  frame.insert(frame.begin() + 5, std::byte{9});
  BOOST_TEST_REQUIRE(ZSTD_getDictID_fromFrame(frame.data(), frame.size()) == 9U);
  BOOST_TEST_REQUIRE(ZSTD_getFrameContentSize(frame.data(), frame.size()) == 8000U);
  BOOST_TEST(!decode(Encoding::fp32, frame, 2000));
}

BOOST_AUTO_TEST_CASE(window_that_a_frame_asks_for_is_not_made) {
  // Gigabytes, where fuzzing allows 8 MiB; see tests/fuzz/encoding_fuzz.cpp.  Not in one segment,
  // so the window stands in the header: 8 + exponent, 2 GiB.
  Bytes frame = frame_of(Bytes(8000, std::byte{7}), {});
  frame[4] &= ~std::byte{0x20};
  frame.insert(frame.begin() + 5, std::byte{21 << 3});
  BOOST_TEST_REQUIRE(ZSTD_getFrameContentSize(frame.data(), frame.size()) == 8000U);
  BOOST_TEST(decode(Encoding::fp32, frame, 2000).has_value());
}

BOOST_AUTO_TEST_CASE(documented_chunks_are_ours) {
  // So few values become no smaller: the bytes are those before compression.
  const std::vector<float> values{1, -2.5F, 0.001F, 100};
  for (const Encoding encoding : {Encoding::bf16, Encoding::fp32, Encoding::int8}) {
    BOOST_TEST(documented(std::string(name(encoding))) ==
               kith::crypto::to_hex(encode(encoding, values)));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace encoding_test
