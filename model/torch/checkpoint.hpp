#pragma once

#include "crypto/hash.hpp"
#include "model/snapshot.hpp"
#include "model/torch/network.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace kith::worker {

/// What a worker must have to go on after a restart as if there had been none.
struct State {
  std::uint64_t round = 0;
  Params averaged;  ///< theta: where the next round starts
  Params baseline;  ///< trained alone, never averaged
  Params served;    ///< what the gate last chose
  std::string data = {};  ///< data::fingerprint() of what they learnt from; empty: not known
};

/// The file in the state directory, which kith writes and a worker begins with.  It is safetensors,
/// so other programs can read it: tensors "averaged.NAME", "baseline.NAME" and "served.NAME".
[[nodiscard]] Bytes checkpoint_file(const State& state, const model::Schema& schema,
                                    const crypto::Hash& task);

/// nullopt if there is no file.  Throws WorkerError if there is one that cannot be read, is damaged
/// or of another task.
[[nodiscard]] std::optional<State> load_checkpoint(const std::filesystem::path& directory,
                                                   const model::Schema& schema,
                                                   const crypto::Hash& task);

}  // namespace kith::worker
