#include "daemon/testnet/demo.hpp"

#include "daemon/api/control.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/interrupts.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <ostream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace kith::daemon {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

constexpr auto kPoll = 250ms;
constexpr auto kUnanswered = 60s;
constexpr auto kGoodbye = 5s;  // from SIGTERM to SIGKILL

/// One `kith run`; ended, with everything it started, when this is destroyed.
class Process {
 public:
  explicit Process(const TestnetNode& node) : node_(node) {
    const std::string config = (node.directory / "kith.toml").string();
    const std::string log = log_file().string();
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) throw Failure(EX_TEMPFAIL, "cannot start another process; are there too many?");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);  // not even kill -9 of the demo leaves nodes behind
      if (getppid() != parent) _exit(EX_TEMPFAIL);
      const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      dup2(null, STDIN_FILENO);
      dup2(file, STDOUT_FILENO);
      dup2(file, STDERR_FILENO);
      execl("/proc/self/exe", "kith", "run", "--config", config.c_str(), nullptr);
      _exit(EX_UNAVAILABLE);
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ <= 0) return;
    ask_to_stop();
    const auto end = steady_clock::now() + kGoodbye;
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (steady_clock::now() > end) kill(pid_, SIGKILL);
      std::this_thread::sleep_for(10ms);
    }
  }

  void ask_to_stop() const {
    if (pid_ > 0) kill(pid_, SIGTERM);
  }
  /// Throws Failure with the end of its log if it has ended by itself.
  void check() {
    int status = 0;
    if (pid_ <= 0 || waitpid(pid_, &status, WNOHANG) == 0) return;
    pid_ = -1;
    if (interrupted) throw Interrupted();
    const bool reason_known = WIFEXITED(status) && WEXITSTATUS(status) != EX_OK;
    throw Failure(reason_known ? WEXITSTATUS(status) : EX_SOFTWARE,
                  node_.name + " ended early (its whole log is kept with --keep):\n" + tail());
  }

 private:
  [[nodiscard]] fs::path log_file() const { return node_.directory / "kith.log"; }
  [[nodiscard]] std::string tail() const {
    std::ifstream file(log_file());
    std::deque<std::string> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back("  " + line + "\n");
      if (lines.size() > 5) lines.pop_front();
    }
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
  }
  TestnetNode node_;
  pid_t pid_ = -1;
};

std::string accuracy_text(const json& round, const std::string& model) {
  const json& models = round.at("models");
  if (!models.contains(model) || models.at(model).at("test").is_null()) return "-";
  char text[16];
  std::snprintf(text, sizeof text, "%.1f",
                100 * models.at(model).at("test").at("accuracy").get<double>());
  return text;
}

std::string cluster_text(const json& round) {
  std::string text;
  for (const json& member : round.at("members")) {
    text += (text.empty() ? "" : ", ") + member.at("name").get<std::string>();
  }
  return text.empty() ? "-" : text;
}

std::string phase_text(const json& status) {
  const json& progress = status.at("progress");
  if (progress.is_null()) return status.at("phase");
  return status.at("phase").get<std::string>() + " " +
         std::to_string(progress.at("epoch").get<int>()) + "/" +
         std::to_string(progress.at("epochs").get<int>());
}

std::string title(const std::string& run) {
  if (run == "lia") {
    return "Kith: every node finds its own circle (and trains alone alongside, to compare)";
  }
  if (run == "fedavg") return "One global model: everybody averages with everybody";
  return "True groups: everybody averages with those who share its turn, and knows of nobody else";
}

std::vector<std::string> progress_lines(const std::vector<TestnetNode>& nodes,
                                        const std::vector<json>& statuses, const std::string& run,
                                        steady_clock::duration elapsed) {
  using enum Table::Align;
  Table table({left, right, left, right, right, left});
  table.add({"", "round", "doing", "alone", "now", "averages with"});
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (statuses[i].is_null()) {
      table.add({nodes[i].name, "-", "starting", "-", "-", "-"});
      continue;
    }
    const json& status = statuses[i];
    const json& round = status.at("last_round");
    const bool any = !round.is_null();
    const std::string served = run == "fedavg" ? "averaged" : any ? round.at("served") : "";
    table.add({nodes[i].name,
               std::to_string(status.at("finished_round").get<int>()) + "/" +
                   std::to_string(status.at("rounds").get<int>()),
               phase_text(status), any ? accuracy_text(round, "baseline") : "-",
               any ? accuracy_text(round, served) : "-", any ? cluster_text(round) : "-"});
  }
  std::vector<std::string> lines{
      title(run) + "  [" +
      human_duration(std::chrono::duration_cast<std::chrono::milliseconds>(elapsed)) + "]"};
  for (std::string& line : table.lines()) lines.push_back("  " + std::move(line));
  return lines;
}

fs::path outcome_file(const Testnet& testnet, const std::string& run) {
  return testnet.directory / run / "outcome.json";
}

}  // namespace

StrategyOutcome watch(const Testnet& testnet, const std::string& run, std::ostream& out,
                      const std::function<void()>& still_running) {
  const auto nodes = testnet.nodes(run);
  const auto start = steady_clock::now();
  std::vector<json> statuses(nodes.size());
  std::vector<steady_clock::time_point> heard(nodes.size(), start);
  LiveBlock block(out, Terminal::of_stdout());
  const auto socket = [&](std::size_t i) { return nodes[i].directory / "control.sock"; };

  for (std::size_t finished = 0; finished < nodes.size();) {
    std::this_thread::sleep_for(kPoll);
    if (interrupted) throw Interrupted();
    still_running();
    finished = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      try {
        statuses[i] = control_request(socket(i), "GET", "/v1/status");
        heard[i] = steady_clock::now();
      } catch (const Failure&) {
        if (steady_clock::now() - heard[i] > kUnanswered) {
          throw Failure(EX_UNAVAILABLE,
                        nodes[i].name + " has not answered for a minute; see its log");
        }
      }
      if (!statuses[i].is_null() && statuses[i].at("finished_round") >= testnet.plan.rounds)
        ++finished;
    }
    block.show(progress_lines(nodes, statuses, run, steady_clock::now() - start),
               steady_clock::now());
  }
  block.finish(progress_lines(nodes, statuses, run, steady_clock::now() - start));

  StrategyOutcome outcome;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    NodeOutcome node;
    node.name = nodes[i].name;
    node.group = nodes[i].group;
    node.bytes_out = statuses[i].at("bytes_out");
    node.rounds =
        control_request(socket(i), "GET", "/v1/rounds?last=1000").get<std::vector<json>>();
    outcome.nodes.push_back(std::move(node));
  }
  outcome.seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
  std::ofstream(outcome_file(testnet, run)) << to_json(outcome).dump(1) << '\n';
  return outcome;
}

std::map<std::string, StrategyOutcome> read_outcomes(const Testnet& testnet) {
  std::map<std::string, StrategyOutcome> outcomes;
  for (const std::string& run : kCompared) {
    const fs::path path = outcome_file(testnet, run);
    std::ifstream file(path);
    try {
      outcomes[run] = outcome_from_json(json::parse(file));
    } catch (const json::exception&) {
      throw Failure(EX_NOINPUT, "there is no outcome at " + path.string() +
                                    ": run that strategy first, with kith testnet watch beside it");
    }
  }
  return outcomes;
}

Comparison run_demo(const Testnet& testnet, std::ostream& out) {
  std::map<std::string, StrategyOutcome> outcomes;
  for (const std::string& run : kCompared) {
    std::deque<Process> processes;
    for (const TestnetNode& node : testnet.nodes(run)) processes.emplace_back(node);
    outcomes[run] = watch(testnet, run, out, [&] {
      for (Process& process : processes) process.check();
    });
    out << std::endl;
    for (const Process& process : processes) process.ask_to_stop();
  }
  return compare(testnet, outcomes);
}

}  // namespace kith::daemon
