#include "daemon/doctor/checks.hpp"
#include "daemon/system/version.hpp"

#include <boost/algorithm/string/join.hpp>

namespace kith::daemon::doctor {
namespace {

using nlohmann::json;

Finding unasked(const char* what) {
  return pass(std::string("No node runs here that could tell of ") + what + ".");
}

}  // namespace

Finding check_versions(const Examined& node) {
  if (!node.runs()) return unasked("its peers' versions");
  const std::string runs = node.status.at("version");
  if (runs != version()) {
    return warn("The running node is kith " + runs + ", and this is kith " + version() + ".",
                "Start the node again.");
  }
  std::vector<std::string> apart, others;
  for (const json& peer : node.peers) {
    const std::string name = peer.at("name");
    const json& trouble = peer.at("trouble");
    if (trouble.is_object() && trouble.at("reason") == "version_mismatch") apart.push_back(name);
    const json& program = peer.at("runs");
    if (program.is_object() && program.at("agent") != "kith " + version()) {
      others.push_back(name + " (" + program.at("agent").get<std::string>() + ")");
    }
  }
  const char* const help =
      "Agree on a version with the operators of those nodes: the older ones are to be upgraded.";
  if (!apart.empty())
    return fail(
        "No version of the protocol is in common with " + boost::algorithm::join(apart, ", ") + ".",
        help);
  if (!others.empty())
    return warn("This is kith " + version() + "; another version runs at " +
                    boost::algorithm::join(others, ", ") + ".",
                help);
  return pass("All peers that told run kith " + version() + ".");
}

Finding check_peer_tasks(const Examined& node) {
  if (!node.runs()) return unasked("its peers' tasks");
  std::vector<std::string> names;
  for (const json& other : node.status.at("other_tasks")) names.push_back(other.at("name"));
  if (names.empty()) return pass("Every peer that told learns the same task.");
  return warn("Another task is learnt by " + boost::algorithm::join(names, ", ") +
                  ", whose models are not used.",
              "kith status says in which field it differs; kith task --help, how to agree.");
}

Finding check_alarms(const Examined& node) {
  if (!node.runs()) return unasked("alarms");
  Finding worst;
  std::vector<std::string> all;
  for (const json& alarm : node.status.at("alarms")) {  // the worst first
    const std::string severity = alarm.at("severity");
    if (severity == "notice") continue;
    if (all.empty())
      worst = {severity == "error" ? Verdict::fail : Verdict::warn, {}, alarm.at("help")};
    all.push_back(alarm.at("what"));
  }
  if (all.empty()) return pass("The running node has no alarm.");
  worst.what = boost::algorithm::join(all, " ");
  return worst;
}

}  // namespace kith::daemon::doctor
