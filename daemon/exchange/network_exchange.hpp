#pragma once

#include "crypto/key_file.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/config/config.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/exchange.hpp"
#include "daemon/membership/invites.hpp"
#include "daemon/state/store.hpp"
#include "net/asio/host.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

namespace kith::daemon {

/// The exchange of a running node: seals, signs and publishes its partials, fetches and keeps its
/// peers', and serves both to whoever asks, over the consortium's network.
///
/// Ownership: borrows all it is made with, and is the one to renew() the consortium; stop() before
/// destroying it.  Threads: the io thread; disk work goes to a pool of one thread of its own.
class NetworkExchange final : public Exchange, public net::HostOwner {
 public:
  NetworkExchange(net::asio::io_context& io, const Config& config, const crypto::NodeKeys& keys,
                  net::Consortium& consortium, std::vector<net::Renewal> renewals, Store& store,
                  AuditLog& audit);
  ~NetworkExchange() override;
  NetworkExchange(const NetworkExchange&) = delete;
  NetworkExchange& operator=(const NetworkExchange&) = delete;

  /// What is learnt here, once the worker has told.
  struct Subject {
    std::string manifest;        ///< model::manifest() of the task
    SnapshotForm form;           ///< of M0, and so of every snapshot of the task
    std::uint64_t examples = 0;  ///< that we train on
  };
  /// Takes up what the store holds, listens, and dials the members.  Throws Failure.
  void join(const Subject& subject);
  [[nodiscard]] bool joined() const { return host_ != nullptr; }
  /// Says goodbye to everyone; whoever waits here wakes up.
  void stop();
  /// Reads the charter's files, and tells the peers which version is followed here.  Nothing
  /// happens without a charter, or before join().
  void follow_charter();

  void want(std::uint64_t round, std::vector<std::string> peers) override;
  net::awaitable<void> publish(std::uint64_t round, pipe::Fd partial, Note note) override;
  net::awaitable<void> gather(std::uint64_t round) override;
  net::awaitable<std::vector<Candidate>> load(std::uint64_t round, WorkerProcess& worker) override;
  net::awaitable<bool> load_published(WorkerProcess& worker) override;
  void worker_replaced() override;

  /// The snapshot of this peer that load() last put into the worker: its hash, and its signed head,
  /// in hexadecimal; null if there is none.
  [[nodiscard]] nlohmann::json loaded(const std::string& peer) const;
  [[nodiscard]] nlohmann::json loaded_head(const std::string& peer) const;
  /// The signed head of what we published last, since we run; null if nothing.
  [[nodiscard]] nlohmann::json published_head() const;
  [[nodiscard]] const crypto::Hash& task() const { return local_.task; }
  [[nodiscard]] const std::string& manifest() const { return local_.manifest; }  ///< of the task
  [[nodiscard]] std::vector<std::string> listening() const { return host_->listening(); }
  [[nodiscard]] std::size_t connected() const;
  [[nodiscard]] std::size_t queued_bytes() const { return host_->queued(); }  ///< for all peers
  [[nodiscard]] net::Host::Traffic traffic() const { return host_->traffic(); }
  [[nodiscard]] std::uint64_t stored_bytes() const { return host_->gossip().held_bytes(); }
  /// Why nothing is fetched at present; empty if it is.
  [[nodiscard]] std::string not_fetching() const;
  /// What the operator says of a peer.
  enum class Consent { denied, allowed };
  /// A denied peer is disconnected at once, nothing is sealed to it, and none of its snapshots is
  /// fetched or averaged with.  Remembered over restarts.  Throws Failure(EX_USAGE) if `id`, a node
  /// id in text, is not of a peer.
  void set_consent(const std::string& id, Consent consent);
  /// An object for every other member: connection, trouble, traffic, newest snapshot.
  [[nodiscard]] nlohmann::json peers() const;
  /// The peers who say that this node is not a member: an array of names.
  [[nodiscard]] nlohmann::json refused_by() const;
  /// The peers who learn something else, each with a name and, if it told, the fields that differ.
  [[nodiscard]] nlohmann::json other_tasks() const;
  /// Which version is followed, and whether it has a rival; null without a charter.
  [[nodiscard]] nlohmann::json charter() const;
  /// Its number and hash, for programs; null without a charter.
  [[nodiscard]] nlohmann::json charter_version() const;

 private:
  /// The newest complete snapshot of a peer.
  struct Arrival {
    net::SnapshotId snapshot{};
    net::Head head;
    std::uint64_t round = 0;  ///< of ours, in which it came; once used, the first that used it
    bool used = false;
    bool loaded = false;   ///< into the worker
    bool refused = false;  ///< by the worker
    std::string note{};    ///< as it came; empty if there is none for us
  };

  /// What the strategy is to hear of a note: nothing but the convenor's, or, as the convenor, what
  /// is sealed to us.  All else is not even looked at.
  [[nodiscard]] std::string note_for_us(const net::Manifest& manifest, const net::Head& head) const;
  void want_if_chosen(const net::SnapshotId& snapshot, const net::Head& head);
  /// Whether the disk may take `size` bytes more; tells the operator, once, if not.
  [[nodiscard]] bool disk_has_room(std::uint64_t size);
  [[nodiscard]] bool worth_waiting(std::uint64_t round) const;
  /// Returns why it could not be loaded; nothing if it was.
  net::awaitable<std::optional<std::string>> load_one(std::string peer, net::SnapshotId snapshot,
                                                      WorkerProcess& worker);
  void arrived(const net::SnapshotId& snapshot, const net::Head& head);
  /// Looks which chunks of it are on our disk, and right, and tells the network.
  void recount(const net::SnapshotId& snapshot);
  void counted(const net::SnapshotId& snapshot, const std::vector<bool>& there);
  void keep(const net::SnapshotId& snapshot, const net::Head& head, bool complete);
  void forget_unknown_blobs();
  [[nodiscard]] nlohmann::json standing_of(const std::optional<net::CharterPlace>& place) const;
  /// The fields of the peer's task that differ from ours; null if it did not tell.
  [[nodiscard]] nlohmann::json differs(const net::Host::PeerStatus& peer) const;
  /// Writes down what was heard of the charter, if it is news here; tries again until it can.
  void keep_charters();
  /// Records which version of the charter counts from now on, if that is news.
  void audit_charter(const net::CharterChain& chain);
  void audit_version(const net::CharterChain::Version& version, const net::Charter* before);
  /// The members that may read what we publish.
  [[nodiscard]] net::Consortium readers() const;
  /// Runs `job` on the disk pool, after all earlier ones.  What it throws leaves io_context::run().
  void on_disk(std::function<void()> job);
  [[nodiscard]] std::string name_of(const std::string& id) const;

  // What the network asks of us.
  void read_piece(const net::SnapshotId& snapshot, std::uint32_t piece, PieceRead done) override;
  void write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data,
                   std::function<void()> written) override;
  void discovered(const net::SnapshotId& snapshot, const net::Head& head) override;
  void begun(const net::SnapshotId& snapshot, const net::Head& head) override;
  void needed(const net::SnapshotId& snapshot, const net::Head& head) override;
  void completed(const net::SnapshotId& snapshot, const net::Head& head) override;
  void dropped(const net::SnapshotId& snapshot, const net::Head& head,
               const std::vector<net::Hash>& chunks) override;
  void peer_connected(const net::Member& peer, const net::Hello& hello) override;
  void peer_disconnected(const net::Member& peer, const net::Trouble& trouble) override;
  void peer_failed(const net::Member* peer, const net::Trouble& trouble) override;
  void peer_accused(const net::Member& peer, const std::string& what) override;
  void peer_convicted(const net::Member& peer, const net::Evidence& evidence) override;
  void outrun(const net::LogPosition& position) override;
  void charter_grown(const net::Member& peer, const net::CharterChain& chain) override;
  void charter_forked(const net::Member& peer, const net::CharterChain& rival) override;
  void renewed(const net::RenewalSync::Renewed& renewed) override;
  void renewed_elsewhere() override;
  net::Admission applied(const net::Apply& apply) override;

  net::asio::io_context& io_;
  const Config& config_;
  const crypto::NodeKeys& keys_;
  net::Consortium& consortium_;               // changed when members renew themselves
  const std::vector<net::Renewal> renewals_;  // known when we began
  Store& store_;
  AuditLog& audit_;
  Invites invites_;
  net::LocalNode local_;
  net::asio::thread_pool disk_{1};
  std::unique_ptr<net::Host> host_;
  net::asio::steady_timer wake_;  // cancelled when something that is waited for may have come

  net::asio::steady_timer keep_again_;

  Subject subject_;
  std::uint64_t round_ = 0;
  std::map<std::string, Arrival> arrivals_;          // by peer
  std::map<std::string, net::SignedHead> loaded_;    // into the worker, by peer
  std::set<net::NodeId> denied_;                     // by our operator
  std::optional<net::SnapshotId> published_;         // since we run
  bool published_loaded_ = false;                    // into the worker
  std::set<std::string> chosen_;                     // peers to pull from this round
  std::map<net::SnapshotId, std::uint64_t> wanted_;  // and not here yet: bytes
  std::set<net::SnapshotId> relayed_;                // fetched for others, not for the worker
  std::set<net::SnapshotId> counting_;               // recount() is under way
  std::set<std::string> misfits_;  // peers that announced a snapshot of another size
  bool quota_reported_ = false;    // this round
  bool disk_is_low_ = false;       // reported, and not over yet
  std::uint64_t strangers_ = 0;    // failed connections of nobody we know, unreported
  std::chrono::steady_clock::time_point strangers_reported_ =
      std::chrono::steady_clock::time_point::min();
  bool stopping_ = false;
};

}  // namespace kith::daemon
