#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace kith::daemon {

/// Adds `kith key ...`: the secret keys, and a passphrase for them.  Parsing the command line puts
/// the verb that was asked for into `chosen`, which returns the exit status and throws Failure.
void add_key_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace kith::daemon
