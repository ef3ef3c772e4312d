#pragma once

#include "daemon/system/report.hpp"
#include "model/pipe/messages.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// How good a model is on this node's examples.
struct Judged {
  std::optional<pipe::Evaluation> validation{}, test{};
  /// On test examples if there are any, or else on validation examples: what people are told.
  [[nodiscard]] const pipe::Evaluation& told() const { return test ? *test : validation.value(); }
  void fields(auto& field) const {
    const auto put = [&](const char* name, const std::optional<pipe::Evaluation>& result) {
      nlohmann::json judged;
      if (result) {
        judged = result->metrics;
        judged["loss"] = result->loss, judged["examples"] = result->examples;
        if (!result->confusion.empty()) judged["confusion"] = result->confusion;
      }
      field(name, judged);
    };
    put("validation", validation), put("test", test);
  }
};

/// The split that Judged::told() is of, in a report as JSON: what people are told.
inline const char* told_split(const nlohmann::json& judged) {
  const bool tested = judged.is_object() && judged.value("test", nlohmann::json()).is_object();
  return tested ? "test" : "validation";
}

/// Validation examples below which the numbers of one round say next to nothing.
inline constexpr std::uint64_t kFewExamples = 40;

/// What came of a round: what the store keeps, `kith status` shows and a simulation collects.
struct RoundReport {
  /// A peer whose model is in the average.
  struct Member {
    std::string id, name;
    double weight = 0;
    void fields(auto& field) const {
      field("id", id), field("name", name), field("weight", weight);
    }
  };
  /// What is spent of the examples' privacy by now.
  struct Privacy {
    double epsilon = 0, delta = 0, noise = 0, clip = 0;
    std::optional<double> budget{};
    bool published = false;
    void fields(auto& field) const {
      field("epsilon", epsilon), field("delta", delta), field("noise", noise), field("clip", clip);
      field("budget", budget), field("published", published);
    }
  };

  std::uint64_t round = 0;
  std::string metric{};                    ///< of the task: which one people look at first
  std::optional<Privacy> privacy{};        ///< none unless it trains privately
  std::map<std::string, Judged> models{};  ///< by name: "baseline", "partial", "averaged"; "chosen"
  std::string served{};                    ///< which of them
  std::string served_reason{};
  std::optional<std::string> diverged{};             ///< why the round was given up
  std::vector<Member> members{};                     ///< with whose models it averaged
  std::map<std::string, nlohmann::json> opinions{};  ///< the strategy's, by the peer's name
  nlohmann::json why{};                              ///< the strategy's numbers
  std::uint64_t epochs = 0;                          ///< trained, the baseline's included
  std::map<std::string, double> seconds{};           ///< by phase
  std::uint64_t bytes_in = 0, bytes_out = 0;         ///< by the end of it, since the node runs

  void fields(auto& field) const {
    field("round", round), field("metric", metric), field("privacy", privacy), field("models", models);
    field("served", served), field("served_reason", served_reason), field("diverged", diverged);
    field("members", members), field("opinions", opinions), field("why", why);
    field("epochs", epochs), field("seconds", seconds);
    field("bytes_in", bytes_in), field("bytes_out", bytes_out);
  }
};

}  // namespace kith::daemon
