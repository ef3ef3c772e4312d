#pragma once

#include "crypto/bytes.hpp"
#include "crypto/dh_key.hpp"
#include "crypto/hash.hpp"
#include "crypto/secret.hpp"

#include <cstdint>
#include <memory>
#include <optional>

// Noise_XK_25519_ChaChaPoly_SHA256, revision 34 of the Noise specification, sans-IO.
namespace kith::crypto {

/// The two directions of a finished handshake: seals what we send, opens what the peer sent.
///
/// Records carry an implicit counter, so they must be opened in the order they were sealed: a lost,
/// repeated, reordered or altered record fails, and a failed Transport opens nothing more.
/// Move-only; keys wiped.  Use it from one thread at a time.
class Transport {
 public:
  static constexpr std::size_t kTagSize = 16;                          ///< bytes
  static constexpr std::size_t kMaxRecord = 65535;                     ///< bytes, tag included
  static constexpr std::size_t kMaxPlaintext = kMaxRecord - kTagSize;  ///< bytes
  static constexpr std::uint64_t kRekeyInterval = 1024;                ///< records a direction

  /// Appends plaintext.size() + kTagSize bytes to `out`.
  /// Requires plaintext.size() <= kMaxPlaintext and a `plaintext` that is no part of `out`.
  void seal(ByteView plaintext, Bytes& out);

  /// Appends the plaintext of the peer's next record to `out`; false (for ever) if it is not that
  /// record, `out` then unchanged.  Requires a `record` that is no part of `out`.
  [[nodiscard]] bool open(ByteView record, Bytes& out);

 private:
  friend class Handshake;
  Transport() = default;

  struct Direction {
    std::size_t key;            // where in keys_
    std::uint64_t records = 0;  // done, and so the next nonce
  };
  [[nodiscard]] std::span<std::byte, 32> key(const Direction& direction);
  void advance(Direction& direction);

  Secret<64> keys_;  // both directions': secret memory comes by the page
  Direction sending_{0}, receiving_{32};
  bool broken_ = false;  // set by the first failed open()
};

/// Noise XK: the initiator knows the responder's static key beforehand and shows its own,
/// encrypted, only to the holder of that key.  Three messages, starting with the initiator's:
///
///     -> e, es      <- e, ee      -> s, se
///
/// The payload of message 1 can be replayed, and is open to whoever later steals the responder's
/// key; that of message 2 reaches whoever sent message 1.
///
/// Ownership: move-only; keeps copies of the keys, wiped when it fails, is split or destroyed.
/// Errors: a peer can only cause `nullopt`, which says "not authentic" and never why.
class Handshake {
 public:
  static constexpr std::size_t kMaxMessage = 65535;       ///< bytes
  static constexpr std::size_t kMaxPayload = 65535 - 64;  ///< bytes; fits each of the messages

  /// `responder` is the key that the peer must prove to hold.  Both sides must give the same
  /// `prologue`, any length.
  [[nodiscard]] static Handshake initiator(const DhKey& self,
                                           const DhPublicKey& responder, ByteView prologue);
  [[nodiscard]] static Handshake responder(const DhKey& self, ByteView prologue);

  ~Handshake();
  Handshake(Handshake&&) noexcept;
  Handshake& operator=(Handshake&&) noexcept;

  [[nodiscard]] bool my_turn() const;   ///< true if the next step is write()
  [[nodiscard]] bool finished() const;  ///< all three messages done
  /// The next handshake message, carrying `payload`.
  /// Requires my_turn() and payload.size() <= kMaxPayload.
  [[nodiscard]] Bytes write(ByteView payload);
  /// The payload of the peer's next message, or nullopt (for ever) if it is not authentic, or not
  /// the peer's turn.
  [[nodiscard]] std::optional<Bytes> read(ByteView message);

  /// The peer's static key; nullopt on the responder until message 3 was read.
  [[nodiscard]] const std::optional<DhPublicKey>& peer() const { return peer_; }
  /// The handshake hash, SHA-256: equal on both sides, unlike any other connection's.  Requires
  /// finished().
  [[nodiscard]] Hash channel_binding() const;
  /// Ends the handshake.  Requires finished(); once only.
  [[nodiscard]] Transport split();

 private:
  enum class Role { initiator, responder };
  struct State;
  friend struct FixedEphemeral;  // defined by tests alone, to reproduce published transcripts

  Handshake(Role role, const DhKey& self, DhKey ephemeral,
            std::optional<DhPublicKey> peer, ByteView prologue);
  void advance();
  std::nullopt_t fail();

  std::unique_ptr<State> state_;  // null after a failure and after split(): nothing left to wipe
  Role role_;
  int messages_ = 0;  // done, of three
  std::optional<DhPublicKey> peer_;
  Hash binding_{};
};

}  // namespace kith::crypto
