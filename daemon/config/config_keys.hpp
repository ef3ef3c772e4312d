#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/settings.hpp"

#include <vector>

namespace kith::daemon {

// The keys that a scenario has in common with a node's configuration.
[[nodiscard]] std::vector<settings::Key<model::Task>> task_keys();
[[nodiscard]] std::vector<settings::Key<Config::Learning>> learning_keys();
[[nodiscard]] std::vector<settings::Key<Config::Worker>> worker_keys();
[[nodiscard]] std::vector<settings::Key<Config::Privacy>> privacy_keys();

/// Throws an error that names the place.
using Complain = std::function<void(const toml::node* at, const std::string& what)>;

/// Sets what follows from the columns and the vocabulary of a task that was read from `table`, and
/// complains if what it says contradicts that, or makes no sense.
void complete_task(model::Task& task, const toml::table& table, const Complain& complain);

}  // namespace kith::daemon
