#pragma once

#include "crypto/identity.hpp"
#include "crypto/noise.hpp"
#include "net/archive.hpp"
#include "net/limits.hpp"

#include <cstdint>
#include <string>
#include <string_view>
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

  bool operator==(const Member&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(id.key, channel, at_most<limits::kLabel>(name),
            at_most_texts<limits::kAddresses, limits::kAddress>(addresses));
  }
};

/// 1 to 64 bytes of UTF-8 without control characters: what may be shown to people as a name.
[[nodiscard]] bool is_label(std::string_view text);
/// At most 4 addresses, each "host:port" in at most 255 visible ASCII characters.
[[nodiscard]] bool are_addresses(const std::vector<std::string>& addresses);

/// Who takes part: from the newest version of the charter, or from a list in the configuration.
///
/// Ownership: a value.  Threads: one at a time; immutable but for renew().
class Consortium {
 public:
  /// Throws std::invalid_argument if the id is empty or longer than 64 bytes, there are more than
  /// limits::kMembers members, or two of them share an id or a channel key.
  Consortium(std::string id, std::vector<Member> members);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  /// nullptr if there is no such member, or if more than one says that it has this key.
  [[nodiscard]] const Member* find(const NodeId& id) const;
  [[nodiscard]] const Member* find(const crypto::ChannelPublicKey& channel) const;
  /// Gives a member another channel key and other addresses, in its place: pointers to it hold.
  /// False if there is no such member.
  bool renew(const NodeId& id, const crypto::ChannelPublicKey& channel,
             std::vector<std::string> addresses);
  /// What both sides of a handshake must agree on: the wire format and the consortium.
  [[nodiscard]] Bytes prologue() const;

 private:
  std::string id_;
  std::vector<Member> members_;
};

}  // namespace kith::net
