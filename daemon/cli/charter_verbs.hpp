#pragma once

#include "daemon/cli/answer.hpp"
#include "net/consortium.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>

namespace kith::daemon {

/// Adds `kith charter ...`: what works on charter files alone, also on a machine without a network
/// and without a node.  Parsing the command line puts the verb that was asked for into `chosen`,
/// which returns the exit status and throws Failure.
void add_charter_verbs(CLI::App& app, std::function<int()>& chosen);

/// Proposes that `member` belongs to the consortium of the node with this configuration, signs if
/// the node is a steward, and makes it the newest version if that is enough.  Throws Failure.
[[nodiscard]] Answer admit(const std::filesystem::path& config, const net::Member& member);

}  // namespace kith::daemon
