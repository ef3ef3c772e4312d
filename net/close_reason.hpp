#pragma once

#include <cstdint>
#include <string_view>

namespace kith::net {

/// Why a connection ended.  Values travel in Goodbye, so they are never renumbered.
enum class CloseReason : std::uint8_t {
  shutting_down = 0,
  connection_lost = 1,  ///< the socket failed or the peer closed it without a word
  handshake_timeout = 2,
  handshake_failed = 3,  ///< could not authenticate the peer
  not_a_member = 4,
  wrong_peer = 5,  ///< authenticated, but as somebody else
  version_mismatch = 6,
  other_task = 7,
  malformed = 8,  ///< authenticated bytes that are not our protocol
  oversized = 9,
  idle = 10,
  stalled = 11,      ///< the peer does not read
  duplicate = 12,    ///< another connection to the same peer is used instead
  expired = 13,      ///< old enough for a fresh handshake
  forged = 14,       ///< a record failed authentication
  unreachable = 15,  ///< could not connect
  crowded = 16,      ///< too many connections
  rotated = 17,      ///< in a large consortium: another member is connected with for a change
  denied = 18,       ///< by the operator of the node that closed
  outdated_key = 19,  ///< the key that was proved is not, or no longer, that of the member's card
  internal_error = 20,  ///< the node that closed failed at what the other one sent
};
inline constexpr std::uint8_t kLastCloseReason = 20;

/// A word for tables and logs: "handshake_failed".
[[nodiscard]] std::string_view name(CloseReason reason);

/// One sentence for an operator: what happened and what to do about it.
[[nodiscard]] std::string_view explain(CloseReason reason);

}  // namespace kith::net
