#include "model/data/inputs.hpp"

#include "model/data/dataset.hpp"
#include "model/data/picture.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

namespace kith::data {

std::vector<std::int64_t> shape_of(const model::Task& task) {
  switch (model::data_kind(task)) {
    case model::DataKind::pictures:
      return {task.input.begin(), task.input.end()};
    case model::DataKind::text:
      if (model::predicts_words(task)) return {};
      return {static_cast<std::int64_t>(kMaxText)};
    case model::DataKind::table:
      break;
  }
  std::size_t features = 0;
  for (const model::Column& column : task.columns) features += model::features(column);
  return {static_cast<std::int64_t>(features)};
}

std::size_t input_size(const model::Task& task) {
  const auto shape = shape_of(task);
  if (shape.empty()) return kMaxSentence + 1;
  return static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

std::string in_example(std::size_t i) {
  return " in example " + std::to_string(i) + " (the first is 0)";
}

Inputs array_inputs(const Array& array, const model::Task& task, const std::filesystem::path& file,
                    std::size_t first) {
  const auto& shape = array.shape;
  if (shape.empty() || !std::ranges::equal(std::span(shape).subspan(1), task.input)) {
    throw DataError(file.string() + " has inputs of " + shape_text(shape) +
                    (shape.empty() ? ""
                                   : ", of which an example is " +
                                         shape_text({shape.begin() + 1, shape.end()})) +
                    ", but the task wants " + shape_text({task.input.begin(), task.input.end()}) +
                    "; convert the array or correct task.input");
  }
  Inputs inputs = floats(array);
  const std::size_t size = input_size(task);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (std::isfinite(inputs[i])) continue;
    throw DataError(file.string() + " has an input that is no finite number (NaN or infinite)" +
                    in_example(first + i / size) +
                    "; fill in what is missing, or leave the example out");
  }
  if (array.type == Array::Type::uint8) {
    for (float& input : inputs) input = input / 127.5F - 1.0F;
  }
  return inputs;
}

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

Inputs image_inputs(const Images& images, const model::Task& task,
                    const std::filesystem::path& file) {
  const std::vector<std::uint64_t> shape{images.channels, images.height, images.width};
  if (!std::ranges::equal(shape, task.input)) {
    throw DataError("the images of " + file.string() + " are " + shape_text(shape) +
                    " but the task wants " + shape_text({task.input.begin(), task.input.end()}) +
                    " (channels x height x width); convert the images or correct task.input");
  }
  Inputs inputs(images.pixels.size());
  std::ranges::transform(images.pixels, inputs.begin(), [](std::uint8_t pixel) {
    return static_cast<float>(pixel) / 127.5F - 1.0F;
  });
  return inputs;
}

void check_takes_pictures(const model::Task& task) {
  if (task.input.size() == 3 && (task.input[0] == 1 || task.input[0] == 3)) return;
  throw DataError("pictures have 1 or 3 channels, a height and a width; correct task.input");
}

void add_picture(Inputs& inputs, const std::filesystem::path& file, const model::Task& task,
                 Noticed& noticed) {
  const std::size_t channels = task.input[0], height = task.input[1], width = task.input[2];
  const Bytes bytes = read_file(file);
  const auto decoded = decode_picture(bytes);
  if (const auto* const why = std::get_if<std::string>(&decoded)) {
    throw DataError(file.string() + " " +
                    with_advice(*why, "copy it again, or take it out of the folder"));
  }
  const auto& picture = std::get<Picture>(decoded);
  noticed.resized += picture.height != height || picture.width != width;
  noticed.recoloured += picture.gray != (channels == 1);
  const auto values = fitted(picture, channels, height, width);
  inputs.insert(inputs.end(), values.begin(), values.end());
}

Vocabulary vocabulary_of(const model::Task& task) {
  auto vocabulary = read_vocabulary(task.vocabulary);
  const auto words = model::predicts_words(task) ? task.classes : task.words;
  if (crypto::to_hex(vocabulary.hash()) != task.vocabulary_hash || vocabulary.size() != words) {
    throw DataError(task.vocabulary.string() +
                    " has changed since the node was started; restore it, or start the node again");
  }
  return vocabulary;
}

void count_words(Noticed& noticed, const Tokens& tokens) {
  noticed.words += tokens.size();
  noticed.unknown_words +=
      static_cast<std::uint64_t>(std::ranges::count(tokens, Vocabulary::kUnknown));
}

bool has_known_word(std::span<const std::int64_t> tokens) {
  return std::ranges::any_of(tokens, [](std::int64_t t) { return t > Vocabulary::kUnknown; });
}

void add_text(Inputs& inputs, const Tokens& tokens) {
  const std::size_t end = inputs.size() + kMaxText;
  for (const std::int64_t token : std::span(tokens).first(std::min(tokens.size(), kMaxText))) {
    inputs.push_back(static_cast<float>(token));
  }
  inputs.resize(end, Samples::kNoWord);
}

}  // namespace kith::data
