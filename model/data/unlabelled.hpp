#pragma once

#include "model/data/noticed.hpp"
#include "model/data/scratch.hpp"
#include "model/task.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace kith::data {

/// Some rows of a file, in its order, of which it is to be predicted what they should answer.
struct UnlabelledRows {
  std::filesystem::path file;
  std::size_t first = 1;       ///< which row of the file the first one is
  std::size_t all = 0;         ///< rows of the file; 0: not known
  std::vector<bool> readable;  ///< of each row: false for a text without a known word
  Inputs inputs;  ///< of those that are readable, one after another, as Samples has them
  std::vector<std::string> names{};  ///< of pictures: the file of each
};

/// Reads files whose examples need not be labelled, and hands them over some at a time, so that a
/// long file takes little memory: tables with or without their target; arrays, or an .npz file
/// without answers; pictures, folders of them with or without folders for classes, IDX and CIFAR
/// files; texts with or without labels.  Labels that are there do not count.  Throws DataError if a
/// file is not what the task takes, of a table before any of its rows is handed over, and what
/// `take` throws.
///
/// `at_once` is how many rows are handed over at most.  Returns what was noticed.
Noticed read_unlabelled(const std::vector<std::filesystem::path>& files, const model::Task& task,
                        std::size_t at_once,
                        const std::function<void(const UnlabelledRows& rows)>& take);

}  // namespace kith::data
