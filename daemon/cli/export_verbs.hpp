#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace kith::daemon {

/// Adds `kith export` and `kith verify`: a model for others, with its card.  Parsing the command
/// line puts the verb that was asked for into `chosen`, which returns the exit status and throws
/// Failure.
void add_export_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace kith::daemon
