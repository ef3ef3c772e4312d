#pragma once

#include "daemon/system/log.hpp"
#include "model/pipe/messages.hpp"
#include "model/task.hpp"

#include <any>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

struct ByteSize {
  std::uint64_t bytes = 0;
};

/// The configuration of one node.  docs/configuration.md says what each value means: it, the
/// parser and the file that `kith init` writes come from one table in config.cpp.
struct Config {
  using Milliseconds = std::chrono::milliseconds;

  struct Node {
    std::string name;
    std::filesystem::path key = "node.key";
    std::filesystem::path channel_key = "channel.key";
    std::filesystem::path card = "node.card";
    std::filesystem::path state = "state";
    std::vector<std::string> listen{"127.0.0.1:7700"};
    std::filesystem::path control = "control.sock";
  };
  struct Consortium {
    std::filesystem::path charter = "charter.kith";
  };
  using Data = pipe::DataFiles;
  struct Learning {
    std::string strategy = "lia";  ///< a name that daemon/learning/strategy_kind.hpp knows
    std::uint64_t rounds = 0;      ///< 0: for ever
    unsigned epochs = 5;
    unsigned warmup_epochs = 10;
    Milliseconds gather = std::chrono::seconds(2);
    Milliseconds interval = Milliseconds(0);
    unsigned pull_budget = 8;  ///< snapshots a round
    unsigned explore = 1;      ///< of these
    double admit = 0.5;
    double drop = 0.4;
    double smoothing = 0.5;
    unsigned patience = 3;
    double slack = 2;      ///< standard errors
    std::uint64_t common_rounds = 0;
    double half_life = 2;  ///< rounds
    unsigned min_peers = 0;
    bool mutual = false;
    bool learn_weights = false;
    unsigned score_examples = 512;
    double score_confidence = 3;  ///< standard errors; 0: always all examples
    bool baseline = true;
    std::string convenor;  ///< name of a member; empty: none
    std::uint64_t seed = 0;
    // No file of a node can set these: they are for `kith simulate`.
    std::any own{};  ///< what can be set of the strategy alone, as its own file has it
    std::vector<std::string> oracle_group{};  ///< names of the true group, the node's own included
    unsigned oracle_groups = 0;               ///< how many there are; 0 is not known
  };
  struct Worker {
    std::filesystem::path command;  ///< empty: the kith-worker beside kith
    unsigned threads = 1;
    std::string device = "cpu";
    unsigned restart_limit = 5;
  };
  /// Differential privacy of what this node publishes; off without noise.
  struct Privacy {
    double noise = 0;  ///< standard deviation, in clips
    double clip = 1;
    double delta = 1e-5;
    double epsilon = 0;  ///< the budget; 0: without end
    /// Of noise that anybody can repeat.  No file can set it: it is for `kith simulate`.
    std::optional<std::uint64_t> noise_seed{};
    [[nodiscard]] bool on() const { return noise > 0; }
  };
  struct Log {
    log::Level level = log::Level::info;
    log::Format format = log::Format::text;
  };
  /// The control API over TCP; off unless it listens.
  struct Api {
    std::vector<std::string> listen;  ///< "IP:PORT"
    std::vector<std::string> hosts;   ///< names, beside "localhost" and the like
    std::filesystem::path tokens = "api.tokens";
  };
  /// Numbers for Prometheus; off unless it listens.
  struct Metrics {
    std::vector<std::string> listen;  ///< "IP:PORT"
  };
  struct Limits {
    ByteSize disk{2ULL << 30};
    ByteSize disk_free{1ULL << 30};
    unsigned history = 8;
  };

  Config() { task.sizes = {64}; }

  Node node;
  Consortium consortium;
  model::Task task;
  Data data;
  Learning learning;
  Worker worker;
  Privacy privacy;
  Log log;
  Limits limits;
  Api api;
  Metrics metrics;
};

/// The largest file of settings that is read, in bytes: a configuration, a scenario, a task.
inline constexpr std::size_t kSettingsFile = 1 << 20;

/// Reads a configuration file, and the task's vocabulary if it has one.  Throws Failure: like
/// read_text() if there is no such file, EX_CONFIG with FILE:LINE:COLUMN if it is wrong.
[[nodiscard]] Config load_config(const std::filesystem::path& file);

/// As above, from text.  `file` appears in messages, and relative paths in the text are relative to
/// its folder.
[[nodiscard]] Config parse_config(std::string_view text, const std::filesystem::path& file);

/// The file that reads back as `config`: every key with its meaning; commented out if it has its
/// default value.
[[nodiscard]] std::string to_toml(const Config& config);

/// The section [task] alone: what a new member is handed.  A vocabulary is named without its
/// folder.
[[nodiscard]] std::string task_toml(model::Task task);
/// The same for people to look at and correct: a table of keys for each column, with a comment for
/// each (perhaps empty) before it, and `notes` at the top.  It reads back as `task`.
[[nodiscard]] std::string draft_toml(const model::Task& task,
                                     const std::vector<std::string>& comments,
                                     const std::vector<std::string>& notes);
/// The inverse.  `source` appears in messages.  Throws Failure(EX_CONFIG).
[[nodiscard]] model::Task parse_task(std::string_view text, const std::string& source);

/// The section [task] in a file, with its vocabulary, which lies where the file says.  Throws
/// Failure(EX_CONFIG) with FILE:LINE.
[[nodiscard]] model::Task load_task(const std::filesystem::path& file);

/// `text`, which is a configuration with the section [task], with another one in its place and all
/// else as it was.  `file` as in parse_config().  Throws Failure(EX_CONFIG) if it is written so
/// that this cannot be done: what comes out is read again and compared.
[[nodiscard]] std::string replace_task(std::string_view text, const std::filesystem::path& file,
                                       const model::Task& task);

/// docs/configuration.md.
[[nodiscard]] std::string configuration_markdown();

}  // namespace kith::daemon
