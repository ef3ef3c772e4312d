#pragma once

#include "daemon/node/alarms.hpp"
#include "daemon/node/curve.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/report.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// What a node's own history comes to, for those who decide whether it goes on: what it gained,
/// with whom, what that cost, what left the building, and what happened.
struct Account {
  /// A member that was averaged with.
  struct Partner {
    std::string name;
    std::uint64_t rounds = 0, first = 0, last = 0;  ///< how many, and from which to which
    std::optional<double> weight{};              ///< in the newest round; none if it is not in that
    std::optional<double> rho{}, low{}, high{};  ///< its influence and the interval, if it has one
    void fields(auto& field) const {
      field("name", name), field("rounds", rounds), field("first", first), field("last", last);
      field("weight", weight), field("rho", rho), field("low", low), field("high", high);
    }
  };
  /// Of all rounds.
  struct Cost {
    std::uint64_t rounds = 0, given_up = 0;
    std::uint64_t from = 0, to = 0;           ///< seconds since 1970, of the first and newest round
    std::map<std::string, double> seconds{};  ///< of the node, by phase
    std::uint64_t bytes_in = 0, bytes_out = 0;
    void fields(auto& field) const {
      field("rounds", rounds), field("given_up", given_up), field("from", from), field("to", to);
      field("seconds", seconds), field("bytes_in", bytes_in), field("bytes_out", bytes_out);
    }
  };
  /// What happened once or more, as the audit log has it.
  struct Event {
    std::string event;  ///< the word for it there
    std::string what;   ///< a sentence
    std::uint64_t count = 0;
    std::string last{};              ///< when, as in the log
    std::vector<std::string> who{};  ///< whom it concerned, each once
    void fields(auto& field) const {
      field("event", event), field("what", what), field("count", count), field("last", last);
      field("who", who);
    }
  };
  /// What the audit log says, and whether it is whole.
  struct Audit {
    std::uint64_t entries = 0;
    std::string hash{};   ///< of the last entry, in hexadecimal
    std::string fault{};  ///< where it is not whole; empty if it is
    std::uint64_t starts = 0, published = 0;
    std::vector<std::string> readers{};  ///< ids of all to whom a snapshot was ever sealed
    std::vector<Event> events{};         ///< the rare ones, the newest last
    void fields(auto& field) const {
      field("entries", entries), field("hash", hash), field("fault", fault);
      field("starts", starts), field("published", published), field("readers", readers);
      field("events", events);
    }
  };

  std::string
      answer;  ///< is it better than alone: "yes", "likely", "not so far", "no" or "unknown"
  LearningCurve curve{};            ///< with the gain
  std::vector<Partner> partners{};  ///< the most frequent first
  Cost cost{};
  nlohmann::json privacy{};      ///< what is spent, as a round reports it; null: no promise is made
  std::optional<Audit> audit{};  ///< none if the node has no log yet
  std::optional<std::vector<Alarm>> alarms{};  ///< of the running node; none if none runs
  void fields(auto& field) const {
    field("answer", answer), field("curve", curve), field("partners", partners);
    field("cost", cost), field("privacy", privacy), field("audit", audit), field("alarms", alarms);
  }
};

/// All but the alarms, from what is in a state folder; the curve has at most `points` rounds, the
/// gain is of all.  Reads while a node runs there, too.  Throws Failure; EX_NOINPUT if nothing is
/// there.
[[nodiscard]] Account account_of(const std::filesystem::path& state, std::size_t points);

/// What an audit log comes to.  Throws Failure(EX_NOINPUT) if there is none.
[[nodiscard]] Account::Audit audit_of(const std::filesystem::path& log);

}  // namespace kith::daemon
