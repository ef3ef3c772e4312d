#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace kith::daemon {

/// Adds `kith charter ...`: what works on charter files alone, also on a machine without a network
/// and without a node.  Parsing the command line puts the verb that was asked for into `chosen`,
/// which returns the exit status and throws Failure.
void add_charter_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace kith::daemon
