#pragma once

#include "daemon/doctor/doctor.hpp"

/// The checks, each of which looks at one thing.
namespace kith::daemon::doctor {

// The machine.
Finding check_clock(const Examined& node);
Finding check_clock_synchronised(const Examined& node);
Finding check_proxies(const Examined& node);
Finding check_disk_space(const Examined& node);
Finding check_disk_speed(const Examined& node);
Finding check_memory(const Examined& node);
Finding check_worker(const Examined& node);
Finding check_linear_algebra(const Examined& node);
Finding check_limits(const Examined& node);
Finding check_sandbox(const Examined& node);

// What is in the folder.
Finding check_folder(const Examined& node);
Finding check_state(const Examined& node);
Finding check_configuration(const Examined& node);
Finding check_task(const Examined& node);
Finding check_node_key(const Examined& node);
Finding check_channel_key(const Examined& node);
Finding check_passphrase(const Examined& node);
Finding check_card(const Examined& node);
Finding check_charter(const Examined& node);
Finding check_charter_age(const Examined& node);
Finding check_control_socket(const Examined& node);
Finding check_one_kith(const Examined& node);
Finding check_data(const Examined& node);

// The network.
Finding check_ports(const Examined& node);
Finding check_own_addresses(const Examined& node);
Finding check_peer_addresses(const Examined& node);

// What the running node says.
Finding check_versions(const Examined& node);
Finding check_peer_tasks(const Examined& node);
Finding check_alarms(const Examined& node);

/// `text` with a full stop.
[[nodiscard]] inline std::string sentence(std::string text) {
  if (!text.ends_with('.')) text += '.';
  return text;
}
[[nodiscard]] inline Finding pass(std::string what) { return {Verdict::pass, std::move(what), {}}; }
[[nodiscard]] inline Finding warn(std::string what, std::string help) {
  return {Verdict::warn, std::move(what), std::move(help)};
}
[[nodiscard]] inline Finding fail(std::string what, std::string help) {
  return {Verdict::fail, std::move(what), std::move(help)};
}

}  // namespace kith::daemon::doctor
