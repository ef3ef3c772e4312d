#include "daemon/node/curve.hpp"

#include "daemon/learning/round_report.hpp"
#include "model/metrics.hpp"

#include <algorithm>
#include <map>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr const char* kUsualMetric = "accuracy";  // of reports from before there were others

json evaluation(const json& report, const std::string& model, const std::string& split) {
  const json models = report.value("models", json::object());
  if (!models.contains(model)) return nullptr;
  return models.at(model).value(split, json());
}

std::optional<double> value_in(const json& evaluation, const std::string& metric) {
  const json value = evaluation.is_object() ? evaluation.value(metric, json()) : json();
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

}  // namespace

LearningCurve curve_of(const std::vector<json>& reports) {
  LearningCurve curve;
  if (reports.empty()) return curve;
  const json& newest = reports.back();
  curve.metric = newest.value("metric", kUsualMetric);
  curve.higher_is_better = model::is_better_when_higher(curve.metric);
  const std::string now = newest.at("served");
  curve.split = told_split(newest.value("models", json::object()).value(now, json()));
  curve.step = reports.size() < 2 ? 1
                                  : newest.at("round").get<std::uint64_t>() -
                                        reports[reports.size() - 2].at("round").get<std::uint64_t>();
  std::map<std::string, std::uint64_t> known;
  for (const json& report : reports) {
    if (report.value("metric", kUsualMetric) != curve.metric) continue;
    const std::string served = report.at("served");
    const json judged = evaluation(report, served, curve.split);
    curve.round.push_back(report.at("round"));
    curve.time.push_back(report.at("time"));
    curve.served.push_back(value_in(judged, curve.metric));
    curve.alone.push_back(value_in(evaluation(report, "baseline", curve.split), curve.metric));
    curve.examples.push_back(judged.is_object() ? judged.value("examples", std::uint64_t{0}) : 0);
    curve.model.push_back(served);
    auto& members = curve.circle.emplace_back();
    for (const json& member : report.value("members", json::array())) {
      const auto [place, fresh] = known.try_emplace(member.at("name"), curve.names.size());
      if (fresh) curve.names.push_back(place->first);
      members.push_back(place->second);
    }
    const json privacy = report.value("privacy", json());
    curve.epsilon.push_back(privacy.is_object() ? value_in(privacy, "epsilon") : std::nullopt);
    curve.bytes_in.push_back(report.value("bytes_in", std::uint64_t{0}));
    curve.bytes_out.push_back(report.value("bytes_out", std::uint64_t{0}));
  }
  return curve;
}

}  // namespace kith::daemon
