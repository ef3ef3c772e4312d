#include "daemon/backup/backup.hpp"

#include "daemon/api/control.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/file_lock.hpp"
#include "daemon/system/version.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zip.h>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kManifest = "backup.json";
constexpr const char* kElsewhere = "elsewhere";  // folder for what lay outside the node's folder
constexpr std::size_t kMostManifest = 16 << 20;  // bytes
constexpr zip_int64_t kMostEntries = 100'000;
constexpr std::size_t kStep = std::size_t{1} << 18;  // bytes at a time

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

/// Files of this process's own, gone with it.
class Scratch {
 public:
  explicit Scratch(const fs::path& beside) {
    const fs::path parent = beside.has_parent_path() ? beside.parent_path() : ".";
    std::string pattern = (parent / ".kith-backup-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) disk_failed("write into", parent, errno);
    folder_ = pattern;
  }
  ~Scratch() {
    std::error_code none;
    fs::remove_all(folder_, none);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] fs::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  fs::path folder_;
};

// ---- Into a file ----

/// Files as they were when they were added: each is open from then on.
class Collection {
 public:
  Collection(fs::path folder, BackupReport& report) : folder_(std::move(folder)), report_(report) {}

  /// The file that belongs at `place`, if it is there; false if it is not.  Its bytes come from
  /// `from` if another file stands for it.
  bool add(const fs::path& place, fs::path from = {}) {
    if (from.empty()) from = place;
    std::unique_ptr<std::FILE, Discard> file(std::fopen(from.c_str(), "rbe"));
    if (!file) {
      if (errno == ENOENT) return false;
      disk_failed("read", from, errno);
    }
    struct stat about {};
    if (::fstat(::fileno(file.get()), &about) != 0) disk_failed("read", from, errno);
    if (!S_ISREG(about.st_mode)) return false;
    const auto size = static_cast<std::uint64_t>(about.st_size);
    files_.push_back({name_of(place), std::move(file), size});
    return true;
  }
  /// Of the file added last, only so many bytes count.
  void shorten(std::uint64_t size) { files_.back().size = size; }
  [[nodiscard]] std::FILE* last() { return files_.back().file.get(); }

  void write(const fs::path& file) {
    int error = 0;
    Archive made(zip_open(file.c_str(), ZIP_CREATE | ZIP_EXCL, &error));
    if (!made) disk_failed("write", file, errno);
    for (const auto& each : files_) report_.entries.push_back({each.name, each.size});
    const std::string manifest = to_json(report_).dump(2) + "\n";
    put(made.get(), kManifest, zip_source_buffer(made.get(), manifest.data(), manifest.size(), 0),
        file);
    for (auto& each : files_) {
      put(made.get(), each.name,
          each.size == 0 ? zip_source_buffer(made.get(), "", 0, 0)
                         : zip_source_filep(made.get(), each.file.release(), 0,
                                            static_cast<zip_int64_t>(each.size)),
          file);
    }
    if (zip_close(made.get()) != 0) failed(made.get(), file);
    (void)made.release();  // it is closed
    on_disk("write",
            [&] { fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write); });
    File(file, O_RDWR).sync();
  }

 private:
  struct Collected {
    std::string name;
    std::unique_ptr<std::FILE, Discard> file;
    std::uint64_t size = 0;
  };

  [[noreturn]] static void failed(zip_t* archive, const fs::path& file) {
    throw Failure(EX_IOERR, "cannot write " + file.string() + ": " + zip_strerror(archive) +
                                "; check the disk and its free space");
  }

  void put(zip_t* archive, const std::string& name, zip_source_t* source, const fs::path& file) {
    if (source == nullptr) failed(archive, file);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      failed(archive, file);
    }
    // Weights do not get smaller, and there are many of them.
    const bool weights = name.ends_with(".safetensors");
    if (zip_set_file_compression(archive, static_cast<zip_uint64_t>(index),
                                 weights ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 1) != 0)
      failed(archive, file);
  }

  std::string name_of(const fs::path& place) {
    const fs::path inside = fs::absolute(place).lexically_normal().lexically_relative(folder_);
    if (!inside.empty() && *inside.begin() != "..") return inside.generic_string();
    // State is a folder: what lies in it stays together.
    const auto known = std::ranges::find_if(outside_, [&](const auto& one) {
      const fs::path within = place.lexically_relative(one.first);
      return !within.empty() && *within.begin() != "..";
    });
    if (known != outside_.end()) {
      const fs::path within = place.lexically_relative(known->first);
      return (known->second / within).lexically_normal().generic_string();
    }
    const fs::path name = fs::path(kElsewhere) / place.filename();
    report_.elsewhere.push_back(name.generic_string() + " -> " + place.string());
    return name.generic_string();
  }

 public:
  /// What lies in `place` belongs together, wherever that is.
  void keep_together(const fs::path& place) {
    const fs::path inside = fs::absolute(place).lexically_normal().lexically_relative(folder_);
    if (!inside.empty() && *inside.begin() != "..") return;
    const fs::path name = fs::path(kElsewhere) / "state";
    report_.elsewhere.push_back(name.generic_string() + " -> " + place.string());
    outside_.emplace_back(place, name);
  }

 private:
  fs::path folder_;  // absolute
  BackupReport& report_;
  std::vector<std::pair<fs::path, fs::path>> outside_;  // and as what it goes in
  std::vector<Collected> files_;
};

/// How much of the audit log is whole lines: a running node may be writing one.
std::uint64_t whole_lines(std::FILE* file) {
  std::array<char, 4096> buffer{};
  std::uint64_t at = 0, whole = 0;
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), file)) > 0;
       at += got) {
    for (std::size_t i = 0; i < got; ++i) {
      if (buffer[i] == '\n') whole = at + i + 1;
    }
  }
  std::rewind(file);
  return whole;
}

std::vector<fs::path> logs_put_aside(const fs::path& state) {
  std::vector<fs::path> logs;
  for (const auto& entry : fs::directory_iterator(state)) {
    if (entry.path().filename().string().starts_with(std::string(kAuditLog) + "."))
      logs.push_back(entry.path());
  }
  std::ranges::sort(logs);
  return logs;
}

void add_audit_log(Collection& files, const fs::path& state) {
  const auto logs = logs_put_aside(state);
  for (const fs::path& log : logs) (void)files.add(log);
  if (files.add(state / kAuditLog)) files.shorten(whole_lines(files.last()));
  if (logs_put_aside(state) != logs)
    throw Failure(EX_TEMPFAIL, "the audit log was put aside just now; try again");
}

/// What else lies in the state: the checkpoint before the ledger, which may be the newer of the
/// two.
void add_state(Collection& files, const fs::path& state, const fs::path& database) {
  if (fs::exists(database)) (void)files.add(state / "kith.sqlite", database);
  (void)files.add(state / kCheckpoint);
  add_audit_log(files, state);
  const auto is_left_out = [&](const fs::path& inside) {
    const std::string first = inside.begin()->string();
    return first == "blobs" || first == "lock" || first.starts_with("kith.sqlite") ||
           first.starts_with(kAuditLog) || first == kCheckpoint ||
           inside.extension() == kUnfinished;
  };
  std::vector<fs::path> rest;
  for (const auto& entry : fs::recursive_directory_iterator(state)) {
    const fs::path inside = entry.path().lexically_relative(state);
    if (entry.is_regular_file() && !is_left_out(inside)) rest.push_back(entry.path());
  }
  std::ranges::sort(rest);
  for (const fs::path& file : rest) (void)files.add(file);  // gone meanwhile: not missed
}

/// The process id of the node that runs with this configuration; none if none does.
std::optional<std::int64_t> runs(const Config& config) {
  try {
    return control_request(config.node.control, "GET", "/v1/status").at("pid").get<std::int64_t>();
  } catch (const NoNodeRuns&) {
    return std::nullopt;
  }
}

void add_keys(Collection& files, const Config& config, const Scratch& scratch,
              const NewPassphrase& ask, BackupReport& report) {
  std::optional<crypto::Passphrase> passphrase;
  const auto once = [&]() -> const crypto::Passphrase& {
    if (!passphrase) passphrase = ask();
    return *passphrase;
  };
  for (const fs::path& key : {config.node.key, config.node.channel_key}) {
    if (!fs::exists(key)) continue;
    const fs::path copy = scratch / key.filename().string();
    copy_sealed(key, copy, once);
    (void)files.add(key, copy);
    report.keys.push_back(key.filename().string());
    fs::path signed_before = key;  // which charters it has signed
    (void)files.add(signed_before += ".signed");
  }
}

}  // namespace

BackupReport back_up(const fs::path& config_file, const Config& config, const fs::path& file,
                     const NewPassphrase& passphrase) {
  if (fs::exists(file))
    throw Failure(EX_CANTCREAT, file.string() + " exists already; name another file");
  const auto running = runs(config);
  const fs::path& state = config.node.state;
  std::optional<FileLock> nobody_else;
  if (!running && fs::exists(state)) nobody_else.emplace(state / "lock", state);
  BackupReport report;
  report.format = kBackupFormat, report.kith = version();
  report.made = seconds_of(std::chrono::system_clock::now());
  report.name = config.node.name;
  report.config = config_file.filename().string();
  if (const auto card = load_card(config.node.card)) report.id = to_string(card->node);
  const Scratch scratch(file);
  const fs::path folder = config_file.has_parent_path() ? config_file.parent_path() : ".";
  Collection files(fs::absolute(folder).lexically_normal() / "", report);
  files.keep_together(state);
  if (!files.add(config_file)) throw Failure(EX_NOINPUT, "there is no " + config_file.string());
  for (const fs::path& each : {config.node.card, config.consortium.charter,
                               config.consortium.charter.parent_path() / "membership.json",
                               config.task.vocabulary, config.task.script}) {
    if (!each.empty()) (void)files.add(each);
  }
  const fs::path database = scratch / "kith.sqlite";
  on_disk("read", [&] {
    if (fs::exists(state / "kith.sqlite")) {
      const StoreView store(state);
      store.copy_to(database);
      if (const auto newest = StoreView(database.parent_path()).newest_round())
        report.round = newest->at("round").get<std::uint64_t>();
    }
    if (fs::exists(state)) add_state(files, state, database);
  });
  if (passphrase) add_keys(files, config, scratch, passphrase, report);
  if (running != runs(config)) {
    throw Failure(
        EX_TEMPFAIL,
        "the node was stopped or started meanwhile; try again: a backup is of one moment");
  }
  const fs::path made = scratch / "made.zip";
  files.write(made);
  if (fs::exists(file))
    throw Failure(EX_CANTCREAT, file.string() + " was made meanwhile; name another file");
  on_disk("write", [&] { fs::rename(made, file); });
  File(file.has_parent_path() ? file.parent_path() : ".", O_RDONLY | O_DIRECTORY).sync();
  return report;
}

// ---- And out of it ----

namespace {

[[noreturn]] void damaged(const fs::path& file, const std::string& why) {
  throw Failure(EX_DATAERR, file.string() + " is no whole backup of a node (" + why +
                                "); take another one, or get it anew");
}

/// A path that stays below the folder that it is laid in.
bool stays_inside(const std::string& name) {
  const fs::path path(name);
  if (name.empty() || path.is_absolute() || name.find('\\') != std::string::npos) return false;
  return path.lexically_normal().string() == name && path.has_filename() && *path.begin() != ".." &&
         path.filename() != "." && name.find('\0') == std::string::npos;
}

class Opened {
 public:
  explicit Opened(const fs::path& file) : file_(file) {
    if (!fs::exists(file)) throw Failure(EX_NOINPUT, "there is no " + file.string());
    int code = 0;
    archive_.reset(zip_open(file.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
    if (!archive_) {
      zip_error_t error;
      zip_error_init_with_code(&error, code);
      const std::string why = zip_error_strerror(&error);
      zip_error_fini(&error);
      damaged(file, why);
    }
    const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
    if (count > kMostEntries) damaged(file, "it has too many entries");
    for (zip_int64_t i = 0; i < count; ++i) {
      const char* const name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0);
      if (name == nullptr || !stays_inside(name)) damaged(file, "an entry has an odd name");
      if (!names_.insert(name).second) damaged(file, "it has an entry twice");
    }
    read_manifest();
  }

  [[nodiscard]] const BackupReport& report() const { return report_; }

  /// Calls `take` with piece after piece of an entry.  The last is checked before this returns.
  template <class Take>
  void read(const std::string& name, Take take) const {
    const std::unique_ptr<zip_file_t, Discard> member(zip_fopen(archive_.get(), name.c_str(), 0));
    if (!member) damaged(file_, name + ": " + zip_strerror(archive_.get()));
    Bytes piece(kStep);
    for (;;) {
      const zip_int64_t got = zip_fread(member.get(), piece.data(), piece.size());
      if (got < 0) damaged(file_, name + ": " + zip_file_strerror(member.get()));
      if (got == 0) return;
      take(ByteView(piece).first(static_cast<std::size_t>(got)));
    }
  }

 private:
  void read_manifest() {
    if (!names_.contains(kManifest)) damaged(file_, std::string("it has no ") + kManifest);
    std::string text;
    read(kManifest, [&](ByteView piece) {
      if (text.size() + piece.size() > kMostManifest) damaged(file_, "it says too much of itself");
      text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    const json told = json::parse(text, nullptr, false);
    if (!told.is_object() || !told.value("format", json()).is_number_unsigned())
      damaged(file_, std::string(kManifest) + " is none");
    if (told.at("format") > kBackupFormat) {
      throw Failure(EX_CONFIG, file_.string() + " was made by a newer kith (" +
                                   told.value("kith", "?") +
                                   "); restore it with that one, or a later one");
    }
    try {
      report_.format = told.at("format"), report_.kith = told.at("kith");
      report_.made = told.at("made"), report_.name = told.at("name"), report_.id = told.at("id");
      report_.config = told.at("config");
      if (!told.at("round").is_null()) report_.round = told.at("round").get<std::uint64_t>();
      report_.keys = told.at("keys").get<std::vector<std::string>>();
      report_.elsewhere = told.at("elsewhere").get<std::vector<std::string>>();
      for (const json& entry : told.at("entries"))
        report_.entries.push_back({entry.at("name"), entry.at("size")});
    } catch (const json::exception&) {
      damaged(file_, std::string(kManifest) + " is none");
    }
    const auto listed = [&](const auto& entry) { return names_.contains(entry.name); };
    if (!std::ranges::all_of(report_.entries, listed) ||
        names_.size() != report_.entries.size() + 1 || !names_.contains(report_.config))
      damaged(file_, "it has not the files that it names");
  }

  fs::path file_;
  Archive archive_;
  std::set<std::string> names_;
  BackupReport report_;
};

/// Removes what was made, unless it is kept.
class Undo {
 public:
  ~Undo() {
    std::error_code none;
    for (auto each = made_.rbegin(); each != made_.rend(); ++each) fs::remove(*each, none);
  }
  void made(fs::path path) { made_.push_back(std::move(path)); }
  void keep() { made_.clear(); }
  /// The folder, and those above it that are not there.
  void create(const fs::path& folder) {
    if (folder.empty() || fs::is_directory(folder)) return;
    create(folder.parent_path());
    if (::mkdir(folder.c_str(), S_IRWXU) != 0) disk_failed("create", folder, errno);
    made(folder);
  }

 private:
  std::vector<fs::path> made_;
};

/// Throws if the database is of a newer kith, or damaged.
void check_state(const fs::path& database) {
  if (database.filename() == "kith.sqlite") (void)StoreView(database.parent_path()).newest_round();
}

}  // namespace

BackupReport restore(const fs::path& file, const fs::path& folder) {
  const Opened backup(file);
  const BackupReport& report = backup.report();
  const auto last = [&](const auto& entry) { return entry.name == report.config; };
  std::vector<BackupReport::Entry> entries = report.entries;
  std::stable_partition(entries.begin(), entries.end(), std::not_fn(last));
  for (const auto& entry : entries) {
    const fs::path place = folder / entry.name;
    if (fs::exists(fs::symlink_status(place))) {
      throw Failure(EX_CANTCREAT, place.string() +
                                      " exists already; a backup replaces nothing: "
                                      "restore it into a new folder");
    }
  }
  Undo undo;
  for (const auto& entry : entries) {
    const fs::path place = folder / entry.name;
    undo.create(place.parent_path());
    {
      File made(place, O_WRONLY | O_CREAT | O_EXCL);
      undo.made(place);
      std::uint64_t size = 0;
      backup.read(entry.name, [&](ByteView piece) {
        made.write(piece);
        size += piece.size();
      });
      if (size != entry.size) damaged(file, entry.name + " is of another size");
      made.sync();
    }
    check_state(place);
  }
  std::set<fs::path> folders{folder};
  for (const auto& entry : entries) folders.insert((folder / entry.name).parent_path());
  for (const fs::path& each : folders) File(each, O_RDONLY | O_DIRECTORY).sync();
  undo.keep();
  return report;
}

}  // namespace kith::daemon
