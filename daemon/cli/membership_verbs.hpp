#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>

namespace kith::daemon {

/// Adds `kith init`, `join`, `invite`, `pending` and `approve`: how a node comes to belong to a
/// consortium.  As add_charter_verbs().
void add_membership_verbs(CLI::App& app, std::function<int()>& chosen);

/// If there is an invitation of `who`, refuses its applicant, or withdraws it: true.
[[nodiscard]] bool deny_applicant(const std::filesystem::path& config, const std::string& who);

}  // namespace kith::daemon
