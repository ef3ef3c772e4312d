#pragma once

#include "daemon/config/config.hpp"

#include <filesystem>
#include <string>
#include <vector>

/// For verbs that read a node's own data.
namespace kith::daemon {

/// Files as an operator names them, wherever the verb runs later.
[[nodiscard]] std::vector<std::filesystem::path> absolute(const std::vector<std::string>& files);

/// Puts the same examples on each side of the split as in the running node: without
/// data.split_key the sides follow from its id, which is in its card, if there is one.  Throws
/// Failure(EX_DATAERR) if the card is damaged.
void split_as_when_running(Config& config);

}  // namespace kith::daemon
