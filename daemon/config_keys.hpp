#pragma once

#include "daemon/config.hpp"
#include "daemon/settings.hpp"

#include <vector>

namespace kith::daemon {

// The keys that a scenario has in common with a node's configuration.
[[nodiscard]] std::vector<settings::Key<model::Task>> task_keys();
[[nodiscard]] std::vector<settings::Key<Config::Learning>> learning_keys();
[[nodiscard]] std::vector<settings::Key<Config::Worker>> worker_keys();
[[nodiscard]] std::vector<settings::Key<Config::Privacy>> privacy_keys();

}  // namespace kith::daemon
