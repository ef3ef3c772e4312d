#pragma once

#include "crypto/identity.hpp"
#include "crypto/noise.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace kith::net {

using crypto::NodeId;

/// One node of the consortium and how to reach it.
struct Member {
  NodeId id;
  crypto::ChannelPublicKey
      channel{};       ///< authenticates its connections; snapshots are sealed to it
  std::string name{};  ///< for people
  std::vector<std::string> addresses{};  ///< "host:port"; empty if it only dials out
};

/// Who takes part.  A fixed list today, from the configuration; a signed charter will make it.
///
/// Ownership: a value.  Threads: immutable once made.
class Consortium {
 public:
  /// Throws std::invalid_argument if the id is empty or longer than 64 bytes, there are more than
  /// limits::kMembers members, or two of them share an id or a channel key.
  Consortium(std::string id, std::vector<Member> members);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  /// nullptr if there is no such member.
  [[nodiscard]] const Member* find(const NodeId& id) const;
  [[nodiscard]] const Member* find(const crypto::ChannelPublicKey& channel) const;
  /// What both sides of a handshake must agree on: the wire format and the consortium.
  [[nodiscard]] Bytes prologue() const;

 private:
  std::string id_;
  std::vector<Member> members_;
};

}  // namespace kith::net
