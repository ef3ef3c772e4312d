#pragma once

#include "daemon/config/config.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace kith::daemon {

/// Asks the running node with this configuration; see control_request().
[[nodiscard]] nlohmann::json ask_node(const Config& config, std::string_view method,
                                      std::string_view target, const nlohmann::json& body = {});

/// Has an operation on a membership done (daemon/api/membership_routes.hpp): by the node that runs
/// with `config`, or, if none does, on its files.  Without a configuration, as on the machine of a
/// steward who runs no node, on `charter`.  Throws what the operation does.
[[nodiscard]] nlohmann::json ask_membership(const std::optional<Config>& config,
                                            const std::filesystem::path& charter,
                                            std::string_view method, std::string_view target,
                                            const nlohmann::json& body = {});
/// The same, of a node that has a configuration.
[[nodiscard]] nlohmann::json ask_membership(const Config& config, std::string_view method,
                                            std::string_view target,
                                            const nlohmann::json& body = {});

}  // namespace kith::daemon
