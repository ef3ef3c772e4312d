#pragma once

#include "daemon/exchange/peer_report.hpp"
#include "daemon/exchange/shared.hpp"
#include "net/asio/host.hpp"

#include <optional>
#include <set>

namespace kith::daemon {

/// Keeps what the operator's files say of the members, and what the network knows, the same: what
/// peers tell is written down, and what the operator changes is told.
///
/// Ownership: borrows all it is made with.  Threads: the io thread.
class MembershipSync {
 public:
  MembershipSync(net::Host& host, const Shared& shared);

  /// The operator has changed the membership.
  void follow();

  // What the network tells; see net::HostOwner.
  void charter_changed(const net::Gossip::CharterChanged& change);
  void charter_contradicted(const net::Gossip::Contradicted& rival);
  void renewed(const net::Member& peer);
  void renewed_elsewhere(const net::Card& card);
  [[nodiscard]] net::Admission applied(const net::Apply& apply);

  /// The newest card that somebody else signed with this node's key; nullopt if nobody has.
  [[nodiscard]] std::optional<std::uint64_t> renewed_elsewhere_at() const;
  /// Records which versions count since the one that was recorded last.
  void audit_charter();

 private:
  /// Writes down what counts by now.
  void keep();

  net::Host& host_;
  const Shared& shared_;
  std::set<net::NodeId> denied_;  // as the host knows it
};

/// What is told of the charter that is followed.
[[nodiscard]] CharterReport report_of(const net::MembershipRecord& record,
                                      const crypto::NodeId& self,
                                      std::chrono::system_clock::time_point now);
[[nodiscard]] std::string_view name(net::CharterAge age);

}  // namespace kith::daemon
