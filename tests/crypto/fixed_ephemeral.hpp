#pragma once

#include "crypto/noise.hpp"

#include <utility>

namespace kith::crypto {

/// Handshakes with an ephemeral key that is not fresh.  Handshake befriends this name and leaves it
/// to the tests to define, so that no other code can do it by accident.
struct FixedEphemeral {
  static Handshake initiator(const DhKey& self, const DhPublicKey& responder,
                             ByteView prologue, DhKey ephemeral) {
    return {Handshake::Role::initiator, self, std::move(ephemeral), responder, prologue};
  }
  static Handshake responder(const DhKey& self, ByteView prologue, DhKey ephemeral) {
    return {Handshake::Role::responder, self, std::move(ephemeral), std::nullopt, prologue};
  }
};

}  // namespace kith::crypto
