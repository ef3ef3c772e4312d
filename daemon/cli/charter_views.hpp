#pragma once

#include "daemon/cli/views.hpp"
#include "daemon/system/console.hpp"
#include "net/charter.hpp"
#include "net/membership_record.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// Charters in words and in JSON.
namespace kith::daemon {

[[nodiscard]] nlohmann::json charter_json(const net::Charter& charter, const crypto::Hash& id);
[[nodiscard]] nlohmann::json diff_json(const net::CharterDiff& changes);
[[nodiscard]] Lines diff_lines(const net::CharterDiff& changes);
/// How many have signed, and who still may; `tally` is to_json() of one.
[[nodiscard]] std::string tally_text(const nlohmann::json& tally);

/// Members, stewards, threshold, expiry, and what contradicts it.
[[nodiscard]] nlohmann::json record_json(const net::MembershipRecord& record);
[[nodiscard]] Lines record_lines(const net::MembershipRecord& record);
/// The names of who signed a version, which came after `before`.
[[nodiscard]] std::vector<std::string> signers(const net::SignedCharter& version,
                                               const net::Charter& charter,
                                               const net::Charter& before);
/// With commas between; "-" if there are none.
[[nodiscard]] std::string joined(const std::vector<std::string>& texts);

}  // namespace kith::daemon
