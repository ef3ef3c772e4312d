#pragma once

#include "model/data/array.hpp"
#include "model/data/cifar.hpp"
#include "model/data/images.hpp"
#include "model/data/noticed.hpp"
#include "model/data/scratch.hpp"
#include "model/data/text.hpp"
#include "model/task.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// What a network is fed with, of one example or of some, whether it is known what they should
/// answer or not: one way for learning and for predicting.  All throw DataError if that is not what
/// the task takes.
namespace kith::data {

/// The shape of one input of a task, as in Samples: empty for sentences, whose words are predicted.
[[nodiscard]] std::vector<std::int64_t> shape_of(const model::Task& task);
/// How many numbers one input is made of; of a sentence its words and what stands before it.
[[nodiscard]] std::size_t input_size(const model::Task& task);

/// " in example 7 (the first is 0)"
[[nodiscard]] std::string in_example(std::size_t i);

/// Examples of an array, of which the first is the example number `first` of the file.
[[nodiscard]] Inputs array_inputs(const Array& array, const model::Task& task,
                                  const std::filesystem::path& file, std::size_t first = 0);

/// Which label the CIFAR files of a task have.
[[nodiscard]] CifarLabel cifar_label(const model::Task& task);

/// Pixels from -1 to 1.
[[nodiscard]] Inputs image_inputs(const Images& images, const model::Task& task,
                                  const std::filesystem::path& file);

/// Why pictures are no input of the task, if they are none.
void check_takes_pictures(const model::Task& task);
/// Appends the picture in a file, in the task's size.  Requires check_takes_pictures().
void add_picture(Inputs& inputs, const std::filesystem::path& file, const model::Task& task,
                 Noticed& noticed);

/// The words that the task's models know.
[[nodiscard]] Vocabulary vocabulary_of(const model::Task& task);
/// Counts the words of a text, and those that the models do not know.
void count_words(Noticed& noticed, const Tokens& tokens);
/// Whether a model can tell anything of it.
[[nodiscard]] bool has_known_word(std::span<const std::int64_t> tokens);
/// The first words of a text that is to be told apart from others, filled up with Samples::kNoWord.
void add_text(Inputs& inputs, const Tokens& tokens);

}  // namespace kith::data
