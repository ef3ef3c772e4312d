#pragma once

#include "daemon/config/config.hpp"
#include "daemon/system/report.hpp"
#include "model/pipe/messages.hpp"
#include "net/asio/asio.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace kith::daemon {

/// What a round will cost on this machine with these data, as far as one epoch tells.
struct TrialReport {
  std::uint64_t train = 0, validation = 0, test = 0;  ///< examples
  std::uint64_t parameters = 0;
  double reading_seconds = 0;  ///< from the start of the worker until the data are in memory
  double epoch_seconds = 0;    ///< of training, without the baseline's
  double scoring_seconds = 0;  ///< of one peer's model, on all scored examples
  double encoding_seconds = 0, decoding_seconds = 0;  ///< of one snapshot
  std::uint64_t snapshot_bytes = 0;  ///< as it travels; trained for one epoch only
  std::uint64_t worker_bytes = 0;    ///< memory that the worker held at most
  double round_seconds = 0;  ///< estimate: learning.epochs, the baseline, pull_budget peers
  std::uint64_t round_bytes_in = 0;  ///< estimate, of pull_budget snapshots; as many go out
  std::string metric{};
  double validation_metric = 0;  ///< after that epoch
  std::vector<std::string> remarks{};
  void fields(auto& field) const {
    field("train", train), field("validation", validation), field("test", test);
    field("parameters", parameters), field("reading_seconds", reading_seconds);
    field("epoch_seconds", epoch_seconds), field("scoring_seconds", scoring_seconds);
    field("encoding_seconds", encoding_seconds), field("decoding_seconds", decoding_seconds);
    field("snapshot_bytes", snapshot_bytes), field("worker_bytes", worker_bytes);
    field("round_seconds", round_seconds), field("round_bytes_in", round_bytes_in);
    field("metric", metric), field("validation_metric", validation_metric);
    field("remarks", remarks);
  }
};

/// Reads the data, trains for one epoch from M0, scores a model, encodes and decodes it.  Publishes
/// nothing and keeps nothing: `state` is an empty folder, in place of the node's.  `tell` hears
/// what is being done.  Throws Failure, WorkerLost, WorkerRefused.
net::awaitable<TrialReport> try_round(net::asio::io_context& io, Config config,
                                      std::filesystem::path state,
                                      std::function<void(const std::string& phase)> tell);

}  // namespace kith::daemon
