#pragma once

#include "daemon/config/config.hpp"
#include "model/pipe/messages.hpp"

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kith::daemon {

/// What a model of one's own is made of and costs, in one task.
struct ModuleReport {
  std::vector<pipe::TensorReport> tensors;
  std::vector<std::uint64_t> batch;  ///< shape of what it is given at once
  std::uint64_t outputs = 0;         ///< numbers that it answers with for each example, or word
  std::uint64_t snapshot_bytes = 0;  ///< of what travels, before compression: to each peer that
                                     ///< asks, and from each, in a round
  std::uint64_t worker_bytes = 0;    ///< memory that the worker held at most
  double batch_seconds = 0;          ///< forward and backward
  /// How many values there are in tensors of a role.
  [[nodiscard]] std::uint64_t values(model::Role role) const;
};

/// The task of `config` with the TorchScript module in `file` as its model.
[[nodiscard]] model::Task with_module(model::Task task, const std::filesystem::path& file);

/// Loads the model of a task in a worker, in its sandbox, and lets some batches of made-up examples
/// go through it, forward and backward; no data are read, and no state is kept.  `config.task` is a
/// script.  Throws Failure, with the reason if it cannot be used.
[[nodiscard]] ModuleReport inspect_module(Config config);

[[nodiscard]] nlohmann::json to_json(const ModuleReport& report);
[[nodiscard]] std::vector<std::string> module_lines(const ModuleReport& report,
                                                    const model::Task& task);
/// "32 x 8"
[[nodiscard]] std::string sides_text(const std::vector<std::uint64_t>& shape);

}  // namespace kith::daemon
