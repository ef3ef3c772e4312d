#pragma once

#include "crypto/noise.hpp"

#include <utility>

namespace kith::crypto {

/// Handshakes with an ephemeral key that is not fresh.  Handshake befriends this name and leaves it
/// to the tests to define, so that no other code can do it by accident.
struct FixedEphemeral {
  static Handshake initiator(const ChannelKey& self, const ChannelPublicKey& responder,
                             ByteView prologue, ChannelKey ephemeral) {
    return {Handshake::Role::initiator, self, std::move(ephemeral), responder, prologue};
  }
  static Handshake responder(const ChannelKey& self, ByteView prologue, ChannelKey ephemeral) {
    return {Handshake::Role::responder, self, std::move(ephemeral), std::nullopt, prologue};
  }
};

}  // namespace kith::crypto
