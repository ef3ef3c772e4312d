#pragma once

#include "crypto/hash.hpp"
#include "net/charter.hpp"
#include "net/consortium.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kith::net {

/// Another channel key and other addresses in place of those in the charter, signed by the member
/// itself: no steward has to agree, because its node key, by which all know it, stays.
///
/// Renews one entry of one charter.  If stewards change that entry, what renewed it is void.
/// docs/protocol.md, "Renewal", has the bytes.
struct Renewal {
  NodeId member;
  Hash entry{};              ///< entry_of() the member in the charter
  std::uint64_t issued = 0;  ///< seconds since 1970; of two, the later one counts
  crypto::ChannelPublicKey channel{};
  std::vector<std::string> addresses{};  ///< as in Member
  crypto::Signature signature{};

  bool operator==(const Renewal&) const = default;
  [[nodiscard]] Hash id() const { return crypto::hash(encode(*this)); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(member.key, entry, issued, channel,
            at_most_texts<limits::kAddresses, limits::kAddress>(addresses), signature);
  }
};

/// Names a member as a charter has it.
[[nodiscard]] Hash entry_of(const Member& member);

/// Requires sound addresses, and that `identity` is that of `entry`.
[[nodiscard]] Renewal renew(const Member& entry, std::uint64_t issued,
                            const crypto::ChannelPublicKey& channel,
                            std::vector<std::string> addresses, const crypto::Identity& identity);
/// Whether its addresses are, and the member has signed it.
[[nodiscard]] bool is_sound(const Renewal& renewal);
/// Of two renewals of an entry, whether this one counts.  Everybody decides alike: also between two
/// of one second, which only a liar makes.
[[nodiscard]] bool supersedes(const Renewal& renewal, const Renewal& other);

/// At most one for each member: of `renewals`, wherever they come from, those that are sound, renew
/// an entry of `charter`, are not superseded, and name no channel key that the charter gives to
/// another member.
[[nodiscard]] std::vector<Renewal> in_force(const Charter& charter, std::vector<Renewal> renewals);

/// A file of them, for who was away for too long.
[[nodiscard]] Bytes renewals_file(const std::vector<Renewal>& renewals);
/// Whether it begins like one.
[[nodiscard]] bool is_renewals_file(ByteView bytes);
/// nullopt if it is none, or damaged.  Says nothing of the signatures.
[[nodiscard]] std::optional<std::vector<Renewal>> parse_renewals_file(ByteView bytes);

}  // namespace kith::net
