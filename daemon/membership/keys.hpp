#pragma once

#include "crypto/channel_key.hpp"
#include "crypto/identity.hpp"
#include "crypto/key_file.hpp"
#include "net/card.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// A node's secret keys, and the card that joins them, as files.  If a key file is sealed, its
/// passphrase is the first line of the file that KITH_PASSPHRASE_FILE names, or is asked for on the
/// terminal.
namespace kith::daemon {

/// What a running node works with.
struct NodeKeys {
  crypto::NodeId id;
  crypto::ChannelKey channel;
  /// The one before, for limits::kKeyOverlap after it was renewed: still answered to.
  std::optional<crypto::ChannelKey> former{};
};

/// The channel key in this file, and the former one, which lies beside it with `.former` after its
/// name and is removed once the overlap is over.  Throws Failure: EX_NOINPUT if there is no such
/// file, EX_DATAERR if it is damaged, EX_NOPERM for all else.
[[nodiscard]] NodeKeys load_channel_keys(const std::filesystem::path& file);
/// The node key in this file.  Throws as above.
[[nodiscard]] crypto::Identity load_node_key(const std::filesystem::path& file);

/// Where a node keeps the two keys, and the card that says they belong together.
struct KeyFiles {
  std::filesystem::path node, channel, card;
};
/// Makes what is missing of the two keys; the node that they are of.  Throws Failure.
[[nodiscard]] crypto::Identity make_keys(const KeyFiles& files);

/// Where the former channel key lies, if there is one, beside the file of the present one.
[[nodiscard]] std::filesystem::path former_key(const std::filesystem::path& file);
/// When the former key is not answered to any more.
[[nodiscard]] std::chrono::system_clock::time_point overlap_end(
    const std::filesystem::path& former);

/// Makes a new channel key, and keeps the one that is there now as the former one; both as sealed
/// as the file is now.  Throws Failure; then the key is as it was.
void renew_channel_key(const std::filesystem::path& file);
/// Seals the key in a file, of either kind, with a passphrase, and with a channel key the former one
/// beside it; nullptr: takes the passphrase away.  Throws Failure.
void seal_key_file(const std::filesystem::path& file, const crypto::Passphrase* passphrase);
/// Puts the key in `from` into a new file, sealed: as it is, if it is sealed already, or else with
/// what `passphrase` gives.  Throws Failure; EX_NOINPUT if there is no `from`.
void copy_sealed(const std::filesystem::path& from, const std::filesystem::path& to,
                 const std::function<const crypto::Passphrase&()>& passphrase);
/// A new passphrase: from that file, or asked for twice.  Throws Failure.
[[nodiscard]] crypto::Passphrase new_passphrase();

/// The card in this file; nullopt if there is no file.  Throws Failure(EX_DATAERR) with what to do.
[[nodiscard]] std::optional<net::Card> load_card(const std::filesystem::path& file);

/// What a node is to say of itself.
struct CardDraft {
  std::string name;
  std::vector<std::string> addresses;
};
/// Signs the card of this node in the consortium that was `founded` so, with the keys in `files`.  It
/// is dated `now`, and later than `later_than`.  Throws Failure.
[[nodiscard]] net::Card make_card(const KeyFiles& files, const crypto::Identity& node,
                                  const CardDraft& draft, const net::Hash& founded,
                                  std::chrono::system_clock::time_point now,
                                  std::uint64_t later_than = 0);
/// Signs a card as make_card() does, and writes it into `files.card`.
[[nodiscard]] net::Card write_card(const KeyFiles& files, const crypto::Identity& node,
                                   const CardDraft& draft, const net::Hash& founded,
                                   std::chrono::system_clock::time_point now,
                                   std::uint64_t later_than = 0);

}  // namespace kith::daemon
