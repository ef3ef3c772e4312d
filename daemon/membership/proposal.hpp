#pragma once

#include "crypto/identity.hpp"
#include "net/card.hpp"
#include "net/charter.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// How stewards change the charter: a proposal for the next version, a file that is passed round
/// until it has the signatures that it needs.  Whatever is wrong is a Failure with what to do;
/// nothing is changed then.
namespace kith::daemon {

/// The next version, with the signatures that it has so far, and how those are reached whom it adds.
struct Proposal {
  net::SignedCharter version;
  std::vector<net::Card> cards{};  ///< at most one each; sound
};

/// What the next version is to change.
struct CharterChanges {
  std::vector<net::Member> add{};
  std::vector<std::string> remove{};           ///< names of members
  std::vector<net::Steward> steward_add{};
  std::vector<std::string> steward_remove{};   ///< names of stewards
  std::uint32_t threshold = 0;                 ///< 0: more than half, if stewards change
  std::chrono::hours renew{0};                 ///< it expires so long from now; 0: as before
};
/// The version after `chain`'s newest, unsigned.  Throws Failure(EX_USAGE) if it would be refused, or
/// changes nothing.
[[nodiscard]] net::Charter next_version(const net::CharterChain& chain,
                                        const CharterChanges& changes,
                                        std::chrono::system_clock::time_point now);
/// A new consortium's first version: `member` is its only member and its only steward.  Throws as
/// above.
[[nodiscard]] net::Charter founding_version(const std::string& consortium,
                                            const net::Member& member,
                                            std::chrono::system_clock::time_point now);

/// The bytes of a proposal's file.
[[nodiscard]] Bytes encode_proposal(const Proposal& proposal);
/// Reads the bytes of a proposal's file.  `name` is what people call it.  Throws Failure(EX_DATAERR).
[[nodiscard]] Proposal parse_proposal(ByteView file, const std::string& name);
/// Whether a file begins like a proposal, of whatever format.
[[nodiscard]] bool is_proposal(ByteView file);
/// Reads a proposal from the disk.  Throws Failure: EX_NOINPUT, EX_DATAERR.
[[nodiscard]] Proposal load_proposal(const std::filesystem::path& file);
void save_proposal(const std::filesystem::path& file, const Proposal& proposal);

/// How far `proposal` is from being the newest version.  `name` is what people call its file.  Throws
/// Failure(EX_DATAERR) if it cannot follow `chain`, whoever signs it.
[[nodiscard]] net::Tally tally_of(const net::CharterChain& chain,
                                  const net::SignedCharter& proposal, const std::string& name);

/// Signs `proposal`, the next version of `chain` (empty: its first): at most one of a number, unless
/// what was signed before is `given_up`.  What is about to be signed is on the disk before it is, in
/// a ledger beside the node key's file `key`.  `source` is named if another proposal comes.  Throws
/// Failure(EX_NOPERM) if it must not be signed.  Requires a proposal without a problem().
void sign_once(net::SignedCharter& proposal, const net::CharterChain& chain,
               const crypto::Identity& steward, const std::filesystem::path& key,
               const std::filesystem::path& source, bool given_up = false);

}  // namespace kith::daemon
