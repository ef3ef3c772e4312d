#include "daemon/doctor/support_bundle.hpp"

#include "daemon/api/control.hpp"
#include "daemon/doctor/program.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/log.hpp"
#include "daemon/system/report.hpp"
#include "daemon/system/version.hpp"

#include <boost/algorithm/string/trim.hpp>

#include <algorithm>
#include <deque>
#include <fstream>
#include <functional>
#include <sstream>
#include <sys/utsname.h>
#include <thread>

namespace kith::daemon::doctor {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::size_t kBundleRounds = 200;
constexpr const char* kLeftOut = "(left out: it may quote the data)";
// Their fields may hold what a worker said, who has read the data.
constexpr const char* kMayQuote[] = {"worker_says",    "worker_lost",      "data_remark",
                                     "round_given_up", "learning_stopped", "snapshot_refused"};

std::string shown(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string text_file(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// "kith-worker 0.1.0", or nothing of what another program says.
std::string worker_version(const Examined& node) {
  const Said said = run_program(worker_command(node.config.worker.command), "--version", 30s);
  const std::string text = boost::algorithm::trim_copy(said.output);
  constexpr std::size_t kMost = 64;
  return text.starts_with("kith-worker ") && text.size() < kMost ? text : "(not known)";
}

json about_machine(const Examined& node) {
  utsname kernel{};
  ::uname(&kernel);
  std::string system;
  std::istringstream release(text_file("/etc/os-release"));
  for (std::string line; std::getline(release, line);) {
    if (line.starts_with("PRETTY_NAME=")) system = line.substr(12);
  }
  const std::string whose =
      node.runs() ? std::to_string(node.status.at("pid").get<std::int64_t>()) : "self";
  return {{"made", log::time_text(node.now)},
          {"kith", version()},
          {"worker", worker_version(node)},
          {"node_runs", node.runs()},
          {"kernel", std::string(kernel.sysname) + " " + kernel.release + " " + kernel.machine},
          {"system", boost::algorithm::trim_copy_if(system, [](char c) { return c == '"'; })},
          {"processors", std::thread::hardware_concurrency()},
          {"process_limits", text_file("/proc/" + whose + "/limits")}};
}

json without_quotes(json status) {
  if (!status.is_object()) return status;
  const auto leave_out = [](json& text) {
    if (text.is_string() && !text.get<std::string>().empty()) text = kLeftOut;
  };
  if (status.contains("worker_trouble")) leave_out(status["worker_trouble"]);
  for (json& alarm : status["alarms"]) {
    if (alarm.at("name") == "worker_lost" || alarm.at("name") == "diverged")
      leave_out(alarm["what"]);
  }
  return status;
}

json rounds_without_quotes(json rounds) {
  for (json& round : rounds) {
    if (round.contains("diverged") && round["diverged"].is_string()) round["diverged"] = kLeftOut;
  }
  return rounds;
}

/// What a line `time LEVEL event key=value ...` says; null if it is none.
json parsed_line(const std::string& line) {
  std::istringstream words(line);
  json made = json::object();
  std::string time, level, event;
  if (!(words >> time >> level >> event) || !time.ends_with('Z') || time.size() != 24)
    return nullptr;
  if (level != "DEBUG" && level != "INFO" && level != "WARN" && level != "ERROR") return nullptr;
  made["time"] = time;
  made["level"] = level;
  made["event"] = event;
  for (;;) {
    std::string key;
    words >> std::ws;
    if (!std::getline(words, key, '=')) return made;
    std::string value;
    if (words.peek() == '"') {  // a string as JSON has it
      for (char c = 0; words.get(c);) {
        value += c;
        if (c == '\\' && words.get(c)) {
          value += c;
          continue;
        }
        if (c == '"' && value.size() > 1) break;
      }
    } else {
      words >> value;
    }
    const json parsed = json::parse(value, nullptr, false);
    made[key] = parsed.is_discarded() ? json(value) : parsed;
  }
}

}  // namespace

std::string reduced_log(std::istream& log, std::size_t most) {
  std::deque<std::string> kept;
  for (std::string line; std::getline(log, line);) {
    json entry = line.starts_with('{') ? json::parse(line, nullptr, false) : parsed_line(line);
    const bool whole = entry.is_object() && entry.contains("time") && entry.contains("level") &&
                       entry.contains("event");
    if (!whole) continue;
    const json event = entry["event"];
    if (std::ranges::find(kMayQuote, event) != std::end(kMayQuote)) {
      entry = {
          {"time", entry["time"]}, {"level", entry["level"]}, {"event", event}, {"rest", kLeftOut}};
    }
    kept.push_back(entry.dump(-1, ' ', true, json::error_handler_t::replace));
    if (kept.size() > most) kept.pop_front();
  }
  std::string text;
  for (const std::string& line : kept) text += line + "\n";
  return text;
}

std::vector<Packed> support_bundle(const Examined& node, std::istream* log,
                                   std::vector<Packed> more) {
  std::vector<Packed> files;
  json missing = json::object();
  // Whatever is broken, the rest is worth having.
  const auto add = [&](const std::string& name, const std::function<std::string()>& make) {
    try {
      files.push_back({name, make()});
    } catch (const std::exception& error) {
      missing[name] = error.what();
    }
  };
  const auto ask = [&](const std::string& target) {
    return control_request(node.config.node.control, "GET", target, nullptr, 10s);
  };
  const bool configured = node.config_fault.empty();
  // Written anew from what was read: comments, which may hold anything, stay behind.  No key of it
  // is a secret; keys and tokens are files of their own.
  if (configured) add("kith.toml", [&] { return to_toml(node.config); });
  if (configured) add("task.toml", [&] { return task_toml(node.config.task); });
  if (node.runs()) {
    const json status = without_quotes(node.status);
    add("status.json", [&] {
      json told = status;
      if (told["last_round"].is_object())
        told["last_round"] = rounds_without_quotes(json::array({told["last_round"]}))[0];
      return shown(told);
    });
    add("alarms.json", [&] { return shown(status.at("alarms")); });
    add("peers.json", [&] { return shown(node.peers); });
    add("rounds.json", [&] {
      return shown(rounds_without_quotes(ask("/v1/rounds?last=" + std::to_string(kBundleRounds))));
    });
    add("history.json", [&] { return shown(ask("/v1/history?points=1000")); });
  } else if (fs::exists(node.config.node.state / "kith.sqlite")) {
    add("rounds.json", [&] {
      const Store store(node.config.node.state);
      return shown(rounds_without_quotes(store.rounds(kBundleRounds)));
    });
  }
  if (fs::exists(node.config.node.state / kAuditLog)) {
    add("audit.jsonl", [&] {
      std::string lines;
      for (const json& entry : read_audit_log(node.config.node.state / kAuditLog, kBundleLines))
        lines += entry.dump() + "\n";
      return lines;
    });
  }
  if (log != nullptr) add("log.jsonl", [&] { return reduced_log(*log); });
  add("doctor.json", [&] {
    Diagnosis diagnosis = diagnose(node);
    for (auto& item : diagnosis.checks) {
      if (item.name == "data" || item.name == "alarms") item.what = kLeftOut;
    }
    return shown(to_json(diagnosis));
  });
  for (Packed& file : more) files.push_back(std::move(file));
  json about;
  add("about.json", [&] {
    about = about_machine(node);
    about["left_out"] = missing;
    return shown(about);
  });
  return files;
}

}  // namespace kith::daemon::doctor
