#include "daemon/learning/strategies/lia.hpp"

#include "daemon/learning/loss_rows.hpp"
#include "model/influence.hpp"
#include "model/lazy_scoring.hpp"
#include "model/paired.hpp"
#include "model/pull.hpp"
#include "model/weights.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

// JSON has no infinity; null stands for "unbounded".
json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
double bound(const json& value, double otherwise) {
  return value.is_number() ? value.get<double>() : otherwise;
}

json to_json(const model::Estimate& estimate) {
  return {{"mean", number(estimate.mean)},
          {"standard_error", number(estimate.standard_error)},
          {"examples", estimate.examples}};
}

json to_json(const model::RelativeInfluence& score) {
  return {{"rho", number(score.rho)},   {"low", number(score.low)},
          {"high", number(score.high)}, {"influence", to_json(score.influence)},
          {"own", to_json(score.own)},  {"objection", score.objection}};
}

json to_json(const model::Admission::Decision& decision) {
  const bool scored = decision.latest.influence.examples > 0;  // not so just after a restart
  return {{"admitted", decision.admitted}, {"since", decision.since},
          {"scored", decision.scored},     {"scores", decision.scores},
          {"rho", number(decision.rho)},   {"low", number(decision.low)},
          {"high", number(decision.high)}, {"newest", scored ? to_json(decision.latest) : json()},
          {"reason", decision.reason}};
}

std::optional<model::Admission::Decision> from_json(const std::string& peer, const json& value) {
  try {
    model::Admission::Decision decision;
    decision.peer = peer;
    decision.admitted = value.at("admitted").get<bool>();
    decision.since = value.at("since").get<std::uint64_t>();
    decision.scored = value.at("scored").get<std::uint64_t>();
    decision.scores = value.at("scores").get<std::uint64_t>();
    decision.rho = bound(value.at("rho"), 0);
    decision.low = bound(value.at("low"), 0);
    decision.high = bound(value.at("high"), 0);
    decision.reason = value.at("reason").get<std::string>();
    return decision;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

model::Admission::Settings admission_settings(const Config::Learning& settings) {
  return {
      .admit_above = settings.admit, .drop_below = settings.drop, .smoothing = settings.smoothing};
}

json to_json(const model::Trial& trial) {
  return {{"members", trial.members}, {"loss", number(trial.loss)}, {"kept", trial.kept}};
}

// What could be averaged; in reports, too.
const std::string kWithEverybody = "everybody", kWithHalf = "half everybody", kWithBest = "best ",
                  kAlone = "nobody", kUntrained = "without this round's training";

// What the worker calls our models.
const std::string kOwnPartial = "self", kOwnTheta = "averaged";

/// What a peer that is not admitted weighs of what it otherwise would; see learning.min_peers.
constexpr double kReserveWeight = 0.5;

/// Whether the note of a peer says that it admits `node`.
bool admits(const json& note, const std::string& node) {
  const auto said = note.is_object() ? note.find("admits") : note.end();
  return said != note.end() && said->is_array() &&
         std::ranges::find(*said, json(node)) != said->end();
}

model::ForwardSelection::Settings selection_settings(const Config::Learning& settings) {
  model::ForwardSelection::Settings selection;
  selection.slack = settings.slack;
  return selection;
}

}  // namespace

Lia::Lia(const Config& config, Roles roles)
    : settings_(config.learning),
      self_(roles.self),
      ask_baseline_(settings_.baseline && !config.privacy.on()),
      worst_score_(model::largest_score(config.task)),
      admission_(admission_settings(settings_)),
      copies_(worst_score_),
      turns_(settings_.patience),
      doubt_(settings_.slack),
      rivals_(settings_.slack),
      convenor_({.self = std::move(roles.self),
                 .convenor = std::move(roles.convenor),
                 .admit = settings_.admit,
                 .drop = settings_.drop}) {}

std::vector<std::string> Lia::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                    std::mt19937_64& random) {
  std::vector<model::PullCandidate> candidates;
  for (const std::string& peer : peers) {
    model::PullCandidate candidate;
    candidate.peer = peer;
    if (const auto* known = admission_.find(peer); known && known->scores > 0) {
      candidate.admitted = known->admitted;
      candidate.rho = known->rho;
      candidate.scored = known->scored;
    }
    candidate.admitted = convenor_.assigned(peer).value_or(candidate.admitted);
    candidates.push_back(std::move(candidate));
  }
  auto chosen =
      model::choose_pulls(std::move(candidates), settings_.pull_budget, settings_.explore, random);
  return convenor_.pulls(std::move(chosen), peers);
}

net::awaitable<Choice> Lia::choose(Situation situation) {
  Choice choice;
  choice.mixture = mixture(situation, {}, settings_.half_life);
  if (situation.candidates.empty()) co_return choice;
  const OwnLosses own = co_await measure_own(situation);
  choice.why["scoring"] = co_await score(situation, own);
  admission_.expire(situation.round);
  json trials = json::array();
  auto common = co_await start_together(situation, own, trials);
  common_ = common.has_value();
  if (common) {
    choice.mixture = *std::move(common);
    choice.why["trials"] = std::move(trials);
    co_return choice;
  }

  model::Members able = convenor_.admitted(situation, admission_, choice.why);
  if (settings_.mutual) choice.why["not_mutual"] = keep_mutual(situation, able);
  const model::Members waiting = std::exchange(able, turns_.of(situation.round, able));
  choice.why["sit_out"] = json::array();
  for (const std::string& peer : waiting) {
    if (std::ranges::find(able, peer) == able.end()) choice.why["sit_out"].push_back(peer);
  }
  const model::Members admitted = able;
  const model::Members reserve = reserves(situation, able);
  able.insert(able.end(), reserve.begin(), reserve.end());
  auto how = selection_settings(settings_);
  how.doubt = &doubt_;
  how.round = situation.round;
  model::ForwardSelection selection(own.partial, able, how);
  while (const auto members = selection.next()) {
    const std::vector<float> losses =
        co_await losses_of(situation, mix(situation, *members, reserve));
    selection.record(losses);
  }
  const model::Selected selected = selection.result();
  turns_.record(situation.round, selected);
  for (const model::Trial& trial : selected.trace) trials.push_back(to_json(trial));
  std::optional<pipe::Mixture> theirs;
  if (selected.members.empty() && !admitted.empty()) {
    theirs = co_await go_over(situation, admitted, own, trials);
  }
  choice.mixture = theirs ? *std::move(theirs) : mix(situation, selected.members, reserve);
  if (choice.mixture.members.size() > 1 && choice.mixture.members.front() == kOwnPartial) {
    choice.mixture = co_await search_weights<model::OwnShare>(situation, choice.mixture);
  }
  if (!theirs && convenor_.off()) {
    choice.mixture = co_await best_rival(situation, choice.mixture, choice.why);
  }
  if (settings_.learn_weights) {
    choice.mixture = co_await search_weights<model::WeightSearch>(situation, choice.mixture);
  }
  choice.why["trials"] = std::move(trials);
  co_return choice;
}

net::awaitable<std::optional<pipe::Mixture>> Lia::start_together(Situation situation, OwnLosses own,
                                                                 json& trials) {
  if (situation.round > settings_.common_rounds || !convenor_.off()) co_return std::nullopt;
  const model::Members members = useful(situation);
  if (members.empty()) co_return std::nullopt;
  pipe::Mixture all = mix(situation, members, {});
  const std::vector<float> losses = co_await losses_of(situation, all);
  // Of models that ruin averages, whose own losses are good.
  const bool ruined = !(model::mean(losses) < model::mean(own.reference));
  trials.push_back(to_json(model::Trial{{}, model::mean(own.partial), true}));
  trials.push_back(to_json(model::Trial{members, model::mean(losses), !ruined}));
  if (ruined) co_return std::nullopt;
  co_return all;
}

std::vector<Lia::Rival> Lia::rivals(const Situation& situation, const pipe::Mixture& circle) const {
  std::vector<Rival> rivals{{kUntrained, circle}, {kAlone, mix(situation, {}, {})}};
  rivals.front().mixture.members.front() = kOwnTheta;
  model::Members all;
  for (const Candidate& candidate : situation.candidates) {
    if (!copiers_.contains(candidate.peer)) all.push_back(candidate.peer);
  }
  if (settings_.mutual) keep_mutual(situation, all);
  if (all.empty()) return rivals;
  pipe::Mixture everybody = mix(situation, all, {});
  pipe::Mixture half = everybody;
  const double others = std::reduce(half.weights.begin() + 1, half.weights.end());
  half.weights.front() = std::max(others, half.weights.front());
  rivals.push_back({kWithEverybody, std::move(everybody)});
  rivals.push_back({kWithHalf, std::move(half)});
  const model::Members ranking = useful(situation);
  for (std::size_t size = 1; size < ranking.size(); size *= 2) {
    const model::Members best(ranking.begin(), ranking.begin() + static_cast<std::ptrdiff_t>(size));
    rivals.push_back({kWithBest + std::to_string(size), mix(situation, best, {})});
  }
  return rivals;
}

net::awaitable<pipe::Mixture> Lia::best_rival(Situation situation, pipe::Mixture circle,
                                              json& why) {
  const std::vector<float> selected = co_await losses_of(situation, circle);
  rivals_.begin(situation.round, selected, circle.members.size());
  pipe::Mixture best = circle;
  for (const auto& [name, average] : rivals(situation, circle)) {
    const std::vector<float> losses = co_await losses_of(situation, average);
    const auto verdict = rivals_.compare(name, losses, average.members.size());
    why["rivals"][name] = {
        {"loss", number(verdict.loss)}, {"better_by", verdict.better_by}, {"taken", verdict.taken}};
    if (verdict.taken) best = average;
  }
  co_return best;
}

model::Members Lia::useful(const Situation& situation) const {
  std::vector<const model::Admission::Decision*> ranking;
  for (const Candidate& candidate : situation.candidates) {
    const auto* decision = admission_.find(candidate.peer);
    if (!decision || decision->scores == 0 || !(decision->rho > 0)) continue;
    if (!copiers_.contains(candidate.peer)) ranking.push_back(decision);
  }
  std::ranges::stable_sort(ranking, std::greater<>(), &model::Admission::Decision::rho);
  model::Members peers;
  for (const auto* decision : ranking) peers.push_back(decision->peer);
  if (settings_.mutual) keep_mutual(situation, peers);
  return peers;
}

net::awaitable<Lia::OwnLosses> Lia::measure_own(Situation situation) {
  pipe::Score question;
  if (ask_baseline_) question.peers.emplace_back("baseline");
  const auto answer = co_await situation.worker->call(question);
  const LossRows rows(answer.file, 2 + question.peers.size(), answer.result.examples);
  start_anew_if_others(rows[0]);
  if (ask_baseline_) {
    learnt_alone(rows[2]);
  } else if (situation.round == 1) {  // later partials are not of our own data alone
    learnt_alone(rows[1]);
  }
  OwnLosses own;
  own.reference.assign(rows[0].begin(), rows[0].end());
  own.partial.assign(rows[1].begin(), rows[1].end());
  co_return own;
}

net::awaitable<json> Lia::score(Situation situation, OwnLosses own) {
  std::vector<std::string> open;  // the peers that need a further look
  for (const Candidate& candidate : situation.candidates) {
    // A snapshot that was scored says nothing new; and its peer must look unscored, to be explored.
    const auto* known = admission_.find(candidate.peer);
    if (!known || known->scored < candidate.arrived) open.push_back(candidate.peer);
  }
  const std::size_t peers_scored = open.size();
  std::map<std::string, std::string> copies;  // peer, and what it sent: "NAME published"
  const std::size_t all = own.partial.size();
  // Without an influence of our own to divide by, the peers are compared with one another: on the
  // same examples, and so on all of them.
  const double z = settings_.score_confidence;
  const model::Estimate influence = model::lazy_influence(own.reference, own.partial);
  const bool lazy = z > 0 && influence.mean > z * influence.standard_error;
  const model::Stopping stopping{settings_.admit, settings_.drop, settings_.slack, z};

  std::uint64_t in_all = 0;
  double seconds = 0;
  for (std::size_t looked = 0; !open.empty();) {
    const std::size_t examples = lazy ? model::next_look(looked, all) : all;
    // Whoever copies us copies what it saw: our partial as it was rounded on its way.
    const bool with_own = looked == 0 && situation.published;
    std::vector<std::string> asked = open;
    if (with_own) asked.push_back(self_);
    const pipe::Score question{asked, examples};
    const auto answer = co_await situation.worker->call(question);
    const LossRows rows(answer.file, 2 + asked.size(), examples);
    seconds += answer.result.seconds;
    in_all += asked.size() * (examples - looked);
    std::vector<std::span<const float>> peers;
    for (std::size_t i = 0; i < open.size(); ++i) peers.push_back(rows[2 + i]);
    if (looked == 0) {
      const auto own_row = rows[with_own ? 2 + open.size() : 1];
      copies = find_copies(situation.round, own_row, open, peers);
    }
    const auto alone = std::span(alone_).first(std::min(examples, alone_.size()));
    auto scores = model::relative_influences(rows[0], rows[1], peers);
    std::vector<std::string> unsettled;
    for (std::size_t i = 0; i < open.size(); ++i) {
      const bool settled = examples == all ||
                           model::settled(model::relative_influence(rows[0], rows[1], peers[i], z),
                                          peers[i], alone, stopping);
      if (!settled) {
        unsettled.push_back(open[i]);
        continue;
      }
      copiers_.erase(open[i]);
      if (const auto copied = copies.find(open[i]); copied != copies.end()) {
        copiers_.insert(open[i]);
        scores[i].objection = "its newest model is a copy of what " + copied->second;
      } else if (model::clearly_worse(peers[i], alone, settings_.slack)) {
        scores[i].objection =
            "its newest model is clearly worse on my validation data than the best I learnt alone";
      }
      admission_.score(open[i], situation.round, scores[i]);
    }
    open = std::move(unsettled);
    looked = examples;
  }
  json effort;
  effort["peers"] = peers_scored;
  effort["examples"] = in_all;
  effort["seconds"] = seconds;
  co_return effort;
}

std::map<std::string, std::string> Lia::find_copies(
    std::uint64_t round, std::span<const float> own, const std::vector<std::string>& peers,
    const std::vector<std::span<const float>>& losses) {
  static constexpr std::size_t kEnough = 32;  // examples, on which no two models agree
  const auto first = [](std::span<const float> row) {
    return row.first(std::min(kEnough, row.size()));
  };
  static_cast<void>(copies_.add(self_, round, first(own)));
  std::map<std::string, std::string> copies;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const auto whose = copies_.add(peers[i], round, first(losses[i]));
    if (!whose) continue;
    copies[peers[i]] = *whose == peers[i] ? "it published before" : *whose + " published";
  }
  return copies;
}

void Lia::learnt_alone(std::span<const float> losses) {
  const bool better = alone_.empty() || model::mean(losses) < model::mean(alone_);
  if (better) alone_.assign(losses.begin(), losses.end());
}

void Lia::start_anew_if_others(std::span<const float> reference) {
  constexpr float kRounding = 1e-3F;  // another device may compute the last digits differently
  const bool same = std::ranges::equal(
      reference, reference_, [](float a, float b) { return std::abs(a - b) <= kRounding; });
  if (!same && !reference_.empty()) {
    admission_ = model::Admission(admission_settings(settings_));
    alone_.clear();
    copies_ = model::Copies(worst_score_);
    turns_ = model::Turns(settings_.patience);
    doubt_ = model::Doubt(settings_.slack);
    rivals_ = model::Rivals(settings_.slack);
  }
  reference_.assign(reference.begin(), reference.end());
}

std::vector<std::string> Lia::keep_mutual(const Situation& situation,
                                          model::Members& members) const {
  std::vector<std::string> one_sided;
  for (const Candidate& candidate : situation.candidates) {
    if (admits(candidate.note, self_)) continue;
    if (std::erase(members, candidate.peer) > 0) one_sided.push_back(candidate.peer);
  }
  return one_sided;
}

model::Members Lia::reserves(const Situation& situation, const model::Members& able) const {
  const std::size_t missing =
      settings_.min_peers - std::min<std::size_t>(settings_.min_peers, able.size());
  std::vector<const model::Admission::Decision*> ranking;
  for (const Candidate& candidate : situation.candidates) {
    const auto* decision = admission_.find(candidate.peer);
    const bool elsewhere = convenor_.assigned(candidate.peer) == false;
    const bool listed = std::ranges::find(able, candidate.peer) != able.end();
    if (!decision || decision->admitted || elsewhere || listed) continue;
    if (decision->rho > 0 && decision->latest.objection.empty()) ranking.push_back(decision);
  }
  std::ranges::stable_sort(ranking, std::greater<>(), &model::Admission::Decision::rho);
  ranking.resize(std::min(ranking.size(), missing));
  model::Members peers;
  for (const auto* decision : ranking) peers.push_back(decision->peer);
  return peers;
}

pipe::Mixture Lia::mix(const Situation& situation, const model::Members& members,
                       const model::Members& reserve) const {
  pipe::Mixture mixed = mixture(situation, members, settings_.half_life);
  for (std::size_t i = 0; i < mixed.members.size(); ++i) {
    const bool reserved = std::ranges::find(reserve, mixed.members[i]) != reserve.end();
    if (reserved) mixed.weights[i] *= kReserveWeight;
  }
  return mixed;
}

net::awaitable<std::optional<pipe::Mixture>> Lia::go_over(Situation situation,
                                                          model::Members admitted, OwnLosses own,
                                                          json& trials) {
  const auto of_others = [&](const model::Members& members) {
    pipe::Mixture theirs = mixture(situation, members, settings_.half_life);
    theirs.members.erase(theirs.members.begin());  // self comes first
    theirs.weights.erase(theirs.weights.begin());
    return theirs;
  };
  // The largest company whose models go together, begun with the most influential of those who fit
  // in none before.  With half of all there is no larger one.
  model::Members members, left = admitted;
  for (unsigned start = 0; start < settings_.patience && !left.empty(); ++start) {
    const std::string first = left.front();
    model::Members rest = admitted;
    std::erase(rest, first);
    const model::Members only(1, first);
    const std::vector<float> alone = co_await losses_of(situation, of_others(only));
    model::ForwardSelection selection(alone, rest, selection_settings(settings_));
    while (auto tried = selection.next()) {
      tried->insert(tried->begin(), first);
      const std::vector<float> losses = co_await losses_of(situation, of_others(*tried));
      selection.record(losses);
    }
    model::Members company = selection.result().members;
    company.insert(company.begin(), first);
    for (const std::string& member : company) std::erase(left, member);
    if (company.size() > members.size()) members = std::move(company);
    if (2 * members.size() >= admitted.size()) break;
  }
  pipe::Mixture theirs = of_others(members);
  const std::vector<float> losses = co_await losses_of(situation, theirs);
  const bool better = model::clearly_worse(own.partial, losses, settings_.slack);
  json trial = to_json(model::Trial{members, model::mean(losses), better});
  trial["without_self"] = true;
  trials.push_back(std::move(trial));
  if (!better) co_return std::nullopt;
  co_return theirs;
}

template <class Search>
net::awaitable<pipe::Mixture> Lia::search_weights(Situation situation, pipe::Mixture mixed) {
  const std::vector<float> losses = co_await losses_of(situation, mixed);
  Search search(mixed.weights, losses);
  while (auto weights = search.next()) {
    mixed.weights = *std::move(weights);
    const std::vector<float> tried = co_await losses_of(situation, mixed);
    search.record(tried);
  }
  mixed.weights = search.weights();
  co_return mixed;
}

Note Lia::note() const {
  if (!settings_.mutual) return convenor_.note(admission_);
  return {{{"admits", admission_.admitted()}}, ""};
}

net::awaitable<std::vector<float>> Lia::losses_of(Situation situation, pipe::Mixture mixed) {
  const pipe::Try question{std::move(mixed)};
  const auto answer = co_await situation.worker->call(question);
  const LossRows rows(answer.file, 1, answer.result.examples);
  co_return std::vector<float>(rows[0].begin(), rows[0].end());
}

json Lia::opinion(const std::string& peer) const {
  const auto* decision = admission_.find(peer);
  if (!decision) return nullptr;
  json opinion = to_json(*decision);
  opinion["standing"] = doubt_.standing(peer);
  return opinion;
}

void Lia::restore(const std::map<std::string, json>& opinions) {
  std::vector<model::Admission::Decision> state;
  for (const auto& [peer, opinion] : opinions) {
    auto decision = from_json(peer, opinion);
    if (!decision) continue;
    doubt_.restore(peer, decision->scored, bound(opinion.value("standing", json()), 0));
    state.push_back(std::move(*decision));
  }
  try {
    admission_.restore(std::move(state));
  } catch (const std::invalid_argument&) {
    // Written by another version: scores are had again within a few rounds.
  }
}

}  // namespace kith::daemon
