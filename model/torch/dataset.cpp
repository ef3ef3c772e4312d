#include "model/torch/dataset.hpp"

#include "crypto/hash.hpp"
#include "model/data/cifar.hpp"
#include "model/data/images.hpp"
#include "model/data/sampling.hpp"
#include "model/data/table.hpp"
#include "model/data/text.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

namespace kith::worker {
namespace {

using data::DataError;
using std::filesystem::path;
using Files = std::vector<path>;

std::string shape_text(std::size_t channels, std::size_t height, std::size_t width) {
  return std::to_string(channels) + " x " + std::to_string(height) + " x " + std::to_string(width);
}

void append(Samples& all, Samples more) {
  all.inputs.insert(all.inputs.end(), more.inputs.begin(), more.inputs.end());
  all.targets.insert(all.targets.end(), more.targets.begin(), more.targets.end());
}

// ---- Pictures ----

data::CifarLabel cifar_label(const model::Task& task) {
  switch (task.classes) {
    case 10:
      return data::CifarLabel::only;
    case 20:
      return data::CifarLabel::coarse;
    case 100:
      return data::CifarLabel::fine;
    default:
      throw DataError("task.classes is " + std::to_string(task.classes) +
                      ", but .bin files have 10 classes (CIFAR-10), or 20 coarse or 100 fine ones"
                      " (CIFAR-100); correct task.classes");
  }
}

/// Pixels from -1 to 1.  `images` and `labels` are what errors name.
Samples samples_of(const data::Examples& examples, const model::Task& task, const path& images,
                   const path& labels) {
  const auto& [count, channels, height, width, pixels] = examples.images;
  if (channels != task.input[0] || height != task.input[1] || width != task.input[2]) {
    throw DataError("the images of " + images.string() + " are " +
                    shape_text(channels, height, width) + " but the task wants " +
                    shape_text(task.input[0], task.input[1], task.input[2]) +
                    " (channels x height x width); convert the images or correct task.input");
  }
  if (count == 0) throw DataError(images.string() + " holds no image; name a file with some");
  const unsigned largest = *std::ranges::max_element(examples.labels);
  if (largest >= task.classes) {
    throw DataError(labels.string() + " has the label " + std::to_string(largest) +
                    " but the task's classes are 0 to " + std::to_string(task.classes - 1) +
                    "; correct the labels or task.classes");
  }
  Samples samples;
  samples.shape = {task.input[0], task.input[1], task.input[2]};
  samples.inputs.resize(pixels.size());
  std::ranges::transform(pixels, samples.inputs.begin(), [](std::uint8_t pixel) {
    return static_cast<float>(pixel) / 127.5F - 1.0F;
  });
  samples.targets.assign(examples.labels.begin(), examples.labels.end());
  return samples;
}

Samples read_pictures(const Files& files, const model::Task& task) {
  const auto is_cifar = [](const path& file) {
    return (file.extension() == ".gz" ? file.stem() : file).extension() == ".bin";
  };
  if (std::ranges::all_of(files, is_cifar)) {
    Samples all;
    for (const path& file : files) {
      Samples more = samples_of(data::read_cifar(file, cifar_label(task)), task, file, file);
      all.shape = more.shape;
      append(all, std::move(more));
    }
    return all;
  }
  if (files.size() != 2) {
    throw DataError(
        "pictures are two IDX files, images and labels in this order, or CIFAR's .bin"
        " files; there are " +
        std::to_string(files.size()) + " with " + files.front().string() +
        "; if it is a table, [[task.column]] must say what is in it, if a text, task.vocabulary");
  }
  return samples_of(data::read_examples(files[0], files[1]), task, files[0], files[1]);
}

// ---- Text ----

Samples read_text(const Files& files, const model::Task& task) {
  const auto vocabulary = data::read_vocabulary(task.vocabulary);
  if (crypto::to_hex(vocabulary.hash()) != task.vocabulary_hash ||
      vocabulary.size() != task.classes) {
    throw DataError(task.vocabulary.string() +
                    " has changed since the node was started; restore it, or start the node again");
  }
  Samples all;
  all.width = data::kMaxSentence + 1;
  for (const path& file : files) {
    const auto sentences = data::read_sentences(file);
    if (sentences.empty()) {
      throw DataError(file.string() + " holds no sentence; put one on each line");
    }
    for (const std::string& sentence : sentences) {
      auto tokens = data::tokens_of(sentence, vocabulary);
      tokens.resize(all.width, Samples::kNoTarget);
      all.targets.insert(all.targets.end(), tokens.begin(), tokens.end());
    }
  }
  return all;
}

// ---- Tables ----

Samples read_tables(const Files& files, const model::Task& task) {
  Samples all;
  for (const path& file : files) {
    data::Table table = data::read_table(file, task.columns);
    if (table.rows == 0) {
      throw DataError(file.string() + " holds no row" +
                      (table.noticed.without_target > 0 ? " with a target" : "") +
                      "; name a file with some");
    }
    if (!table.values.empty()) {
      throw DataError("the target column is a number, and only classes can be predicted so far");
    }
    all.shape = {static_cast<std::int64_t>(table.features)};
    append(all,
           {.shape = {}, .inputs = std::move(table.inputs), .targets = std::move(table.labels)});
  }
  return all;
}

Samples read_samples(const Files& files, const model::Task& task) {
  switch (model::data_kind(task)) {
    case model::DataKind::pictures:
      return read_pictures(files, task);
    case model::DataKind::text:
      return read_text(files, task);
    case model::DataKind::table:
      return read_tables(files, task);
  }
  return {};
}

// ---- Splitting ----

Samples select(const Samples& all, std::span<const std::size_t> indices) {
  Samples chosen{.shape = all.shape, .inputs = {}, .width = all.width, .targets = {}};
  const std::size_t size = all.inputs.size() / all.count();
  chosen.inputs.reserve(indices.size() * size);
  for (const std::size_t i : indices) {
    const auto input = std::span(all.inputs).subspan(i * size, size);
    const auto targets = std::span(all.targets).subspan(i * all.width, all.width);
    chosen.inputs.insert(chosen.inputs.end(), input.begin(), input.end());
    chosen.targets.insert(chosen.targets.end(), targets.begin(), targets.end());
  }
  return chosen;
}

/// Moves `fraction` of every label's examples, rounded, from one list to the other.
std::vector<std::size_t> hold_back(std::vector<std::size_t>& from,
                                   const std::vector<std::int64_t>& labels, double fraction,
                                   data::Random& random) {
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
  if (files.train.empty()) throw DataError("there is no file to learn from; set data.train");
  const Samples all = read_samples(files.train, task);
  data::Random random = data::random_for({seed});
  std::vector<std::size_t> train(all.count());
  std::iota(train.begin(), train.end(), std::size_t{0});
  // Sentences have no label to be balanced by.
  const bool text = model::data_kind(task) == model::DataKind::text;
  const auto labels = text ? std::vector<std::int64_t>(all.count()) : all.targets;
  auto validation = hold_back(train, labels, files.validation, random);
  if (train.empty() || validation.size() < files.min_validation) {
    throw DataError(files.train.front().string() + " has " + std::to_string(all.count()) +
                    " examples, of which " + std::to_string(validation.size()) +
                    " would be held back for validation: too few, " +
                    std::to_string(files.min_validation) +
                    " are needed; add examples or raise data.validation");
  }
  auto scored = data::sample(validation.size(),
                             std::min<std::size_t>(score_examples, validation.size()), random);
  for (std::size_t& i : scored) i = validation[i];
  return {.train = select(all, train),
          .validation = select(all, validation),
          .scored = select(all, scored),
          .test = files.test.empty() ? Samples{} : read_samples(files.test, task)};
}

}  // namespace kith::worker
