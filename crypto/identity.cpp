#include "crypto/identity.hpp"

#include "crypto/sodium.hpp"

#include <cstdint>
#include <utility>

namespace kith::crypto {
namespace {

static_assert(sizeof(NodeId) == crypto_sign_PUBLICKEYBYTES);
static_assert(std::tuple_size_v<Signature> == crypto_sign_BYTES);

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t kKeyDigits = 52;  // 256 bits and four zero bits
constexpr std::size_t kCheckDigits = 4;
constexpr std::size_t kGroup = 7;

using Digits = std::array<std::uint8_t, kKeyDigits + kCheckDigits>;  // most significant first

// An id, read as one number in base 32, is a multiple of this.
constexpr std::uint32_t kModulus = 1'048'517;

// Two wrong digits, `distance` apart, change the number by 32^k * (a * 32^distance + b), where a
// and b are at most 31 either way.  One wrong digit is a == 0; a swap of two is b == -a.
constexpr bool catches_two_wrong_digits(std::uint32_t modulus) {
  if (modulus % 2 == 0) return false;  // 32^k must not matter
  std::uint64_t power = 1;
  for (std::size_t distance = 1; distance < Digits{}.size(); ++distance) {
    power = power * 32 % modulus;
    for (std::uint32_t a = 1; a < 32; ++a) {
      const std::uint64_t change = a * power % modulus;
      if (change < 32 || modulus - change < 32) return false;  // some b makes up for it
    }
  }
  return true;
}
static_assert(kModulus <= 1 << (5 * kCheckDigits) && catches_two_wrong_digits(kModulus));

std::uint32_t remainder(std::span<const std::uint8_t> digits) {
  std::uint32_t r = 0;
  for (const std::uint8_t digit : digits) r = (r * 32 + digit) % kModulus;
  return r;
}

Digits encode(const NodeId& id) {
  Digits digits{};
  for (std::size_t bit = 0; bit < 8 * id.key.size(); ++bit) {
    const bool set = (id.key[bit / 8] & (std::byte{0x80} >> (bit % 8))) != std::byte{};
    if (set) digits[bit / 5] |= static_cast<std::uint8_t>(0x10 >> (bit % 5));
  }
  std::uint32_t check = (kModulus - remainder(digits)) % kModulus;
  for (std::size_t i = digits.size(); i-- > kKeyDigits; check /= 32) {
    digits[i] = static_cast<std::uint8_t>(check % 32);
  }
  return digits;
}

NodeId decode(const Digits& digits) {
  NodeId id;
  for (std::size_t bit = 0; bit < 8 * id.key.size(); ++bit) {
    const bool set = (digits[bit / 5] & (0x10 >> (bit % 5))) != 0;
    if (set) id.key[bit / 8] |= std::byte{0x80} >> (bit % 8);
  }
  return id;
}

std::optional<std::uint8_t> digit_value(char c) {
  if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (c == 'o') c = '0';
  if (c == 'i' || c == 'l') c = '1';
  const std::size_t value = kAlphabet.find(c);
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

}  // namespace

std::string to_string(const NodeId& id) {
  std::string text;
  const Digits digits = encode(id);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && i % kGroup == 0) text += '-';
    text += kAlphabet[digits[i]];
  }
  return text;
}

std::string short_name(const NodeId& id) { return to_string(id).substr(0, kGroup); }

std::optional<NodeId> parse_node_id(std::string_view text) {
  Digits digits{};
  std::size_t count = 0;
  for (const char c : text) {
    if (c == '-' || c == ' ') continue;
    const auto value = digit_value(c);
    if (!value || count == digits.size()) return std::nullopt;
    digits[count++] = *value;
  }
  if (count != digits.size()) return std::nullopt;
  const NodeId id = decode(digits);
  if (encode(id) != digits) return std::nullopt;  // check digits, or bits beyond the key
  return id;
}

Identity Identity::generate() { return Identity(Secret<32>::random()); }

Identity Identity::from_seed(const Secret<32>& seed) { return Identity(Secret<32>(seed.data())); }

Identity::Identity(Secret<32> seed) : seed_(std::move(seed)) {
  crypto_sign_seed_keypair(raw(id_.key), raw(signing_key_.data()), raw(seed_.data()));
}

Signature Identity::sign(ByteView message) const {
  Signature signature;
  crypto_sign_detached(raw(signature), nullptr, raw(message), message.size(),
                       raw(signing_key_.data()));
  return signature;
}

bool verify(const NodeId& signer, ByteView message, const Signature& signature) {
  return crypto_sign_verify_detached(raw(signature), raw(message), message.size(),
                                     raw(signer.key)) == 0;
}

}  // namespace kith::crypto
