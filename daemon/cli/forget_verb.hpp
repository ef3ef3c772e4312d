#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace kith::daemon {

/// Adds `kith forget`.  Parsing the command line puts it into `chosen`, if it was asked for, which
/// returns the exit status and throws Failure.
void add_forget_verb(CLI::App& app, std::function<int()>& chosen);

}  // namespace kith::daemon
