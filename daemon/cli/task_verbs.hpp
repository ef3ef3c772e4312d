#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace kith::daemon {

/// Adds `kith task ...`: what is learnt, as a file that a consortium agrees on.  Parsing the
/// command line puts the verb that was asked for into `chosen`, which returns the exit status and
/// throws Failure.
void add_task_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace kith::daemon
