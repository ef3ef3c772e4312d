#pragma once

#include "daemon/exchange/network_exchange.hpp"
#include "daemon/node/alarms.hpp"
#include "daemon/system/confinement.hpp"
#include "daemon/system/report.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// How a node is doing: what `kith status` shows.
struct NodeStatus {
  struct Training {
    std::string phase;
    std::uint64_t epoch = 0, epochs = 0;
    double train_loss = 0;
    void fields(auto& field) const {
      field("phase", phase), field("epoch", epoch), field("epochs", epochs);
      field("train_loss", train_loss);
    }
  };
  struct Task {
    std::string name;
    std::optional<std::string> hash{};  ///< none before the worker has told
    void fields(auto& field) const { field("name", name), field("hash", hash); }
  };
  struct Examples {
    std::uint64_t train = 0, validation = 0, test = 0;
    void fields(auto& field) const {
      field("train", train), field("validation", validation), field("test", test);
    }
  };
  /// What happened since the node runs: only ever more.
  struct Counters {
    std::uint64_t rounds = 0, worker_restarts = 0, diverged = 0;
    std::map<std::string, double> seconds{};  ///< of rounds, by phase
    void fields(auto& field) const {
      field("rounds", rounds), field("worker_restarts", worker_restarts);
      field("diverged", diverged), field("seconds", seconds);
    }
  };

  std::string name, id, version, consortium;
  Task task{};
  std::string strategy;
  std::string phase;  ///< what it does at present
  std::optional<Training> progress{};
  std::uint64_t round = 0, finished_round = 0, rounds = 0;
  std::uint64_t parameters = 0;
  Examples examples{};
  std::vector<std::string> unknowable{};  ///< what these cannot show: sentences without an end
  Guards own_guards{};  ///< what this process is kept from
  Guards guards{};      ///< what its worker is kept from; see pipe::Guard
  std::string worker_trouble{};  ///< how the last worker was lost; empty once a round is done again
  bool isolated = false;  ///< nobody's model was averaged with in the last round
  nlohmann::json last_round{};
  std::uint64_t members = 0;
  CharterReport charter{};
  std::optional<std::uint64_t> renewed_elsewhere{};  ///< when: somebody has its node key
  nlohmann::json expelled{};                          ///< departures()
  std::uint64_t connected = 0;
  std::vector<std::string> refused_by{};
  std::vector<NetworkExchange::OtherTask> other_tasks{};
  std::uint64_t bytes_in = 0, bytes_out = 0, stored_bytes = 0, queued_bytes = 0;
  std::string not_fetching{};  ///< why; empty if it is fetching
  std::uint64_t published = 0;     ///< snapshots of ours, in all its lives
  std::uint64_t applications = 0;  ///< that wait for an answer
  std::vector<Alarm> alarms{};
  std::vector<std::string> listening{};
  std::vector<std::string> dashboard{};  ///< where the API is served over TCP
  std::int64_t pid = 0;
  std::optional<std::int64_t> worker_pid{};
  double uptime_seconds = 0;
  Counters counters{};

  void fields(auto& field) const {
    field("name", name), field("id", id), field("version", version);
    field("consortium", consortium), field("task", task), field("strategy", strategy);
    field("phase", phase), field("progress", progress), field("round", round);
    field("finished_round", finished_round), field("rounds", rounds);
    field("parameters", parameters), field("examples", examples), field("unknowable", unknowable);
    field("isolated", isolated);
    field("own_guards", own_guards);
    field("guards", guards), field("worker_trouble", worker_trouble);
    field("last_round", last_round), field("members", members), field("charter", charter);
    field("renewed_elsewhere", renewed_elsewhere), field("expelled", expelled);
    field("connected", connected), field("refused_by", refused_by);
    field("other_tasks", other_tasks), field("bytes_in", bytes_in);
    field("bytes_out", bytes_out), field("stored_bytes", stored_bytes);
    field("queued_bytes", queued_bytes), field("not_fetching", not_fetching);
    field("published", published), field("applications", applications), field("alarms", alarms);
    field("listening", listening), field("dashboard", dashboard), field("pid", pid), field("worker_pid", worker_pid);
    field("uptime_seconds", uptime_seconds), field("counters", counters);
  }
};

}  // namespace kith::daemon
