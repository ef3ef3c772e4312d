#pragma once

#include "crypto/hash.hpp"
#include "model/column.hpp"
#include "model/encoding.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::model {

/// What is being learnt.  Two nodes learn the same task if and only if their task_hash() is equal.
struct Task {
  std::string name;             ///< 1 to 64 of a-z A-Z 0-9 . _ -
  /// "mlp", "cnn", "cnn1d", "resnet", "gru-lm" or "text-classifier"; or "script", one's own
  std::string model = "mlp";
  std::vector<unsigned> sizes;  ///< what the model makes of them: docs/configuration.md
  /// Of one example: channels, height and width of pictures; of arrays 1 to 4 sides, for a cnn1d the
  /// length and the channels.
  std::vector<unsigned> input{1, 28, 28};
  /// What class 0, 1, ... is called, as folders of pictures and labels of texts are.
  std::vector<std::string> labels{};
  std::vector<Column> columns{};             ///< of a table (mlp)
  std::filesystem::path vocabulary{};  ///< of text: its words; where it lies is local
  std::string vocabulary_hash{};       ///< of its words, in hexadecimal
  /// Of texts that are told apart: words of the vocabulary and two more, as follows from it.
  unsigned words = 0;
  /// Where words are predicted: those of the vocabulary and two more; 1: a number is predicted; of
  /// several yes-or-no targets, how many there are.
  unsigned classes = 10;
  /// Of one's own model: a TorchScript module; where it lies, and how it computes, is local.
  std::filesystem::path script{};
  std::vector<std::string> share{"*"};  ///< names of tensors that travel; * stands for anything
  std::vector<std::string> freeze{};    ///< of those that are neither trained nor sent
  bool share_buffers = false;           ///< whether running statistics travel, too
  std::uint64_t seed = 0;  ///< of M0, the initial weights

  std::string optimiser = "sgd";  ///< or "adamw"
  double learning_rate = 0.05;    ///< at its highest: see schedule
  double momentum = 0.9;          ///< of sgd; of adamw, how slowly the mean gradient changes (beta 1)
  double weight_decay = 0;        ///< of sgd an L2 penalty; of adamw apart from the gradient
  double gradient_clip = 0;       ///< the gradient of a batch is no longer than this; 0: as it is
  std::string schedule = "constant";  ///< of the learning rate, by the node's own rounds; or "cosine"
  unsigned schedule_rounds = 0;       ///< after which cosine is at its lowest
  unsigned warmup_rounds = 0;         ///< in which the learning rate rises from nearly nothing
  double label_smoothing = 0;  ///< in training, the share of a label that is spread over all classes
  unsigned batch = 32;         ///< examples

  Encoding encoding = Encoding::bf16;  ///< of the snapshots between nodes; the worker sees none

  /// "cross-entropy" (also if empty) tells classes apart; "squared", "absolute" and "huber" predict
  /// a number, and `classes` is 1.  Huber's is squared up to a tenth of the target's range.
  /// "binary-cross-entropy" answers several yes-or-no questions at once.
  std::string loss{};
  std::string metric{};  ///< what people are told first; empty: metric_of() chooses
  std::vector<double> class_weights{};  ///< in training and scoring; empty: all weigh the same
  std::vector<double> target_range{-1, 1};  ///< of a number: what becomes -1 and what becomes 1

  bool operator==(const Task&) const = default;
};

/// What a task is learnt from.
enum class DataKind { pictures, text, table };
[[nodiscard]] DataKind data_kind(const Task& task);

/// Whether a number is predicted, and not a class.
[[nodiscard]] bool is_regression(const Task& task);
/// Whether several yes-or-no targets are predicted, each for itself.
[[nodiscard]] bool is_multi_label(const Task& task);
/// Whether the words of a text are predicted, one after another.
[[nodiscard]] bool predicts_words(const Task& task);
/// How many numbers the network answers with.
[[nodiscard]] unsigned outputs(const Task& task);
/// The learning rate when `done` of the rounds of training are behind a node, a fraction of one included:
/// it rises through the warm-up; on a cosine it falls until schedule_rounds to a hundredth, and
/// stays there.
[[nodiscard]] double learning_rate_at(const Task& task, double done);

/// The name of the metric that people are told first: the task's, or else "accuracy", of numbers
/// "r2", of words "perplexity", of several yes-or-no targets "auroc".
[[nodiscard]] std::string metric_of(const Task& task);

/// What people call a class, or one of several yes-or-no targets; if the task has no name for it, its
/// number.
[[nodiscard]] std::string class_name(const Task& task, std::size_t of);
/// What an example whose loss is `loss` counts where models are compared, before it is weighted: of
/// classes score() of it; of a number the loss, but no more than that of an error as large as the
/// target's range.
[[nodiscard]] double score(const Task& task, double loss);
/// The most that a scored example can count, weighted.
[[nodiscard]] double largest_score(const Task& task);

/// A target's value in its own unit, from one that is scaled to -1..1.
[[nodiscard]] double unscaled_target(const Task& task, double scaled);

/// The column that is predicted; null if none is, or several are.
[[nodiscard]] const Column* target_of(const std::vector<Column>& columns);
/// How many classes the columns tell apart, 1 if the target is a number; of several yes-no targets,
/// how many there are; nullopt without a target, or with several others.
[[nodiscard]] std::optional<unsigned> classes_of(const std::vector<Column>& columns);

/// Why this is no task, in one sentence that names the field; nullopt if it is one.
[[nodiscard]] std::optional<std::string> problem(const Task& task);

/// The task as text: a line `key=value` for every field that its kind of data has, sorted by key,
/// each ended by a newline; columns as `column_0001=` and to_string(); lists joined by commas;
/// numbers in the shortest form that reads back as the same number, so that it is the same text on
/// every machine.  Requires !problem(task).
[[nodiscard]] std::string canonical_text(const Task& task);

/// What two nodes must agree on, as text: `kith task`, the canonical text, and the hash of M0, each
/// line ended by a newline.  Requires !problem(task).
///
/// `frozen_model` is the hash of the tensors that never change, in hexadecimal; empty without any.
[[nodiscard]] std::string manifest(const Task& task, const crypto::Hash& initial_model,
                                   const std::string& frozen_model = {});

/// A field that two tasks, or manifests, differ in; empty where one has no such field.
struct TaskDifference {
  std::string field, ours, theirs;
  bool operator==(const TaskDifference&) const = default;
};
/// In the order of the fields' names.  `theirs` may be anything: what is no `key=value` does not
/// count.
[[nodiscard]] std::vector<TaskDifference> differences(std::string_view ours,
                                                      std::string_view theirs);

/// The hash of manifest().  `initial_model` is the hash of M0's snapshot file, and so covers its
/// tensors' names and shapes too.  Requires !problem(task).
[[nodiscard]] crypto::Hash task_hash(const Task& task, const crypto::Hash& initial_model,
                                     const std::string& frozen_model = {});

}  // namespace kith::model
