#pragma once

#include "crypto/key_file.hpp"
#include "daemon/config/config.hpp"
#include "daemon/system/report.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// What a backup is of, and what is in it.
struct BackupReport {
  struct Entry {
    std::string name;        ///< relative to the node's folder
    std::uint64_t size = 0;  ///< bytes
    void fields(auto& field) const { field("name", name), field("size", size); }
  };
  std::uint64_t format = 0;
  std::string kith;        ///< version of the program that made it
  std::uint64_t made = 0;  ///< seconds since 1970
  std::string name, id;
  std::string config;                    ///< name of the configuration file
  std::optional<std::uint64_t> round{};  ///< the newest that is finished
  std::vector<std::string> keys{};       ///< key files that are in it, each sealed
  std::vector<std::string>
      elsewhere{};  ///< "NAME -> PLACE": what kith.toml keeps outside the folder
  std::vector<Entry> entries{};
  void fields(auto& field) const {
    field("format", format), field("kith", kith), field("made", made), field("name", name);
    field("id", id), field("config", config), field("round", round), field("keys", keys);
    field("elsewhere", elsewhere), field("entries", entries);
  }
};
inline constexpr std::uint64_t kBackupFormat = 1;

/// Asked at most once, and only if a key is not sealed yet.
using NewPassphrase = std::function<crypto::Passphrase()>;

/// Puts the node with this configuration file into a new file: configuration, card, charter, who is
/// denied, what was learnt, the account; with `passphrase` also its keys, sealed.  Of a node that
/// runs it is the state of one moment.  No example and no chunk of a snapshot is in it.
/// Throws Failure: EX_CANTCREAT if `file` exists, EX_IOERR if the disk fails or is full; then no
/// file is left.
[[nodiscard]] BackupReport back_up(const std::filesystem::path& config_file, const Config& config,
                                   const std::filesystem::path& file,
                                   const NewPassphrase& passphrase = {});

/// Makes a node's folder out of a backup.  `folder` may be there, but none of the files that belong
/// into it.
/// Throws Failure, and leaves nothing behind: EX_DATAERR if `file` is damaged, cut short or no
/// backup, EX_CONFIG if a newer kith made it or its state, EX_CANTCREAT if a file exists, EX_IOERR
/// if the disk is full.
[[nodiscard]] BackupReport restore(const std::filesystem::path& file,
                                   const std::filesystem::path& folder);

}  // namespace kith::daemon
