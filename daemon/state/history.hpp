#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace kith::daemon {

/// In a state folder: the last round's, which kith-worker writes, and those of earlier rounds.
inline constexpr const char* kCheckpoint = "checkpoint.safetensors";
inline constexpr const char* kHistory = "history";

/// Which of these rounds to keep, if at most `most` may be: the newest, the oldest, and between
/// them the fewer the longer ago.  Of eight and more that are thinned after each round, who goes back
/// to before a round that is n rounds ago, of r in all, loses at most 2 n + r/8 rounds.
/// `rounds` ascend.  Requires most >= 2, unless it is 0: none.
[[nodiscard]] std::vector<std::uint64_t> thinned(std::vector<std::uint64_t> rounds,
                                                 std::size_t most);

/// Checkpoints of earlier rounds, to go back to: a folder of files named by their round.
///
/// Threads: any, one at a time.  Errors: Failure(EX_IOERR) if the disk fails or is full.
class History {
 public:
  explicit History(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Keeps `checkpoint`, of this round, too; it must be replaced from now on, never written to.
  /// Takes no room as long as it is not replaced.
  void keep(std::uint64_t round, const std::filesystem::path& checkpoint, std::size_t most);
  [[nodiscard]] std::vector<std::uint64_t> rounds() const;  ///< ascending
  /// Puts the one of this round, which is there, in the place of `checkpoint`.
  void restore(std::uint64_t round, const std::filesystem::path& checkpoint) const;
  /// Removes those after `round`.
  void forget_after(std::uint64_t round);

 private:
  [[nodiscard]] std::filesystem::path file_of(std::uint64_t round) const;
  std::filesystem::path folder_;
};

}  // namespace kith::daemon
