#include "model/gate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

namespace kith::model {
namespace {

constexpr std::array kPreference{Served::running, Served::averaged, Served::partial, Served::best,
                                 Served::baseline};

/// What a Doubt calls it.
std::string question(Served served, Served other) {
  return std::string(name(served)) + " against " + std::string(name(other));
}

std::string loss_text(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, std::end(buffer), value, std::chars_format::general, 4).ptr;
  return {buffer, end};
}

std::string numbers(const ServingLosses& losses) {
  const std::string running =
      losses.running.empty() ? "" : ", running average " + loss_text(mean(losses.running));
  const std::string best =
      losses.best.empty() ? "" : ", best before " + loss_text(mean(losses.best));
  return "validation loss: baseline " + loss_text(mean(losses.baseline)) + running + ", averaged " +
         loss_text(mean(losses.averaged)) + ", partial " + loss_text(mean(losses.partial)) + best +
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
    case Served::running:
      return "running_average";
    case Served::best:
      return "best";
  }
  return "baseline";
}

std::span<const float> ServingLosses::of(Served served) const {
  switch (served) {
    case Served::baseline:
      return baseline;
    case Served::averaged:
      return averaged;
    case Served::partial:
      return partial;
    case Served::running:
      return running;
    case Served::best:
      return best;
  }
  return baseline;
}

bool Gate::baseline_in_question() const {
  return !doubt_.clearly_worse(question(Served::baseline, Served::averaged));
}

GateDecision Gate::choose(std::uint64_t round, const ServingLosses& losses) {
  const auto worse = [&](Served candidate, Served other) {
    return candidate != other && doubt_.clearly_worse(question(candidate, other), round,
                                                      losses.of(candidate), losses.of(other));
  };
  // All pairs are looked at, since what this round says of each counts in later ones.
  std::array<bool, kPreference.size()> beaten{};
  for (std::size_t i = 0; i < kPreference.size(); ++i) {
    for (const Served other : kPreference) {
      if (worse(kPreference[i], other)) beaten[i] = true;
    }
  }
  const auto* const best =
      kPreference.begin() + (std::ranges::find(beaten, false) - beaten.begin());
  if (best == kPreference.end()) {
    return {Served::baseline,
            "serving the baseline, as no model has a finite loss (" + numbers(losses) + ")"};
  }
  const std::string verdict =
      *best == Served::running
          ? "serving the running average of the rounds, as none is clearly better ("
      : *best == Served::averaged && !losses.running.empty()
          ? "serving the averaged model, as the running average is clearly worse ("
      : *best == Served::averaged ? "serving the averaged model, as none is clearly better ("
      : *best == Served::partial
          ? "serving the partial model, as the averaged one is clearly worse ("
      : *best == Served::best
          ? "serving the best model of before, as those of this round are clearly worse ("
          : "serving the baseline, as no shared model is as good (";
  return {*best, verdict + numbers(losses) + ")"};
}

}  // namespace kith::model
