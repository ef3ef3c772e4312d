#include "daemon/cli/own_module.hpp"

#include "daemon/cli/worker_job.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/temporary_folder.hpp"
#include "model/sharing.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace kith::daemon {
namespace {

constexpr std::uint64_t kBatches = 5;  // that are timed

std::uint64_t values_in(const pipe::TensorReport& tensor) {
  std::uint64_t values = 1;
  for (const std::uint64_t side : tensor.shape) values *= side;
  return values;
}

net::awaitable<void> inspect_in(net::asio::io_context& io, const Config& config,
                                ModuleReport& report) {
  WorkerProcess worker(io, worker_program(config));
  const pipe::Open open = opening(config);
  const auto opened = co_await worker.call(open);
  const auto initial = pipe::SealedMap::open(opened.file, kLargestSnapshot);
  if (const auto* problem = std::get_if<std::string>(&initial)) throw WorkerLost(*problem);
  report.snapshot_bytes =
      form_of(std::get<pipe::SealedMap>(initial).bytes(), config.task.encoding).encoded_size();
  pipe::Inspect question{0, kBatches};
  for (;;) {
    const auto answer = co_await worker.call(question);
    const pipe::Inspected& found = answer.result;
    if (question.batches > 0) report.batch_seconds = found.seconds;
    report.batch = found.batch;
    report.tensors.insert(report.tensors.end(), found.tensors.begin(), found.tensors.end());
    if (found.tensors.empty() || report.tensors.size() >= found.all) break;
    question.first = report.tensors.size();
    question.batches = 0;
  }
  report.worker_bytes = peak_memory(worker.pid());
}

/// "1.3 ms"
std::string milliseconds_text(double seconds) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(seconds < 0.1 ? 1 : 0) << 1000 * seconds << " ms";
  return text.str();
}

std::string counted_values(std::uint64_t values) {
  return std::to_string(values) + (values == 1 ? " value" : " values");
}

}  // namespace

std::uint64_t ModuleReport::values(model::Role role) const {
  std::uint64_t all = 0;
  for (const auto& tensor : tensors) all += tensor.role == role ? values_in(tensor) : 0;
  return all;
}

model::Task with_module(model::Task task, const std::filesystem::path& file) {
  task.model = "script";
  task.script = std::filesystem::absolute(file).lexically_normal();
  task.sizes.clear();
  return task;
}

ModuleReport inspect_module(Config config) {
  if (const auto wrong = model::problem(config.task)) {
    throw Failure(EX_CONFIG, "task." + *wrong);
  }
  const TemporaryFolder state;  // an empty one: it goes on from nothing
  config.node.state = state.path();
  config.data = {};
  net::asio::io_context io(1);
  ModuleReport report;
  report.outputs = model::outputs(config.task);
  const auto job = [&]() -> net::awaitable<void> { co_await inspect_in(io, config, report); };
  run_worker_job(io, job);
  return report;
}

std::string sides_text(const std::vector<std::uint64_t>& shape) {
  std::string text;
  for (const std::uint64_t side : shape) text += (text.empty() ? "" : " x ") + std::to_string(side);
  return text.empty() ? "1" : text;
}

nlohmann::json to_json(const ModuleReport& report) {
  nlohmann::json tensors = nlohmann::json::array();
  for (const auto& tensor : report.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"shape", tensor.shape},
                       {"kind", tensor.parameter ? "parameter" : "buffer"},
                       {"role", model::name(tensor.role)}});
  }
  return {{"tensors", std::move(tensors)},
          {"shared", report.values(model::Role::shared)},
          {"kept", report.values(model::Role::kept)},
          {"frozen", report.values(model::Role::frozen)},
          {"batch", report.batch},
          {"outputs", report.outputs},
          {"snapshot_bytes", report.snapshot_bytes},
          {"worker_bytes", report.worker_bytes},
          {"batch_seconds", report.batch_seconds}};
}

std::vector<std::string> module_lines(const ModuleReport& report, const model::Task& task) {
  using enum Table::Align;
  using model::Role;
  Table table({left, right, left, right, left});
  table.add({"tensor", "shape", "", "values", "is"});
  for (const auto& tensor : report.tensors) {
    table.add({tensor.name, sides_text(tensor.shape), tensor.parameter ? "parameter" : "buffer",
               std::to_string(values_in(tensor)), std::string(model::name(tensor.role))});
  }
  std::vector<std::string> lines = table.lines();
  const std::uint64_t batch = report.batch.empty() ? 0 : report.batch.front();
  const bool words = model::predicts_words(task);
  lines.insert(
      lines.end(),
      {"",
       "Gets " + sides_text(report.batch) + " at once and answers with " +
           std::to_string(report.outputs) + (report.outputs == 1 ? " number" : " numbers") +
           " for each " + (words ? "word." : "example."),
       "Shared: " + counted_values(report.values(Role::shared)) + ", at most " +
           human_bytes(report.snapshot_bytes) + " (" + std::string(model::name(task.encoding)) +
           ") to each peer that asks in a round, and from each that is asked.",
       "Kept: " + counted_values(report.values(Role::kept)) + ", which stay at home.  Frozen: " +
           counted_values(report.values(Role::frozen)) + ", which never change.",
       "A batch of " + std::to_string(batch) + " takes " + milliseconds_text(report.batch_seconds) +
           ", forward and backward; the worker held " + human_bytes(report.worker_bytes) +
           " at most, without data."});
  return lines;
}

}  // namespace kith::daemon
