#pragma once

#include "daemon/config/config.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/disk_queue.hpp"
#include "daemon/state/store.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace kith::daemon {

/// What is learnt here, once the worker has told.
struct Subject {
  std::string manifest;        ///< model::manifest() of the task
  crypto::Hash task{};         ///< its hash
  SnapshotForm form;           ///< of M0, and so of every snapshot of the task
  std::uint64_t examples = 0;  ///< that we train on
};

/// What all that belongs to a node's exchange works with; all borrowed but the keys.
struct Shared {
  const Config& config;
  Membership& membership;
  Store& store;      ///< changed on the disk queue only
  AuditLog& log;     ///< likewise
  DiskQueue& disk;
  /// Jobs of the queue hold a copy: the node may take other keys meanwhile.
  std::shared_ptr<const NodeKeys> keys;
  Subject subject{};

  /// Records it, soon.
  void audit(std::string_view event, nlohmann::json fields) const {
    disk.post([&log = log, event = std::string(event), fields = std::move(fields)] {
      log.append(event, fields);
    });
  }
};

}  // namespace kith::daemon
