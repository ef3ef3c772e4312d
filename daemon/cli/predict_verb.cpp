#include "daemon/cli/own_data.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/predictions.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/cli/worker_job.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/interrupts.hpp"
#include "model/data/inputs.hpp"
#include "model/data/unlabelled.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::array<std::string_view, 3> kFormats{"csv", "jsonl", "npy"};

struct PredictOptions {
  Place place;
  std::vector<fs::path> files;
  std::string format;
  fs::path output;
  bool as_json = false;
};

/// The format that is asked for, or else that of the file's name.
PredictionFormat format_of(const PredictOptions& options) {
  std::string name = options.format;
  if (name.empty() && options.output.has_extension()) {
    name = options.output.extension().string().substr(1);
  }
  const auto found = std::ranges::find(kFormats, name);
  return found == kFormats.end() ? PredictionFormat::csv
                                 : static_cast<PredictionFormat>(found - kFormats.begin());
}

/// Where predictions go: a new file, which has its name once it is whole; or the standard output.
class Destination {
 public:
  explicit Destination(fs::path named) : name_(std::move(named)) {
    if (name_.empty()) return;
    refuse_existing();
    unfinished_ = name_;
    unfinished_ += "." + std::to_string(::getpid()) + std::string(kUnfinished);
    file_.emplace(unfinished_, O_WRONLY | O_CREAT | O_EXCL);
  }
  ~Destination() {
    std::error_code ignored;
    if (file_) fs::remove(unfinished_, ignored);
  }
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

  void write(std::string_view text) {
    constexpr std::size_t kAtOnce = 1 << 18;
    waiting_ += text;
    if (waiting_.size() >= kAtOnce) flush();
  }
  void finish(const std::string& head) {
    flush();
    if (!file_) return;
    if (!head.empty() && ::lseek(file_->descriptor(), 0, SEEK_SET) == 0) {
      file_->write(as_byte_view(head));
    }
    file_->sync();
    refuse_existing();
    on_disk("rename", [&] { fs::rename(unfinished_, name_); });
    file_.reset();
  }

 private:
  void refuse_existing() const {
    if (!fs::exists(name_)) return;
    throw Failure(EX_CANTCREAT,
                  name_.string() + " exists already; move it away, or name another with --output");
  }
  void flush() {
    if (file_) {
      file_->write(as_byte_view(waiting_));
    } else if (!std::cout.write(waiting_.data(), static_cast<std::streamsize>(waiting_.size()))
                    .flush()) {
      throw Failure(EX_IOERR, "nobody reads the standard output any more");
    }
    waiting_.clear();
  }

  fs::path name_, unfinished_;
  std::optional<File> file_;
  std::string waiting_;
};

/// The served model of a node, in a worker of its own.
class ServedModel {
 public:
  explicit ServedModel(const Config& config)
      : size_(data::input_size(config.task)),
        numbers_(model::outputs(config.task)),
        worker_(io_, worker_program(config)) {
    const pipe::Open open = opening(config);
    const auto opened = ask(open, nullptr);
    if (!opened.result.resumed) refuse_without_round();
    round_ = opened.result.round;
  }
  [[nodiscard]] std::uint64_t round() const { return round_; }
  /// How many rows to ask for at once: of their inputs and of the answers there are 4 MiB at most,
  /// if one row is not more.
  [[nodiscard]] std::size_t at_once() const {
    constexpr std::size_t kNumbers = 1 << 20, kRows = 4096;
    static_assert(kRows <= pipe::kMaxPredicted);
    return std::clamp<std::size_t>(kNumbers / std::max(size_, numbers_), 1, kRows);
  }
  /// Numbers for each row, row after row.
  std::vector<float> predict(const data::Inputs& inputs) {
    if (inputs.empty()) return {};
    const pipe::Predict question{pipe::ModelName::served, inputs.size() / size_};
    const pipe::Fd file = pipe::sealed_memfd("inputs", std::as_bytes(std::span(inputs)));
    const auto answer = ask(question, &file);
    const std::size_t wanted = question.examples * numbers_ * sizeof(float);
    const auto mapped = pipe::SealedMap::open(answer.file, wanted);
    const auto* const map = std::get_if<pipe::SealedMap>(&mapped);
    if (map == nullptr || answer.result.numbers != numbers_ || map->bytes().size() != wanted) {
      throw Failure(EX_SOFTWARE,
                    "the worker has answered with another number of predictions than "
                    "the task has; correct the worker");
    }
    std::vector<float> said(wanted / sizeof(float));
    std::memcpy(said.data(), map->bytes().data(), wanted);
    return said;
  }
  [[nodiscard]] std::size_t numbers() const { return numbers_; }

 private:
  template <class Operation>
  WorkerProcess::Answer<Operation> ask(const Operation& question, const pipe::Fd* file) {
    WorkerProcess::Answer<Operation> answer;
    const auto job = [&]() -> net::awaitable<void> {
      answer = co_await worker_.call(question, file);
    };
    run_worker_job(io_, job);
    return answer;
  }

  std::size_t size_, numbers_;
  net::asio::io_context io_{1};
  WorkerProcess worker_;
  std::uint64_t round_ = 0;
};

/// Says on the standard error, now and then, how far it has come.
class Tally {
 public:
  void add(const data::UnlabelledRows& rows) {
    rows_ += rows.readable.size();
    without_ += static_cast<std::uint64_t>(std::ranges::count(rows.readable, false));
    if (steady_clock::now() - told_ < kInterval) return;
    told_ = steady_clock::now();
    std::cerr << rows.first - 1 + rows.readable.size() << " of " << rows.all << " rows of "
              << rows.file.string() << std::endl;
  }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t without() const { return without_; }

 private:
  static constexpr std::chrono::seconds kInterval{5};
  steady_clock::time_point told_ = steady_clock::now();
  std::uint64_t rows_ = 0, without_ = 0;
};

/// What the files are called in the answer.
std::string row_file(const data::UnlabelledRows& rows, std::size_t i) {
  return rows.names.empty() ? rows.file.string() : rows.names[i];
}

data::Noticed predict_files(const PredictOptions& options, const Config& config,
                            ServedModel& served, PredictionWriter& writer, Tally& tally) {
  const auto take = [&](const data::UnlabelledRows& rows) {
    if (interrupted) throw Interrupted();
    const std::vector<float> said = served.predict(rows.inputs);
    auto rest = std::span(said);
    for (std::size_t i = 0; i < rows.readable.size(); ++i) {
      const auto own = rows.readable[i] ? rest.first(served.numbers()) : rest.first(0);
      rest = rest.subspan(own.size());
      writer.add(row_file(rows, i), rows.first + i, own);
    }
    tally.add(rows);
  };
  data::Noticed noticed;
  with_own_data(config, [&] {
    noticed = data::read_unlabelled(options.files, config.task, served.at_once(), take);
  });
  return noticed;
}

Answer predict(const PredictOptions& options) {
  catch_interrupts();
  const PredictionFormat format = format_of(options);
  if (options.output.empty() && (options.as_json || format == PredictionFormat::npy)) {
    throw Failure(EX_USAGE, std::string("say with --output where the predictions are to go, ") +
                                (options.as_json ? "for --json" : "for npy"));
  }
  Config config = load_config(options.place.config());
  const bool words = model::predicts_words(config.task);
  if (words && format == PredictionFormat::npy) {
    throw Failure(EX_USAGE,
                  "npy has no room for words, which this task predicts; choose csv or jsonl");
  }
  config.data = {};  // nothing is learnt
  if (!fs::exists(config.node.state)) refuse_without_round();
  Destination destination(options.output);
  ServedModel served(config);
  std::vector<std::string> known;
  if (words) known = data::vocabulary_of(config.task).words();
  const auto out = [&](std::string_view text) { destination.write(text); };
  const auto writer = prediction_writer(format, config.task, std::move(known), out);
  Tally tally;
  const data::Noticed noticed = predict_files(options, config, served, *writer, tally);
  destination.finish(writer->head());

  Answer answer;
  answer.value = {{"round", served.round()},
                  {"rows", tally.rows()},
                  {"without_prediction", tally.without()},
                  {"format", kFormats[static_cast<std::size_t>(format)]},
                  {"output", options.output.string()},
                  {"noticed", data::summary(noticed)}};
  answer.lines = {"Predicted for " + std::to_string(tally.rows()) +
                  " rows with the model of round " + std::to_string(served.round()) +
                  (options.output.empty() ? "" : "; wrote " + options.output.string())};
  if (tally.without() > 0) {
    answer.lines.push_back(std::to_string(tally.without()) +
                           " have no word that the model knows, and no prediction");
  }
  if (const auto more = data::summary(noticed); !more.empty()) answer.lines.push_back(more);
  if (!options.output.empty()) return answer;
  for (const std::string& line : answer.lines) std::cerr << line << "\n";
  answer.lines.clear();
  return answer;
}

}  // namespace

void add_predict_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<PredictOptions>();
  CLI::App* const verb = app.add_subcommand(
      "predict",
      "say what the served model predicts for files of examples, with or without their targets; "
      "whether the node runs or not");
  verb->add_option(
          "FILES", options->files,
          "examples as data.train names them, but what is predicted may be missing; folders "
          "of pictures need no folders for classes")
      ->required();
  verb->add_option("--format", options->format,
                   "csv, jsonl or npy; without it, as the output's name ends, or csv")
      ->check(CLI::IsMember(std::vector<std::string>(kFormats.begin(), kFormats.end())));
  verb->add_option("--output,-o", options->output,
                   "a new file to write to, in place of the standard output");
  options->place.add_to(*verb);
  on_parsed(*verb, chosen, options, predict);
}

}  // namespace kith::daemon
