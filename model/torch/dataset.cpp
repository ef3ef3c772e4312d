#include "model/torch/dataset.hpp"

#include "model/data/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace kith::worker {
namespace {

using data::DataError;
using data::Examples;

std::string shape_text(std::size_t channels, std::size_t height, std::size_t width) {
  return std::to_string(channels) + " x " + std::to_string(height) + " x " + std::to_string(width);
}

Examples read_for(const model::Task& task, const std::string& images, const std::string& labels) {
  Examples examples = data::read_examples(images, labels);
  const auto& [count, channels, height, width, pixels] = examples.images;
  if (channels != task.input[0] || height != task.input[1] || width != task.input[2]) {
    throw DataError("the images of " + images + " are " + shape_text(channels, height, width) +
                    " but the task wants " +
                    shape_text(task.input[0], task.input[1], task.input[2]) +
                    " (channels x height x width); convert the images or correct task.input");
  }
  if (count == 0) throw DataError(images + " holds no image; name a file with some");
  const unsigned largest = *std::ranges::max_element(examples.labels);
  if (largest >= task.classes) {
    throw DataError(labels + " has the label " + std::to_string(largest) +
                    " but the task's classes are 0 to " + std::to_string(task.classes - 1) +
                    "; correct the labels or task.classes");
  }
  return examples;
}

/// Moves `fraction` of every label's examples, rounded, from one list to the other.
std::vector<std::size_t> hold_back(std::vector<std::size_t>& from, const data::Labels& labels,
                                   double fraction, data::Random& random) {
  data::shuffle(from, random);
  std::ranges::stable_sort(from, {}, [&](std::size_t i) { return labels[i]; });
  std::vector<std::size_t> kept;
  std::vector<std::size_t> held;
  for (auto begin = from.begin(); begin != from.end();) {
    const auto end =
        std::find_if(begin, from.end(), [&](std::size_t i) { return labels[i] != labels[*begin]; });
    const auto cut = begin + std::lround(static_cast<double>(end - begin) * fraction);
    held.insert(held.end(), begin, cut);
    kept.insert(kept.end(), cut, end);
    begin = end;
  }
  from = std::move(kept);
  return held;
}

}  // namespace

Dataset read_dataset(const pipe::DataFiles& files, const model::Task& task,
                     std::uint64_t score_examples, std::uint64_t seed) {
  if (!(files.validation > 0 && files.validation < 1)) {
    throw DataError("the validation fraction must be above 0 and below 1");
  }
  const Examples all = read_for(task, files.train_images, files.train_labels);
  data::Random random = data::random_for({seed});
  std::vector<std::size_t> train(all.labels.size());
  std::iota(train.begin(), train.end(), std::size_t{0});
  auto validation = hold_back(train, all.labels, files.validation, random);
  if (train.empty() || validation.empty()) {
    throw DataError(files.train_images + " has " + std::to_string(all.labels.size()) +
                    " images, too few to hold back a part for validation; add images or change"
                    " the validation fraction");
  }
  auto scored = data::sample(validation.size(),
                             std::min<std::size_t>(score_examples, validation.size()), random);
  for (std::size_t& i : scored) i = validation[i];
  return {.train = data::select(all, train),
          .validation = data::select(all, validation),
          .scored = data::select(all, scored),
          .test = files.test_images.empty() ? Examples{}
                                            : read_for(task, files.test_images, files.test_labels)};
}

}  // namespace kith::worker
