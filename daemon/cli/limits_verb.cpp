#include "daemon/cli/limit_views.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"

#include <memory>

namespace kith::daemon {
namespace {

struct LimitsOptions {
  Place place;
  bool as_json = false;
};

Answer show(const LimitsOptions& options) {
  // Also where there is no node: then those that can be set have their defaults.
  const auto config = options.place.load();
  const nlohmann::json limits = limits_json(config ? config->limits : Config::Limits{});
  return {limits, limits_lines(limits)};
}

}  // namespace

void add_limits_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<LimitsOptions>();
  CLI::App* const verb = app.add_subcommand(
      "limits", "list what a node never exceeds, whatever its peers do, and what happens then");
  options->place.add_to(*verb);
  on_parsed(*verb, chosen, options, show);
}

}  // namespace kith::daemon
