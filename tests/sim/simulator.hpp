#pragma once

#include "net/time.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <utility>

namespace kith::sim {

using net::Duration;
using net::Instant;

/// A clock that jumps from event to event, so an hour of protocol time costs milliseconds.
///
/// Everything happens on the caller's thread in one total order: by due time, then by posting
/// order.  With the same seed a run is bit-for-bit repeatable; on failure print seed().
class Simulator {
 public:
  explicit Simulator(std::uint64_t seed) : seed_(seed), random_(seed) {}

  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] std::uint64_t events_run() const { return events_run_; }
  std::mt19937_64& random() { return random_; }

  void at(Instant when, std::function<void()> event) {
    queue_.emplace(std::pair(std::max(when, now_), next_id_++), std::move(event));
  }
  void after(Duration delay, std::function<void()> event) { at(now_ + delay, std::move(event)); }

  /// Runs every event due up to and including `end`, and leaves the clock at `end`.
  void run_until(Instant end) {
    while (!queue_.empty() && queue_.begin()->first.first <= end) {
      auto node = queue_.extract(queue_.begin());
      now_ = node.key().first;
      ++events_run_;
      node.mapped()();
    }
    now_ = end;
  }
  void run_for(Duration time) { run_until(now_ + time); }

 private:
  std::uint64_t seed_;
  std::mt19937_64 random_;
  Instant now_{};
  std::uint64_t next_id_ = 0, events_run_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> queue_;
};

/// What a link does to each message.
struct Link {
  Duration latency = std::chrono::milliseconds(50);
  Duration jitter = std::chrono::milliseconds(0);  ///< uniform, added to latency; may reorder
  unsigned loss_percent = 0;
  bool up = true;
};

/// Decides whether and when a message arrives, then schedules its delivery.
class Network {
 public:
  Network(Simulator& simulator, Link link) : simulator_(simulator), link_(link) {}

  Link& link() { return link_; }

  void send(std::function<void()> deliver) {
    auto& random = simulator_.random();
    const bool lost = random() % 100 < link_.loss_percent;
    const auto spread = static_cast<std::uint64_t>(link_.jitter.count());
    const Duration extra(spread == 0 ? 0 : static_cast<Duration::rep>(random() % spread));
    if (link_.up && !lost) simulator_.after(link_.latency + extra, std::move(deliver));
  }

 private:
  Simulator& simulator_;
  Link link_;
};

}  // namespace kith::sim
