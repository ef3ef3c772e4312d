#include "daemon/state/departures.hpp"

#include <algorithm>
#include <cmath>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr const char* kKey = "departures";  // of the text in the store
constexpr std::uint64_t kShown = 50;        // rounds
constexpr std::size_t kCompared = 5;        // rounds

json noted(const Store& store) {
  const auto text = store.text(kKey);
  return text ? json::parse(*text) : json::array();
}

std::uint64_t number_of(const json& report) { return report.at("round").get<std::uint64_t>(); }

/// What was served in these rounds, on average, in the task's metric; null if there are none.
json mean_of(const std::vector<json>& reports) {
  if (reports.empty()) return nullptr;
  const std::string metric = reports.front().value("metric", "accuracy");
  double value = 0, loss = 0;
  for (const json& report : reports) {
    const json& served = report.at("models").at(report.at("served").get<std::string>());
    value += served.at("validation").value(metric, std::nan(""));
    loss += served.at("validation").at("loss").get<double>();
  }
  const auto count = static_cast<double>(reports.size());
  return {{"rounds", reports.size()},
          {"metric", metric},
          {metric, value / count},
          {"loss", loss / count}};
}

}  // namespace

Contributions contributions_of(const std::string& id, std::uint64_t from,
                               const std::vector<json>& reports) {
  Contributions found;
  for (const json& report : reports) {
    const std::uint64_t number = number_of(report);
    const auto is_it = [&](const json& member) { return member.at("id") == id; };
    if (number < from || std::ranges::none_of(report.at("members"), is_it)) continue;
    if (found.count++ == 0) found.first = number;
    found.last = number;
  }
  return found;
}

void note_departure(Store& store, const net::Member& member, std::uint64_t number) {
  const std::string id = to_string(member.id);
  const auto reports = store.rounds(SIZE_MAX);
  if (reports.empty()) return;
  const Contributions found = contributions_of(id, 0, reports);
  json all = noted(store);
  all.push_back({{"id", id},
                 {"name", member.name},
                 {"version", number},
                 {"round", number_of(reports.back())},
                 {"averaged", found.count},
                 {"last", found.count > 0 ? json(found.last) : json()}});
  store.put_text(kKey, all.dump());
}

void forget_departure(Store& store, const crypto::NodeId& member) {
  const json all = noted(store);
  json kept = json::array();
  for (const json& one : all) {
    if (one.at("id") != to_string(member)) kept.push_back(one);
  }
  if (kept.size() < all.size()) store.put_text(kKey, kept.dump());
}

json departures(const Store& store) {
  const json all = noted(store);
  json shown = json::array();
  if (all.empty()) return shown;
  const auto reports = store.rounds(kShown + kCompared);
  const std::uint64_t finished = reports.empty() ? 0 : number_of(reports.back());
  for (auto one = all.rbegin(); one != all.rend(); ++one) {
    const auto round = one->at("round").get<std::uint64_t>();
    if (round > finished || finished > round + kShown) continue;  // of another task, or long ago
    std::vector<json> before, after;
    for (const json& report : reports) {
      if (number_of(report) <= round) {
        if (number_of(report) + kCompared > round) before.push_back(report);
      } else if (after.size() < kCompared) {
        after.push_back(report);
      }
    }
    shown.push_back(*one);
    shown.back()["before"] = mean_of(before);
    shown.back()["after"] = mean_of(after);
  }
  return shown;
}

}  // namespace kith::daemon
