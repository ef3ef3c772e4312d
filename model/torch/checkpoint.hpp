#pragma once

#include "crypto/hash.hpp"
#include "model/pipe/fd.hpp"
#include "model/snapshot.hpp"
#include "model/torch/network.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

namespace kith::worker {

/// A model of this node.  Equal ones, of which there are many, are one: none changes once it is
/// made.
using Model = std::shared_ptr<const Params>;
[[nodiscard]] inline Model as_model(Params params) {
  return std::make_shared<const Params>(std::move(params));
}

/// What a worker must have to go on after a restart as if there had been none.
struct State {
  std::uint64_t round = 0;
  Model averaged;         ///< theta: where the next round starts
  Model baseline;         ///< trained alone, never averaged
  Model served;           ///< what the gate last chose
  std::string data = {};  ///< data::fingerprint() of what they learnt from; empty: not known
};

/// The file in the state directory, which kith writes and a worker begins with.  It is safetensors,
/// so other programs can read it: tensors "averaged.NAME", "baseline.NAME" and "served.NAME".
///
/// A file in memory, and its size in bytes.  Throws std::system_error.
struct CheckpointFile {
  pipe::Fd file;
  std::uint64_t bytes = 0;
};
[[nodiscard]] CheckpointFile checkpoint_file(const State& state, const model::Schema& schema,
                                             const crypto::Hash& task);

/// nullopt if there is no file.  Throws WorkerError if there is one that cannot be read, is damaged
/// or of another task.
[[nodiscard]] std::optional<State> load_checkpoint(const std::filesystem::path& directory,
                                                   const model::Schema& schema,
                                                   const crypto::Hash& task);

}  // namespace kith::worker
