#include "daemon/strategies/lia.hpp"

#include "daemon/loss_rows.hpp"
#include "model/influence.hpp"
#include "model/lazy_scoring.hpp"
#include "model/pull.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

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
          {"own", to_json(score.own)},  {"worse_than_alone", score.worse_than_alone}};
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

/// With so many admitted, trying them one by one costs too much: then prefixes are tried.
constexpr std::size_t kMany = 16;

std::unique_ptr<model::Selection> make_selection(std::span<const float> own_losses,
                                                 const model::Members& admitted,
                                                 const Config::Learning& settings) {
  if (admitted.size() > kMany) {
    return std::make_unique<model::BestPrefix>(own_losses, admitted, settings.slack);
  }
  const model::ForwardSelection::Settings limits{settings.slack, settings.patience};
  return std::make_unique<model::ForwardSelection>(own_losses, admitted, limits);
}

}  // namespace

Lia::Lia(const Config& config)
    : settings_(config.learning),
      ask_baseline_(settings_.baseline && !config.privacy.on()),
      clip_(model::clip_level(config.task.classes, config.task.clip_factor)),
      admission_({.admit_above = settings_.admit,
                  .drop_below = settings_.drop,
                  .smoothing = settings_.smoothing}) {}

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
    candidates.push_back(std::move(candidate));
  }
  return model::choose_pulls(std::move(candidates), settings_.pull_budget, settings_.explore,
                             random);
}

net::awaitable<Choice> Lia::choose(Situation situation) {
  Choice choice;
  choice.mixture = mixture(situation, {}, settings_.half_life);
  if (situation.candidates.empty()) co_return choice;
  const OwnLosses own = co_await measure_own(situation);
  choice.why["scoring"] = co_await score(situation, own);
  admission_.expire(situation.round);

  model::Members admitted;
  for (const std::string& peer : admission_.admitted()) {
    const auto is_peer = [&](const Candidate& candidate) { return candidate.peer == peer; };
    if (std::ranges::any_of(situation.candidates, is_peer)) admitted.push_back(peer);
  }
  const auto selection = make_selection(own.partial, admitted, settings_);
  while (const auto members = selection->next()) {
    const std::vector<float> losses = co_await losses_of(situation, *members);
    selection->record(losses);
  }
  const model::Selected selected = selection->result();
  choice.mixture = mixture(situation, selected.members, settings_.half_life);
  choice.why["trials"] = json::array();
  for (const model::Trial& trial : selected.trace) {
    choice.why["trials"].push_back(
        {{"members", trial.members}, {"loss", number(trial.loss)}, {"kept", trial.kept}});
  }
  co_return choice;
}

net::awaitable<Lia::OwnLosses> Lia::measure_own(Situation situation) {
  pipe::Score question;
  if (ask_baseline_) question.peers.emplace_back("baseline");
  const auto answer = co_await situation.worker->call(question);
  const LossRows rows(answer.file, 2 + question.peers.size(), answer.result.examples);
  if (ask_baseline_) {
    learnt_alone(rows[2], situation.worker->pid());
  } else if (situation.round == 1) {  // later partials are not of our own data alone
    learnt_alone(rows[1], situation.worker->pid());
  }
  OwnLosses own;
  own.reference.assign(rows[0].begin(), rows[0].end());
  own.partial.assign(rows[1].begin(), rows[1].end());
  co_return own;
}

net::awaitable<json> Lia::score(Situation situation, OwnLosses own) {
  std::vector<std::string> open;  // the peers that need a further look
  for (const Candidate& candidate : situation.candidates) open.push_back(candidate.peer);
  const std::size_t all = own.partial.size();
  // Without an influence of our own to divide by, the peers are compared with one another: on the
  // same examples, and so on all of them.
  const double z = settings_.score_confidence;
  const model::Estimate influence = model::lazy_influence(own.reference, own.partial, clip_);
  const bool lazy = z > 0 && influence.mean > z * influence.standard_error;
  const model::Stopping stopping{settings_.admit, settings_.drop, settings_.slack, z};

  std::uint64_t in_all = 0;
  double seconds = 0;
  for (std::size_t looked = 0; !open.empty();) {
    const std::size_t examples = lazy ? model::next_look(looked, all) : all;
    const pipe::Score question{open, examples};
    const auto answer = co_await situation.worker->call(question);
    const LossRows rows(answer.file, 2 + open.size(), examples);
    seconds += answer.result.seconds;
    in_all += open.size() * (examples - looked);
    std::vector<std::span<const float>> peers;
    for (std::size_t i = 0; i < open.size(); ++i) peers.push_back(rows[2 + i]);
    const auto alone = std::span(alone_).first(std::min(examples, alone_.size()));
    auto scores = model::relative_influences(rows[0], rows[1], peers, clip_);
    std::vector<std::string> unsettled;
    for (std::size_t i = 0; i < open.size(); ++i) {
      const bool settled =
          examples == all ||
          model::settled(model::relative_influence(rows[0], rows[1], peers[i], clip_, z), peers[i],
                         alone, stopping);
      if (!settled) {
        unsettled.push_back(open[i]);
        continue;
      }
      scores[i].worse_than_alone = model::clearly_worse(peers[i], alone, settings_.slack);
      admission_.score(open[i], situation.round, scores[i]);
    }
    open = std::move(unsettled);
    looked = examples;
  }
  json effort;
  effort["peers"] = situation.candidates.size();
  effort["examples"] = in_all;
  effort["seconds"] = seconds;
  co_return effort;
}

void Lia::learnt_alone(std::span<const float> losses, pid_t worker) {
  const bool better = model::mean(losses) < model::mean(alone_);
  if (alone_.empty() || alone_in_ != worker || better) alone_.assign(losses.begin(), losses.end());
  alone_in_ = worker;
}

net::awaitable<std::vector<float>> Lia::losses_of(Situation situation, model::Members members) {
  const pipe::Try question{mixture(situation, members, settings_.half_life)};
  const auto answer = co_await situation.worker->call(question);
  const LossRows rows(answer.file, 1, answer.result.examples);
  co_return std::vector<float>(rows[0].begin(), rows[0].end());
}

json Lia::opinion(const std::string& peer) const {
  const auto* decision = admission_.find(peer);
  return decision ? to_json(*decision) : json(nullptr);
}

void Lia::restore(const std::map<std::string, json>& opinions) {
  std::vector<model::Admission::Decision> state;
  for (const auto& [peer, opinion] : opinions) {
    if (auto decision = from_json(peer, opinion)) state.push_back(std::move(*decision));
  }
  try {
    admission_.restore(std::move(state));
  } catch (const std::invalid_argument&) {
    // Written by another version: scores are had again within a few rounds.
  }
}

}  // namespace kith::daemon
