#include "daemon/api/ask.hpp"

#include "daemon/api/control.hpp"
#include "daemon/api/membership_routes.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/file_lock.hpp"
#include "net/limits.hpp"

#include <boost/algorithm/string/replace.hpp>

#include <cerrno>
#include <chrono>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kPatience = 3s;  // with a node that is about to answer, or to end
constexpr auto kPause = 100ms;

/// On the files of a node that does not run.
json work_on_files(const std::optional<Config>& config, const fs::path& charter,
                   std::string_view method, std::string_view target, const json& body) {
  Membership membership(charter);
  MembershipDesk desk;
  desk.membership = &membership;
  if (config) {
    desk.card = [file = config->node.card] { return load_card(file); };
    const fs::path state = config->node.state;
    desk.audit = [state](std::string_view event, json fields) {
      if (!fs::exists(state)) return;
      const FileLock lock(state / "lock", state);
      AuditLog(state / kAuditLog).append(event, std::move(fields), Sync::yes);
    };
  }
  ControlRoutes routes;
  add_membership_routes(routes, std::move(desk));
  return control_request(routes, method, target, body);
}

/// A running node reads nothing outside its own folders: what an operator offers it from elsewhere
/// lies beside its charter while it is asked.
class Brought {
 public:
  Brought(const Config& config, const json& body) : config_(config), body_(body) {
    if (!body_.is_object()) return;
    if (const auto file = body_.find("file"); file != body_.end()) bring(*file);
    if (const auto files = body_.find("files"); files != body_.end()) {
      for (json& file : *files) bring(file);
    }
  }
  ~Brought() {
    std::error_code ignored;
    for (const auto& [copy, original] : copies_) fs::remove(copy, ignored);
  }
  Brought(const Brought&) = delete;
  Brought& operator=(const Brought&) = delete;

  [[nodiscard]] const json& body() const { return body_; }
  /// What a node says of copies, of what they are copies of.
  [[nodiscard]] std::string of_originals(std::string text) const {
    for (const auto& [copy, original] : copies_) {
      boost::algorithm::replace_all(text, copy.string(), original.string());
    }
    return text;
  }
  /// What the node changed is taken back where it came from.
  [[nodiscard]] json taken_back(json answer) const {
    const auto unfinished = answer.is_object() ? answer.find("unfinished") : answer.end();
    if (unfinished == answer.end() || !unfinished->is_string()) return answer;
    for (const auto& [copy, original] : copies_) {
      if (*unfinished != copy.string()) continue;
      const auto bytes = read_whole(copy, net::limits::kCharterFile);
      if (bytes) write_whole(original, *bytes);
      *unfinished = original.string();
    }
    return answer;
  }

 private:
  void bring(json& name) {
    if (!name.is_string()) return;
    const fs::path original = name.get<std::string>();
    const fs::path folder = fs::absolute(config_.consortium.charter).parent_path();
    std::error_code ec;
    const fs::path from = fs::canonical(original, ec);
    if (ec || from.parent_path() == fs::canonical(folder, ec) || !fs::is_regular_file(from, ec) ||
        fs::file_size(from, ec) > net::limits::kCharterFile || ec) {
      return;  // the node sees for itself
    }
    const auto bytes = read_whole(from, net::limits::kCharterFile);
    if (!bytes) return;
    const fs::path copy = folder / ("offered-" + std::to_string(::getpid()) + "-" +
                                    std::to_string(copies_.size()) + std::string(kUnfinished));
    copies_.emplace_back(copy, original);
    write_whole(copy, *bytes, Sync::no);
    struct stat node {};
    if (::geteuid() == 0 && ::stat(config_.node.control.c_str(), &node) == 0 &&
        ::chown(copy.c_str(), node.st_uid, node.st_gid) != 0) {
      disk_failed("hand over", copy, errno);
    }
    name = copy.string();
  }

  const Config& config_;
  json body_;
  std::vector<std::pair<fs::path, fs::path>> copies_;
};

json ask_with_files(const Config& config, std::string_view method, std::string_view target,
                    const json& body) {
  if (!fs::exists(config.node.control)) return ask_node(config, method, target, body);  // says so
  const Brought brought(config, body);
  try {
    return brought.taken_back(ask_node(config, method, target, brought.body()));
  } catch (const NoNodeRuns&) {
    throw;
  } catch (const Failure& failure) {
    throw Failure(failure.code(), brought.of_originals(failure.what()));
  }
}

}  // namespace

json ask_node(const Config& config, std::string_view method, std::string_view target,
              const json& body) {
  return control_request(config.node.control, method, target, body);
}

json ask_membership(const std::optional<Config>& config, const fs::path& charter,
                    std::string_view method, std::string_view target, const json& body) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    if (config) {
      try {
        return ask_with_files(*config, method, target, body);
      } catch (const NoNodeRuns&) {
      }
    }
    try {
      return work_on_files(config, charter, method, target, body);
    } catch (const Failure& failure) {  // it has its files, but does not answer yet, or no more
      if (failure.code() != EX_TEMPFAIL || std::chrono::steady_clock::now() > end) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace kith::daemon
