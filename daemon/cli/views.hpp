#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

/// What people are shown of a running node: answers of its control socket, as lines for a terminal.
/// All of it is pure; whatever a strategy has no number for is left out.
namespace kith::daemon {

using Lines = std::vector<std::string>;

/// "71.0 %" of an accuracy and its like, "3.41" of an error, "-" of no evaluation.
[[nodiscard]] std::string metric_text(const nlohmann::json& evaluation, const std::string& metric);
/// "balanced accuracy"
[[nodiscard]] std::string metric_name(const std::string& metric);

/// What kith status prints, from GET /v1/status.
[[nodiscard]] Lines status_lines(const nlohmann::json& status);
/// The same where no line may be longer than `columns`: what is broken goes on below its text.  0:
/// they may be.
[[nodiscard]] Lines wrapped_lines(const Lines& lines, std::size_t columns);
/// What kith log show prints, from entries of the audit log.
[[nodiscard]] Lines audit_lines(const std::vector<nlohmann::json>& entries);

/// What kith peers prints, from GET /v1/peers: a table, a line a peer.
[[nodiscard]] Lines peers_lines(const nlohmann::json& peers,
                                std::chrono::system_clock::time_point now);

/// The one of GET /v1/peers whose name, or node id or the beginning of one, is `who`.  Throws
/// Failure(EX_USAGE), naming those there are, if it is not exactly one.
[[nodiscard]] const nlohmann::json& find_peer(const nlohmann::json& peers, std::string_view who);

/// Why one peer is averaged with or not, put together from GET /v1/peers and GET /v1/rounds:
///
///     {name, id, state, opinion, snapshot, trouble, quarantined, ignored,
///      convenor: null or what it did about the peer, in words,
///      last_trial: {round, members, without, with, kept} or null,
///      history: [{round, rho, low, high, admitted, weight}]}, oldest round first
///
/// `state` is "in cluster", "connected" or "offline". `without` and `with` are mean validation
/// losses: of the best average before the peer was added, and of that with it.  `weight` is null in
/// a round that did not average with it.  `who` is as find_peer() takes it.
[[nodiscard]] nlohmann::json explain_peer(const nlohmann::json& peers, const nlohmann::json& rounds,
                                          std::string_view who);

/// What kith why prints, from explain_peer().
[[nodiscard]] Lines why_lines(const nlohmann::json& why);

}  // namespace kith::daemon
