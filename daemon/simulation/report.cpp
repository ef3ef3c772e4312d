#include "daemon/simulation/report.hpp"

#include "daemon/simulation/report_page.hpp"

#include <cmath>
#include <string_view>

namespace kith::daemon {
namespace {

using nlohmann::json;

/// `object` with these keys only, of those that it has.
json only(const json& object, std::initializer_list<const char*> keys) {
  json kept = json::object();
  for (const char* key : keys) {
    if (const auto found = object.find(key); found != object.end()) kept[key] = *found;
  }
  return kept;
}

json three_decimals(json numbers) {
  for (json& value : numbers) {
    if (value.is_number_float()) value = std::round(value.get<double>() * 1000) / 1000;
  }
  return numbers;
}

json drawn_round(const json& round, bool opinions) {
  json kept = only(round, {"round", "accuracy", "loss", "bytes_in", "seconds", "backdoor"});
  if (const auto seconds = kept.find("seconds"); seconds != kept.end()) {
    *seconds = three_decimals(*seconds);
  }
  const json::json_pointer baseline("/models/baseline/test");
  if (round.contains(baseline)) kept[baseline] = round[baseline];
  if (const auto members = round.find("members"); members != round.end()) {
    kept["members"] = json::array();
    for (const json& member : *members) {
      kept["members"].push_back(three_decimals(only(member, {"name", "weight"})));
    }
  }
  if (!opinions || !round.contains("opinions")) return kept;
  for (const auto& [peer, opinion] : round["opinions"].items()) {
    kept["opinions"][peer] = three_decimals(only(opinion, {"admitted", "rho", "low", "high"}));
  }
  return kept;
}

/// What the page draws of `results`.
json drawn(const json& results) {
  json kept =
      only(results, {"format", "name", "version", "scenario", "metric", "rounds", "drift_round"});
  for (const json& run : results.value("runs", json::array())) {
    json kept_run = only(run, {"strategy", "seed", "seconds", "world"});
    kept_run["nodes"] = json::array();
    const bool opinions = run.value("strategy", "") == "lia";
    for (const json& node : run.at("nodes")) {
      json rounds = json::array();
      for (const json& round : node.at("rounds")) rounds.push_back(drawn_round(round, opinions));
      kept_run["nodes"].push_back({{"name", node.at("name")}, {"rounds", std::move(rounds)}});
    }
    kept["runs"].push_back(std::move(kept_run));
  }
  return kept;
}

/// JSON that ends no script element and begins no comment: a < is never part of its syntax, and
/// inside a string it may be written as an escape.
std::string for_script(const json& value) {
  std::string text;
  for (const char c : value.dump(-1, ' ', true, json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string report_html(const json& results) {
  constexpr std::string_view kPlace = "@results@";
  const std::size_t place = kReportPage.find(kPlace);
  std::string page(kReportPage.substr(0, place));
  page += for_script(drawn(results));
  page += kReportPage.substr(place + kPlace.size());
  return page;
}

}  // namespace kith::daemon
