#include "daemon/cli/predictions.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace kith::daemon {
namespace {

/// The shortest text that reads back as the same number.
std::string number_text(float number) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, std::end(buffer), number).ptr};
}

/// What a task's predictions are called.
class Names {
 public:
  Names(const model::Task& task, std::vector<std::string> words)
      : task_(task), words_(std::move(words)) {
    if (model::predicts_words(task) || model::is_regression(task)) return;
    for (unsigned i = 0; i < model::outputs(task); ++i) each_.push_back(model::class_name(task, i));
  }
  /// Whether one answer is the most likely.
  [[nodiscard]] bool has_choice() const {
    return !model::is_multi_label(task_) && !model::is_regression(task_);
  }
  [[nodiscard]] bool is_number() const { return model::is_regression(task_); }
  [[nodiscard]] bool is_word() const { return model::predicts_words(task_); }
  /// How many columns a row has, beside what says which it is.
  [[nodiscard]] std::size_t columns() const {
    if (is_number()) return 1;
    return is_word() ? 2 : each_.size() + (has_choice() ? 1 : 0);
  }
  /// Of classes, or yes-or-no targets.
  [[nodiscard]] const std::vector<std::string>& each() const { return each_; }
  [[nodiscard]] std::string chosen(std::size_t which) const {
    if (!is_word()) return each_.at(which);
    // Two tokens come before the words: the end of a sentence, and any word that is not known.
    if (which == 0) return "</s>";
    return which == 1 ? "<unk>" : words_.at(which - 2);
  }
  [[nodiscard]] double value(float scaled) const {
    return model::unscaled_target(task_, static_cast<double>(scaled));
  }

 private:
  model::Task task_;
  std::vector<std::string> words_, each_;
};

std::size_t most_likely(std::span<const float> said) {
  return static_cast<std::size_t>(std::ranges::max_element(said) - said.begin());
}

class CsvPredictions : public PredictionWriter {
 public:
  CsvPredictions(Names names, Out out) : names_(std::move(names)), out_(std::move(out)) {
    std::string header = "file,row";
    if (names_.has_choice() || names_.is_number()) header += ",predicted";
    if (names_.is_word()) header += ",probability";
    for (const std::string& name : names_.each()) header += "," + cell("probability_" + name);
    out_(header + "\n");
  }
  void add(std::string_view file, std::size_t row, std::span<const float> said) override {
    std::string line = cell(file) + "," + std::to_string(row);
    const auto put = [&](const std::string& text) { line += "," + text; };
    if (said.empty()) {
      line.append(names_.columns(), ',');
    } else if (names_.is_number()) {
      put(number_text(static_cast<float>(names_.value(said[0]))));
    } else {
      const std::size_t most = most_likely(said);
      if (names_.has_choice()) put(cell(names_.chosen(most)));
      if (names_.is_word()) put(number_text(said[most]));
      for (std::size_t i = 0; i < names_.each().size(); ++i) put(number_text(said[i]));
    }
    out_(line + "\n");
  }

 private:
  static std::string cell(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
  }

  Names names_;
  Out out_;
};

class JsonPredictions : public PredictionWriter {
 public:
  JsonPredictions(Names names, Out out) : names_(std::move(names)), out_(std::move(out)) {}
  void add(std::string_view file, std::size_t row, std::span<const float> said) override {
    std::string line = "{\"file\":" + text(file) + ",\"row\":" + std::to_string(row);
    const auto put = [&line](const char* key, const std::string& value) {
      line += std::string(",\"") + key + "\":" + value;
    };
    const bool there = !said.empty();
    const std::size_t most = there ? most_likely(said) : 0;
    if (names_.is_number()) {
      put("predicted", there ? number_text(static_cast<float>(names_.value(said[0]))) : "null");
    }
    if (names_.has_choice()) put("predicted", there ? text(names_.chosen(most)) : "null");
    if (names_.is_word()) put("probability", there ? number_text(said[most]) : "null");
    if (!names_.each().empty()) put("probabilities", there ? probabilities(said) : "null");
    out_(line + "}\n");
  }

 private:
  static std::string text(std::string_view text) {
    return nlohmann::json(std::string(text))
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  [[nodiscard]] std::string probabilities(std::span<const float> said) const {
    std::string all;
    for (std::size_t i = 0; i < names_.each().size(); ++i) {
      all += (i == 0 ? "{" : ",") + text(names_.each()[i]) + ":" + number_text(said[i]);
    }
    return all + "}";
  }

  Names names_;
  Out out_;
};

/// Little-endian, as this machine is.
class NpyPredictions : public PredictionWriter {
 public:
  NpyPredictions(Names names, Out out) : names_(std::move(names)), out_(std::move(out)) {
    static_assert(std::endian::native == std::endian::little);
    assert(!names_.is_word());
    out_(head());
  }
  void add(std::string_view, std::size_t, std::span<const float> said) override {
    ++rows_;
    if (names_.is_number()) {
      return put(said.empty() ? std::numeric_limits<double>::quiet_NaN() : names_.value(said[0]));
    }
    for (std::size_t i = 0; i < names_.each().size(); ++i) {
      put(said.empty() ? std::numeric_limits<float>::quiet_NaN() : said[i]);
    }
  }
  [[nodiscard]] std::string head() const override {
    constexpr std::size_t kSize = 128;  // room for any number of rows
    const std::string shape =
        names_.is_number() ? std::to_string(rows_) + ","
                           : std::to_string(rows_) + ", " + std::to_string(names_.each().size());
    std::string text = std::string("{'descr': '") + (names_.is_number() ? "<f8" : "<f4") +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
    const std::size_t header = kSize - 10;
    text.resize(header - 1, ' ');
    std::string magic = "\x93NUMPY";
    magic += {'\1', '\0', static_cast<char>(header), '\0'};
    return magic + text + "\n";
  }

 private:
  template <class Number>
  void put(Number number) {
    const auto bytes = std::bit_cast<std::array<char, sizeof number>>(number);
    out_({bytes.data(), bytes.size()});
  }

  Names names_;
  Out out_;
  std::uint64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<PredictionWriter> prediction_writer(PredictionFormat format,
                                                    const model::Task& task,
                                                    std::vector<std::string> words,
                                                    PredictionWriter::Out out) {
  Names names(task, std::move(words));
  switch (format) {
    case PredictionFormat::csv:
      return std::make_unique<CsvPredictions>(std::move(names), std::move(out));
    case PredictionFormat::jsonl:
      return std::make_unique<JsonPredictions>(std::move(names), std::move(out));
    case PredictionFormat::npy:
      break;
  }
  return std::make_unique<NpyPredictions>(std::move(names), std::move(out));
}

}  // namespace kith::daemon
