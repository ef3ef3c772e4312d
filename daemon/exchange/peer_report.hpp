#pragma once

#include "daemon/system/report.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What is told of a peer: JSON on the control socket, tables on a terminal.
namespace kith::daemon {

/// Why a connection, or an attempt at one, ended.
struct TroubleReport {
  std::string reason, address, detail;
  bool by_peer = false;
  std::string help;
  void fields(auto& field) const {
    field("reason", reason), field("by_peer", by_peer), field("address", address);
    field("detail", detail), field("help", help);
  }
};

/// A version of the charter that somebody follows.
struct VersionReport {
  std::uint64_t number = 0;
  std::string fingerprint;
  std::string state;  ///< "ours", "older" or "another"
  void fields(auto& field) const {
    field("number", number), field("fingerprint", fingerprint), field("state", state);
  }
};

/// A field of the peer's task that differs from ours.
struct DifferenceReport {
  std::string name, ours, theirs;
  void fields(auto& field) const {
    field("field", name), field("ours", ours), field("theirs", theirs);
  }
};

struct PeerReport {
  /// The program that it runs, in its own words.
  struct Program {
    std::string agent;
    unsigned protocol = 0, oldest_protocol = 0;
    std::uint64_t features = 0;
    void fields(auto& field) const {
      field("agent", agent), field("protocol", protocol);
      field("oldest_protocol", oldest_protocol), field("features", features);
    }
  };
  /// Why nothing of it is used, whatever it does, until somebody does something.
  struct Ignored {
    std::string reason, help;
    void fields(auto& field) const { field("reason", reason), field("help", help); }
  };
  /// The newest that is here.
  struct Snapshot {
    std::uint64_t round = 0, sequence = 0;
    std::uint64_t arrived_in_round = 0;  ///< of ours
    bool refused = false;                ///< by the worker
    void fields(auto& field) const {
      field("round", round), field("sequence", sequence);
      field("arrived_in_round", arrived_in_round), field("refused", refused);
    }
  };

  std::string name, id;
  bool connected = false;
  std::int64_t since = 0;  ///< seconds since 1970
  std::optional<std::string> dialled_by{}, address{};
  std::optional<TroubleReport> trouble{};
  std::optional<double> next_try_seconds{};
  std::optional<Program> runs{};
  std::optional<double> round_trip_ms{};
  std::uint64_t bytes_in = 0, bytes_out = 0;
  double standing = 0;
  double bytes_in_per_second = 0, bytes_out_per_second = 0;
  bool quarantined = false;
  std::optional<std::uint64_t> card_issued{};  ///< seconds since 1970; none if it has no card yet
  std::optional<Ignored> ignored{};
  std::optional<VersionReport> charter{};
  std::optional<std::vector<DifferenceReport>> other_task{};  ///< none if it did not tell
  std::optional<Snapshot> snapshot{};

  void fields(auto& field) const {
    field("name", name), field("id", id), field("connected", connected), field("since", since);
    field("dialled_by", dialled_by), field("address", address), field("trouble", trouble);
    field("next_try_seconds", next_try_seconds), field("runs", runs);
    field("round_trip_ms", round_trip_ms);
    field("bytes_in", bytes_in), field("bytes_out", bytes_out), field("standing", standing);
    field("bytes_in_per_second", bytes_in_per_second);
    field("bytes_out_per_second", bytes_out_per_second);
    field("quarantined", quarantined), field("card_issued", card_issued);
    field("ignored", ignored), field("charter", charter);
    field("other_task", other_task), field("snapshot", snapshot);
  }
};

/// What is told of the charter that this node follows.
struct CharterReport {
  /// A version that contradicts it.
  struct Rival {
    std::uint64_t number = 0;
    std::string fingerprint;
    std::vector<std::string> signed_twice;  ///< stewards, by name or else id
    bool settled = false;
    void fields(auto& field) const {
      field("number", number), field("fingerprint", fingerprint);
      field("signed_twice", signed_twice), field("settled", settled);
    }
  };
  std::string consortium;
  std::uint64_t number = 0;
  std::string fingerprint, expires, age;
  bool member = false;  ///< whether it names this node
  std::vector<Rival> rivals;
  void fields(auto& field) const {
    field("consortium", consortium), field("number", number), field("fingerprint", fingerprint);
    field("expires", expires), field("age", age), field("member", member);
    field("rivals", rivals);
  }
};

}  // namespace kith::daemon
