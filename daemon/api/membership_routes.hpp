#pragma once

#include "daemon/api/control.hpp"
#include "daemon/membership/membership.hpp"
#include "net/asio/asio.hpp"

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace kith::daemon {

/// What the operations on a membership need beside it.
struct MembershipDesk {
  Membership* membership = nullptr;  ///< borrowed
  /// This node's card; none on a machine that is no node, or before it was signed.
  std::function<std::optional<net::Card>()> card = [] { return std::nullopt; };
  /// Where files are verified; nullptr: here.  Borrowed.
  net::asio::thread_pool* disk = nullptr;
  /// The one thread that writes what is changed, for a membership that does not wait for that: an
  /// answer does.  nullptr: it has waited.  Borrowed.
  net::asio::thread_pool* writer = nullptr;
  /// Writes down what others may ask about later.
  std::function<void(std::string_view event, nlohmann::json fields)> audit =
      [](std::string_view, nlohmann::json) {};
};

/// How far a proposal is: {old: {have, need}, new: {have, need}, enough, missing: [names]}.
[[nodiscard]] nlohmann::json to_json(const net::Tally& tally);

/// All that an operator can change, or ask, of who belongs.  The running node serves these; when
/// none runs, the verbs have them answered on the node's files (daemon/api/ask.hpp).
///
///     GET  /v1/invitations                              [{state, number, for, name, id, card, ...}]
///     POST /v1/invitations        {for, days, address}  {invite, number, ...}
///     POST /v1/invitations/accept {number}              undoes a refusal
///     POST /v1/charter/merge      {files}               {number, fingerprint, changed, ...}
///     POST /v1/charter/adopt      {name, content}       {number, fingerprint, ...}
///     POST /v1/deny               {who}                 {denied, name, id} or {withdrawn | refused}
///     POST /v1/allow              {who}                 {allowed, name, id}
///
/// Files travel as {name, content}: what the operator calls it, and its bytes in base64
/// (crypto::to_base64).  `files` is a list of them: charter files and proposals.  A proposal that
/// needs more signatures comes back as `unfinished`, with all that it has now.
void add_membership_routes(ControlRoutes& routes, MembershipDesk desk);

}  // namespace kith::daemon
