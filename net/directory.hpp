#pragma once

#include "crypto/channel_key.hpp"
#include "net/card.hpp"
#include "net/charter.hpp"

#include <optional>
#include <string>
#include <vector>

namespace kith::net {

/// Who takes part, and how each is reached: the members of the charter's newest version, and their
/// newest cards.
///
/// Ownership: a value.  Threads: one at a time.
class Directory {
 public:
  struct Entry {
    NodeId id;
    std::string name;
    std::optional<Card> card{};  ///< none until it is heard of
    crypto::DhPublicKey dh{};    ///< of the card's channel key; zeros without a card

    [[nodiscard]] bool reachable() const { return card && !card->addresses.empty(); }
    /// Whether its connections are authenticated by this key now.
    [[nodiscard]] bool has_key(const crypto::DhPublicKey& key) const { return card && dh == key; }
  };

  /// The directory of the consortium with that id, whose charter began with the version `founded`.
  Directory(std::string consortium, const Hash& founded)
      : consortium_(std::move(consortium)), founded_(founded) {}

  [[nodiscard]] const std::string& consortium() const { return consortium_; }
  [[nodiscard]] const Hash& founded() const { return founded_; }
  [[nodiscard]] const std::vector<Entry>& members() const { return members_; }  ///< ascending by id
  /// nullptr if there is no such member.  Valid until set_members().
  [[nodiscard]] const Entry* find(const NodeId& id) const;
  /// The key with which that member signs what it publishes, and to which is sealed what it may
  /// read; nullopt if it is no member, or has no card.
  [[nodiscard]] std::optional<crypto::ChannelPublicKey> channel_of(const NodeId& id) const;
  /// Whether it is a member's.
  [[nodiscard]] bool has_key(const crypto::DhPublicKey& key) const;

  /// Makes `members` the members; who was one before keeps its card.
  void set_members(const std::vector<Member>& members);
  /// Takes a sound card in place of its node's former one; false if that is no member.
  bool put(Card card);

 private:
  [[nodiscard]] Entry* find_entry(const NodeId& id);

  std::string consortium_;
  Hash founded_;
  std::vector<Entry> members_;
};

/// What both sides of a handshake must agree on: the protocol, the consortium, and who is called.
[[nodiscard]] Bytes prologue(const Hash& founded, const NodeId& responder);

}  // namespace kith::net
