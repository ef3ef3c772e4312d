#pragma once

#include "daemon/config/config.hpp"
#include "daemon/cli/views.hpp"

#include <nlohmann/json.hpp>
#include <string>

/// What a node promises never to exceed, shown to people: all from the table in net/limit_table,
/// and what the configuration adds.
namespace kith::daemon {

/// An array of {group, name, value, unit, what, then}; `unit` is "bytes", "seconds" or null.
[[nodiscard]] nlohmann::json limits_json(const Config::Limits& configured);

/// What limits_json() gives, as a table for people.
[[nodiscard]] Lines limits_lines(const nlohmann::json& limits);

/// docs/limits.md.
[[nodiscard]] std::string limits_markdown();

}  // namespace kith::daemon
