#include "crypto/noise.hpp"

#include "crypto/aead.hpp"
#include "crypto/sodium.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <string_view>
#include <utility>

// Names and quoted steps are those of the Noise specification, revision 34.
namespace kith::crypto {
namespace {

constexpr std::string_view kProtocolName = "Noise_XK_25519_ChaChaPoly_SHA256";
constexpr std::uint64_t kMaxNonce = std::numeric_limits<std::uint64_t>::max();  // only for REKEY
constexpr std::size_t kDhLength = 32;                                           // DHLEN
constexpr std::size_t kSealedKey = kDhLength + aead::kTagSize;

static_assert(Transport::kTagSize == aead::kTagSize);
static_assert(std::tuple_size_v<Hash> == crypto_hash_sha256_BYTES);
static_assert(Handshake::kMaxPayload + kSealedKey + aead::kTagSize == Handshake::kMaxMessage);

// HMAC-HASH(key, first || second)
void hmac(ByteView key, ByteView first, ByteView second, std::span<std::byte, 32> out) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, raw(key), key.size());
  crypto_auth_hmacsha256_update(&state, raw(first), first.size());
  crypto_auth_hmacsha256_update(&state, raw(second), second.size());
  crypto_auth_hmacsha256_final(&state, raw(out));
  sodium_memzero(&state, sizeof state);
}

// HKDF(chaining_key, input_key_material, 2).  `output1` may be the chaining key itself.
void hkdf(ByteView chaining_key, ByteView input_key_material, std::span<std::byte, 32> output1,
          std::span<std::byte, 32> output2) {
  constexpr std::byte kOne[] = {std::byte{1}}, kTwo[] = {std::byte{2}};
  Scratch<32> temp_key;
  hmac(chaining_key, input_key_material, {}, temp_key.data());
  hmac(temp_key.data(), {}, kOne, output1);
  hmac(temp_key.data(), output1, kTwo, output2);
}

// "returns the first 32 bytes from ENCRYPT(k, maxnonce, zerolen, zeros)"
void rekey(std::span<std::byte, 32> key) {
  constexpr std::array<std::byte, 32> kZeros{};
  Scratch<kZeros.size() + aead::kTagSize> encrypted;
  aead::encrypt(key, kMaxNonce, {}, kZeros, encrypted.data());
  std::ranges::copy(encrypted.data().first<32>(), key.begin());
}

}  // namespace

void Transport::seal(ByteView plaintext, Bytes& out) {
  assert(plaintext.size() <= kMaxPlaintext);
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + kTagSize);
  aead::encrypt(key(sending_), sending_.records, {}, plaintext, std::span(out).subspan(start));
  advance(sending_);
}

bool Transport::open(ByteView record, Bytes& out) {
  if (broken_ || record.size() < kTagSize || record.size() > kMaxRecord) {
    broken_ = true;
    return false;
  }
  const std::size_t start = out.size();
  out.resize(start + record.size() - kTagSize);
  if (!aead::decrypt(key(receiving_), receiving_.records, {}, record,
                     std::span(out).subspan(start))) {
    out.resize(start);
    broken_ = true;
    return false;
  }
  advance(receiving_);
  return true;
}

std::span<std::byte, 32> Transport::key(const Direction& direction) {
  return std::span<std::byte, 32>(keys_.data().subspan(direction.key, 32));
}

void Transport::advance(Direction& direction) {
  ++direction.records;
  assert(direction.records != kMaxNonce);
  if (direction.records % kRekeyInterval == 0) rekey(key(direction));  // n is left as it is
}

// The specification's HandshakeState, with its SymmetricState and CipherState.  In XK each
// EncryptAndHash() comes after a MixKey(), so there always is a key.
struct Handshake::State {
  DhKey s, e;        // ours: static, ephemeral
  DhPublicKey rs{};  // the peer's static key, once known
  DhPublicKey re{};  // the peer's ephemeral key, once known
  Secret<32> ck{}, k{};
  std::uint64_t n = 0;
  Hash h{};

  void mix_hash(ByteView data);
  void mix_key(ByteView input_key_material);
  void mix_dh(const DhKey& ours, const DhPublicKey& theirs);
  void encrypt_and_hash(ByteView plaintext, Bytes& out);
  [[nodiscard]] bool decrypt_and_hash(ByteView ciphertext, std::span<std::byte> plaintext);

  void write_e(Bytes& out);
  void read_e(ByteView from);
};

void Handshake::State::mix_hash(ByteView data) {  // h = HASH(h || data)
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  crypto_hash_sha256_update(&state, raw(h), h.size());
  crypto_hash_sha256_update(&state, raw(data), data.size());
  crypto_hash_sha256_final(&state, raw(h));
}

void Handshake::State::mix_key(ByteView input_key_material) {
  hkdf(ck.data(), input_key_material, ck.data(), k.data());
  n = 0;
}

void Handshake::State::mix_dh(const DhKey& ours, const DhPublicKey& theirs) {
  Scratch<kDhLength> shared;
  const int status = crypto_scalarmult(raw(shared.data()), raw(ours.secret().data()), raw(theirs));
  // All zeros: `theirs` is of small order, and anybody could know the result.  With a random one
  // instead, nothing the peer sends is authentic from here on and nothing we send can be read.
  if (status != 0) randombytes_buf(shared.data().data(), kDhLength);
  mix_key(shared.data());
}

void Handshake::State::encrypt_and_hash(ByteView plaintext, Bytes& out) {
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + aead::kTagSize);
  const auto ciphertext = std::span(out).subspan(start);
  aead::encrypt(k.data(), n++, h, plaintext, ciphertext);
  mix_hash(ciphertext);
}

bool Handshake::State::decrypt_and_hash(ByteView ciphertext, std::span<std::byte> plaintext) {
  if (!aead::decrypt(k.data(), n++, h, ciphertext, plaintext)) return false;
  mix_hash(ciphertext);
  return true;
}

void Handshake::State::write_e(Bytes& out) {
  out.insert(out.end(), e.public_key().begin(), e.public_key().end());
  mix_hash(e.public_key());
}

void Handshake::State::read_e(ByteView from) {
  std::ranges::copy(from, re.begin());
  mix_hash(re);
}

Handshake Handshake::initiator(const DhKey& self, const DhPublicKey& responder,
                               ByteView prologue) {
  return {Role::initiator, self, DhKey::generate(), responder, prologue};
}

Handshake Handshake::responder(const DhKey& self, ByteView prologue) {
  return {Role::responder, self, DhKey::generate(), std::nullopt, prologue};
}

Handshake::Handshake(Role role, const DhKey& self, DhKey ephemeral,
                     std::optional<DhPublicKey> peer, ByteView prologue)
    : state_(new State{DhKey::from_secret(self.secret()), std::move(ephemeral)}),
      role_(role),
      peer_(peer) {
  if (peer) state_->rs = *peer;
  // "If protocol_name is [...] equal to HASHLEN bytes in length, sets h equal to protocol_name"
  static_assert(kProtocolName.size() == std::tuple_size_v<Hash>);
  std::ranges::copy(as_byte_view(kProtocolName), state_->h.begin());
  std::ranges::copy(state_->h, state_->ck.data().begin());
  state_->mix_hash(prologue);
  state_->mix_hash(role == Role::initiator ? *peer : self.public_key());  // <- s
}

Handshake::~Handshake() = default;
Handshake::Handshake(Handshake&&) noexcept = default;
Handshake& Handshake::operator=(Handshake&&) noexcept = default;

bool Handshake::my_turn() const {
  const bool initiators_turn = messages_ % 2 == 0;
  return state_ && !finished() && initiators_turn == (role_ == Role::initiator);
}

bool Handshake::finished() const { return messages_ == 3; }

Bytes Handshake::write(ByteView payload) {
  assert(my_turn() && payload.size() <= kMaxPayload);
  State& state = *state_;
  Bytes message;
  switch (messages_) {
    case 0:                             // -> e, es
      state.write_e(message);           // e
      state.mix_dh(state.e, state.rs);  // es
      break;
    case 1:                             // <- e, ee
      state.write_e(message);           // e
      state.mix_dh(state.e, state.re);  // ee
      break;
    case 2:                                                   // -> s, se
      state.encrypt_and_hash(state.s.public_key(), message);  // s
      state.mix_dh(state.s, state.re);                        // se
      break;
  }
  state.encrypt_and_hash(payload, message);
  advance();
  return message;
}

std::optional<Bytes> Handshake::read(ByteView message) {
  if (!state_ || finished()) return std::nullopt;
  State& state = *state_;
  const std::size_t keys = messages_ == 2 ? kSealedKey : kDhLength;  // bytes before the payload
  if (my_turn() || message.size() < keys + aead::kTagSize || message.size() > kMaxMessage) {
    return fail();
  }
  switch (messages_) {
    case 0:                               // -> e, es
      state.read_e(message.first(keys));  // e
      state.mix_dh(state.s, state.re);    // es
      break;
    case 1:                               // <- e, ee
      state.read_e(message.first(keys));  // e
      state.mix_dh(state.e, state.re);    // ee
      break;
    case 2:                                                                       // -> s, se
      if (!state.decrypt_and_hash(message.first(keys), state.rs)) return fail();  // s
      state.mix_dh(state.e, state.rs);                                            // se
      break;
  }
  Bytes payload(message.size() - keys - aead::kTagSize);
  if (!state.decrypt_and_hash(message.subspan(keys), payload)) return fail();
  advance();
  return payload;
}

void Handshake::advance() {
  ++messages_;
  if (!finished()) return;
  peer_ = state_->rs;
  binding_ = state_->h;
}

std::nullopt_t Handshake::fail() {
  state_.reset();
  return std::nullopt;
}

Hash Handshake::channel_binding() const {
  assert(finished());
  return binding_;
}

Transport Handshake::split() {
  assert(finished() && state_);
  // "temp_k1, temp_k2 = HKDF(ck, zerolen, 2)": the first is for the initiator's records.
  Transport transport;
  if (role_ == Role::responder) std::swap(transport.sending_, transport.receiving_);
  const auto keys = transport.keys_.data();
  hkdf(state_->ck.data(), {}, keys.first<32>(), keys.last<32>());
  state_.reset();
  return transport;
}

}  // namespace kith::crypto
