#pragma once

#include "crypto/key_file.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/config/config.hpp"
#include "net/renewal.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

/// Who has another channel key, or other addresses, than the charter says.  They lie beside the
/// charter, with its name and .renewals; a node also tells them to the others, who may take the
/// file with kith charter merge.
namespace kith::daemon {

[[nodiscard]] std::filesystem::path renewals_file(const std::filesystem::path& charter);
/// Whether `file` is one, by how it begins.
[[nodiscard]] bool is_renewals_file(const std::filesystem::path& file);

/// Those in the file that are in force by `charter`; none if there is no file.  Throws
/// Failure(EX_DATAERR) if it is damaged.
[[nodiscard]] std::vector<net::Renewal> load_renewals(const std::filesystem::path& file,
                                                      const net::Charter& charter);
void save_renewals(const std::filesystem::path& file, const std::vector<net::Renewal>& renewals);

/// The members of `charter` as they are reached now.
[[nodiscard]] std::vector<net::Member> renewed_members(const std::filesystem::path& charter_file,
                                                       const net::Charter& charter);

/// All that are in force where this node runs.  If its key is another than the others know, or
/// node.addresses says so, its own renewal is made here, written down and recorded.  None without a
/// charter.
[[nodiscard]] std::vector<net::Renewal> renew_node(const Config& config,
                                                   const crypto::NodeKeys& keys, AuditLog& audit,
                                                   std::chrono::system_clock::time_point now);

}  // namespace kith::daemon
