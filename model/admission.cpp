#include "model/admission.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace kith::model {
namespace {

using Decision = Admission::Decision;

std::string rho_text(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, std::end(buffer), value, std::chars_format::general, 3).ptr;
  return {buffer, end};
}

std::string interval(double low, double high) {
  return "[" + rho_text(low) + ", " + rho_text(high) + "]";
}

std::string dropped(std::uint64_t round) {
  return "dropped in round " + std::to_string(round) + ": ";
}

}  // namespace

Admission::Admission(Settings settings) : settings_(settings) {
  const auto& s = settings_;
  if (!(s.smoothing > 0 && s.smoothing <= 1)) {
    throw std::invalid_argument("admission: smoothing must be above 0 and at most 1");
  }
  if (!(s.drop_below <= s.admit_above)) {
    throw std::invalid_argument("admission: drop_below must be at most admit_above");
  }
  if (!(s.bound > s.admit_above && s.bound > -s.drop_below && std::isfinite(s.bound))) {
    throw std::invalid_argument("admission: bound must be finite and beyond the thresholds");
  }
}

const Decision& Admission::score(const std::string& peer, std::uint64_t round,
                                 const RelativeInfluence& score) {
  const auto [entry, is_new] = decisions_.try_emplace(peer);
  auto& decision = entry->second;
  if (is_new) {
    decision.peer = peer;
    decision.since = round;
  }
  if (score.against == Yardstick::nothing || !std::isfinite(score.rho)) {
    if (decision.scores == 0) {
      decision.reason =
          "not admitted: neither my own training nor any peer is better than the reference by more "
          "than its error, so there is nothing to compare with yet";
    }
    return decision;
  }
  smooth(decision, round, score);
  decide(decision, round);
  return decision;
}

void Admission::smooth(Decision& decision, std::uint64_t round,
                       const RelativeInfluence& score) const {
  // After a gap the past counts less, as if the average had decayed in every round between.
  const auto gap = round > decision.scored ? round - decision.scored : 1;
  const double past =
      decision.scores == 0 ? 0 : std::pow(1 - settings_.smoothing, static_cast<double>(gap));
  const auto blend = [&](double& average, double value) {
    const double bounded = std::clamp(value, -settings_.bound, settings_.bound);
    average = past * average + (1 - past) * bounded;
  };
  blend(decision.rho, score.rho);
  blend(decision.low, score.low);
  blend(decision.high, score.high);
  decision.latest = score;
  decision.scored = round;
  ++decision.scores;
}

void Admission::decide(Decision& decision, std::uint64_t round) const {
  const bool was_admitted = std::exchange(decision.admitted, false);
  const auto stays_out = was_admitted ? dropped(round) : "not admitted: ";
  const auto rho = "its smoothed rho " + rho_text(decision.rho);
  const auto range = "interval " + interval(decision.low, decision.high);
  if (!decision.latest.objection.empty()) {
    decision.reason = stays_out + decision.latest.objection;
  } else if (decision.latest.high < settings_.drop_below) {
    decision.reason = stays_out + "the interval " +
                      interval(decision.latest.low, decision.latest.high) +
                      " of its newest score is wholly below " + rho_text(settings_.drop_below);
  } else if (was_admitted && decision.rho < settings_.drop_below) {
    decision.reason =
        stays_out + rho + " (" + range + ") is below " + rho_text(settings_.drop_below);
  } else if (was_admitted) {
    decision.admitted = true;
    decision.reason = "still admitted: " + rho + " (" + range + ") is not below " +
                      rho_text(settings_.drop_below);
  } else if (!(decision.rho > settings_.admit_above)) {
    decision.reason =
        stays_out + rho + " (" + range + ") is not above " + rho_text(settings_.admit_above);
  } else if (!(decision.low > 0)) {
    decision.reason = stays_out + rho + " is above " + rho_text(settings_.admit_above) +
                      ", but its " + range + " reaches down to zero: too uncertain";
  } else {
    decision.admitted = true;
    decision.reason = "admitted in round " + std::to_string(round) + ": " + rho + " is above " +
                      rho_text(settings_.admit_above) + " and its " + range + " is above zero";
  }
  if (decision.admitted != was_admitted) decision.since = round;
}

std::vector<Decision> Admission::expire(std::uint64_t round) {
  std::vector<Decision> expired;
  for (auto& [peer, decision] : decisions_) {
    const bool too_old = round > decision.scored && round - decision.scored > settings_.max_age;
    if (!decision.admitted || !too_old) continue;
    decision.admitted = false;
    decision.since = round;
    decision.reason = dropped(round) + "it was last scored in round " +
                      std::to_string(decision.scored) + ", more than " +
                      std::to_string(settings_.max_age) + " rounds ago";
    expired.push_back(decision);
  }
  return expired;
}

void Admission::forget(std::string_view peer) {
  const auto entry = decisions_.find(peer);
  if (entry != decisions_.end()) decisions_.erase(entry);
}

std::vector<std::string> Admission::admitted() const {
  std::vector<const Decision*> ranking;
  for (const auto& [peer, decision] : decisions_) {
    if (decision.admitted) ranking.push_back(&decision);
  }
  std::ranges::stable_sort(ranking, std::greater<>(), &Decision::rho);
  std::vector<std::string> peers;
  for (const auto* decision : ranking) peers.push_back(decision->peer);
  return peers;
}

const Decision* Admission::find(std::string_view peer) const {
  const auto entry = decisions_.find(peer);
  return entry == decisions_.end() ? nullptr : &entry->second;
}

std::vector<Decision> Admission::state() const {
  std::vector<Decision> state;
  for (const auto& [peer, decision] : decisions_) state.push_back(decision);
  return state;
}

void Admission::restore(std::vector<Decision> state) {
  decltype(decisions_) decisions;
  for (auto& decision : state) {
    const bool finite =
        std::isfinite(decision.rho) && std::isfinite(decision.low) && std::isfinite(decision.high);
    const auto peer = decision.peer;
    if (!finite || (decision.admitted && decision.scores == 0) ||
        !decisions.emplace(peer, std::move(decision)).second) {
      throw std::invalid_argument("the stored admission of peer \"" + peer +
                                  "\" is damaged: forget its scores and let it be scored anew");
    }
  }
  decisions_ = std::move(decisions);
}

}  // namespace kith::model
