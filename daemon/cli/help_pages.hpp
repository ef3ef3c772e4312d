#pragma once

#include <CLI/CLI.hpp>
#include <string>

/// What is made of the help texts, so that nothing is written twice.
namespace kith::daemon {

/// The manual page kith(1), for man.
[[nodiscard]] std::string manual_page(const CLI::App& app, const std::string& version);
/// What bash completes after "kith": verbs and their options.
[[nodiscard]] std::string bash_completion(const CLI::App& app);

}  // namespace kith::daemon
