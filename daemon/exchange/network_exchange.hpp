#pragma once

#include "daemon/exchange/inbox.hpp"
#include "daemon/exchange/membership_sync.hpp"
#include "daemon/exchange/outbox.hpp"
#include "daemon/exchange/peer_log.hpp"
#include "daemon/exchange/peer_report.hpp"
#include "daemon/exchange/shared.hpp"
#include "daemon/exchange/shelf.hpp"
#include "daemon/learning/exchange.hpp"
#include "net/asio/host.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// The exchange of a running node, over the consortium's network: an outbox, an inbox and a shelf,
/// and the membership kept in step.
///
/// Ownership: borrows what is shared; stop() it, and end the disk queue, before it goes.
/// Threads: the io thread.
class NetworkExchange final : public Exchange, private net::HostOwner {
 public:
  /// `found` is what read_shelf() has read; `evidence`, what the store has.  Listens and dials once
  /// join() is called.
  NetworkExchange(net::asio::io_context& io, Shared shared, const net::Card& card,
                  const std::vector<ShelvedSnapshot>& found, const std::vector<Bytes>& evidence);
  NetworkExchange(const NetworkExchange&) = delete;
  NetworkExchange& operator=(const NetworkExchange&) = delete;

  /// Listens, and dials the members.  Throws Failure.
  void join();
  /// Says goodbye to everyone; whoever waits here wakes up.
  void stop();
  /// The operator has changed the membership.
  void follow_membership() { membership_.follow(); }
  /// Works with these keys from now on, and tells everybody by `card`.
  void set_keys(std::shared_ptr<const NodeKeys> keys, const net::Card& card);
  /// This machine was another one, or slept: all connections are made anew, and what is published
  /// goes into a new log.
  void begin_again();
  /// What day it is.
  void set_date(std::uint64_t seconds) { host_.set_date(seconds); }

  void want(std::uint64_t round, std::vector<std::string> peers) override;
  net::awaitable<void> publish(std::uint64_t round, pipe::Fd partial, Note note) override;
  net::awaitable<void> gather(std::uint64_t round) override;
  net::awaitable<std::vector<Candidate>> load(std::uint64_t round, WorkerProcess& worker) override;
  net::awaitable<bool> load_published(WorkerProcess& worker) override;
  void worker_replaced() override;

  [[nodiscard]] const net::Host& host() const { return host_; }
  [[nodiscard]] const Inbox& inbox() const { return inbox_; }
  [[nodiscard]] const Outbox& outbox() const { return outbox_; }
  [[nodiscard]] const Shared& shared() const { return shared_; }
  [[nodiscard]] const MembershipSync& membership() const { return membership_; }
  /// What is told of every other member.
  [[nodiscard]] std::vector<PeerReport> peers() const;
  /// The peers who say that this node is not a member.
  [[nodiscard]] std::vector<std::string> refused_by() const;
  /// The peers who learn something else, and, if they told, the fields that differ.
  struct OtherTask {
    std::string name;
    std::optional<std::vector<DifferenceReport>> differs{};
    void fields(auto& field) const { field("name", name), field("differs", differs); }
  };
  [[nodiscard]] std::vector<OtherTask> other_tasks() const;
  [[nodiscard]] std::size_t connected() const;

 private:
  [[nodiscard]] net::LocalNode local_node(const net::Card& card);
  [[nodiscard]] PeerReport report_of(const net::Host::PeerStatus& peer) const;
  [[nodiscard]] std::optional<std::vector<DifferenceReport>> differs(
      const net::Host::PeerStatus& peer) const;
  [[nodiscard]] std::optional<VersionReport> version_of(
      const net::Host::PeerStatus& peer) const;

  // What the network asks of us, and tells.
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
  void charter_changed(const net::Gossip::CharterChanged& change) override;
  void charter_contradicted(const net::Gossip::Contradicted& rival) override;
  void renewed(const net::Member& peer) override;
  void renewed_elsewhere(const net::Card& card) override;
  net::Admission applied(const net::Apply& apply) override;
  void outrun(const net::LogPosition& position) override;
  void failed(const net::Member* peer, const std::string& what,
              const std::exception& error) override;

  Shared shared_;
  net::Host host_;
  Shelf shelf_;
  Inbox inbox_;
  Outbox outbox_;
  MembershipSync membership_;
  PeerLog log_;
  std::optional<net::SnapshotId> published_loaded_;  // into the worker
};

}  // namespace kith::daemon
