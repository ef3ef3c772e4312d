#pragma once

#include "daemon/config/config.hpp"
#include "net/card.hpp"

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// Whom an operator wants to take in.
struct ApproveRequest {
  std::string who;  ///< has applied: its name, the beginning of its id, or the invitation's number
  std::string id{};  ///< its id as it was heard on the telephone; empty: nobody compared it
  /// The node key with which a steward signs; if it is not there, nobody signs.
  std::filesystem::path key{};
};

/// What came of it.
struct Approved {
  net::Card card;
  bool signed_here = false;     ///< by that key, which is a steward's
  nlohmann::json signatures{};  ///< to_json(net::Tally)
  /// More signatures are needed: the proposal to pass round.
  std::optional<std::filesystem::path> proposal{};
  std::uint64_t number = 0;     ///< else: the version that has it as a member
  std::string fingerprint{};    ///< of that version
  /// Other members, and addresses of theirs that it claims to have as well.
  struct Shared {
    std::string name, address;
  };
  std::vector<Shared> shared{};
  [[nodiscard]] bool admitted() const { return !proposal; }
};

/// Makes a version of the charter with an applicant as a member, and the newest one if this steward's
/// signature is enough.  The node of this configuration takes it, whether it runs or not.  Throws
/// Failure: EX_USAGE if `who` means nobody or several, EX_DATAERR if it has another id than that,
/// EX_NOPERM if the key has signed another version of that number.
Approved approve(const Config& config, const ApproveRequest& request);

}  // namespace kith::daemon
