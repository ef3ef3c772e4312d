#include "daemon/api/ask.hpp"
#include "daemon/api/gate.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/system/failure.hpp"

#include <memory>

namespace kith::daemon {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kForwarded = "7780";  // the port at the operator's own machine, as good as any

struct DashboardOptions {
  Place place;
  bool admin = false, as_json = false;
};

/// With what is after '#', which browsers keep to themselves.
std::string with_token(const std::string& url, const TokenFile& tokens, bool admin) {
  const std::vector<std::string>& fitting = admin ? tokens.admin : tokens.read;
  if (fitting.empty()) {
    throw Failure(EX_CONFIG, std::string("the file of api.tokens has no ") +
                                 (admin ? "admin" : "read") +
                                 " token; remove it, and the node makes another at its start");
  }
  return url + "#token=" + fitting.front();
}

Answer dashboard(const DashboardOptions& options) {
  const Config config = load_config(options.place.config());
  const json served = ask_node(config, "GET", "/v1/status").at("dashboard");
  const std::string forwarded = std::string("http://127.0.0.1:") + kForwarded + "/";
  const std::string socket = fs::absolute(config.node.control).lexically_normal().string();
  Answer answer;
  answer.value = {{"urls", json::array()},
                  {"ssh", std::string("ssh -N -L ") + kForwarded + ":" + socket + " USER@THIS-MACHINE"},
                  {"ssh_url", forwarded}};
  if (!served.empty()) {
    const TokenFile tokens = load_or_make_tokens(config.api.tokens);
    answer.lines.push_back(options.admin ? "Open this, which may change things; keep it to yourself:"
                                         : "Open this, which may only look:");
    for (const std::string& address : served.get<std::vector<std::string>>()) {
      const std::string url = with_token("http://" + address + "/", tokens, options.admin);
      answer.value["urls"].push_back(url);
      answer.lines.push_back("  " + url);
    }
    answer.lines.emplace_back("");
  }
  answer.lines.insert(
      answer.lines.end(),
      {"From your own machine, through ssh, without a token, as whoever may log in here as this user:",
       "  " + answer.value.at("ssh").get<std::string>(), "and open " + forwarded});
  return answer;
}

}  // namespace

void add_dashboard_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<DashboardOptions>();
  CLI::App* const verb =
      app.add_subcommand("dashboard", "say how to open the running node's page in a browser");
  options->place.add_to(*verb);
  verb->add_flag("--admin", options->admin, "with the token that may change things");
  on_parsed(*verb, chosen, options, dashboard);
}

}  // namespace kith::daemon
