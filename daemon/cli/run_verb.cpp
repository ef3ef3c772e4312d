#include "daemon/cli/answer.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/cli/worker_job.hpp"
#include "daemon/learning/launcher.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/learning/trial.hpp"
#include "daemon/node/node.hpp"
#include "daemon/node/service_manager.hpp"
#include "daemon/node/status.hpp"
#include "daemon/system/confinement.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "daemon/system/temporary_folder.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kGoodbyes = 2s;  // a dial under way is not waited for

/// What the operator's signals do to a running node.
class Signals {
 public:
  Signals(net::asio::io_context& io, Node& node, ServiceManager& manager, fs::path config)
      : node_(node),
        manager_(manager),
        config_(std::move(config)),
        signals_(io, SIGINT, SIGTERM, SIGHUP) {
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
      manager_.stopping();
      node_.stop();
    });
  }
  void reload() {
    manager_.reloading();
    try {
      node_.reload(load_config(config_));
    } catch (const Failure& failure) {
      log::error("not_reloaded", {{"what", failure.what()}, {"help", "nothing was changed"}});
    }
    manager_.ready();  // as before, or as it is told now
  }

  Node& node_;
  ServiceManager& manager_;
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
  if (!config.api.listen.empty()) reach.write.push_back(folder(config.api.tokens));
  // Settings and keys may be others when they are read again.
  reach.read = {folder(file), folder(config.node.channel_key), folder(config.node.card)};
  for (const fs::path& named : {config.task.vocabulary, config.task.script}) {
    if (!named.empty()) reach.read.push_back(named);
  }
  if (const char* const passphrase = std::getenv("KITH_PASSPHRASE_FILE")) {
    reach.read.emplace_back(passphrase);
  }
  // Names are looked up with what is in these, and memory and processors are asked for in those.
  const fs::path resolver = fs::canonical("/etc/resolv.conf", none);
  if (!none) reach.read.push_back(resolver.parent_path());
  for (const char* const system :
       {"/etc", "/usr", "/lib", "/lib64", "/dev/urandom", "/proc/self", "/proc/vmstat", "/proc/sys",
        "/sys/fs/cgroup", "/sys/devices/system/cpu"}) {
    reach.read.emplace_back(system);
  }
  return reach;
}

/// "round 12, training; 3 of 5 peers connected; 1 alarm"
std::string line_of(const NodeStatus& status) {
  const auto alarms = std::ranges::count_if(
      status.alarms, [](const Alarm& alarm) { return alarm.severity != "notice"; });
  return "round " + std::to_string(status.round) + ", " + status.phase + "; " +
         std::to_string(status.connected) + " of " +
         std::to_string(std::max<std::uint64_t>(status.members, 1) - 1) + " peers connected" +
         (alarms == 0 ? "" : "; " + std::to_string(alarms) + (alarms == 1 ? " alarm" : " alarms") +
                                 ": kith status");
}

/// Tells the service manager that the node lives, for as long as both do.
class Pulse {
 public:
  Pulse(net::asio::io_context& io, const Node& node, ServiceManager& manager)
      : node_(node), manager_(manager), timer_(io) {
    if (manager_.listens()) beat();
  }
  void cancel() { timer_.cancel(); }

 private:
  void beat() {
    constexpr std::chrono::microseconds kUsual = 2s;
    const std::chrono::microseconds pause = std::min(kUsual, manager_.watchdog().value_or(2 * kUsual) / 3);
    manager_.alive();
    manager_.status(line_of(node_.status()));
    timer_.expires_after(pause);
    timer_.async_wait([this](net::error_code ec) {
      if (!ec) beat();
    });
  }

  const Node& node_;
  ServiceManager& manager_;
  net::asio::steady_timer timer_;
};

struct RunOptions {
  Place place;
  bool dry = false, as_json = false;
};

int run(const Place& place) {
  const fs::path waiting = place.config().parent_path() / "join.json";
  if (!fs::exists(place.config()) && fs::exists(waiting)) {
    throw Failure(EX_NOINPUT, "this node waits to be taken in; kith join --dir " +
                                  place.directory.string() + " goes on");
  }
  Config config = load_config(place.config());
  log::configure(config.log.level, config.log.format);
  net::asio::io_context io(1);  // the thread that thinks: this one
  ServiceManager manager = ServiceManager::of_environment(io);
  Prison prison;
  // The launcher before keys are in memory; files while there is one thread.
  const auto launcher = std::make_shared<Launcher>(worker_program(config));
  const Guard files = close_files(reach_of(config, place.config()));
  prison.start_worker = [launcher](int socket, int words) {
    return launcher->start(socket, words);
  };
  prison.close = [files, &manager] {
    Guards guards = close_calls();
    guards.insert(guards.begin(), files);
    manager.ready();  // it answers at its control socket by now
    return guards;
  };
  Node node(io, std::move(config), std::move(prison));
  Signals signals(io, node, manager, place.config());
  Pulse pulse(io, node, manager);
  std::exception_ptr failed;
  bool ended = false;
  auto life = [&]() -> net::awaitable<void> { co_await node.run(); };
  net::asio::co_spawn(io, std::move(life), [&](std::exception_ptr error) {
    ended = true;
    failed = error;
    manager.stopping();
    signals.cancel();
    pulse.cancel();
    node.stop();
  });
  while (!ended && io.run_one() > 0) continue;
  io.run_for(kGoodbyes);
  if (failed) std::rethrow_exception(failed);
  return EX_OK;
}

/// "12.3 s", "45 ms"
std::string duration_text(double seconds) {
  char text[32];
  if (seconds < 1) std::snprintf(text, sizeof text, "%.0f ms", 1000 * seconds);
  if (seconds >= 1) std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

std::vector<std::string> trial_lines(const TrialReport& trial, const Config& config) {
  Table table({Table::Align::left, Table::Align::left});
  table.add({"data", std::to_string(trial.train) + " examples to train on, " +
                         std::to_string(trial.validation) + " to validate with, " +
                         std::to_string(trial.test) + " to test with; read in " +
                         duration_text(trial.reading_seconds)});
  table.add({"model", std::to_string(trial.parameters) + " parameters; a snapshot travels in " +
                          human_bytes(trial.snapshot_bytes)});
  table.add({"one epoch", duration_text(trial.epoch_seconds)});
  table.add({"one peer", duration_text(trial.scoring_seconds) + " to score, " +
                             duration_text(trial.decoding_seconds) + " to decode"});
  table.add({"memory", human_bytes(trial.worker_bytes) + " in the worker at most"});
  table.add({"a round", "about " + duration_text(trial.round_seconds) + ", up to " +
                            human_bytes(trial.round_bytes_in) + " in and as much out: " +
                            std::to_string(config.learning.epochs) + " epochs, " +
                            std::to_string(config.learning.pull_budget) + " peers at most"});
  std::vector<std::string> lines = table.lines();
  for (const std::string& remark : trial.remarks) lines.push_back("note: " + remark);
  lines.emplace_back("Nothing was published, and nothing was kept.");
  return lines;
}

Answer dry_run(const RunOptions& options) {
  Config config = load_config(options.place.config());
  split_as_when_running(config);
  const TemporaryFolder state;
  net::asio::io_context io(1);
  Answer answer;
  const std::function<void(const std::string&)> tell = [](const std::string& phase) {
    std::cerr << phase << " ..." << std::endl;
  };
  const auto trial = [&]() -> net::awaitable<void> {
    const TrialReport report = co_await try_round(io, config, state.path(), tell);
    answer.value = to_json(report);
    answer.lines = trial_lines(report, config);
  };
  run_worker_job(io, trial);
  return answer;
}

}  // namespace

void add_run_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* const verb = app.add_subcommand("run", "run the node until it is stopped");
  options->place.add_to(*verb);
  auto* const dry = verb->add_flag(
      "--dry-run", options->dry,
      "read the data, train one epoch, score and encode a model, and say what a round will cost; "
      "nothing is published or kept");
  verb->add_flag("--json", options->as_json, "print JSON, of a dry run")->needs(dry);
  verb->final_callback([&chosen, options] {
    chosen = [options] {
      return options->dry ? give(dry_run(*options), options->as_json) : run(options->place);
    };
  });
}

}  // namespace kith::daemon
