#include "crypto/init.hpp"
#include "model/pipe/pipe.hpp"
#include "model/torch/error.hpp"
#include "model/torch/network.hpp"
#include "model/torch/sandbox.hpp"
#include "model/torch/self_check.hpp"
#include "model/torch/worker.hpp"

#include <charconv>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <iostream>
#include <malloc.h>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

// sysexits.h
constexpr int kUsage = 64;
constexpr int kOsError = 71;

constexpr std::string_view kHelp =
    "kith-worker: the learning process of kith\n"
    "\n"
    "It holds a node's private data and weights and has no network.  kith starts it and speaks\n"
    "with it over a socket that it inherits; there is no need to start it by hand.\n"
    "\n"
    "  --fd N         number of the inherited socket\n"
    "  --gpu          it will compute on a GPU: what a driver needs to start, the sandbox forbids\n"
    "  --no-sandbox   keep the network, files and other processes, where the kernel has no seccomp\n"
    "  --check        say how fast it multiplies matrices, and with which library, as JSON\n"
    "  --version      print the version and exit\n"
    "  --help         print this and exit\n";

struct Options {
  std::optional<int> fd;
  bool gpu = false;
  bool sandbox = true;
};

/// nullopt if the arguments make no sense.
std::optional<Options> parse(int count, char** values) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = values[i];
    if (argument == "--no-sandbox") {
      options.sandbox = false;
    } else if (argument == "--gpu") {
      options.gpu = true;
    } else if (argument == "--fd" && i + 1 < count) {
      const std::string_view text = values[++i];
      int fd = -1;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
      if (error != std::errc() || end != text.data() + text.size() || fd < 3) return std::nullopt;
      options.fd = fd;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

/// Every batch needs the memory that the one before gave back: the system would have to clear its
/// pages again each time, a tenth of the processor time of a small network.
void keep_freed_memory() {
  constexpr int kMiB = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, 32 * kMiB);
  mallopt(M_TRIM_THRESHOLD, 512 * kMiB);
  mallopt(M_TOP_PAD, 16 * kMiB);
}

/// What kith was set up to learn from: not what somebody who has taken it over may ask to read.
/// Everything, if that was not said.
std::vector<std::string> named_files() {
  std::vector<std::string> files;
  const char* const named = std::getenv("KITH_FILES");
  std::istringstream lines(named == nullptr ? "/" : named);
  for (std::string file; std::getline(lines, file);) files.push_back(file);
  return files;
}

int serve(const Options& options) {
  kith::pipe::Fd socket(*options.fd);
  if (fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0) {
    std::cerr << "kith-worker: --fd " << *options.fd << " is not open; let kith start the worker\n";
    return kUsage;
  }
  keep_freed_memory();
  kith::crypto::init();
  using namespace kith::worker;
  close_inherited(socket.get());
  if (options.gpu) start_gpu();
  Guards guards = no_guards();
  if (options.sandbox) guards = enter_sandbox(options.gpu ? Calls::not_forbidden : Calls::needed);
  if (options.sandbox && !options.gpu) close_other_files(named_files());
  end_with(socket.get());
  const auto close_door = [&] {
    if (options.sandbox) {
      for (auto& guard : options.gpu ? leave_files_open() : close_files()) guards.push_back(guard);
    }
    return guards;
  };
  Worker(kith::pipe::Pipe(std::move(socket)), close_door).run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::cout << "kith-worker " KITH_VERSION "\n";
    return 0;
  }
  if (argc == 2 && std::string_view(argv[1]) == "--help") {
    std::cout << kHelp;
    return 0;
  }
  if (argc == 2 && std::string_view(argv[1]) == "--check") {
    std::cout << kith::worker::self_check() << "\n";
    return 0;
  }
  const auto options = parse(argc, argv);
  if (!options || !options->fd) {
    std::cerr << kHelp;
    return kUsage;
  }
  try {
    return serve(*options);
  } catch (const std::bad_alloc&) {
    std::cerr << "kith-worker: " << kith::worker::kNoMemory << "\n";
    return kOsError;
  } catch (const std::exception& error) {
    std::cerr << "kith-worker: " << error.what() << "\n";
    return kOsError;
  }
}
