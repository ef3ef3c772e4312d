#include "daemon/doctor/checks.hpp"
#include "daemon/doctor/machine.hpp"
#include "daemon/doctor/program.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/log.hpp"
#include "daemon/system/version.hpp"

#include <boost/algorithm/string/join.hpp>
#include <boost/algorithm/string/trim.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <numeric>
#include <sstream>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

namespace kith::daemon::doctor {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::uint64_t kBeforeKith =
    1'767'225'600;  // 2026-01-01: no date of a running Kith is earlier
constexpr std::uint64_t kFarAhead = 4'102'444'800;  // 2100-01-01
constexpr auto kProgramPatience = 30s;              // LibTorch comes from a slow disk, too
constexpr std::chrono::milliseconds kSlowDisk = 100ms, kHopelessDisk = 2s;  // for 4 KiB
constexpr double kSlowProducts =
    3e9;  // operations a second: a plain BLAS has less, OpenBLAS tens of 10^9
constexpr std::uint64_t kTorch = 200 << 20;  // bytes of a worker before it has read anything

/// The folder that is written to: the state, or where it will be.
fs::path written_folder(const Examined& node) {
  std::error_code none;
  return fs::is_directory(node.config.node.state, none) ? node.config.node.state : node.folder();
}

std::string milliseconds_text(steady_clock::duration time) {
  std::ostringstream text;
  text.precision(3);
  text << std::chrono::duration<double, std::milli>(time).count() << " ms";
  return text.str();
}

/// The number behind "NAME:" in /proc/meminfo, in bytes.
std::optional<std::uint64_t> memory_of_machine(const std::string& field) {
  std::ifstream lines("/proc/meminfo");
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(field + ":")) continue;
    return std::stoull(line.substr(field.size() + 1)) * 1024;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_in_file(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  if (!(in >> number)) return std::nullopt;
  return number;
}

std::uint64_t bytes_of(const std::vector<fs::path>& files) {
  std::uint64_t all = 0;
  for (const fs::path& file : files) {
    std::error_code none;
    if (fs::is_directory(file, none)) {
      for (const auto& each : fs::recursive_directory_iterator(file, none)) {
        if (each.is_regular_file(none)) all += each.file_size(none);
      }
      continue;
    }
    const auto size = fs::file_size(file, none);
    if (!none) all += size;
  }
  return all;
}

/// How long one small write takes until it is on the disk: the median of several.
steady_clock::duration sync_time(const fs::path& folder) {
  std::string name = (folder / "doctor-XXXXXX").string();
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor < 0) disk_failed("write", folder, errno);
  ::unlink(name.c_str());
  const std::vector<char> block(4096, 'k');
  std::vector<steady_clock::duration> times;
  int error = 0;
  const auto end = steady_clock::now() + 5s;
  while (times.size() < 7 && error == 0 && (times.empty() || steady_clock::now() < end)) {
    const auto begin = steady_clock::now();
    if (::write(descriptor, block.data(), block.size()) < 0 || ::fsync(descriptor) != 0)
      error = errno;
    times.push_back(steady_clock::now() - begin);
  }
  ::close(descriptor);
  if (error != 0) disk_failed("write", folder, error);
  std::ranges::sort(times);
  return times[times.size() / 2];
}

}  // namespace

// --- The clock -----------------------------------------------------------------------------------

Finding check_clock(const Examined& node) {
  const std::uint64_t now = seconds_of(node.now);
  const std::string shown = "This machine's clock says " + log::time_text(node.now);
  const char* const help =
      "Set the clock, as with timedatectl set-time, and have it kept (timedatectl set-ntp true).";
  if (now < kBeforeKith || now > kFarAhead) return fail(shown + ", which cannot be.", help);
  // Cards may be dated a little ahead of each other's clocks; a day is what peers tolerate.
  if (node.card && node.card->issued > now + 86'400) {
    return fail(shown + ", but this node's own card was signed on " + date(node.card->issued) + ".",
                help);
  }
  return pass(shown + ".");
}

Finding check_clock_synchronised(const Examined&) {
  timex clock{};  // modes 0: only asks
  const int state = ::adjtimex(&clock);
  if (state < 0) {
    return warn(std::string("Whether the clock is synchronised cannot be asked: ") +
                    std::strerror(errno) + ".",
                "In a container, see that the clock of its host is synchronised.");
  }
  if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0) {
    return warn(
        "The clock is not synchronised with any other: it will go wrong, and with it what expires.",
        "Install systemd-timesyncd or chrony; in a container or virtual machine, on its host.");
  }
  return pass("The clock is synchronised; its error is estimated at " +
              milliseconds_text(std::chrono::microseconds(clock.esterror)) + ".");
}

// --- Surroundings --------------------------------------------------------------------------------

Finding check_proxies(const Examined& node) {
  std::vector<std::string> set;
  for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy",
                           "ALL_PROXY", "socks_proxy", "SOCKS_PROXY"}) {
    const char* const value = node.environment(name);
    // The value may hold a password.
    if (value != nullptr && *value != '\0') set.emplace_back(name);
  }
  if (set.empty()) return pass("No proxy is set in the environment.");
  return warn("The environment names a proxy (" + boost::algorithm::join(set, ", ") +
                  "), which Kith does not use: it connects directly.",
              "Have the firewall let this machine connect to the peers' addresses and ports.");
}

Finding check_sandbox(const Examined& node) {
  const auto help =
      "docs/threat-model.md says what each system can do about it; a kernel from 5.13 on with "
      "Landlock and seccomp has all.";
  if (node.runs()) {
    std::vector<std::string> missing;
    std::size_t held = 0;
    for (const char* const whose : {"own_guards", "guards"}) {
      for (const auto& guard : node.status.value(whose, nlohmann::json::array())) {
        if (guard.at("holds").get<bool>()) ++held;
        if (!guard.at("holds").get<bool>()) {
          missing.push_back((whose == std::string("guards") ? "worker: " : "kith: ") +
                            guard.at("name").get<std::string>() + ", " +
                            guard.at("what").get<std::string>());
        }
      }
    }
    if (!missing.empty())
      return warn("Not confined: " + boost::algorithm::join(missing, "; ") + ".", help);
    if (held > 0)
      return pass("The running node and its worker are confined in " + std::to_string(held) +
                  " ways.");
  }
  constexpr unsigned kVersionOnly = 1;
  const long landlock = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionOnly);
  std::ifstream actions("/proc/sys/kernel/seccomp/actions_avail");
  std::string available;
  std::getline(actions, available);
  const bool seccomp = available.find("errno") != std::string::npos;
  if (landlock > 0 && seccomp) {
    return pass("The kernel has Landlock (version " + std::to_string(landlock) + ") and seccomp.");
  }
  return warn(std::string("The kernel has no ") +
                  (landlock > 0 ? "seccomp"
                   : seccomp    ? "Landlock"
                                : "Landlock and no seccomp") +
                  ", with which kith and its worker confine themselves.",
              help);
}

std::optional<std::uint64_t> limit_in(std::istream& limits, const std::string& field) {
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with(field)) continue;
    std::istringstream rest(line.substr(field.size()));
    std::string soft;
    rest >> soft;
    return soft == "unlimited" ? UINT64_MAX : std::stoull(soft);
  }
  return std::nullopt;
}

Finding check_limits(const Examined& node) {
  const std::string whose =
      node.runs() ? std::to_string(node.status.at("pid").get<std::int64_t>()) : "self";
  const auto limit = [&](const char* field) {
    std::ifstream limits("/proc/" + whose + "/limits");
    return limit_in(limits, field);
  };
  const std::string who = node.runs() ? "The running node" : "A node started from here";
  const auto files = limit("Max open files"), locked = limit("Max locked memory"),
             core = limit("Max core file size");
  if (!files || !locked || !core) {
    return warn("The limits of the running node cannot be read.",
                "Run kith doctor as the user of the node.");
  }
  if (*files < kFilesNeeded) {
    return fail(who + " may have " + std::to_string(*files) +
                    " files open; with connections, that may be too few.",
                "Set LimitNOFILE= of the service, or ulimit -n, to " +
                    std::to_string(kFilesNeeded) + " or more.");
  }
  if (*core > 0) {
    return fail(who + " may leave a core file, with its keys in it.",
                "Set LimitCORE=0 of the service, and start the node again.");
  }
  if (*locked < kLockedNeeded) {
    return warn(
        who + " may lock " + human_bytes(*locked) + " of memory: its keys may go into swap.",
        "Set LimitMEMLOCK= of the service, or ulimit -l, to 8 MiB, or see that swap is off or "
        "encrypted.");
  }
  return pass(
      who + " may have " + (*files == UINT64_MAX ? "any number of" : std::to_string(*files)) +
      " files open and lock " + (*locked == UINT64_MAX ? "any amount" : human_bytes(*locked)) +
      " of memory, and leaves no core file.");
}

// --- The disk ------------------------------------------------------------------------------------

Finding check_disk_space(const Examined& node) {
  const fs::path folder = written_folder(node);
  std::error_code failed;
  const auto space = fs::space(folder, failed);
  if (failed)
    return fail("The room on the disk of " + folder.string() +
                    " cannot be asked: " + failed.message() + ".",
                "Mend the folder first.");
  const auto& limits = node.config.limits;
  const std::uint64_t held = node.runs() ? node.status.value("stored_bytes", std::uint64_t{0}) : 0;
  const std::uint64_t wanted =
      limits.disk_free.bytes + (limits.disk.bytes > held ? limits.disk.bytes - held : 0);
  const std::string shown =
      human_bytes(space.available) + " are free where " + folder.string() + " is";
  if (space.available < limits.disk_free.bytes) {
    return fail(shown + ", less than limits.disk_free (" + human_bytes(limits.disk_free.bytes) +
                    "): nothing is fetched.",
                "Make room there, or lower limits.disk_free.");
  }
  if (space.available < wanted) {
    return warn(shown + ", less than limits.disk and limits.disk_free may come to (" +
                    human_bytes(wanted) + ").",
                "Make room there, or lower limits.disk.");
  }
  return pass(shown + "; the node needs " + human_bytes(wanted) + " at most.");
}

Finding check_disk_speed(const Examined& node) {
  const fs::path folder = written_folder(node);
  const auto time = sync_time(folder);
  const std::string shown =
      "4 KiB are on the disk of " + folder.string() + " after " + milliseconds_text(time);
  const char* const help = "Put node.state on a local disk that is not busy.";
  if (time > kHopelessDisk) return fail(shown + ": rounds will wait for it.", help);
  if (time > kSlowDisk) return warn(shown + ", which is slow.", help);
  return pass(shown + ".");
}

// --- Memory --------------------------------------------------------------------------------------

MemoryEstimate estimate_memory(const Examined& node) {
  MemoryEstimate estimate{kTorch, "LibTorch " + human_bytes(kTorch)};
  const auto add = [&](std::uint64_t bytes, const std::string& what) {
    estimate.bytes += bytes;
    estimate.basis += ", " + what + " " + human_bytes(bytes);
  };
  const auto& data = node.config.data;
  std::uint64_t files = 0;
  for (const auto* part : {&data.train, &data.validation_files, &data.test})
    files += bytes_of(*part);
  // As numbers of four bytes they take several times their files; more than a quarter of the memory
  // lies on the disk (model/data/scratch.hpp).
  add(std::min<std::uint64_t>(6 * files, data::memory_for_examples()),
      "the examples of " + human_bytes(files) + " of files");
  std::uint64_t parameters = 0;
  if (node.runs()) parameters = node.status.value("parameters", std::uint64_t{0});
  const model::Task& task = node.config.task;
  if (parameters == 0 && task.model == "mlp" && task.columns.empty()) {
    std::uint64_t width = std::accumulate(task.input.begin(), task.input.end(), std::uint64_t{1},
                                          std::multiplies<>());
    for (const unsigned size : task.sizes) {
      parameters += (width + 1) * size;
      width = size;
    }
    parameters += (width + 1) * task.classes;
  }
  if (parameters == 0) {
    estimate.basis += "; the model is not counted: kith run --dry-run measures it";
    return estimate;
  }
  constexpr std::uint64_t kOwn = 8;  // partial, average, baseline, their gradients and momenta
  const std::uint64_t models = node.config.learning.pull_budget + kOwn;
  add(models * parameters * sizeof(float),
      std::to_string(models) + " models of " + std::to_string(parameters) + " parameters");
  return estimate;
}

Finding check_memory(const Examined& node) {
  const auto total = memory_of_machine("MemTotal");
  const auto available = memory_of_machine("MemAvailable");
  if (!total || !available)
    return warn("How much memory there is cannot be read from /proc/meminfo.",
                "See that /proc is mounted.");
  const std::uint64_t most =
      std::min(*total, number_in_file("/sys/fs/cgroup/memory.max").value_or(*total));
  if (node.runs() && node.status.at("worker_pid").is_number()) {
    if (const auto held = peak_memory(node.status.at("worker_pid").get<pid_t>()); held > 0) {
      const std::string shown = "The worker has held " + human_bytes(held) + " at most so far; " +
                                human_bytes(*available) + " of " + human_bytes(most) + " are free";
      if (*available < most / 20)
        return warn(shown + ".", "Give this machine more memory, or end what else uses it.");
      return pass(shown + ".");
    }
  }
  const MemoryEstimate estimate = estimate_memory(node);
  const std::string shown = "The worker will need about " + human_bytes(estimate.bytes) + " (" +
                            estimate.basis + "); " + human_bytes(*available) + " of " +
                            human_bytes(most) + " are free";
  if (estimate.bytes > most)
    return fail(
        shown + ".",
        "Give this machine more memory, or lower learning.pull_budget or the size of the model.");
  if (estimate.bytes > *available) return warn(shown + ".", "End what else uses memory here.");
  return pass(shown + ".");
}

// --- The worker ----------------------------------------------------------------------------------

Finding check_worker(const Examined& node) {
  const fs::path command = worker_command(node.config.worker.command);
  const char* const help = "Install kith-worker beside kith, or set worker.command to where it is.";
  if (!fs::exists(command))
    return fail("There is no worker program " + command.string() + ".", help);
  const Said said = run_program(command, "--version", kProgramPatience);
  if (!said.fault.empty())
    return fail("The worker program " + command.string() + " cannot be run: " + said.fault + ".",
                help);
  if (said.status != 0) {
    return fail("The worker program " + command.string() + " ends with status " +
                    std::to_string(said.status) + ".",
                "Run it by hand with --version: a library that it needs may be missing.");
  }
  const std::string version = boost::algorithm::trim_copy(said.output);
  if (version == "kith-worker " + daemon::version())
    return pass(command.string() + " runs, and is of the version of kith.");
  if (version.starts_with("kith-worker ")) {
    return fail(command.string() + " says that it is " + version + ", and this is kith " +
                    daemon::version() + ".",
                "Install both programs in the same version.");
  }
  if (node.config.task.model == "worker")
    return pass(command.string() + " runs (" + version +
                "), a worker of its members' own, as the task "
                "wants; kith worker check looks closer.");
  return warn(command.string() + " is no kith-worker, but a worker of another make.",
              "Nothing, if that is meant; else correct worker.command.");
}

Finding check_linear_algebra(const Examined& node) {
  const fs::path command = worker_command(node.config.worker.command);
  if (node.config.task.model == "worker")
    return pass("The worker is its members' own, and computes as it likes.");
  const Said said = run_program(command, "--check", kProgramPatience);
  const auto answer = nlohmann::json::parse(said.output, nullptr, false);
  if (!said.fault.empty() || said.status != 0 || !answer.is_object() ||
      !answer.contains("operations_per_second")) {
    return warn(
        "How fast the worker multiplies matrices cannot be measured: it does not answer to "
        "--check.",
        "Nothing, if it is a worker of your own; else mend the worker first.");
  }
  const double speed = answer.at("operations_per_second").get<double>();
  std::ostringstream text;
  text.precision(3);
  text << "The worker multiplies matrices with "
       << answer.value("library", std::string("a plain BLAS")) << " at " << speed / 1e9
       << " * 10^9 operations a second in one thread";
  if (speed < kSlowProducts)
    return warn(text.str() + ", which is slow.", "Install Debian's package libopenblas0-pthread.");
  return pass(text.str() + ".");
}

}  // namespace kith::daemon::doctor
