#include "model/data/array.hpp"
#include "model/data/draft.hpp"
#include "model/data/picture.hpp"
#include "model/data/text.hpp"
#include "model/data/text_files.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

// Drafts of tasks for pictures, arrays and texts; those for tables are in draft.cpp.
namespace kith::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostClassNumbers = 100;  // that a list of whole numbers may have to be classes

/// How often each class occurs.
using Counts = std::map<std::string, std::size_t>;

/// Chooses a metric that is not fooled where most examples are of one class.
void judge_balance(Draft& draft, const Counts& counts) {
  const auto largest =
      std::ranges::max_element(counts, {}, [](const auto& count) { return count.second; });
  if (largest == counts.end() || largest->second * 10 <= draft.examples * 8) return;
  draft.task.metric = "balanced_accuracy";
  draft.notes.push_back(std::to_string(largest->second) + " of " + std::to_string(draft.examples) +
                        " examples are of the class \"" + largest->first +
                        "\", so accuracy says little: the metric is balanced accuracy");
}

/// The classes in the order of their names, with a draft's labels and number of examples.
void declare_labels(Draft& draft, const Counts& counts) {
  for (const auto& [label, count] : counts) {
    draft.task.labels.push_back(label);
    draft.examples += count;
  }
  draft.task.classes = static_cast<unsigned>(counts.size());
  if (counts.size() > 1) return judge_balance(draft, counts);
  draft.notes.push_back(only_class_note(counts.begin()->first));
}

template <class Number>
Number median(std::vector<Number> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

/// A side that pictures of this one are made to fit.
unsigned fitting_side(std::size_t side) {
  constexpr std::size_t kStep = 4, kLeast = 8, kMost = 64;
  return static_cast<unsigned>(std::clamp(side / kStep * kStep, kLeast, kMost));
}

// ---- Arrays ----

std::vector<unsigned> sides_of(const Array& inputs, const fs::path& file) {
  std::vector<unsigned> sides;
  for (const std::uint64_t side : std::span(inputs.shape).subspan(1)) {
    sides.push_back(static_cast<unsigned>(std::min<std::uint64_t>(side, 1U << 20)));
  }
  if (sides.empty()) sides = {1};
  if (sides.size() > 4) {
    throw DataError(file.string() + " has inputs of " + shape_text(inputs.shape) +
                    ", of which an example has more than 4 sides; reshape it");
  }
  return sides;
}

void choose_model(model::Task& task) {
  constexpr unsigned kShortest = 8;  // steps along which something can be found
  const auto& sides = task.input;
  if (sides.size() == 3 && sides[0] <= 4 && sides[1] >= kShortest && sides[2] >= kShortest) {
    task.model = "cnn";
    task.sizes = {16, 32};
  } else if (sides.size() == 2 && sides[0] >= kShortest) {
    task.model = "cnn1d";
    task.sizes = {16, 32};
    task.learning_rate = 0.02;
  } else {
    task.sizes = {64};
  }
}

/// What is predicted, by all answers of all files.
void declare_answers(Draft& draft, std::vector<float> answers, std::size_t of_one) {
  model::Task& task = draft.task;
  const bool yes_no = std::ranges::all_of(
      answers, [](float value) { return value == 0 || value == 1 || std::isnan(value); });
  if (of_one > 1) {
    if (!yes_no) {
      throw DataError("each example has " + std::to_string(of_one) +
                      " answers, which must then be 0 or 1; give each one answer");
    }
    task.loss = "binary-cross-entropy";
    task.classes = static_cast<unsigned>(of_one);
    draft.notes.push_back("each example has " + std::to_string(of_one) +
                          " yes-or-no answers; name them with labels, if you like");
    return;
  }
  const auto is_class = [](float value) {
    return value >= 0 && value < static_cast<float>(kMostClassNumbers) && value == std::floor(value);
  };
  const std::set<float> different(answers.begin(), answers.end());
  if (std::ranges::all_of(answers, is_class) && different.size() > 1) {
    task.classes = static_cast<unsigned>(*different.rbegin()) + 1;
    Counts counts;
    for (const float answer : answers) ++counts[std::to_string(static_cast<int>(answer))];
    draft.notes.push_back("the answers are whole numbers from " +
                          std::to_string(static_cast<int>(*different.begin())) + " to " +
                          std::to_string(task.classes - 1) +
                          ", taken as classes; if they are quantities, set loss = \"squared\"");
    judge_balance(draft, counts);
    return;
  }
  std::erase_if(answers, [](float value) { return !std::isfinite(value); });
  if (answers.empty()) throw DataError("no answer is a number; name other files");
  std::ranges::sort(answers);
  const auto at = [&](double share) {
    const auto last = static_cast<double>(answers.size() - 1);
    return static_cast<double>(answers[static_cast<std::size_t>(share * last)]);
  };
  task.loss = "squared";
  task.classes = 1;
  task.target_range = {at(0.01), at(0.99)};
  if (!(task.target_range[0] < task.target_range[1])) {
    throw DataError("all answers are the same number; nothing can be predicted");
  }
  draft.notes.emplace_back("a number is predicted; target_range has its 1st and 99th percentile");
}

}  // namespace

Draft draft_pictures(std::span<const fs::path> folders) {
  constexpr std::size_t kShown = 100;  // pictures, evenly among all
  std::vector<LabelledFile> pictures;
  for (const fs::path& folder : folders) {
    const auto more = pictures_in(folder);
    pictures.insert(pictures.end(), more.begin(), more.end());
  }
  Counts counts;
  for (const LabelledFile& picture : pictures) ++counts[picture.label];
  Draft draft;
  declare_labels(draft, counts);
  std::vector<std::size_t> heights, widths;
  bool gray = true;
  for (std::size_t i = 0; i < pictures.size(); i += pictures.size() / kShown + 1) {
    const auto decoded = decode_picture(read_file(pictures[i].file));
    if (const auto* const why = std::get_if<std::string>(&decoded)) {
      throw DataError(pictures[i].file.string() + " " + *why);
    }
    const auto& picture = std::get<Picture>(decoded);
    heights.push_back(picture.height), widths.push_back(picture.width);
    gray = gray && picture.gray;
  }
  const auto height = median(heights), width = median(widths);
  draft.task.model = "cnn";
  draft.task.input = {gray ? 1U : 3U, fitting_side(height), fitting_side(width)};
  draft.task.sizes = {16, 32};
  if (draft.task.input[1] * draft.task.input[2] >= 48 * 48) draft.task.sizes.push_back(32);
  draft.target = "which of " + std::to_string(counts.size()) + " classes a picture shows";
  draft.notes.push_back("pictures are " + std::to_string(width) + " x " + std::to_string(height) +
                        " pixels (the median), " + (gray ? "all gray" : "in colour") +
                        "; input says what they are made to fit");
  return draft;
}

Draft draft_arrays(std::span<const fs::path> files) {
  Draft draft;
  std::vector<float> answers;
  std::size_t of_one = 1;
  std::optional<std::vector<unsigned>> sides;
  for (std::size_t i = 0; i < files.size();) {
    const auto examples = read_array_examples(files.subspan(i));
    const auto own = sides_of(examples.inputs, files[i]);
    const std::size_t count = examples.inputs.shape[0];
    if (sides && own != *sides) {
      throw DataError(files[i].string() + " has inputs of another shape than the files before");
    }
    sides = own;
    if (count == 0) throw DataError(files[i].string() + " holds no example; name a file with some");
    of_one = examples.answers.count() / count;
    draft.examples += count;
    const auto more = floats(examples.answers);
    answers.insert(answers.end(), more.begin(), more.end());
    i += files[i].extension() == ".npy" ? 2U : 1U;
  }
  draft.task.input = *sides;
  choose_model(draft.task);
  declare_answers(draft, std::move(answers), of_one);
  draft.target = draft.task.classes == 1 ? "a number"
                 : of_one > 1            ? std::to_string(of_one) + " yes-or-no answers"
                              : "one of " + std::to_string(draft.task.classes) + " classes";
  return draft;
}

bool holds_texts(const fs::path& file) {
  switch (text_format(file)) {
    case TextFormat::jsonl:
      return true;
    case TextFormat::lines: {
      return (file.extension() == ".gz" ? file.stem() : file).extension() == ".txt";
    }
    case TextFormat::csv:
      return is_table_of_texts(as_text(FileContents(file).bytes()));
  }
  return false;
}

Draft draft_texts(std::span<const fs::path> files) {
  constexpr std::size_t kMostToPredict = 3000, kMostToTellApart = 10'000;  // words
  constexpr std::size_t kLeast = 2;  // times, so that a word that stands once tells nobody of it
  const bool labelled = std::ranges::all_of(files, [](const fs::path& file) {
    return has_labels(as_text(read_file(file)), text_format(file));
  });
  Draft draft;
  std::vector<std::vector<std::string>> texts;
  Counts counts;
  for (const fs::path& file : files) {
    Texts read = read_texts(file, labelled);
    for (const std::string& label : read.labels) ++counts[label];
    texts.push_back(std::move(read.texts));
  }
  if (std::ranges::all_of(texts, &std::vector<std::string>::empty)) {
    throw DataError("the files hold no text; name some that do");
  }
  draft.vocabulary = common_words(texts, labelled ? kMostToTellApart : kMostToPredict, kLeast);
  if (draft.vocabulary->words().empty()) {
    throw DataError("no word is there twice; name files with more text");
  }
  draft.task.vocabulary_hash = crypto::to_hex(draft.vocabulary->hash());
  draft.notes.push_back("the vocabulary has the " + std::to_string(draft.vocabulary->words().size()) +
                        " commonest words; all members see it, so take out what tells of "
                        "somebody, such as names");
  const auto words = static_cast<unsigned>(draft.vocabulary->size());
  if (labelled) {
    declare_labels(draft, counts);
    draft.task.model = "text-classifier";
    draft.task.sizes = {32};
    draft.task.learning_rate = 0.2;
    draft.task.words = words;
    draft.target = "which of " + std::to_string(counts.size()) + " labels a text has";
    return draft;
  }
  for (const auto& sentences : texts) draft.examples += sentences.size();
  draft.task.model = "gru-lm";
  draft.task.sizes = {32, 64};
  draft.task.learning_rate = 0.2;
  draft.task.classes = words;
  draft.target = "the next word of a sentence";
  return draft;
}

}  // namespace kith::data
