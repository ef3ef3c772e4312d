#include "daemon/learning/convenor.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;
using Decision = model::Admission::Decision;

constexpr std::uint64_t kRemembered = 10;  // rounds that a score stays in the row, as in Admission
constexpr double kSteps = 1000;            // of a relative influence in a row: no more is needed

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::ranges::find(list, item) != list.end();
}

json part(const json& note, const char* name) {
  const auto found = note.is_object() ? note.find(name) : note.end();
  return found == note.end() ? json(nullptr) : *found;
}

/// The row of a member's note; nullopt if it takes no part, or it does not read.
std::optional<model::Row> row_of(const json& note) {
  const json said = part(note, "row");
  if (!said.is_object()) return std::nullopt;
  model::Row row;
  for (const auto& [peer, value] : said.items()) {
    const double rho = value.is_number() ? value.get<double>() : NAN;
    if (!std::isfinite(rho)) return std::nullopt;
    row.emplace(peer, rho);
  }
  return row;
}

/// The groups of the convenor's note; nullopt if there are none, or they do not read: nobody is in
/// two places.
std::optional<std::vector<std::vector<std::string>>> groups_of(const json& note) {
  const json said = part(note, "groups");
  if (!said.is_array()) return std::nullopt;
  std::vector<std::vector<std::string>> groups;
  std::set<std::string> seen;
  for (const json& group : said) {
    if (!group.is_array()) return std::nullopt;
    auto& members = groups.emplace_back();
    for (const json& member : group) {
      if (!member.is_string() || !seen.insert(member.get<std::string>()).second) {
        return std::nullopt;
      }
      members.push_back(member.get<std::string>());
    }
  }
  return groups;
}

std::string rounds(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " round" : " rounds");
}

}  // namespace

std::vector<std::string> Convenor::pulls(std::vector<std::string> chosen,
                                         const std::vector<std::string>& peers) {
  if (off()) return chosen;
  peers_ = peers;
  if (presides()) return peers;
  if (contains(peers, settings_.convenor) && !contains(chosen, settings_.convenor)) {
    chosen.push_back(settings_.convenor);
  }
  return chosen;
}

std::optional<bool> Convenor::assigned(const std::string& peer) const {
  if (!places_) return std::nullopt;
  const auto found = places_->find(peer);
  return found == places_->end() ? std::nullopt : std::optional(found->second);
}

Note Convenor::note(const model::Admission& admission) const {
  if (off()) return {};
  if (presides()) return {{{"groups", groups_}}, ""};
  return {{{"row", own_row(admission)}}, settings_.convenor};
}

model::Members Convenor::admitted(const Situation& situation, const model::Admission& admission,
                                  json& why) {
  const model::Members own = candidates_among(situation, admission.admitted());
  if (off()) return own;
  round_ = situation.round;
  const Ruling ruling = presides() ? convene(situation, admission) : listen(situation);
  places_ = ruling.places;

  model::Members members;
  json refused = json::object();
  for (const Candidate& candidate : situation.candidates) {
    const std::string& peer = candidate.peer;
    const Decision* const decision = admission.find(peer);
    bool admitted = assigned(peer).value_or(contains(own, peer));
    if (assigned(peer) == true && decision != nullptr && condemned(*decision)) {
      refused[peer] = decision->reason;
      admitted = false;
    }
    if (admitted) members.push_back(peer);
  }
  const auto rho = [&](const std::string& peer) {
    const Decision* const decision = admission.find(peer);
    return decision != nullptr ? decision->rho : 0;
  };
  std::ranges::stable_sort(members, std::greater<>(), rho);

  json group = json::array(), elsewhere = json::array();
  for (const auto& [peer, with_us] : places_.value_or(Places())) {
    (with_us ? group : elsewhere).push_back(peer);
  }
  json& report = why["convenor"];
  report = {{"id", settings_.convenor},
            {"followed", places_.has_value()},
            {"age", ruling.age ? json(*ruling.age) : json(nullptr)},
            {"assigned", group},
            {"elsewhere", elsewhere},
            {"refused", refused},
            {"reason", ruling.reason}};
  if (presides()) report["rows"] = rows_;
  return members;
}

Convenor::Ruling Convenor::listen(const Situation& situation) const {
  const auto candidate =
      std::ranges::find(situation.candidates, settings_.convenor, &Candidate::peer);
  if (candidate == situation.candidates.end()) {
    return {.reason = "no snapshot of the convenor is here: this node chooses for itself"};
  }
  const auto groups = groups_of(candidate->note);
  if (!groups) {
    return {.reason =
                "the convenor's newest snapshot carries no assignment: this node chooses "
                "for itself"};
  }
  return of_groups(*groups, situation.round - candidate->arrived);
}

Convenor::Ruling Convenor::convene(const Situation& situation, const model::Admission& admission) {
  model::Rows rows{{settings_.self, own_row(admission)}};
  for (const Candidate& candidate : situation.candidates) {
    if (situation.round - candidate.arrived > kFresh) continue;
    if (auto row = row_of(candidate.note)) rows.emplace(candidate.peer, std::move(*row));
  }
  rows_ = rows.size();
  groups_ = model::cluster(rows, settings_.admit);
  std::erase_if(groups_, [](const auto& group) { return group.size() < 2; });
  return of_groups(groups_, 0);
}

Convenor::Ruling Convenor::of_groups(const Groups& groups, std::uint64_t age) const {
  if (age > kFresh) {
    return {.age = age,
            .reason = "the convenor's newest assignment is " + rounds(age) + " old, more than " +
                      std::to_string(kFresh) + ": this node chooses for itself"};
  }
  Places places;
  bool assigned = false;
  for (const auto& group : groups) {
    const bool ours = contains(group, settings_.self);
    for (const std::string& peer : peers_) {
      if (!contains(group, peer)) continue;
      places[peer] = ours;
      assigned = assigned || ours;
    }
  }
  if (!assigned) {
    return {.age = age,
            .reason = "the convenor assigned nobody to this node: it chooses for itself"};
  }
  return {.places = std::move(places),
          .age = age,
          .reason = "the convenor's assignment, " + rounds(age) + " old, is followed"};
}

// As little as the convenor needs: no intervals, nothing beyond 0 and 1, three digits.
model::Row Convenor::own_row(const model::Admission& admission) const {
  model::Row row;
  for (const Decision& decision : admission.state()) {
    const bool forgotten = round_ > decision.scored && round_ - decision.scored > kRemembered;
    if (decision.scores == 0 || forgotten) continue;
    const double rho = condemned(decision) ? 0 : std::clamp(decision.rho, 0.0, 1.0);
    row.emplace(decision.peer, std::round(rho * kSteps) / kSteps);
  }
  return row;
}

// By its newest score, whatever its past; as Admission does with its own.
bool Convenor::condemned(const Decision& decision) const {
  const bool says_something = decision.latest.against != model::Yardstick::nothing;
  return !decision.latest.objection.empty() ||
         (says_something && decision.latest.high < settings_.drop);
}

}  // namespace kith::daemon
