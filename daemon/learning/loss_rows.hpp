#pragma once

#include "daemon/learning/worker_process.hpp"

#include <optional>
#include <span>
#include <variant>

namespace kith::daemon {

/// The scores that came with an answer of the worker: one each example (model/score.hpp).
/// Borrows nothing; a row is borrowed from it.
class LossRows {
 public:
  /// Throws WorkerLost if the file does not hold `count` rows.
  LossRows(const pipe::Fd& file, std::size_t count, std::size_t length) : length_(length) {
    auto map = pipe::SealedMap::open(file, count * length * sizeof(float));
    auto* const mapped = std::get_if<pipe::SealedMap>(&map);
    if (!mapped || mapped->bytes().size() != count * length * sizeof(float)) {
      throw WorkerLost("the worker answered with scores of the wrong size");
    }
    map_.emplace(std::move(*mapped));
  }
  [[nodiscard]] std::span<const float> operator[](std::size_t index) const {
    const auto* values = reinterpret_cast<const float*>(map_->bytes().data());
    return {values + index * length_, length_};
  }

 private:
  std::optional<pipe::SealedMap> map_;
  std::size_t length_;
};

}  // namespace kith::daemon
