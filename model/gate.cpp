#include "model/gate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

namespace kith::model {
namespace {

constexpr std::array kPreference{Served::averaged, Served::partial, Served::baseline};

std::span<const float> losses_of(Served served, const ServingLosses& losses) {
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

std::string loss_text(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, std::end(buffer), value, std::chars_format::general, 4).ptr;
  return {buffer, end};
}

std::string numbers(const ServingLosses& losses) {
  return "validation loss: baseline " + loss_text(mean(losses.baseline)) + ", averaged " +
         loss_text(mean(losses.averaged)) + ", partial " + loss_text(mean(losses.partial)) +
         ", on " + std::to_string(losses.partial.size()) + " examples";
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

GateDecision choose_served(const ServingLosses& losses, double slack) {
  const auto not_clearly_worse_than_any = [&](Served candidate) {
    return std::ranges::none_of(kPreference, [&](Served other) {
      return clearly_worse(losses_of(candidate, losses), losses_of(other, losses), slack);
    });
  };
  const auto best = std::ranges::find_if(kPreference, not_clearly_worse_than_any);
  if (best == kPreference.end()) {
    return {Served::baseline,
            "serving the baseline, as no model has a finite loss (" + numbers(losses) + ")"};
  }
  const std::string verdict =
      *best == Served::averaged ? "serving the averaged model, as none is clearly better ("
      : *best == Served::partial
          ? "serving the partial model, as the averaged one is clearly worse ("
          : "serving the baseline, as no shared model is as good (";
  return {*best, verdict + numbers(losses) + ")"};
}

}  // namespace kith::model
