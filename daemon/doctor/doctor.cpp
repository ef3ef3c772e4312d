#include "daemon/doctor/doctor.hpp"

#include "daemon/api/control.hpp"
#include "daemon/doctor/checks.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/failure.hpp"

#include <exception>
#include <utility>

namespace kith::daemon::doctor {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);  // with a node that runs

/// What `read` gives, or why it does not.
template <class Read>
auto try_to(std::string& fault, Read read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const std::exception& error) {
    fault = error.what();
    return std::nullopt;
  }
}

/// Where a node has its files if nothing else is said.
Config beside(const std::filesystem::path& folder) {
  Config config;
  for (auto* path :
       {&config.node.key, &config.node.channel_key, &config.node.card, &config.node.state,
        &config.node.control, &config.consortium.charter, &config.api.tokens}) {
    *path = folder / *path;
  }
  return config;
}

void ask(Examined& node) {
  const auto get = [&](const char* target) {
    return control_request(node.config.node.control, "GET", target, nullptr, kPatience);
  };
  try {
    node.status = get("/v1/status");
    node.peers = get("/v1/peers");
  } catch (const NoNodeRuns& error) {
    node.silence = error.what();
  } catch (const std::exception& error) {
    node.silence = error.what();
    node.answers_badly = true;
  }
}

}  // namespace

std::string_view name(Verdict verdict) {
  return verdict == Verdict::pass ? "PASS" : verdict == Verdict::warn ? "WARN" : "FAIL";
}

std::filesystem::path Examined::folder() const {
  const auto parent = file.parent_path();
  return parent.empty() ? "." : parent;
}

Examined examine(const std::filesystem::path& config_file) {
  Examined node;
  node.file = config_file;
  const auto read_config = [&] { return load_config(config_file); };
  auto config = try_to(node.config_fault, read_config);
  node.config = config ? *std::move(config) : beside(node.folder());
  const auto read_charter = [&] { return load_record(node.config.consortium.charter); };
  node.charter = try_to(node.charter_fault, read_charter);
  const auto read_card = [&] {
    auto card = load_card(node.config.node.card);
    if (!card) throw Failure(EX_NOINPUT, "There is no " + node.config.node.card.string());
    return *std::move(card);
  };
  node.card = try_to(node.card_fault, read_card);
  ask(node);
  return node;
}

const std::vector<Check>& checks() {
  static const std::vector<Check> all{
      {"clock", check_clock},
      {"clock synchronised", check_clock_synchronised},
      {"folder", check_folder},
      {"state folder", check_state},
      {"configuration", check_configuration},
      {"task", check_task},
      {"node key", check_node_key},
      {"channel key", check_channel_key},
      {"passphrase", check_passphrase},
      {"card", check_card},
      {"charter", check_charter},
      {"charter's age", check_charter_age},
      {"control socket", check_control_socket},
      {"one kith here", check_one_kith},
      {"ports", check_ports},
      {"own addresses", check_own_addresses},
      {"peers' addresses", check_peer_addresses},
      {"proxies", check_proxies},
      {"disk space", check_disk_space},
      {"disk speed", check_disk_speed},
      {"memory", check_memory},
      {"worker", check_worker},
      {"linear algebra", check_linear_algebra},
      {"data", check_data},
      {"limits", check_limits},
      {"sandbox", check_sandbox},
      {"versions", check_versions},
      {"peers' tasks", check_peer_tasks},
      {"alarms", check_alarms},
  };
  return all;
}

Diagnosis diagnose(const Examined& node, const std::vector<Check>& with) {
  Diagnosis diagnosis;
  for (const Check& check : with) {
    Finding found;
    try {
      found = check.look(node);
    } catch (const std::exception& error) {
      found = fail(sentence(error.what()), "Mend that, and run kith doctor again.");
    }
    Diagnosis::Item& item = diagnosis.checks.emplace_back();
    item.number = static_cast<unsigned>(diagnosis.checks.size());
    item.name = check.name;
    item.result = name(found.verdict);
    item.what = std::move(found.what);
    item.help = std::move(found.help);
    ++(found.verdict == Verdict::pass   ? diagnosis.passed
       : found.verdict == Verdict::warn ? diagnosis.warned
                                        : diagnosis.failed);
  }
  return diagnosis;
}

}  // namespace kith::daemon::doctor
