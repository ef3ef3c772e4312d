#pragma once

#include "daemon/config/config.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

namespace kith::daemon {

/// control_request() to the node with this configuration, for a verb: waits some seconds for one
/// that runs but does not answer yet, because it is starting or takes up another version of the
/// charter. Throws Failure; EX_UNAVAILABLE if none runs.
[[nodiscard]] nlohmann::json ask_node(const Config& config, std::string_view method,
                                      std::string_view target, const nlohmann::json& body = {});

}  // namespace kith::daemon
