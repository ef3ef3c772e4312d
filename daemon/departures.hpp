#pragma once

#include "daemon/store.hpp"
#include "net/charter.hpp"

#include <nlohmann/json.hpp>

namespace kith::daemon {

/// Members that a version of the charter has expelled, and what that did to this node's model.
///
/// What is noted is kept in the store, beside the reports of the rounds that it speaks of.

/// Notes that version `number` has expelled `member`, after the last round that was finished; if
/// none was, there is nothing to note.
void note_departure(Store& store, const net::Member& member, std::uint64_t number);
/// It is a member again, or its models were taken out (kith forget).
void forget_departure(Store& store, const crypto::NodeId& member);

/// Of those who were expelled within the last 50 rounds, the latest first:
///
///     [{id, name, version: of the charter, round: the last before,
///       averaged: rounds in which this node has averaged with it, last: of these, or null,
///       before, after: {rounds, accuracy, loss} or null}]
///
/// `before` and `after` are means, on validation data, of what was served in at most five rounds.
[[nodiscard]] nlohmann::json departures(const Store& store);

}  // namespace kith::daemon
