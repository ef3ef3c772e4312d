#include "model/data/dataset.hpp"

#include "crypto/hash.hpp"
#include "model/data/array.hpp"
#include "model/data/cifar.hpp"
#include "model/data/images.hpp"
#include "model/data/inputs.hpp"
#include "model/data/picture.hpp"
#include "model/data/split.hpp"
#include "model/data/table.hpp"
#include "model/data/text.hpp"
#include "model/data/text_files.hpp"
#include "model/data/unicode.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <regex>
#include <set>
#include <string>
#include <utility>

namespace kith::data {
namespace {

using std::filesystem::path;
using Files = std::vector<path>;

void append(auto& all, auto more) {
  if (all.empty()) {
    all = std::move(more);
  } else {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
  }
}

void append(Samples& all, Samples more) {
  append(all.inputs, std::move(more.inputs));
  append(all.targets, std::move(more.targets));
  append(all.values, std::move(more.values));
  append(all.groups, std::move(more.groups));
  append(all.times, std::move(more.times));
}

// ---- Arrays ----

/// The answers as numbers, from task.target_range to -1..1, and on beyond.
Inputs scaled_answers(const Array& answers, const model::Task& task, const path& file) {
  constexpr double kMost = 1e6;
  const double low = task.target_range[0];
  const double high = task.target_range[1];
  Inputs values = floats(answers);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = 2 * ((values[i] - low) / (high - low)) - 1;
    if (!(std::abs(value) <= kMost)) {
      throw DataError(file.string() + " has an answer that is no number, or too far from " +
                      "task.target_range," + in_example(i) + "; correct it or the range");
    }
    values[i] = static_cast<float>(value);
  }
  return values;
}

/// Several yes-or-no answers an example: 1, 0, or NaN where it is not known.
std::vector<std::int64_t> yes_no_answers(const Array& answers, const model::Task& task,
                                         const path& file) {
  if (answers.shape.size() != 2 || answers.shape[1] != task.classes) {
    throw DataError(file.string() + " has answers of " + shape_text(answers.shape) +
                    ", but the task wants " + std::to_string(task.classes) +
                    " yes-or-no answers for each example; correct them or task.classes");
  }
  std::vector<std::int64_t> targets;
  const auto values = floats(answers);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0 && values[i] != 1 && !std::isnan(values[i])) {
      throw DataError(file.string() + " has an answer that is neither 0 nor 1," +
                      in_example(i / task.classes) + "; correct it");
    }
    targets.push_back(std::isnan(values[i]) ? Samples::kNoTarget
                                            : static_cast<std::int64_t>(values[i]));
  }
  for (std::size_t i = 0; i < targets.size(); i += task.classes) {
    const auto own = std::span(targets).subspan(i, task.classes);
    if (std::ranges::count(own, Samples::kNoTarget) < static_cast<std::ptrdiff_t>(own.size())) {
      continue;
    }
    throw DataError(file.string() + " has no answer" + in_example(i / task.classes) +
                    "; leave the example out");
  }
  return targets;
}

std::vector<std::int64_t> label_answers(const Array& answers, const model::Task& task,
                                        const path& file) {
  auto labels = integers(answers);
  if (!labels) {
    throw DataError(file.string() + " has answers that are no whole numbers; to predict numbers, "
                    "set task.loss to \"squared\"");
  }
  for (std::size_t i = 0; i < labels->size(); ++i) {
    const std::int64_t label = (*labels)[i];
    if (label >= 0 && label < static_cast<std::int64_t>(task.classes)) continue;
    throw DataError(file.string() + " has the label " + std::to_string(label) + in_example(i) +
                    ", but the task's classes are 0 to " + std::to_string(task.classes - 1) + "; " +
                    std::string(kClassAdvice));
  }
  return *std::move(labels);
}

/// Of one file, or of two NPY files.
Samples samples_of(const ArrayExamples& examples, const model::Task& task, const path& file) {
  const auto& shape = examples.inputs.shape;
  Samples samples;
  samples.shape = shape_of(task);
  samples.inputs = array_inputs(examples.inputs, task, file);
  if (shape[0] == 0) throw DataError(file.string() + " holds no example; name a file with some");
  if (!model::is_multi_label(task) && examples.answers.count() != shape[0]) {
    throw DataError(file.string() + " has inputs of " + shape_text(shape) + " and answers of " +
                    shape_text(examples.answers.shape) +
                    "; there must be one answer for each example, or task.loss must be "
                    "\"binary-cross-entropy\"");
  }
  if (model::is_regression(task)) {
    samples.values = scaled_answers(examples.answers, task, file);
  } else if (model::is_multi_label(task)) {
    samples.targets = yes_no_answers(examples.answers, task, file);
    samples.width = task.classes;
  } else {
    samples.targets = label_answers(examples.answers, task, file);
  }
  if (!examples.groups) return samples;
  const auto groups = integers(*examples.groups);
  if (!groups) throw DataError(file.string() + " has groups that are no whole numbers; number them");
  for (const std::int64_t group : *groups) samples.groups.push_back(std::to_string(group));
  return samples;
}

Samples read_arrays(const Files& files, const model::Task& task, Noticed& noticed) {
  Samples all;
  for (std::size_t i = 0; i < files.size();) {
    const auto examples = read_array_examples(std::span(files).subspan(i));
    Samples more = samples_of(examples, task, files[i]);
    const bool pixels = examples.inputs.type == Array::Type::uint8;
    noticed.files.push_back({.file = files[i],
                             .examples = more.count(),
                             .format = std::string(name(examples.inputs.type)) +
                                       (pixels ? ", from 0..255 to -1..1" : ", as they are")});
    if (i > 0 && more.groups.empty() != all.groups.empty()) {
      throw DataError(files[i].string() + " has groups and the files before have none, or the other "
                      "way round; give all files an array group, or none");
    }
    all.shape = more.shape, all.width = more.width;
    append(all, std::move(more));
    i += files[i].extension() == ".npy" ? 2U : 1U;
  }
  return all;
}

// ---- Pictures ----

/// Pixels from -1 to 1.  `images` and `labels` are what errors name.
Samples samples_of(const Examples& examples, const model::Task& task, const path& images,
                   const path& labels) {
  Samples samples;
  samples.shape = shape_of(task);
  samples.inputs = image_inputs(examples.images, task, images);
  if (examples.images.count == 0) {
    throw DataError(images.string() + " holds no image; name a file with some");
  }
  const unsigned largest = *std::ranges::max_element(examples.labels);
  if (largest >= task.classes) {
    throw DataError(labels.string() + " has the label " + std::to_string(largest) +
                    " but the task's classes are 0 to " + std::to_string(task.classes - 1) +
                    "; correct the labels or task.classes");
  }
  samples.targets.assign(examples.labels.begin(), examples.labels.end());
  return samples;
}

/// What the classes are called.
std::vector<std::string> labels_of(const std::vector<LabelledFile>& pictures,
                                   const model::Task& task, const path& file) {
  if (!task.labels.empty()) {
    std::vector<std::string> labels;
    for (const std::string& label : task.labels) labels.push_back(composed(label));
    return labels;
  }
  std::set<std::string> found;
  for (const LabelledFile& picture : pictures) found.insert(picture.label);
  if (found.size() != task.classes) {
    throw DataError(file.string() + " has pictures of " + std::to_string(found.size()) +
                    " classes, but task.classes is " + std::to_string(task.classes) +
                    "; name the classes in task.labels, so that all members number them alike");
  }
  return {found.begin(), found.end()};
}

/// What a picture belongs to, by its path within the folder that was named.
std::string group_of(const path& file, const path& folder, const std::regex& pattern) {
  const std::string within = file.lexically_relative(folder).generic_string();
  std::smatch found;
  if (!std::regex_search(within, found, pattern)) {
    throw DataError(file.string() + " belongs to nothing: data.group_pattern finds nothing in " +
                    within + "; correct the pattern, or rename the file");
  }
  return found[pattern.mark_count() > 0 ? 1 : 0];
}

/// Appends the pictures in the task's size.
void add_pictures(Samples& all, const std::vector<LabelledFile>& pictures,
                  const std::vector<std::string>& labels, const model::Task& task,
                  Noticed& noticed) {
  const std::size_t channels = task.input[0], height = task.input[1], width = task.input[2];
  all.inputs.reserve(all.inputs.size() + pictures.size() * channels * height * width);
  for (const auto& [file, label] : pictures) {
    const auto found = std::ranges::find(labels, label);
    if (found == labels.end()) {
      throw DataError(file.string() + " is of the class \"" + label +
                      "\", which is none of the task's; " + std::string(kClassAdvice));
    }
    add_picture(all.inputs, file, task, noticed);
    all.targets.push_back(found - labels.begin());
  }
}

/// What cannot be asked is none: the one who reads it will say why.
bool is_folder(const path& file) {
  std::error_code unknown;
  return std::filesystem::is_directory(file, unknown);
}

/// Folders with a folder for each class; before one a table of files and labels may stand, of
/// which the names are in that folder.
Samples read_folders(const Files& files, const model::Task& task, const std::string& group_pattern,
                     Noticed& noticed) {
  check_takes_pictures(task);
  Samples all;
  all.shape = shape_of(task);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const bool table = !is_folder(files[i]);
    if (table && (i + 1 == files.size() || !is_folder(files[i + 1]))) {
      throw DataError(files[i].string() +
                      " must be followed by the folder in which the pictures are that it names");
    }
    const path& named = files[i];
    const auto pictures =
        table ? pictures_of(named, files[++i]) : pictures_in(named, &noticed.ignored);
    if (!group_pattern.empty()) {
      const std::regex pattern(group_pattern);
      for (const LabelledFile& picture : pictures) {
        all.groups.push_back(group_of(picture.file, files[i], pattern));
      }
    }
    const auto labels = labels_of(pictures, task, named);
    add_pictures(all, pictures, labels, task, noticed);
    std::string format = "classes";
    for (std::size_t k = 0; k < labels.size() && k < 20; ++k) {
      format += (k == 0 ? " " : ", ") + std::to_string(k) + " = " + labels[k];
    }
    noticed.files.push_back({.file = named, .examples = pictures.size(), .format = format});
  }
  return all;
}

Samples read_pictures(const Files& files, const model::Task& task, const std::string& group_pattern,
                      Noticed& noticed) {
  if (std::ranges::all_of(files, is_array_file)) return read_arrays(files, task, noticed);
  if (model::is_multi_label(task) || model::is_regression(task)) {
    throw DataError(files.front().string() + " is no array, but only arrays and tables have " +
                    (model::is_regression(task) ? "numbers" : "several yes-or-no answers") +
                    " to be predicted; correct task.loss, or name .npz files");
  }
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
  if (std::ranges::any_of(files, is_folder)) return read_folders(files, task, group_pattern, noticed);
  if (files.size() % 2 != 0) {
    throw DataError(
        "pictures are folders, or pairs of IDX files, images and labels in this order, or CIFAR's"
        " .bin files; there are " +
        std::to_string(files.size()) + " with " + files.front().string() +
        "; if it is a table, [[task.column]] must say what is in it, if a text, task.vocabulary");
  }
  Samples all;
  for (std::size_t i = 0; i < files.size(); i += 2) {
    append(all, samples_of(read_examples(files[i], files[i + 1]), task, files[i], files[i + 1]));
  }
  all.shape = shape_of(task);
  return all;
}

// ---- Text ----

/// The pieces of sentences, whose words are to be predicted.
void add_sentences(Samples& all, Texts texts, const Vocabulary& vocabulary, Noticed& noticed) {
  for (std::size_t i = 0; i < texts.texts.size(); ++i) {
    const Tokens sentence = tokens_of(texts.texts[i], vocabulary);
    const auto pieces = pieces_of(sentence);
    count_words(noticed, sentence);
    noticed.divided += pieces.size() > 1;
    for (Tokens piece : pieces) {
      if (!has_known_word(piece)) {
        ++noticed.all_unknown;
        continue;
      }
      piece.resize(all.width, Samples::kNoTarget);
      all.targets.insert(all.targets.end(), piece.begin(), piece.end());
      if (!texts.groups.empty()) all.groups.push_back(texts.groups[i]);
    }
  }
}

/// Texts with their labels.
void add_texts(Samples& all, Texts texts, const Vocabulary& vocabulary, const model::Task& task,
               const path& file, Noticed& noticed) {
  std::vector<std::string> labels;
  for (const std::string& label : task.labels) labels.push_back(composed(label));
  noticed.without_target += texts.without_label;
  all.inputs.reserve(all.inputs.size() + texts.texts.size() * kMaxText);
  for (std::size_t i = 0; i < texts.texts.size(); ++i) {
    Tokens tokens = tokens_of(texts.texts[i], vocabulary);
    count_words(noticed, tokens);
    const auto label = std::ranges::find(labels, texts.labels[i]);
    if (label == labels.end()) {
      throw DataError(file.string() + ": line " + std::to_string(texts.lines[i]) +
                      " has the label \"" + texts.labels[i] + "\", which is none of task.labels; " +
                      std::string(kClassAdvice));
    }
    noticed.cut += tokens.size() > kMaxText;
    tokens.resize(std::min(tokens.size(), kMaxText));
    if (!has_known_word(tokens)) {
      ++noticed.all_unknown;
      continue;
    }
    add_text(all.inputs, tokens);
    all.targets.push_back(label - labels.begin());
    if (!texts.groups.empty()) all.groups.push_back(std::move(texts.groups[i]));
  }
}

Samples read_text(const Files& files, const model::Task& task, Noticed& noticed) {
  const Vocabulary vocabulary = vocabulary_of(task);
  const bool sentences = model::predicts_words(task);
  Samples all;
  all.shape = shape_of(task);
  if (sentences) all.width = data::input_size(task);
  for (const path& file : files) {
    Texts texts = read_texts(file, !sentences);
    if (texts.texts.empty()) {
      throw DataError(file.string() + " holds no " + (sentences ? "sentence" : "text with a label") +
                      "; name a file with some");
    }
    const std::size_t before = all.count();
    const bool grouped = !texts.groups.empty();
    if (before > 0 && grouped == all.groups.empty()) {
      throw DataError(file.string() + " has groups and the files before have none, or the other way "
                      "round; give all texts a group, or none");
    }
    const std::string format = texts.format;
    if (sentences) {
      add_sentences(all, std::move(texts), vocabulary, noticed);
    } else {
      add_texts(all, std::move(texts), vocabulary, task, file, noticed);
    }
    if (all.count() == before) {
      throw DataError(file.string() + " has no word that is in " + task.vocabulary.string() +
                      "; name a text in the language of the task");
    }
    noticed.files.push_back({.file = file, .examples = all.count() - before, .format = format});
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
    all.width = table.targets;
    static_assert(Table::kNoTarget == Samples::kNoTarget);
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

/// `group_pattern` is that of DataFiles.
Samples read_samples(const Files& files, const model::Task& task, const std::string& group_pattern,
                     Noticed& noticed) {
  switch (model::data_kind(task)) {
    case model::DataKind::pictures:
      return read_pictures(files, task, group_pattern, noticed);
    case model::DataKind::text:
      return read_text(files, task, noticed);
    case model::DataKind::table:
      return read_tables(files, task, noticed);
  }
  return {};
}

// ---- Splitting ----

/// What the examples at `indices` should answer.
Samples answers_of(const Samples& all, std::span<const std::size_t> indices) {
  Samples chosen;
  chosen.shape = all.shape, chosen.width = all.width;
  (all.values.empty() ? chosen.targets.reserve(indices.size() * all.width)
                      : chosen.values.reserve(indices.size()));
  for (const std::size_t i : indices) {
    if (!all.values.empty()) {
      chosen.values.push_back(all.values[i]);
      continue;
    }
    const auto targets = std::span(all.targets).subspan(i * all.width, all.width);
    chosen.targets.insert(chosen.targets.end(), targets.begin(), targets.end());
  }
  return chosen;
}

Samples select(const Samples& all, std::span<const std::size_t> indices) {
  Samples chosen = answers_of(all, indices);
  const std::size_t size = all.inputs.size() / all.count();
  chosen.inputs.reserve(indices.size() * size);
  for (const std::size_t i : indices) {
    const auto input = std::span(all.inputs).subspan(i * size, size);
    chosen.inputs.insert(chosen.inputs.end(), input.begin(), input.end());
  }
  return chosen;
}

/// The examples at `indices`, moved to where the first lay: they may be most of what memory holds.
/// Requires that no index is there twice.
Samples take(Samples all, std::span<const std::size_t> indices) {
  Samples chosen = answers_of(all, indices);
  const std::size_t count = all.count(), size = all.inputs.size() / count;
  std::vector<std::size_t> from(indices.begin(), indices.end());
  std::vector<bool> there(count);
  for (const std::size_t i : indices) there[i] = true;
  for (std::size_t i = 0; i < count; ++i) {
    if (!there[i]) from.push_back(i);
  }
  // Row i gets what is at from[i]: the rows move along the cycles of that permutation.
  std::vector<float> first(size);
  const auto row = [&](std::size_t i) { return std::span(all.inputs).subspan(i * size, size); };
  for (std::size_t start = 0; start < count; ++start) {
    if (from[start] == start) continue;
    std::ranges::copy(row(start), first.begin());
    std::size_t i = start;
    for (; from[i] != start; i = std::exchange(from[i], i)) {
      std::ranges::copy(row(from[i]), row(i).begin());
    }
    if (i != start) std::ranges::copy(first, row(i).begin());
    from[i] = i;
  }
  all.inputs.resize(indices.size() * size);
  chosen.inputs = std::move(all.inputs);
  return chosen;
}

void add_content(Bytes& content, const Samples& samples, std::size_t i) {
  const std::size_t size = samples.inputs.size() / samples.count();
  const auto input = std::as_bytes(std::span(samples.inputs).subspan(i * size, size));
  const auto target =
      samples.values.empty()
          ? std::as_bytes(std::span(samples.targets).subspan(i * samples.width, samples.width))
          : std::as_bytes(std::span(samples.values).subspan(i, 1));
  content.insert(content.end(), input.begin(), input.end());
  content.insert(content.end(), target.begin(), target.end());
}

std::vector<Taggable> tagged(const Samples& all, const std::string& split_key) {
  const Tagger tagger(split_key);
  // Sentences, numbers and several targets are no label to be balanced by.
  const bool labelled = all.values.empty() && all.width == 1;
  std::vector<Taggable> examples;
  const std::size_t count = all.count();
  examples.reserve(count);
  Bytes content;
  Tag unit{};
  for (std::size_t i = 0; i < count; ++i) {
    content.clear();
    add_content(content, all, i);
    const Tag tag = tagger.tag(content);
    // Those of one group mostly stand together.
    if (!all.groups.empty() && (i == 0 || all.groups[i] != all.groups[i - 1])) {
      unit = tagger.tag(as_byte_view("group " + all.groups[i]));
    }
    examples.push_back({tag, all.groups.empty() ? tag : unit, labelled ? all.targets[i] : 0});
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

Dataset no_examples(const model::Task& task) {
  Samples none;
  none.shape = shape_of(task);
  if (none.shape.empty()) none.width = input_size(task);
  if (model::is_multi_label(task)) none.width = task.classes;
  return {.train = none,
          .validation = none,
          .scored = none,
          .test = none,
          .train_places = {},
          .validation_places = {},
          .groups = {},
          .noticed = {},
          .fingerprint = {}};
}

Bytes content_of(const Samples& samples, std::size_t i) {
  Bytes content;
  add_content(content, samples, i);
  return content;
}

Dataset read_dataset(const model::DataFiles& files, const model::Task& task,
                     std::uint64_t score_examples) {
  if (!(files.validation > 0 && files.validation < 1)) {
    throw DataError("the validation fraction must be above 0 and below 1");
  }
  if (files.train.empty()) throw DataError("there is no file to learn from; set data.train");
  Dataset dataset;
  Samples all = read_samples(files.train, task, files.group_pattern, dataset.noticed);
  auto examples = tagged(all, files.split_key);
  Split split;
  if (files.validation_files.empty()) {
    split = files.split == model::SplitBy::time ? split_by_time(all, examples, files.validation)
                                                : split_by_tag(examples, files.validation);
    dataset.validation = select(all, split.validation);
    dataset.train_places = split.train;
    dataset.validation_places = split.validation;
  } else {
    const Samples theirs =
        read_samples(files.validation_files, task, files.group_pattern, dataset.noticed);
    const auto its_examples = tagged(theirs, files.split_key);
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
  dataset.fingerprint = fingerprint(examples);
  examples = {};  // they may take as much memory as short rows do
  std::vector<std::size_t> scored(
      std::min<std::size_t>(score_examples, split.validation.size()));
  std::iota(scored.begin(), scored.end(), std::size_t{0});
  dataset.scored = select(dataset.validation, scored);
  dataset.groups = std::move(all.groups);
  dataset.train = take(std::move(all), split.train);
  Noticed in_test;
  if (!files.test.empty()) dataset.test = read_samples(files.test, task, "", in_test);
  return dataset;
}

}  // namespace kith::data
