#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/learning/launcher.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/learning/strategy.hpp"
#include "daemon/node/node.hpp"
#include "daemon/system/confinement.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kGoodbyes = 2s;  // a dial under way is not waited for

/// What the operator's signals do to a running node.
class Signals {
 public:
  Signals(net::asio::io_context& io, Node& node, fs::path config)
      : node_(node), config_(std::move(config)), signals_(io, SIGINT, SIGTERM, SIGHUP) {
    std::signal(SIGPIPE, SIG_IGN);  // whoever reads the log may go away
    wait();
  }
  void cancel() { signals_.cancel(); }

 private:
  void wait() {
    signals_.async_wait([this](net::error_code ec, int signal) {
      if (ec) return;
      wait();
      if (signal == SIGHUP) return reload();
      std::signal(SIGINT, SIG_DFL);  // a second Ctrl-C does not wait
      node_.stop();
    });
  }
  void reload() try { node_.reload(load_config(config_)); } catch (const Failure& failure) {
    log::error("not_reloaded", {{"what", failure.what()}, {"help", "nothing was changed"}});
  }

  Node& node_;
  fs::path config_;
  net::asio::signal_set signals_;
};

/// What a running node reads and writes.  Its worker reads the data, and is not bound by this.
Reach reach_of(const Config& config, const fs::path& file) {
  const auto folder = [](const fs::path& path) { return fs::absolute(path).parent_path(); };
  Reach reach;
  std::error_code none;
  fs::create_directories(config.node.state, none);  // the store will say what is wrong with it
  reach.write = {config.node.state, folder(config.node.control), folder(config.consortium.charter),
                 "/dev/null", "/dev/tty"};
  // Settings and keys may be others when they are read again.
  reach.read = {folder(file), folder(config.node.channel_key), folder(config.node.card)};
  if (!config.task.vocabulary.empty()) reach.read.push_back(config.task.vocabulary);
  if (const char* const passphrase = std::getenv("KITH_PASSPHRASE_FILE")) {
    reach.read.emplace_back(passphrase);
  }
  // Names are looked up with what is in these, and memory and processors are asked for in those.
  const fs::path resolver = fs::canonical("/etc/resolv.conf", none);
  if (!none) reach.read.push_back(resolver.parent_path());
  for (const char* const system : {"/etc", "/usr", "/lib", "/lib64", "/dev/urandom", "/proc/self",
                                   "/proc/vmstat", "/proc/sys", "/sys/fs/cgroup",
                                   "/sys/devices/system/cpu"}) {
    reach.read.emplace_back(system);
  }
  return reach;
}

int run(const Place& place) {
  const fs::path waiting = place.config().parent_path() / "join.json";
  if (!fs::exists(place.config()) && fs::exists(waiting)) {
    throw Failure(EX_NOINPUT, "this node waits to be taken in; kith join --dir " +
                                  place.directory.string() + " goes on");
  }
  Config config = load_config(place.config());
  check_works_on_network(config);
  log::configure(config.log.level, config.log.format);
  net::asio::io_context io(1);  // the thread that thinks: this one
  Prison prison;
  // The launcher before keys are in memory; files while there is one thread.
  const auto launcher = std::make_shared<Launcher>(worker_program(config));
  const Guard files = close_files(reach_of(config, place.config()));
  prison.start_worker = [launcher](int socket, int words) {
    return launcher->start(socket, words);
  };
  prison.close = [files] {
    Guards guards = close_calls();
    guards.insert(guards.begin(), files);
    return guards;
  };
  Node node(io, std::move(config), std::move(prison));
  Signals signals(io, node, place.config());
  std::exception_ptr failed;
  bool ended = false;
  auto life = [&]() -> net::awaitable<void> { co_await node.run(); };
  net::asio::co_spawn(io, std::move(life), [&](std::exception_ptr error) {
    ended = true;
    failed = error;
    signals.cancel();
    node.stop();
  });
  while (!ended && io.run_one() > 0) continue;
  io.run_for(kGoodbyes);
  if (failed) std::rethrow_exception(failed);
  return EX_OK;
}

}  // namespace

void add_run_verb(CLI::App& app, Chosen& chosen) {
  const auto place = std::make_shared<Place>();
  CLI::App* const verb = app.add_subcommand("run", "run the node until it is stopped");
  place->add_to(*verb);
  verb->final_callback([&chosen, place] { chosen = [place] { return run(*place); }; });
}

}  // namespace kith::daemon
