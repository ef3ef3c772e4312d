#pragma once

#include "model/task.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// How predictions are written.
enum class PredictionFormat { csv, jsonl, npy };

/// Makes the bytes of predictions, row by row.
class PredictionWriter {
 public:
  using Out = std::function<void(std::string_view)>;
  virtual ~PredictionWriter() = default;
  /// `said` is what the worker answers for the row, as docs/worker-protocol.md says; empty if
  /// nothing can be said of it.
  virtual void add(std::string_view file, std::size_t row, std::span<const float> said) = 0;
  /// What is to stand at the very beginning once all rows are known, in the place of what is there;
  /// perhaps nothing.
  [[nodiscard]] virtual std::string head() const { return {}; }
};

/// Writes to `out`: its first bytes at once.
///
/// CSV and JSONL have for each row its file and its number in it, from 1, and then, of classes, the
/// most likely one and how likely each is; of several yes-or-no targets how likely each yes is; of
/// a number that number in its own unit; of words the most likely next one and how likely it is.
/// `words` are then those of the vocabulary.  NPY is a matrix of the likelihoods, or a list of the
/// numbers; NaN where nothing can be said.  Requires that NPY is not asked for words.
[[nodiscard]] std::unique_ptr<PredictionWriter> prediction_writer(PredictionFormat format,
                                                                  const model::Task& task,
                                                                  std::vector<std::string> words,
                                                                  PredictionWriter::Out out);

}  // namespace kith::daemon
