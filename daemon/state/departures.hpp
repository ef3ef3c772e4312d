#pragma once

#include "daemon/state/store.hpp"
#include "net/charter.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kith::daemon {

/// Members that a version of the charter has expelled, and what that did to this node's model.
///
/// What is noted is kept in the store, beside the reports of the rounds that it speaks of.

/// In how many rounds, from a round on, a node's models were averaged into this one's.
struct Contributions {
  std::uint64_t count = 0;
  std::uint64_t first = 0, last = 0;  ///< of these rounds, if there are any
};
/// `reports` are those of Store::rounds().
[[nodiscard]] Contributions contributions_of(const std::string& id, std::uint64_t from,
                                             const std::vector<nlohmann::json>& reports);

/// Notes that version `number` has expelled `member`, after the last round that was finished; if
/// none was, there is nothing to note.
void note_departure(Store& store, const net::Member& member, std::uint64_t number);
/// It is a member again, or its models were taken out (kith forget).
void forget_departure(Store& store, const crypto::NodeId& member);

/// What became of this node since others were expelled, within the last 50 rounds, the latest first:
///
///     [{id, name, version: of the charter, round: the last before,
///       averaged: rounds in which this node has averaged with it, last: of these, or null,
///       before, after: {rounds, metric, (its name), loss} or null}]
///
/// `before` and `after` are means, on validation data, of what was served in at most five rounds.
[[nodiscard]] nlohmann::json departures(const Store& store);

}  // namespace kith::daemon
