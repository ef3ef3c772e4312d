#pragma once

#include "crypto/hash.hpp"
#include "daemon/system/disk.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What this node did that concerns others, for whoever has to account for it later: whose models
/// came in, which were averaged with what weight, what left the building, who belonged.
///
/// A file of JSON objects, one a line.  Each has its number `n`, the time `at`, the `event`, and
/// `prev`, the hash of the line before (zeros in the first): to change one, all that follow must be
/// changed.  Who keeps the hash of a line elsewhere can prove all before it.
///
/// A file that has grown to kAuditFile is put aside under its name and the number of its last entry,
/// `audit.log.000012345`, and another goes on where it ended.  Those put aside may be moved away, the
/// oldest first.  The first entry of a file that went on is `continued`.
namespace kith::daemon {

/// In a state folder.
inline constexpr const char* kAuditLog = "audit.log";
inline constexpr std::uint64_t kAuditFile = 32 << 20;  ///< bytes; then another file goes on

/// Appends.  Ownership: one a file; whoever holds the lock of the state folder.  Threads: any, one
/// at a time.  Errors: what the disk refuses is a Failure.
class AuditLog {
 public:
  /// Goes on with `file`, or begins it.  What a power cut left of a line is cut off, and that is
  /// recorded.  Throws Failure(EX_DATAERR) if its end is damaged.
  explicit AuditLog(std::filesystem::path file, std::uint64_t most = kAuditFile);

  /// With Sync::yes all so far is on the disk on return.
  void append(std::string_view event, nlohmann::json fields, Sync sync = Sync::no);

  [[nodiscard]] std::uint64_t entries() const { return entries_; }

 private:
  /// Takes up where `tail`, the last line of a file of that name, ended.
  void go_on_after(const std::string& tail, const std::filesystem::path& where);
  void open();
  void put_aside();

  std::filesystem::path path_;
  std::uint64_t most_;
  std::optional<File> file_;
  std::uint64_t entries_ = 0;
  std::uint64_t size_ = 0;  // bytes
  crypto::Hash last_{};
};

/// What is wrong with a log, and where.
struct AuditFault {
  std::filesystem::path file{};
  std::uint64_t line = 0;  ///< of the file, from 1
  std::string what{};
};
/// A log that is whole.
struct AuditSummary {
  std::uint64_t entries = 0;     ///< number of the last one
  std::uint64_t first = 1;       ///< number of the first one that is here
  crypto::Hash before{};         ///< hash of the line before that, which was moved away; or zeros
  crypto::Hash last{};       ///< hash of the last line
  std::string from{}, to{};  ///< times
};
/// Checks every line of `file`, and of those put aside before it, and calls `look` with each that
/// is in order.  Throws Failure(EX_NOINPUT) if there is no log.
[[nodiscard]] std::variant<AuditSummary, AuditFault> verify_audit_log(
    const std::filesystem::path& file, const std::function<void(const nlohmann::json&)>& look = {});

/// The last `count` entries, the oldest first, unverified.  Throws as verify_audit_log().
[[nodiscard]] std::vector<nlohmann::json> read_audit_log(const std::filesystem::path& file,
                                                         std::size_t count);

}  // namespace kith::daemon
