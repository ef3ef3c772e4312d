#include "daemon/cli/worker_job.hpp"

#include "daemon/learning/strategy.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/system/failure.hpp"

#include <exception>

namespace kith::daemon {

void run_worker_job(net::asio::io_context& io, const std::function<net::awaitable<void>()>& job) {
  std::exception_ptr failed;
  net::asio::co_spawn(io, job(), [&](std::exception_ptr error) {
    failed = error;
    io.stop();
  });
  io.restart();
  io.run();
  try {
    if (failed) std::rethrow_exception(failed);
  } catch (const WorkerRefused& refused) {
    throw Failure(exit_code(refused.kind), refused.what());
  } catch (const WorkerLost& lost) {
    throw Failure(EX_SOFTWARE, lost.what());
  }
}

void refuse_without_round() {
  throw Failure(EX_NOINPUT, "this node has finished no round, so it serves nothing yet");
}

}  // namespace kith::daemon
