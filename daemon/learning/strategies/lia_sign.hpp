#pragma once

#include "daemon/learning/strategy.hpp"

namespace kith::daemon {

/// The plain sign rule of lazy influence: averages with everyone whose influence is above zero
/// (Rokvic, Danassis, Faltings, pFedLIA, arXiv 2505.02540, names the score; we could not read
/// whether it draws the line there).  What Lia adds to it is a relative score, its interval and its
/// past, and the choice by what averaging does.
class LiaSign final : public Strategy {
 public:
  explicit LiaSign(const Config& config);

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;

 private:
  double half_life_;
  std::map<std::string, double> influences_;  ///< the latest of each peer
};

}  // namespace kith::daemon
