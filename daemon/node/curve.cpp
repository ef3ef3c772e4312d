#include "daemon/node/curve.hpp"

#include "daemon/learning/round_report.hpp"
#include "model/metrics.hpp"

#include <algorithm>
#include <cmath>

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

LearningCurve begun_curve(const json& newest) {
  LearningCurve curve;
  curve.metric = newest.value("metric", kUsualMetric);
  curve.higher_is_better = model::is_better_when_higher(curve.metric);
  const std::string served = newest.at("served");
  curve.split = told_split(newest.value("models", json::object()).value(served, json()));
  curve.step = 1;
  return curve;
}

void add_round(LearningCurve& curve, const json& report) {
  if (report.value("metric", kUsualMetric) != curve.metric) return;
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
    const std::string name = member.at("name");
    const auto found = std::ranges::find(curve.names, name);
    members.push_back(static_cast<std::uint64_t>(found - curve.names.begin()));
    if (found == curve.names.end()) curve.names.push_back(name);
  }
  const json privacy = report.value("privacy", json());
  curve.epsilon.push_back(privacy.is_object() ? value_in(privacy, "epsilon") : std::nullopt);
  curve.bytes_in.push_back(report.value("bytes_in", std::uint64_t{0}));
  curve.bytes_out.push_back(report.value("bytes_out", std::uint64_t{0}));
}

std::optional<Gain> gain_of(const LearningCurve& curve) {
  constexpr double kOf95Percent = 1.96;  // standard errors to either side
  const double sign = curve.higher_is_better ? 1 : -1;
  Gain gain;
  std::vector<double> gains;
  for (std::size_t i = curve.round.size(); i-- > 0 && gains.size() < kGainRounds;) {
    if (!curve.served[i] || !curve.alone[i]) continue;
    if (gains.empty() && curve.metric == kUsualMetric) gain.examples = curve.examples[i];
    gains.push_back(sign * (*curve.served[i] - *curve.alone[i]));
    gain.served += *curve.served[i], gain.alone += *curve.alone[i];
  }
  if (gains.empty()) return std::nullopt;
  const auto count = static_cast<double>(gains.size());
  gain.served /= count, gain.alone /= count;
  gain.rounds = gains.size();
  for (const double each : gains) gain.mean += each / count;
  double variance = 0;
  for (const double each : gains) variance += (each - gain.mean) * (each - gain.mean);
  if (gains.size() > 1) variance /= (count - 1) * count;
  if (gain.examples > 0) {
    const auto spread = [](double share) { return share * (1 - share); };
    variance += (spread(gain.served) + spread(gain.alone)) / static_cast<double>(gain.examples);
  }
  gain.certain = gain.examples > 0 || gains.size() > 2;
  const double half = kOf95Percent * std::sqrt(variance);
  gain.low = gain.mean - half, gain.high = gain.mean + half;
  return gain;
}

LearningCurve curve_of(const std::vector<json>& reports) {
  if (reports.empty()) return {};
  LearningCurve curve = begun_curve(reports.back());
  const auto number = [&](std::size_t i) { return reports[i].at("round").get<std::uint64_t>(); };
  if (reports.size() > 1) curve.step = number(reports.size() - 1) - number(reports.size() - 2);
  for (const json& report : reports) add_round(curve, report);
  curve.gain = gain_of(curve);
  return curve;
}

}  // namespace kith::daemon
