#pragma once

#include "crypto/bytes.hpp"
#include "model/data/noticed.hpp"
#include "model/data/scratch.hpp"
#include "model/data_files.hpp"
#include "model/task.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kith::data {

/// Examples as numbers, whatever they were: what a network is fed with and what it should answer.
struct Samples {
  static constexpr std::int64_t kNoTarget = -100;  ///< fills the end of a short sentence
  static constexpr float kNoWord = -1;

  /// Of one input; empty for sentences, whose input is their targets.  Of texts to be told apart it is
  /// so many words, kNoWord at the end of a shorter one.
  std::vector<std::int64_t> shape;
  Inputs inputs;                      ///< one after another
  std::size_t width = 1;              ///< targets of one example
  /// Classes, or the words of a sentence; 0, 1 or kNoTarget for each of several yes-or-no targets.
  std::vector<std::int64_t> targets;
  Inputs values = {};                 ///< in their place, numbers: the range is -1 to 1
  std::vector<std::string> groups = {};  ///< what each belongs to; empty: to nothing
  std::vector<double> times = {};        ///< when it was; NaN: not known; empty: as they stand

  [[nodiscard]] std::size_t count() const { return (targets.size() + values.size()) / width; }
};

/// An example's input and what it should answer, as bytes: equal for copies only.
[[nodiscard]] Bytes content_of(const Samples& samples, std::size_t i);

/// A node's own examples, divided by what they are used for.
struct Dataset {
  Samples train;
  Samples validation;  ///< held back from training: chooses epochs, partners and the gate
  Samples scored;      ///< the first of `validation`: what peers are scored on
  Samples test;        ///< used for nothing but reporting
  /// Where each example of a part stands in the files; empty with files to validate with.
  std::vector<std::size_t> train_places, validation_places;
  std::vector<std::string> groups;  ///< of each example that is trained or validated on
  Noticed noticed;          ///< in all files but those of the test
  std::string fingerprint;  ///< of what is trained and validated on: fingerprint()
};

/// Reads the files and splits them: which side an example is on follows from itself and
/// `files.split_key`, not from its place nor from a seed (data/split.hpp).  The examples of each part are
/// in random order, that of their hashes.  Takes about 1.5 times the memory of the decoded examples,
/// or of the disk if use_scratch() was called and they are many.  Throws DataError if the files are not what the
/// task needs.
[[nodiscard]] Dataset read_dataset(const model::DataFiles& files, const model::Task& task,
                                   std::uint64_t score_examples);

/// What a worker is opened with that is to predict, or to be looked at, and to learn nothing.
[[nodiscard]] Dataset no_examples(const model::Task& task);

}  // namespace kith::data
