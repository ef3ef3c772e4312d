#pragma once

#include "model/data/images.hpp"
#include "model/pipe/messages.hpp"
#include "model/task.hpp"

#include <cstdint>

namespace kith::worker {

/// A node's own examples, divided by what they are used for.
struct Dataset {
  data::Examples train;
  data::Examples validation;  ///< held back from training: chooses epochs, partners and the gate
  data::Examples scored;      ///< a random part of `validation`: what peers are scored on
  data::Examples test;        ///< used for nothing but reporting
};

/// Reads the files and splits them.  Equal seeds, equal splits: each label gives the same fraction
/// to validation.  Throws data::DataError if the files are not what the task needs.
[[nodiscard]] Dataset read_dataset(const pipe::DataFiles& files, const model::Task& task,
                                   std::uint64_t score_examples, std::uint64_t seed);

}  // namespace kith::worker
