#include "model/gate.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

namespace kith::model {
namespace {

constexpr std::array kPreference{Served::averaged, Served::partial, Served::baseline};

double loss_of(Served served, const ServingLosses& losses) {
  switch (served) {
    case Served::baseline:
      return losses.baseline;
    case Served::averaged:
      return losses.averaged;
    case Served::partial:
      return losses.partial;
  }
  return losses.baseline;
}

bool eligible(double loss, double baseline) {
  return std::isfinite(loss) && (!std::isfinite(baseline) || loss <= baseline);
}

std::string text(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, std::end(buffer), value, std::chars_format::general, 4).ptr;
  return {buffer, end};
}

std::string numbers(const ServingLosses& losses) {
  return "validation loss: baseline " + text(losses.baseline) + ", averaged " +
         text(losses.averaged) + ", partial " + text(losses.partial);
}

}  // namespace

std::string_view name(Served served) {
  switch (served) {
    case Served::baseline:
      return "baseline";
    case Served::averaged:
      return "averaged";
    case Served::partial:
      return "partial";
  }
  return "baseline";
}

GateDecision choose_served(const ServingLosses& losses, std::optional<Served> serving,
                           double margin) {
  std::optional<Served> best;
  for (const auto candidate : kPreference) {
    const double loss = loss_of(candidate, losses);
    if (!eligible(loss, losses.baseline)) continue;
    if (!best || loss < loss_of(*best, losses)) best = candidate;
  }
  if (!best) {
    return {Served::baseline, losses.baseline,
            "serving the baseline, as no model has a finite loss (" + numbers(losses) + ")"};
  }
  const double lowest = loss_of(*best, losses);
  if (serving && *serving != *best) {
    const double current = loss_of(*serving, losses);
    if (eligible(current, losses.baseline) && current <= lowest + margin * std::abs(lowest)) {
      return {*serving, current,
              "still serving the " + std::string(name(*serving)) + " model, as the " +
                  std::string(name(*best)) + " one is not better by more than " +
                  text(100 * margin) + " % (" + numbers(losses) + ")"};
    }
  }
  const bool baseline = *best == Served::baseline;
  return {*best, lowest,
          baseline ? "serving the baseline, as no shared model is as good (" + numbers(losses) + ")"
                   : "serving the " + std::string(name(*best)) +
                         " model: the lowest loss, and not above the baseline's (" +
                         numbers(losses) + ")"};
}

}  // namespace kith::model
