#include "model/data/dataset.hpp"

#include "crypto/hash.hpp"
#include "model/data/cifar.hpp"
#include "model/data/images.hpp"
#include "model/data/split.hpp"
#include "model/data/table.hpp"
#include "model/data/text.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace kith::data {
namespace {

using std::filesystem::path;
using Files = std::vector<path>;

std::string shape_text(std::size_t channels, std::size_t height, std::size_t width) {
  return std::to_string(channels) + " x " + std::to_string(height) + " x " + std::to_string(width);
}

void append(Samples& all, Samples more) {
  all.inputs.insert(all.inputs.end(), more.inputs.begin(), more.inputs.end());
  all.targets.insert(all.targets.end(), more.targets.begin(), more.targets.end());
  all.values.insert(all.values.end(), more.values.begin(), more.values.end());
  all.groups.insert(all.groups.end(), more.groups.begin(), more.groups.end());
  all.times.insert(all.times.end(), more.times.begin(), more.times.end());
}

// ---- Pictures ----

CifarLabel cifar_label(const model::Task& task) {
  switch (task.classes) {
    case 10:
      return CifarLabel::only;
    case 20:
      return CifarLabel::coarse;
    case 100:
      return CifarLabel::fine;
    default:
      throw DataError("task.classes is " + std::to_string(task.classes) +
                      ", but .bin files have 10 classes (CIFAR-10), or 20 coarse or 100 fine ones"
                      " (CIFAR-100); correct task.classes");
  }
}

/// Pixels from -1 to 1.  `images` and `labels` are what errors name.
Samples samples_of(const Examples& examples, const model::Task& task, const path& images,
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
      Samples more = samples_of(read_cifar(file, cifar_label(task)), task, file, file);
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
  return samples_of(read_examples(files[0], files[1]), task, files[0], files[1]);
}

// ---- Text ----

Samples read_text(const Files& files, const model::Task& task) {
  const auto vocabulary = read_vocabulary(task.vocabulary);
  if (crypto::to_hex(vocabulary.hash()) != task.vocabulary_hash ||
      vocabulary.size() != task.classes) {
    throw DataError(task.vocabulary.string() +
                    " has changed since the node was started; restore it, or start the node again");
  }
  Samples all;
  all.width = kMaxSentence + 1;
  for (const path& file : files) {
    const auto sentences = read_sentences(file);
    if (sentences.empty()) {
      throw DataError(file.string() + " holds no sentence; put one on each line");
    }
    for (const std::string& sentence : sentences) {
      auto tokens = tokens_of(sentence, vocabulary);
      tokens.resize(all.width, Samples::kNoTarget);
      all.targets.insert(all.targets.end(), tokens.begin(), tokens.end());
    }
  }
  return all;
}

// ---- Tables ----

Samples read_tables(const Files& files, const model::Task& task, Noticed& noticed) {
  Samples all;
  for (const path& file : files) {
    Table table = read_table(file, task.columns);
    if (table.rows == 0) {
      throw DataError(file.string() + " holds no row" +
                      (table.noticed.without_target > 0 ? " with a target" : "") +
                      "; name a file with some");
    }
    all.shape = {static_cast<std::int64_t>(table.features)};
    append(all,
           {.shape = {},
            .inputs = std::move(table.inputs),
            .targets = std::move(table.labels),
            .values = std::move(table.values),
            .groups = std::move(table.groups),
            .times = std::move(table.times)});
    add(noticed, table.noticed);
  }
  return all;
}

Samples read_samples(const Files& files, const model::Task& task, Noticed& noticed) {
  switch (model::data_kind(task)) {
    case model::DataKind::pictures:
      return read_pictures(files, task);
    case model::DataKind::text:
      return read_text(files, task);
    case model::DataKind::table:
      return read_tables(files, task, noticed);
  }
  return {};
}

// ---- Splitting ----

Samples select(const Samples& all, std::span<const std::size_t> indices) {
  Samples chosen;
  chosen.shape = all.shape, chosen.width = all.width;
  const std::size_t size = all.inputs.size() / all.count();
  chosen.inputs.reserve(indices.size() * size);
  for (const std::size_t i : indices) {
    const auto input = std::span(all.inputs).subspan(i * size, size);
    chosen.inputs.insert(chosen.inputs.end(), input.begin(), input.end());
    if (!all.values.empty()) {
      chosen.values.push_back(all.values[i]);
      continue;
    }
    const auto targets = std::span(all.targets).subspan(i * all.width, all.width);
    chosen.targets.insert(chosen.targets.end(), targets.begin(), targets.end());
  }
  return chosen;
}

std::vector<Taggable> tagged(const Samples& all, const model::Task& task,
                                   const std::string& split_key) {
  const Tagger tagger(split_key);
  // Sentences and numbers have no label to be balanced by.
  const bool numbers = !all.values.empty();
  const bool labelled = !numbers && model::data_kind(task) != model::DataKind::text;
  const std::size_t size = all.inputs.size() / all.count();
  std::vector<Taggable> examples;
  for (std::size_t i = 0; i < all.count(); ++i) {
    const auto input = std::as_bytes(std::span(all.inputs).subspan(i * size, size));
    const auto target =
        numbers ? std::as_bytes(std::span(all.values).subspan(i, 1))
                : std::as_bytes(std::span(all.targets).subspan(i * all.width, all.width));
    Bytes content(input.begin(), input.end());
    content.insert(content.end(), target.begin(), target.end());
    const Tag tag = tagger.tag(content);
    const Tag unit =
        all.groups.empty() ? tag : tagger.tag(as_byte_view("group " + all.groups[i]));
    examples.push_back({tag, unit, labelled ? all.targets[i] : 0});
  }
  part_copies(examples, tagger);
  return examples;
}

/// Indices of the examples, the earliest first; those of which it is not known before all others.
std::vector<std::size_t> by_time(const Samples& all) {
  std::vector<std::size_t> order(all.count());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (all.times.empty()) return order;
  const auto when = [&](std::size_t i) {
    return std::isnan(all.times[i]) ? -std::numeric_limits<double>::infinity() : all.times[i];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return when(a) < when(b); });
  return order;
}

Split split_by_time(const Samples& all, std::span<const Taggable> examples, double fraction) {
  const std::vector<std::size_t> order = by_time(all);
  std::vector<Taggable> in_time;
  for (const std::size_t i : order) in_time.push_back(examples[i]);
  Split split = split_by_time(in_time, fraction);
  for (auto* const side : {&split.train, &split.validation}) {
    for (std::size_t& i : *side) i = order[i];
  }
  return split;
}

}  // namespace

Dataset read_dataset(const model::DataFiles& files, const model::Task& task,
                     std::uint64_t score_examples) {
  if (!(files.validation > 0 && files.validation < 1)) {
    throw DataError("the validation fraction must be above 0 and below 1");
  }
  if (files.train.empty()) throw DataError("there is no file to learn from; set data.train");
  Dataset dataset;
  const Samples all = read_samples(files.train, task, dataset.noticed);
  auto examples = tagged(all, task, files.split_key);
  Split split = files.split == model::SplitBy::time
                          ? split_by_time(all, examples, files.validation)
                          : split_by_tag(examples, files.validation);
  if (files.validation_files.empty()) {
    dataset.validation = select(all, split.validation);
    dataset.train_places = split.train;
    dataset.validation_places = split.validation;
  } else {
    const Samples theirs = read_samples(files.validation_files, task, dataset.noticed);
    const auto its_examples = tagged(theirs, task, files.split_key);
    split.train = in_order(examples);
    split.validation = in_order(its_examples);
    dataset.validation = select(theirs, split.validation);
    examples.insert(examples.end(), its_examples.begin(), its_examples.end());
  }
  if (split.train.empty() || split.validation.size() < files.min_validation) {
    throw DataError(files.train.front().string() + " has " + std::to_string(all.count()) +
                    " examples, and " + std::to_string(split.validation.size()) +
                    " would be used for validation: too few, " +
                    std::to_string(files.min_validation) +
                    " are needed; add examples or raise data.validation");
  }
  std::vector<std::size_t> scored(
      std::min<std::size_t>(score_examples, split.validation.size()));
  std::iota(scored.begin(), scored.end(), std::size_t{0});
  dataset.scored = select(dataset.validation, scored);
  dataset.train = select(all, split.train);
  Noticed in_test;
  if (!files.test.empty()) dataset.test = read_samples(files.test, task, in_test);
  dataset.groups = all.groups;
  dataset.fingerprint = fingerprint(examples);
  return dataset;
}

}  // namespace kith::data
