#pragma once

#include "net/time.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <malloc.h>
#include <map>
#include <random>
#include <utility>

namespace kith::sim {

using net::Duration;
using net::Instant;

/// Bytes that all of this process has allocated now; under the sanitizers always the same.
inline std::size_t allocated() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// A node's own clock: it may show another time than the simulator's, and run at another pace.
class SkewedClock {
 public:
  SkewedClock() = default;
  /// `fast`: by so many millionths it is too fast.
  SkewedClock(Duration ahead, int fast) : ahead_(ahead), fast_(fast) {}

  [[nodiscard]] Instant shows(Instant real) const {
    return real + ahead_ + real.time_since_epoch() * fast_ / kMillion;
  }
  /// The first moment at which it shows `shown`, or later.
  [[nodiscard]] Instant when(Instant shown) const {
    const std::chrono::duration<double, std::nano> since = (shown - ahead_).time_since_epoch();
    Instant real(std::chrono::duration_cast<Duration>(since / (1.0 + fast_ * 1.0 / kMillion)));
    while (shows(real) < shown) ++real;
    return real;
  }

 private:
  static constexpr int kMillion = 1'000'000;
  Duration ahead_{};
  int fast_ = 0;
};

/// A clock that jumps from event to event, so an hour of protocol time costs milliseconds.
///
/// Everything happens on the caller's thread in one total order: by due time, then by posting
/// order.  With the same seed a run is bit-for-bit repeatable; on failure print seed().
class Simulator {
 public:
  using Node = std::size_t;

  explicit Simulator(std::uint64_t seed) : seed_(seed), random_(seed) {}

  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] std::uint64_t events_run() const { return events_run_; }
  std::mt19937_64& random() { return random_; }

  void at(Instant when, std::function<void()> event) {
    queue_.emplace(std::pair(std::max(when, now_), next_id_++), std::move(event));
  }
  void after(Duration delay, std::function<void()> event) { at(now_ + delay, std::move(event)); }

  /// The same by a node's own clock, which is the simulator's unless it was told otherwise.
  void set_clock(Node node, SkewedClock clock) { clocks_[node] = clock; }
  [[nodiscard]] Instant now(Node node) { return clocks_[node].shows(now_); }
  void at(Node node, Instant shown, std::function<void()> event) {
    if (shown != Instant::max()) at(clocks_[node].when(shown), std::move(event));
  }

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
  std::map<Node, SkewedClock> clocks_;
  std::uint64_t next_id_ = 0, events_run_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> queue_;
};

/// What the network does to each message.
struct Link {
  Duration latency = std::chrono::milliseconds(50);
  Duration jitter = std::chrono::milliseconds(0);  ///< uniform, added to latency; may reorder
  unsigned loss_percent = 0;
  std::uint64_t rate = 0;  ///< bytes a second, up and down, of each node; 0: no limit
};

/// Decides whether and when a message arrives, then schedules its delivery.
///
/// As over TCP, what one says to another arrives in order.  Large messages of a node go out one
/// after the other; small ones wait only for what was said to the same node before.
class Network {
 public:
  using Node = Simulator::Node;
  static constexpr std::size_t kSmall = 4096;  ///< bytes
  /// What would begin to drip later than that is lost: nobody's buffers hold it, and no connection
  /// lives so long.
  static constexpr Duration kPatience = std::chrono::minutes(10);

  Network(Simulator& simulator, Link link) : simulator_(simulator), link_(link) {}

  Link& link() { return link_; }
  /// The node's own line: bytes a second, up and down, in place of link().rate.
  void set_rate(Node node, std::uint64_t rate) { rates_[node] = rate; }
  /// From now on what the node says leaves it a byte a second; or as ever again.
  void drip(Node node, bool drips) { dripping_[node] = drips; }
  [[nodiscard]] bool drips(Node node) { return dripping_[node]; }
  /// Until then nothing leaves the node, and nothing reaches it: a process that is stopped.
  void stall(Node node, Instant until) { stalled_[node] = std::max(stalled_[node], until); }

  /// Returns when the last of `size` bytes has left; `deliver` runs when it has arrived.
  Instant send(Node from, Node to, std::size_t size, std::function<void()> deliver) {
    auto& random = simulator_.random();
    const bool lost = random() % 100 < link_.loss_percent;
    const auto spread = static_cast<std::uint64_t>(link_.jitter.count());
    const Duration extra(spread == 0 ? 0 : static_cast<Duration::rep>(random() % spread));

    Instant& free = up_free_[from];
    Instant& said = said_[{from, to}];
    const Instant now = simulator_.now();
    const Instant begin = std::max({now, said, stalled_[from], size > kSmall ? free : now});
    const Duration takes = drips(from) ? std::chrono::seconds(size) : time_for(from, size);
    said = begin + takes;
    free = std::max(free, begin) + takes;
    if (lost || (drips(from) && begin > now + kPatience)) return said;
    Instant& arrives = arrives_[{from, to}];  // in order, however long each takes
    arrives = std::max(arrives, begin + link_.latency + extra);
    simulator_.at(arrives, [this, from, to, size, deliver = std::move(deliver)]() mutable {
      receive(from, to, size, std::move(deliver));
    });
    return said;
  }

 private:
  void receive(Node from, Node to, std::size_t size, std::function<void()> deliver) {
    Instant& free = down_free_[to];
    Instant& heard = heard_[{from, to}];
    const Instant now = simulator_.now();
    const Instant begin = std::max({now, heard, stalled_[to], size > kSmall ? free : now});
    heard = begin + time_for(to, size);
    free = std::max(free, begin) + time_for(to, size);
    simulator_.at(heard, std::move(deliver));
  }
  [[nodiscard]] Duration time_for(Node node, std::size_t size) const {
    const auto own = rates_.find(node);
    const std::uint64_t rate = own == rates_.end() ? link_.rate : own->second;
    if (rate == 0) return Duration{0};
    const double seconds = static_cast<double>(size) / static_cast<double>(rate);
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }

  Simulator& simulator_;
  Link link_;
  std::map<Node, std::uint64_t> rates_;
  std::map<Node, bool> dripping_;
  std::map<Node, Instant> up_free_, down_free_, stalled_;
  std::map<std::pair<Node, Node>, Instant> said_, arrives_,
      heard_;  // the last of it, by from and to
};

}  // namespace kith::sim
