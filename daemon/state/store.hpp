#pragma once

#include "crypto/bytes.hpp"
#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "daemon/system/file_lock.hpp"
#include "net/head.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace kith::daemon {

/// Bytes kept as files named by their hash.
///
/// A file appears whole or not at all, but one written as `refetchable` may read back damaged
/// after a power cut: check the hash of what read() returns.
/// Threads: any, as long as no two deal with the same hash at once.
/// Errors: Failure(EX_IOERR) if the disk fails or is full.
class Blobs {
 public:
  enum class Durability {
    durable,      ///< on the disk when write() returns
    refetchable,  ///< quick: a peer has it, should it be lost
  };

  /// Creates the folder if need be and removes what an interrupted write() left in it.
  explicit Blobs(std::filesystem::path folder);

  void write(const crypto::Hash& name, ByteView bytes, Durability durability);
  [[nodiscard]] std::optional<Bytes> read(const crypto::Hash& name) const;
  void remove(const crypto::Hash& name);  ///< nothing happens if there is no such blob
  [[nodiscard]] bool contains(const crypto::Hash& name) const;
  [[nodiscard]] std::vector<crypto::Hash> names() const;  ///< in no order; reads the folder
  [[nodiscard]] std::uint64_t total_size() const;         ///< bytes; reads the folder

 private:
  [[nodiscard]] std::filesystem::path path_of(const crypto::Hash& name) const;
  std::filesystem::path folder_;
};

/// A peer's snapshot, or our own, as far as we hold it.
struct StoredHead {
  crypto::NodeId origin;
  net::LogPosition position;
  Bytes head;             ///< as it travelled
  Bytes manifest;         ///< empty until it has arrived
  bool complete = false;  ///< every chunk is a blob
  std::uint64_t round = 0;
};

/// One node's state: `DIR/kith.sqlite`, `DIR/blobs/` and `DIR/lock`.
///
/// What a call stored is on the disk when it returns: `kill -9` or a power cut at any moment loses
/// nothing that was acknowledged.
/// One process uses a state directory at a time.
/// Threads: one that changes it, and one that reads meanwhile, which finds what was stored before;
/// blobs() has its own rule.
/// Errors: Failure; EX_TEMPFAIL if another process has the directory, EX_CONFIG if a newer kith
/// wrote it, EX_DATAERR if it is damaged, EX_IOERR if the disk fails or is full.
class Store {
 public:
  explicit Store(const std::filesystem::path& directory);  ///< created, for us alone, if need be
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Where our next snapshot goes in our log.  Never the same twice, whatever happens to the
  /// process; a sequence that was taken and not used stays unused.
  [[nodiscard]] net::LogPosition take_position();
  /// What we publish from now on goes into a new log, later than `above` and than any of ours.  A
  /// store that came out of a backup would else repeat positions that it has forgotten.
  void open_log(std::uint64_t above = 0);
  /// The last taken; sequence 0 if none was.
  [[nodiscard]] net::LogPosition last_position() const;

  /// Replaces what is stored for the same origin and position.
  void put_head(const StoredHead& head);
  void drop_head(const crypto::NodeId& origin, const net::LogPosition& position);
  [[nodiscard]] std::vector<StoredHead> heads() const;  ///< by origin, the latest position first

  /// The proof that a member lies, as it travelled.
  void put_evidence(const crypto::NodeId& origin, ByteView evidence);
  [[nodiscard]] std::vector<Bytes> evidence() const;

  /// What became of a round: a JSON object, for people and graphs.  Replaces a report of the same
  /// round.
  void put_round(std::uint64_t round, std::chrono::system_clock::time_point time,
                 const nlohmann::json& report);
  /// The last `limit` reports, oldest first, each with "round" and "time" (seconds since 1970)
  /// added.
  [[nodiscard]] std::vector<nlohmann::json> rounds(std::size_t limit) const;

  /// Reports of all rounds, or of every second, third and so on of them, so that there are at most
  /// `most`, the newest included; without "opinions" and "why", which are nearly all of a report.
  /// Else as rounds().  Only for the thread that changes the store.
  [[nodiscard]] std::vector<nlohmann::json> thinned_rounds(std::size_t most) const;

  /// What we think of a peer: a JSON object with scores and admission.
  void put_peer(const crypto::NodeId& peer, const nlohmann::json& opinion);
  [[nodiscard]] std::map<crypto::NodeId, nlohmann::json> peers() const;

  void put_text(std::string_view key, std::string_view text);
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;

  /// Forgets what was learnt: rounds, peers and snapshots, so that another task may begin.  Where
  /// we are in our log, evidence, and the texts that are not about the task stay.
  void forget_task();

  /// Forgets the reports after `round`, what we think of `peer`, and its snapshots; and our own
  /// snapshots after `round`.
  void go_back(std::uint64_t round, const crypto::NodeId& self, const crypto::NodeId& peer);

  /// All that `changes` stores is stored at once, with one write to the disk; nothing if it throws.
  void atomically(const std::function<void()>& changes);

  [[nodiscard]] Blobs& blobs() { return blobs_; }

 private:
  friend class StoreView;
  class Database;
  /// For the thread that is amid changes, the one that has them.
  [[nodiscard]] Database& reader() const;

  FileLock lock_;  // first: nobody else may touch the rest
  std::unique_ptr<Database> database_, reader_;
  std::atomic<std::thread::id> writing_{};  // amid atomically()
  Blobs blobs_;
};

/// A look into a state directory from outside, whether a node runs there or not: takes no lock and
/// changes nothing.
/// Threads: one at a time.  Errors: Failure; EX_NOINPUT if there is no state yet, else as Store.
class StoreView {
 public:
  explicit StoreView(const std::filesystem::path& directory);
  ~StoreView();
  StoreView(const StoreView&) = delete;
  StoreView& operator=(const StoreView&) = delete;

  /// The newest report, whole, as Store::rounds() gives it; nullopt if there is none.
  [[nodiscard]] std::optional<nlohmann::json> newest_round() const;
  /// Calls `look` with each report, the oldest first, as Store::thinned_rounds() gives it.
  void each_round(const std::function<void(const nlohmann::json&)>& look) const;

  /// Copies the database as it is at one moment into `file`, which is made: without the snapshots,
  /// whose chunks lie elsewhere.  Throws Failure(EX_IOERR) if the disk is full.
  void copy_to(const std::filesystem::path& file) const;

 private:
  std::unique_ptr<Store::Database> database_;
};

}  // namespace kith::daemon
