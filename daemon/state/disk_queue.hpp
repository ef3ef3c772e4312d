#pragma once

#include "net/asio/asio.hpp"

#include <exception>
#include <functional>
#include <utility>

namespace kith::daemon {

/// One thread for all that waits for the disk, one job after the other in the order in which they
/// came: the io thread, which peers and operators wait for, never does.
///
/// Ownership: jobs may use what outlives the queue; end() before that goes.  Threads: the io thread
/// calls; jobs run on the queue's own.
class DiskQueue {
 public:
  explicit DiskQueue(net::asio::io_context& io) : io_(io) {}
  ~DiskQueue() { end(); }
  DiskQueue(const DiskQueue&) = delete;
  DiskQueue& operator=(const DiskQueue&) = delete;

  /// Runs `job` after all earlier ones.  What it throws leaves io_context::run(): a disk that fails
  /// ends the node.
  void post(std::function<void()> job) {
    net::asio::post(pool_, [this, job = std::move(job)] {
      std::exception_ptr error;
      try {
        job();
      } catch (...) {
        error = std::current_exception();
      }
      // Moved, after the handler: this thread lets go of it before the other one has it.
      if (error) net::asio::post(io_, [error = std::move(error)] { std::rethrow_exception(error); });
    });
  }
  /// Has the disk's thread do `job`, and then the io thread `done`.
  void post(std::function<void()> job, std::function<void()> done) {
    post([this, job = std::move(job), done = std::move(done)]() mutable {
      job();
      net::asio::post(io_, std::move(done));
    });
  }
  /// For net::offload(): what the job returns or throws is the caller's.
  [[nodiscard]] net::asio::thread_pool& pool() { return pool_; }
  /// Waits for the jobs that came so far; later ones do not run.
  void end() { pool_.join(); }

 private:
  net::asio::io_context& io_;
  net::asio::thread_pool pool_{1};
};

}  // namespace kith::daemon
