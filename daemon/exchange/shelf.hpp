#pragma once

#include "daemon/state/disk_queue.hpp"
#include "daemon/state/store.hpp"
#include "net/asio/host.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace kith::daemon {

/// A snapshot as it lies on the disk.
struct ShelvedSnapshot {
  net::SignedHead head;
  net::Manifest manifest;
  bool whole = false;
  std::uint64_t round = 0;  ///< of ours, in which it came
};
/// What lies there from an earlier run, the latest of each origin first.  What cannot be read is
/// removed, and so is what a crash between two writes left behind.  May block.  Throws Failure.
[[nodiscard]] std::vector<ShelvedSnapshot> read_shelf(Store& store);

/// The snapshots that this node holds, or fetches, on its disk: what the network reads and writes.
///
/// Ownership: borrows all it is made with.  Threads: the io thread; what waits for the disk is done
/// by the queue.
class Shelf {
 public:
  Shelf(net::asio::io_context& io, net::Host& host, Store& store, DiskQueue& disk)
      : io_(io), host_(host), store_(store), disk_(disk) {}

  /// Tells the network of what read_shelf() found.
  void restore(const std::vector<ShelvedSnapshot>& found);
  /// In this round of ours what comes is noted.
  void begin_round(std::uint64_t round) { round_ = round; }

  // What the network asks; see net::HostOwner.
  void read_piece(const net::SnapshotId& snapshot, std::uint32_t piece,
                  net::HostOwner::PieceRead done);
  void write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data,
                   std::function<void()> written);
  /// Notes that it is there, as far as it is; then, if there is something, `done`.
  void keep(const net::SnapshotId& snapshot, const net::Head& head, bool complete,
            std::function<void()> done = {});
  void drop(const net::Head& head, const std::vector<net::Hash>& chunks);
  /// Looks which chunks of it are there, and right, and tells the network.
  void recount(const net::SnapshotId& snapshot);

  void stop() { stopping_ = true; }

 private:
  void counted(const net::SnapshotId& snapshot, const std::vector<bool>& there);

  net::asio::io_context& io_;
  net::Host& host_;
  Store& store_;
  DiskQueue& disk_;
  std::uint64_t round_ = 0;
  std::set<net::SnapshotId> counting_;  // recount() is under way
  bool stopping_ = false;
};

}  // namespace kith::daemon
