#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kith::daemon {

/// A page that shows the results of simulate() to people: tables and charts, in one HTML file that
/// needs nothing else, neither a network nor results.json beside it.
///
/// No string in `results` can become markup or script, whatever it says.  What the page does not
/// draw (the numbers behind an opinion, the evaluations of models that were not served) is left
/// out, so that the page of many nodes still opens.
[[nodiscard]] std::string report_html(const nlohmann::json& results);

}  // namespace kith::daemon
