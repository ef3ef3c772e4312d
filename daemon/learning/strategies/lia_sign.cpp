#include "daemon/learning/strategies/lia_sign.hpp"

#include "daemon/learning/loss_rows.hpp"
#include "daemon/learning/strategy_kind.hpp"
#include "model/influence.hpp"

namespace kith::daemon {

LiaSign::LiaSign(const Config& config)
    : half_life_(config.learning.half_life) {}

std::vector<std::string> LiaSign::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                        std::mt19937_64&) {
  return peers;
}

net::awaitable<Choice> LiaSign::choose(Situation situation) {
  Choice choice;
  choice.mixture = mixture(situation, {}, half_life_);
  if (situation.candidates.empty()) co_return choice;
  pipe::Score question;
  for (const Candidate& candidate : situation.candidates) question.peers.push_back(candidate.peer);
  const auto answer = co_await situation.worker->call(question);
  const LossRows rows(answer.file, 2 + question.peers.size(), answer.result.examples);
  std::vector<std::string> members;
  for (std::size_t i = 0; i < question.peers.size(); ++i) {
    const double influence = model::lazy_influence(rows[0], rows[2 + i]).mean;
    influences_[question.peers[i]] = influence;
    if (influence > 0) members.push_back(question.peers[i]);
  }
  choice.mixture = mixture(situation, members, half_life_);
  co_return choice;
}

nlohmann::json LiaSign::opinion(const std::string& peer) const {
  const auto found = influences_.find(peer);
  if (found == influences_.end()) return nullptr;
  return {{"influence", found->second}};
}

StrategyKind lia_sign_kind() {
  return {.name = "lia-sign",
          .where = StrategyKind::Where::network,
          .summary = "Everybody of positive lazy influence.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<LiaSign>(config);
          }};
}

}  // namespace kith::daemon
