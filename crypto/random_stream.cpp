#include "crypto/random_stream.hpp"

#include "crypto/sodium.hpp"

namespace kith::crypto {
namespace {

static_assert(std::tuple_size_v<Hash> == crypto_stream_chacha20_KEYBYTES);

/// Little-endian.
std::array<unsigned char, crypto_stream_chacha20_NONCEBYTES> nonce_for(std::uint64_t counter) {
  std::array<unsigned char, crypto_stream_chacha20_NONCEBYTES> nonce{};
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    nonce[i] = static_cast<unsigned char>(counter >> (8 * i));
  }
  return nonce;
}

}  // namespace

RandomStream RandomStream::fresh() {
  Hash seed{};
  randombytes_buf(seed.data(), seed.size());
  return RandomStream(seed);
}

RandomStream::result_type RandomStream::operator()() {
  if (used_ == buffer_.size()) refill();
  result_type number = 0;  // little-endian
  for (std::size_t i = 0; i < sizeof number; ++i) {
    number |= std::to_integer<result_type>(buffer_[used_++]) << (8 * i);
  }
  return number;
}

void RandomStream::refill() {
  crypto_stream_chacha20(raw(buffer_), buffer_.size(), nonce_for(refills_++).data(), raw(key_));
  used_ = 0;
}

}  // namespace kith::crypto
