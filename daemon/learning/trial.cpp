#include "daemon/learning/trial.hpp"

#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/learning/worker_process.hpp"

#include <algorithm>
#include <chrono>

namespace kith::daemon {
namespace {

using std::chrono::steady_clock;

/// Seconds since the last lap.
class Laps {
 public:
  double lap() {
    const auto now = steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  steady_clock::time_point last_ = steady_clock::now();
};

/// By one epoch, what a whole round takes.
void estimate(TrialReport& report, const Config::Learning& learning) {
  const double epochs = learning.epochs * (learning.baseline ? 2.0 : 1.0);
  const double peers = learning.pull_budget;
  report.round_seconds =
      epochs * report.epoch_seconds + report.encoding_seconds +
      peers * (report.scoring_seconds + report.decoding_seconds);
  report.round_bytes_in = learning.pull_budget * report.snapshot_bytes;
}

}  // namespace

net::awaitable<TrialReport> try_round(net::asio::io_context& io, Config config,
                                      std::filesystem::path state,
                                      std::function<void(const std::string& phase)> tell) {
  config.node.state = std::move(state);
  TrialReport report;
  Laps laps;
  tell("reading data");
  WorkerProcess worker(io, worker_program(config));
  const pipe::Open open = opening(config);
  const auto opened = co_await open_worker(worker, open);
  report.reading_seconds = laps.lap();
  report.train = opened.result.train;
  report.validation = opened.result.validation;
  report.test = opened.result.test;
  report.parameters = opened.result.parameters;
  report.remarks = opened.result.remarks;

  const auto initial = pipe::SealedMap::open(opened.file, kLargestSnapshot);
  if (const auto* problem = std::get_if<std::string>(&initial)) throw WorkerLost(*problem);
  const SnapshotForm form =
      form_of(std::get<pipe::SealedMap>(initial).bytes(), config.task.encoding);

  tell("training one epoch");
  if (open.privacy) {
    const pipe::Spend spend{1, 1};
    co_await worker.call(spend);
  }
  laps.lap();
  const pipe::Train train{1, 1, false};
  const auto trained = co_await worker.call(train);
  report.epoch_seconds = laps.lap();
  report.metric = model::metric_of(config.task);
  report.validation_metric = trained.result.validation.metric(report.metric);

  tell("encoding, decoding and scoring");
  std::vector<Bytes> chunks;
  laps.lap();
  encode_snapshot(trained.file ? trained.file : opened.file, form, [&](ByteView chunk) {
    report.snapshot_bytes += chunk.size();
    chunks.emplace_back(chunk.begin(), chunk.end());
  });
  report.encoding_seconds = laps.lap();
  SnapshotDecoder decoder(form);
  for (const Bytes& chunk : chunks) {
    if (!decoder.append(chunk)) throw WorkerLost("the worker's model cannot be encoded");
  }
  const pipe::Fd decoded = decoder.seal();
  report.decoding_seconds = laps.lap();
  const pipe::Load load{"peer"};
  co_await worker.call(load, &decoded);
  const pipe::Score own{{}};
  co_await worker.call(own);
  laps.lap();
  const pipe::Score score{{"peer"}};
  co_await worker.call(score);
  report.scoring_seconds = laps.lap();
  report.worker_bytes = peak_memory(worker.pid());
  estimate(report, config.learning);
  co_return report;
}

}  // namespace kith::daemon
