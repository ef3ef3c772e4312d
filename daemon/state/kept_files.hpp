#pragma once

#include "crypto/bytes.hpp"
#include "daemon/state/disk_queue.hpp"

#include <filesystem>
#include <map>

namespace kith::daemon {

/// Files that the disk is to hold the newest content of, sooner or later: written one after the
/// other by the disk queue, and again after a while if the disk refuses.
///
/// Ownership: borrows the queue and the context; end the queue before this goes.  Threads: the io
/// thread.
class KeptFiles {
 public:
  KeptFiles(net::asio::io_context& io, DiskQueue& disk) : io_(io), disk_(disk), again_(io) {}

  /// `file` is to hold `bytes`.  What was to be written before, and is not, need not be.
  void put(const std::filesystem::path& file, Bytes bytes);
  /// The last attempt is under way: no further one follows.
  void stop();

 private:
  void write(const std::filesystem::path& file);
  void refused(const std::filesystem::path& file, const std::string& why);

  net::asio::io_context& io_;
  DiskQueue& disk_;
  net::asio::steady_timer again_;
  std::map<std::filesystem::path, std::shared_ptr<const Bytes>> waiting_;
  bool stopping_ = false;
};

}  // namespace kith::daemon
