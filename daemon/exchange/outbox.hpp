#pragma once

#include "daemon/exchange/sealed_snapshot.hpp"
#include "daemon/exchange/shared.hpp"
#include "daemon/learning/strategy.hpp"
#include "net/asio/host.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// Publishes what this node has learnt: seals it to the members, signs it, and makes it known.
///
/// Ownership: borrows all it is made with.  Threads: the io thread; the work is done by the disk
/// queue.
class Outbox {
 public:
  Outbox(net::Host& host, const Shared& shared) : host_(host), shared_(shared) {}

  /// Makes our partial, a snapshot file, known to the peers.
  net::awaitable<void> publish(std::uint64_t round, pipe::Fd partial, Note note);
  /// Others know that our log goes on after `position`: what we publish from now on comes later.
  void outrun(const net::LogPosition& position);

  /// What was published last, since we run; nullopt if nothing was.
  [[nodiscard]] const std::optional<net::SnapshotId>& published() const { return published_; }
  /// Its signed head in hexadecimal; null if nothing was.
  [[nodiscard]] nlohmann::json published_head() const;
  void stop() { stopping_ = true; }

 private:
  /// The members that may read what we publish.
  [[nodiscard]] std::vector<SnapshotReader> readers() const;

  net::Host& host_;
  const Shared& shared_;
  std::optional<net::SnapshotId> published_;
  bool stopping_ = false;
};

}  // namespace kith::daemon
