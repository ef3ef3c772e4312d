#include "daemon/api/ask.hpp"

#include "daemon/api/control.hpp"
#include "daemon/api/membership_routes.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/file_lock.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

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
  // Before anything changes: a node that is about to start has it, and will answer for itself.
  std::optional<FileLock> state_lock;
  if (config && method != "GET" && fs::exists(config->node.state)) {
    state_lock.emplace(config->node.state / "lock", config->node.state);
  }
  Membership membership(charter);
  MembershipDesk desk;
  desk.membership = &membership;
  if (config) {
    desk.card = [file = config->node.card] { return load_card(file); };
    desk.audit = [&](std::string_view event, json fields) {
      if (!state_lock) return;
      AuditLog(config->node.state / kAuditLog).append(event, std::move(fields), Sync::yes);
    };
  }
  ControlRoutes routes;
  add_membership_routes(routes, std::move(desk));
  return control_request(routes, method, target, body);
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
        return ask_node(*config, method, target, body);
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

json ask_membership(const Config& config, std::string_view method, std::string_view target,
                    const json& body) {
  return ask_membership(config, config.consortium.charter, method, target, body);
}

}  // namespace kith::daemon
