#include "daemon/learning/learner.hpp"

#include "daemon/learning/loss_rows.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "model/data/scratch.hpp"

#include <algorithm>
#include <chrono>
#include <unistd.h>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

std::vector<std::string> ids_of(const std::vector<Learner::Peer>& peers,
                                const std::vector<std::string>& names) {
  std::vector<std::string> ids;
  for (const Learner::Peer& peer : peers) {
    if (std::ranges::find(names, peer.name) != names.end()) ids.push_back(peer.id);
  }
  return ids;
}

// What a round's models are called in reports.
const std::string kBaseline = "baseline", kPartial = "partial", kAveraged = "averaged";
const std::string kRunning(model::name(model::Served::running));
const std::string kBest(model::name(model::Served::best));
const std::string kChosen = "chosen";  // by the strategy, and none of these

/// What the newest theta weighs in the running average, beside all before.
constexpr double kNewest = 0.5;

/// Rounds in which the baseline is trained where it is no question that it is worse: so it costs a
/// quarter.
constexpr std::uint64_t kBaselineEvery = 4;

/// What the worker calls it in an average.
std::string member_name(const std::string& model) {
  if (model == kPartial) return "self";
  return model == kChosen ? "served" : model;
}

pipe::ModelName model_name(const std::string& model) {
  if (model == kBaseline) return pipe::ModelName::baseline;
  if (model == kAveraged) return pipe::ModelName::averaged;
  return model == kPartial ? pipe::ModelName::partial : pipe::ModelName::served;
}

/// What reports call this mixture.
std::string report_name(const pipe::Mixture& mixture) {
  if (mixture.members.size() != 1) return kChosen;
  const std::string& only = mixture.members.front();
  if (only == "self") return kPartial;
  return only == kAveraged || only == kBaseline ? only : kChosen;
}

}  // namespace

Program worker_program(const Config& config) {
  Program program{worker_command(config.worker.command), config.worker.device != "cpu"};
  program.files = config.data.train;
  for (const auto* const more : {&config.data.validation_files, &config.data.test}) {
    program.files.insert(program.files.end(), more->begin(), more->end());
  }
  for (const auto& file : {config.task.vocabulary, config.task.script}) {
    if (!file.empty()) program.files.push_back(file);
  }
  program.files.push_back(config.node.state);
  return program;
}

pipe::Open opening(const Config& config) {
  pipe::Open question;
  question.task = config.task;
  question.data = config.data;
  question.state = config.node.state;
  question.threads = config.worker.threads;
  question.seed = config.learning.seed;
  question.score_examples = config.learning.score_examples;
  question.device = config.worker.device;
  if (config.privacy.on()) {
    question.privacy = pipe::Privacy{.noise = config.privacy.noise,
                                     .clip = config.privacy.clip,
                                     .delta = config.privacy.delta,
                                     .epsilon = config.privacy.epsilon,
                                     .seed = config.privacy.noise_seed};
  }
  return question;
}

net::awaitable<WorkerProcess::Answer<pipe::Open>> open_worker(WorkerProcess& worker,
                                                              pipe::Open question) {
  const pipe::Fd scratch(data::open_scratch(question.state));
  const pipe::Fd* const room = scratch ? &scratch : nullptr;
  co_return co_await worker.call(std::move(question), room);
}

Learner::Learner(net::asio::io_context& io, const Config& config, Peer self,
                 std::vector<Peer> peers)
    : io_(io),
      config_(config),
      self_(std::move(self)),
      peers_(std::move(peers)),
      roles_(roles()),
      strategy_(make_strategy(config, roles_)),
      random_(config.learning.seed),
      gate_(config.learning.slack) {
  if (!config_.privacy.on() || !strategy_->uses_training_examples()) return;
  throw Failure(EX_CONFIG, "strategy \"" + config.learning.strategy +
                               "\" chooses by the training examples, which the accountant of "
                               "privacy does not see; choose another strategy, or set "
                               "privacy.noise to 0");
}

Learner::~Learner() = default;

// Whoever is named and is no member plays no role.
Roles Learner::roles() const {
  const Config::Learning& settings = config_.learning;
  Roles roles;
  roles.self = self_.id;
  roles.oracle_group = ids_of(peers_, settings.oracle_group);
  if (settings.convenor.empty()) return roles;
  const std::vector<std::string> found = ids_of(peers_, {settings.convenor});
  if (settings.convenor == self_.name) roles.convenor = self_.id;
  if (roles.convenor.empty() && !found.empty()) roles.convenor = found.front();
  return roles;
}

void Learner::meet_next_peers() {
  if (!next_peers_) return;
  peers_ = *std::exchange(next_peers_, std::nullopt);
  Roles now = roles();
  if (now == roles_) return;
  roles_ = std::move(now);
  std::map<std::string, json> opinions;
  for (const Peer& peer : peers_) {
    json opinion = strategy_->opinion(peer.id);
    if (!opinion.is_null()) opinions.emplace(peer.id, std::move(opinion));
  }
  strategy_ = make_strategy(config_, roles_);
  strategy_->restore(opinions);
}

net::awaitable<pipe::Fd> Learner::open(const Config& config) {
  phase_ = "opening data";
  progress_.reset();
  if (config.learning.oracle_group != config_.learning.oracle_group) {
    config_.learning.oracle_group = config.learning.oracle_group;
    roles_ = roles();
    strategy_ = make_strategy(config_, roles_);
  }
  worker_ = start_ ? std::make_unique<WorkerProcess>(io_, start_)
                   : std::make_unique<WorkerProcess>(io_, worker_program(config));
  worker_->on_progress([this](const pipe::Progress& progress) {
    if (progress.phase == "partial" || progress.phase == "baseline") progress_ = progress;
  });
  pipe::Open question = opening(config);
  if (question.data.split_key.empty()) question.data.split_key = self_.id;
  if (!trains_privately()) question.privacy.reset();
  auto answer = co_await open_worker(*worker_, question);
  opened_ = answer.result;
  has_running_average_ = has_best_ = false;
  if (exchange_ != nullptr) exchange_->worker_replaced();
  co_return std::move(answer.file);
}

net::awaitable<RoundReport> Learner::do_round(std::uint64_t number) {
  meet_next_peers();
  Round round;
  round.number = number;
  std::vector<std::string> ids;
  for (const Peer& peer : peers_) ids.push_back(peer.id);
  exchange_->want(number, strategy_->pulls(number, ids, random_));

  pipe::Fd partial;
  try {
    co_await train(round, partial);
  } catch (const WorkerRefused& refused) {
    if (refused.kind != pipe::FailureKind::diverged) throw;
    round.diverged = refused.what();
  }
  if (!round.diverged.empty()) {
    RoundReport given_up = co_await give_up(round);
    co_return given_up;
  }
  if (strategy_->reads_models() && partial) round.own = pipe::Fd(dup(partial.get()));
  if (strategy_->shares()) {
    phase_ = "publishing";
    const bool allowed = !round.privacy || round.privacy->publish;
    if (allowed) {
      Note note = strategy_->note();
      co_await exchange_->publish(number, std::move(partial), std::move(note));
    }
    phase_ = "gathering";
    const auto start = steady_clock::now();
    co_await exchange_->gather(number);
    round.seconds["gather"] = seconds_since(start);
  }
  try {
    co_await average(round);
  } catch (const WorkerRefused& refused) {  // it trains models of its own, too
    if (refused.kind != pipe::FailureKind::diverged) throw;
    round.diverged = refused.what();
  }
  if (!round.diverged.empty()) {
    RoundReport given_up = co_await give_up(round);
    co_return given_up;
  }
  diverged_in_a_row_ = 0;
  co_await gate(round);
  co_await test(round);
  co_await begin_again(round);
  co_await checkpoint(round);
  co_return report(round);
}

// The worker can write nothing.
net::awaitable<void> Learner::checkpoint(const Round& round) {
  const pipe::Checkpoint question{round.number};
  auto answer = co_await worker_->call(question);
  // Three models and their names.
  const std::uint64_t most = 4 * sizeof(float) * opened_.parameters + (4U << 20);
  co_await write_down(pipe::kCheckpointFile, std::move(answer.file), most);
}

// A worker that keeps its files itself sends none.
net::awaitable<void> Learner::write_down(const char* name, pipe::Fd file, std::uint64_t most) {
  if (!file) co_return;
  const auto looked_at = pipe::SealedMap::open(file, most);  // how large it is, and for good
  if (const auto* const problem = std::get_if<std::string>(&looked_at)) throw WorkerLost(*problem);
  const std::filesystem::path path = config_.node.state / name;
  const auto content = std::make_shared<const pipe::Fd>(std::move(file));
  if (!write_) {
    copy_whole(path, content->get());
    co_return;
  }
  co_await write_(path, content);
}

net::awaitable<RoundReport> Learner::give_up(Round& round) {
  ++diverged_in_a_row_;
  progress_.reset();
  phase_ = "going back to the best model";
  const pipe::Evaluate of_served{pipe::ModelName::served, pipe::Split::validation};
  const auto served = co_await worker_->call(of_served);
  const pipe::Evaluate of_alone{pipe::ModelName::baseline, pipe::Split::validation};
  const auto alone = co_await worker_->call(of_alone);
  const bool back_to_alone = alone.result.loss < served.result.loss;
  const pipe::Average best{{{back_to_alone ? "baseline" : "served"}, {1}}};
  const auto averaged = co_await worker_->call(best);
  round.models[kAveraged].validation = averaged.result;
  if (config_.learning.baseline) {
    round.models[kBaseline].validation = alone.result;
  }
  round.served = kAveraged;
  round.served_reason = std::string("the round was given up, since its ") + round.diverged +
                        "; this is the " +
                        (back_to_alone ? "model trained alone" : "served model") + " of before";
  const pipe::Serve serve{{{"averaged"}, {1}}};
  co_await worker_->call(serve);
  co_await test(round);
  co_await checkpoint(round);
  round.seconds["choose"] = 0;
  co_return report(round);
}

Situation Learner::situation_of(const Round& round) const {
  Situation situation;
  situation.round = round.number;
  situation.epochs = round.number == 1 ? config_.learning.warmup_epochs : config_.learning.epochs;
  situation.examples = opened_.train;
  situation.worker = worker_.get();
  return situation;
}

net::awaitable<void> Learner::train(Round& round, pipe::Fd& partial) {
  phase_ = "training";
  const auto start = steady_clock::now();
  const Situation situation = situation_of(round);
  co_await strategy_->prepare(situation);
  pipe::Train question;
  question.round = round.number;
  question.epochs = situation.epochs;
  question.baseline = config_.learning.baseline &&
                      (gate_.baseline_in_question() || round.number % kBaselineEvery == 0);
  strategy_->adjust(question);
  round.epochs = question.epochs * (question.baseline ? 2 : 1);
  round.seconds["train"] = 0;
  if (trains_privately()) {
    const pipe::Spend spend{question.round, question.epochs};
    auto counted = co_await worker_->call(spend);
    constexpr std::uint64_t kMostLedger = 1 << 20;
    co_await write_down(pipe::kLedgerFile, std::move(counted.file), kMostLedger);
  }
  auto answer = co_await worker_->call(question);
  progress_.reset();
  partial = std::move(answer.file);
  round.privacy = answer.result.privacy;
  if (trains_privately() && !round.privacy) {
    throw WorkerLost("the worker trained without the privacy that it was asked for");
  }
  round.models[kPartial].validation = answer.result.validation;
  if (answer.result.baseline) {
    round.models[kBaseline].validation = answer.result.baseline;
  } else if (config_.learning.baseline) {
    const auto alone = co_await evaluate(pipe::ModelName::baseline, pipe::Split::validation);
    round.models[kBaseline].validation = alone;
  }
  round.seconds["train"] = seconds_since(start);
}

net::awaitable<void> Learner::average(Round& round) {
  phase_ = "loading";
  auto start = steady_clock::now();
  Situation situation = situation_of(round);
  situation.candidates = co_await exchange_->load(round.number, *worker_);
  if (round.own) situation.own = &round.own;
  if (strategy_->looks_at_published()) {
    situation.published = co_await exchange_->load_published(*worker_);
  }
  round.seconds["load"] = seconds_since(start);

  phase_ = "choosing";
  start = steady_clock::now();
  round.choice = co_await strategy_->choose(std::move(situation));
  const pipe::Average question{round.choice.mixture};
  const auto averaged = co_await worker_->call(question);
  round.models[kAveraged].validation = averaged.result;
  round.seconds["choose"] = seconds_since(start);
}

net::awaitable<void> Learner::gate(Round& round) {
  phase_ = "evaluating";
  if (round.choice.served) {
    co_await serve_chosen(round);
    co_return;
  }
  const bool baseline = round.models.contains(kBaseline);
  const bool looks_back = strategy_->looks_back();
  if (looks_back) co_await keep_running_average();
  pipe::Score question;
  question.peers = {kAveraged};
  if (baseline) question.peers.push_back(kBaseline);
  if (looks_back) question.peers.push_back(kRunning);
  if (looks_back && has_best_) question.peers.push_back(kBest);
  const auto answer = co_await worker_->call(question);
  const LossRows rows(answer.file, 2 + question.peers.size(), answer.result.examples);
  model::ServingLosses losses;
  losses.partial = rows[1];
  losses.averaged = rows[2];
  std::size_t row = 3;
  if (baseline) losses.baseline = rows[row++];
  if (looks_back) losses.running = rows[row++];
  const auto best = looks_back && has_best_ ? rows[row] : std::span<const float>();
  if (model::mean(best) < model::mean(losses.running)) {
    const double before = co_await metric_of(kBest);
    const double now = co_await metric_of(kRunning);
    if (before > now) losses.best = best;
  }
  const model::GateDecision decision = gate_.choose(round.number, losses);
  round.served = model::name(decision.served);
  round.served_reason = decision.reason;
  const pipe::Serve serve{{{member_name(round.served)}, {1}}};
  co_await worker_->call(serve);
  // Theta has made a leap, and what was before would only hold it back.
  if (looks_back && model::clearly_worse(losses.running, losses.averaged)) {
    co_await begin_running_average(kAveraged);
  }
  if (looks_back && decision.served != model::Served::baseline) {
    const bool lowest = !has_best_ || model::mean(losses.of(decision.served)) < model::mean(best);
    if (lowest) co_await keep_best();
  }
  if (!round.models.contains(round.served)) {
    const auto judged = co_await evaluate(pipe::ModelName::served, pipe::Split::validation);
    round.models[round.served].validation = judged;
  }
}

net::awaitable<void> Learner::keep_running_average() {
  if (!has_running_average_) {  // after a restart what is served is the nearest to it
    const std::string with = opened_.resumed ? "served" : kAveraged;
    co_await begin_running_average(with);
    has_running_average_ = true;
    if (!opened_.resumed) co_return;
  }
  const pipe::Mixture both{{kRunning, kAveraged}, {1 - kNewest, kNewest}};
  const pipe::Keep keep{both, kRunning};
  co_await worker_->call(keep);
}

net::awaitable<void> Learner::begin_running_average(std::string with) {
  const pipe::Keep keep{{{std::move(with)}, {1}}, kRunning};
  co_await worker_->call(keep);
}

net::awaitable<void> Learner::keep_best() {
  const pipe::Keep keep{{{"served"}, {1}}, kBest};
  co_await worker_->call(keep);
  has_best_ = true;
}

net::awaitable<double> Learner::metric_of(std::string member) {
  const std::vector<float> each = co_await outcomes_of(std::move(member), pipe::Split::validation);
  co_return model::mean(each);
}

net::awaitable<void> Learner::serve_chosen(Round& round) {
  const pipe::Serve serve{*round.choice.served};
  co_await worker_->call(serve);
  round.served = report_name(*round.choice.served);
  round.served_reason = "it is what strategy \"" + config_.learning.strategy + "\" serves";
  if (round.models.contains(round.served)) co_return;
  const pipe::Evaluate question{model_name(round.served), pipe::Split::validation};
  const auto judged = co_await worker_->call(question);
  round.models[round.served].validation = judged.result;
}

net::awaitable<void> Learner::test(Round& round) {
  if (opened_.test == 0) co_return;
  const auto start = steady_clock::now();
  for (auto& [model, evaluations] : round.models) {
    const pipe::Evaluate held_out{model_name(model), pipe::Split::test};
    const auto tested = co_await worker_->call(held_out);
    evaluations.test = tested.result;
  }
  round.seconds["test"] = seconds_since(start);
}

net::awaitable<pipe::Evaluation> Learner::evaluate(pipe::ModelName model, pipe::Split split) {
  const pipe::Evaluate question{model, split};
  const auto answer = co_await worker_->call(question);
  co_return answer.result;
}

net::awaitable<std::vector<float>> Learner::outcomes() {
  const auto split = opened_.test > 0 ? pipe::Split::test : pipe::Split::validation;
  const std::string served = "served";
  std::vector<float> each = co_await outcomes_of(served, split);
  co_return each;
}

net::awaitable<std::vector<float>> Learner::outcomes_of(std::string member, pipe::Split split) {
  const pipe::Outcomes question{std::move(member), split};
  const auto answer = co_await worker_->call(question);
  const LossRows rows(answer.file, 2, answer.result.examples);
  co_return std::vector<float>(rows[1].begin(), rows[1].end());
}

net::awaitable<void> Learner::begin_again(Round& round) {
  const bool earlier = round.served == kBaseline || round.served == kBest;
  if (!earlier || !strategy_->begins_again()) co_return;
  const pipe::Average from{{{round.served}, {1}}};
  co_await worker_->call(from);
  if (round.served == kBest) co_await begin_running_average(kBest);
  round.served_reason += "; the next round begins from it";
}

RoundReport Learner::report(const Round& round) const {
  RoundReport report;
  report.round = round.number;
  report.metric = model::metric_of(config_.task);
  report.models = round.models;
  report.served = round.served;
  report.served_reason = round.served_reason;
  if (!round.diverged.empty()) report.diverged = round.diverged;
  const Choice& choice = round.choice;
  const pipe::Mixture& mixture = choice.made_of ? *choice.made_of : choice.mixture;
  for (std::size_t i = 0; i < mixture.members.size(); ++i) {
    const std::string& member = mixture.members[i];
    const auto is_it = [&](const Peer& peer) { return peer.id == member; };
    if (std::ranges::none_of(peers_, is_it)) continue;  // a model of our own
    report.members.push_back({member, name_of(member), mixture.weights[i]});
  }
  for (const Peer& peer : peers_) {
    json opinion = strategy_->opinion(peer.id);
    if (!opinion.is_null()) report.opinions.emplace(peer.name, std::move(opinion));
  }
  if (round.privacy) {
    const auto& [noise, clip, delta, epsilon, seed] = config_.privacy;
    report.privacy = {.epsilon = round.privacy->epsilon,
                      .delta = delta,
                      .noise = noise,
                      .clip = clip,
                      .budget = epsilon > 0 ? std::optional(epsilon) : std::nullopt,
                      .published = round.privacy->publish};
  }
  report.why = choice.why;
  report.epochs = round.epochs;
  report.seconds = round.seconds;
  return report;
}

void Learner::hang_up() {
  if (worker_) worker_->hang_up();
}

// Who publishes nothing has nothing to hide.
bool Learner::trains_privately() const { return config_.privacy.on() && strategy_->shares(); }

std::optional<pid_t> Learner::worker_pid() const {
  return worker_ ? std::optional(worker_->pid()) : std::nullopt;
}

std::string Learner::name_of(const std::string& peer) const {
  const auto found = std::ranges::find(peers_, peer, &Peer::id);
  return found == peers_.end() ? peer : found->name;
}

}  // namespace kith::daemon
