#include "daemon/state/store.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <random>
#include <sqlite3.h>
#include <system_error>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDatabase = "kith.sqlite";

/// Also what was there before is for us alone, whatever made it.
fs::path created(const fs::path& directory) {
  std::error_code ec;
  fs::create_directories(directory, ec);
  if (!ec) fs::permissions(directory, fs::perms::owner_all, ec);
  if (ec) {
    throw Failure(EX_CANTCREAT, "cannot create " + directory.string() + ": " + ec.message() +
                                    "; choose another directory or change its permissions");
  }
  return directory;
}

}  // namespace

Blobs::Blobs(fs::path folder) : folder_(created(folder)) {
  on_disk("tidy", [&] {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() == kUnfinished) fs::remove(entry.path());
    }
  });
}

void Blobs::write(const crypto::Hash& name, ByteView bytes, Durability durability) {
  write_whole(path_of(name), bytes, durability == Durability::durable ? Sync::yes : Sync::no);
}

std::optional<Bytes> Blobs::read(const crypto::Hash& name) const {
  if (!contains(name)) return std::nullopt;
  Bytes bytes;
  File(path_of(name), O_RDONLY).read(bytes);
  return bytes;
}

void Blobs::remove(const crypto::Hash& name) {
  on_disk("remove", [&] { fs::remove(path_of(name)); });
}

bool Blobs::contains(const crypto::Hash& name) const {
  return on_disk("look for", [&] { return fs::exists(path_of(name)); });
}

std::vector<crypto::Hash> Blobs::names() const {
  std::vector<crypto::Hash> names;
  on_disk("list", [&] {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const auto bytes = crypto::from_hex(entry.path().filename().string());
      if (!bytes || bytes->size() != crypto::Hash{}.size()) continue;
      std::copy(bytes->begin(), bytes->end(), names.emplace_back().begin());
    }
  });
  return names;
}

std::uint64_t Blobs::total_size() const {
  std::uint64_t total = 0;
  on_disk("list", [&] {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      std::error_code gone;  // removed while we look
      const std::uint64_t size = entry.file_size(gone);
      if (!gone) total += size;
    }
  });
  return total;
}

fs::path Blobs::path_of(const crypto::Hash& name) const { return folder_ / crypto::to_hex(name); }

/// The SQLite connection.
class Store::Database {
 public:
  enum class Use { write, read, copy };
  Database(const fs::path& path, Use use);
  ~Database() { sqlite3_close(connection_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// One prepared statement with its values bound; step() through its rows.
  class Statement {
   public:
    template <class... Values>
    Statement(Database& database, std::string_view sql, const Values&... values)
        : database_(database) {
      database_.require(sqlite3_prepare_v2(database_.connection_, sql.data(),
                                           static_cast<int>(sql.size()), &statement_, nullptr));
      int index = 0;
      (bind(++index, values), ...);
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    /// True if there is a row.  When false, the statement has taken effect.
    bool step() {
      const int status = sqlite3_step(statement_);
      if (status != SQLITE_ROW && status != SQLITE_DONE) database_.require(status);
      return status == SQLITE_ROW;
    }
    [[nodiscard]] std::uint64_t number(int column) const {
      return std::bit_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
    }
    [[nodiscard]] ByteView bytes(int column) const {
      const void* data = sqlite3_column_blob(statement_, column);
      return {static_cast<const std::byte*>(data),
              static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
    }
    [[nodiscard]] std::string text(int column) const {
      const ByteView text = bytes(column);
      return {reinterpret_cast<const char*>(text.data()), text.size()};
    }

   private:
    void bind(int index, std::uint64_t number) {
      database_.require(
          sqlite3_bind_int64(statement_, index, std::bit_cast<sqlite3_int64>(number)));
    }
    void bind(int index, ByteView bytes) {
      // An empty span may have no address, and SQLite would store NULL for it.
      const void* data = bytes.empty() ? "" : static_cast<const void*>(bytes.data());
      database_.require(
          sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_TRANSIENT));
    }
    void bind(int index, std::string_view text) {
      const char* data = text.empty() ? "" : text.data();
      database_.require(
          sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    }

    Database& database_;
    sqlite3_stmt* statement_ = nullptr;
  };

  template <class... Values>
  void run(std::string_view sql, const Values&... values) {
    Statement statement(*this, sql, values...);
    while (statement.step()) {
    }
  }
  void atomically(const std::function<void()>& changes);
  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(connection_) == 0; }
  /// The JSON object that we stored.
  [[nodiscard]] nlohmann::json parse(const std::string& text) const;
  /// Of a row of round, time and report.
  [[nodiscard]] nlohmann::json report_in(const Statement& row) const;
  /// Throws Failure(EX_CONFIG) if a newer kith wrote it.
  [[nodiscard]] std::uint64_t checked_schema();
  /// All pages as of one moment, into an empty database.
  void copy_into(Database& copy);

 private:
  /// Throws unless `status` is SQLITE_OK.
  void require(int status) const;
  [[noreturn]] void damaged(const std::string& how) const;
  void create_or_check_schema();

  fs::path path_;
  sqlite3* connection_ = nullptr;
};

namespace {

constexpr std::uint64_t kSchema = 2;
constexpr std::string_view kTables[] = {
    "CREATE TABLE log (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL) STRICT",
    "CREATE TABLE heads (origin BLOB NOT NULL, log INTEGER NOT NULL, sequence INTEGER NOT NULL,"
    " head BLOB NOT NULL, manifest BLOB NOT NULL, complete INTEGER NOT NULL,"
    " round INTEGER NOT NULL, PRIMARY KEY (origin, log, sequence)) STRICT, WITHOUT ROWID",
    "CREATE TABLE rounds (round INTEGER PRIMARY KEY, time INTEGER NOT NULL, report TEXT NOT NULL)"
    " STRICT",
    "CREATE TABLE peers (id BLOB PRIMARY KEY, opinion TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE texts (key TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID",
};
constexpr std::string_view kTablesOfSchema2[] = {
    "CREATE TABLE evidence (origin BLOB PRIMARY KEY, heads BLOB NOT NULL) STRICT, WITHOUT ROWID",
};
// Two restores of one backup, on a machine whose clock stands still, open different logs.
constexpr std::uint64_t kLogSpread = 1 << 20;  // microseconds

crypto::NodeId node_id(ByteView bytes) {
  crypto::NodeId id;
  std::copy_n(bytes.begin(), std::min(bytes.size(), id.key.size()), id.key.begin());
  return id;
}

std::string dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::uint64_t microseconds_since_1970() {
  using namespace std::chrono;
  const auto now = duration_cast<microseconds>(system_clock::now().time_since_epoch());
  return static_cast<std::uint64_t>(now.count());
}

}  // namespace

Store::Database::Database(const fs::path& path, Use use) : path_(path) {
  const int flags = use == Use::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                      : SQLITE_OPEN_READWRITE;  // a reader of a WAL writes, too
  try {
    require(sqlite3_open_v2(path.c_str(), &connection_, flags, nullptr));
    // For the operator who looks in with the sqlite3 program while we run.
    require(sqlite3_busy_timeout(connection_, 5000));
    run("PRAGMA cache_size = -256");  // KiB: the usual 2 MiB fill in an hour, for nothing
    if (use == Use::read) {
      run("PRAGMA query_only = TRUE");
      (void)checked_schema();
      return;
    }
    run("PRAGMA temp_store = MEMORY");  // nothing beside the state folder
    if (use == Use::copy) return;
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");  // a commit is on the disk when it returns
    create_or_check_schema();
    for (const char* end : {"", "-wal", "-shm"}) {
      std::error_code none;
      fs::permissions(fs::path(path) += end, fs::perms::owner_read | fs::perms::owner_write, none);
    }
  } catch (...) {
    sqlite3_close(connection_);
    throw;
  }
}

std::uint64_t Store::Database::checked_schema() {
  Statement version(*this, "PRAGMA user_version");
  version.step();
  const std::uint64_t schema = version.number(0);
  if (schema > kSchema) {
    throw Failure(EX_CONFIG, path_.string() + " was written by a newer kith (schema " +
                                 std::to_string(schema) + ", this one knows " +
                                 std::to_string(kSchema) + "); run that one, or a later one");
  }
  return schema;
}

void Store::Database::create_or_check_schema() {
  const std::uint64_t schema = checked_schema();
  if (schema == kSchema) return;
  atomically([this, schema] {
    if (schema == 0) {
      for (const std::string_view table : kTables) run(table);
      run("INSERT INTO log (id, sequence) VALUES (?, 0)", microseconds_since_1970());
    }
    for (const std::string_view table : kTablesOfSchema2) run(table);
    run("PRAGMA user_version = " + std::to_string(kSchema));
  });
}

void Store::Database::atomically(const std::function<void()>& changes) {
  assert(!in_transaction());
  run("BEGIN IMMEDIATE");
  try {
    changes();
    run("COMMIT");
  } catch (...) {
    sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void Store::Database::require(int status) const {
  if (status == SQLITE_OK) return;
  const std::string why = connection_ ? sqlite3_errmsg(connection_) : sqlite3_errstr(status);
  switch (status & 0xff) {  // the rest is detail
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      damaged(why);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Failure(EX_TEMPFAIL, "another program holds " + path_.string() + " (" + why +
                                     "); close it and try again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      throw Failure(EX_CANTCREAT, "cannot open " + path_.string() + " for writing (" + why +
                                      "); change its permissions");
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      throw Failure(EX_IOERR, "cannot write " + path_.string() + " (" + why +
                                  "); check the disk and its free space");
    default:
      throw Failure(EX_SOFTWARE,
                    "SQLite refuses " + path_.string() + " (" + why + "); report this as a bug");
  }
}

void Store::Database::damaged(const std::string& how) const {
  throw Failure(EX_DATAERR, path_.string() + " is damaged (" + how +
                                "); restore its directory from a backup, or start with a new one");
}

nlohmann::json Store::Database::parse(const std::string& text) const {
  auto value = nlohmann::json::parse(text, nullptr, false);
  if (!value.is_object()) damaged("not a JSON object: " + text.substr(0, 40));
  return value;
}

void Store::Database::copy_into(Database& copy) {
  sqlite3_backup* const backup = sqlite3_backup_init(copy.connection_, "main", connection_, "main");
  if (backup == nullptr) copy.require(sqlite3_errcode(copy.connection_));
  constexpr int kAllPages = -1;
  int status = SQLITE_OK;
  do {
    status = sqlite3_backup_step(backup, kAllPages);
  } while (status == SQLITE_BUSY && sqlite3_sleep(10) > 0);
  (void)sqlite3_backup_finish(backup);
  if (status != SQLITE_DONE) copy.require(status);
  copy.run("PRAGMA journal_mode = DELETE");  // one file
}

nlohmann::json Store::Database::report_in(const Statement& row) const {
  nlohmann::json report = parse(row.text(2));
  report["round"] = row.number(0);
  report["time"] = row.number(1);
  return report;
}

Store::Store(const fs::path& directory)
    : lock_(created(directory) / "lock", directory),
      database_(std::make_unique<Database>(directory / kDatabase, Database::Use::write)),
      reader_(std::make_unique<Database>(directory / kDatabase, Database::Use::read)),
      blobs_(directory / "blobs") {}

Store::~Store() = default;

Store::Database& Store::reader() const {
  const bool sees_own_changes = writing_.load() == std::this_thread::get_id();
  return sees_own_changes ? *database_ : *reader_;
}

net::LogPosition Store::take_position() {
  assert(!database_->in_transaction());  // it must be on the disk before it is used
  Database::Statement next(*database_,
                           "UPDATE log SET sequence = sequence + 1 RETURNING id, sequence");
  next.step();
  const net::LogPosition position{next.number(0), next.number(1)};
  next.step();  // commits
  return position;
}

net::LogPosition Store::last_position() const {
  Database::Statement last(reader(), "SELECT id, sequence FROM log");
  last.step();
  return {last.number(0), last.number(1)};
}

void Store::open_log(std::uint64_t above) {
  const std::uint64_t least = std::max(last_position().log, above) + 1;
  const std::uint64_t id =
      std::max(least, microseconds_since_1970()) + std::random_device{}() % kLogSpread;
  database_->run("UPDATE log SET id = ?", id);
}

void Store::put_evidence(const crypto::NodeId& origin, ByteView evidence) {
  database_->run("INSERT OR REPLACE INTO evidence VALUES (?, ?)", ByteView(origin.key), evidence);
}

std::vector<Bytes> Store::evidence() const {
  std::vector<Bytes> all;
  Database::Statement row(reader(), "SELECT heads FROM evidence");
  while (row.step()) {
    const ByteView heads = row.bytes(0);
    all.emplace_back(heads.begin(), heads.end());
  }
  return all;
}

void Store::put_head(const StoredHead& head) {
  database_->run("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?)",
                 ByteView(head.origin.key), head.position.log, head.position.sequence,
                 ByteView(head.head), ByteView(head.manifest), std::uint64_t{head.complete},
                 head.round);
}

void Store::drop_head(const crypto::NodeId& origin, const net::LogPosition& position) {
  database_->run("DELETE FROM heads WHERE origin = ? AND log = ? AND sequence = ?",
                 ByteView(origin.key), position.log, position.sequence);
}

std::vector<StoredHead> Store::heads() const {
  std::vector<StoredHead> heads;
  Database::Statement row(
      reader(), "SELECT origin, log, sequence, head, manifest, complete, round FROM heads");
  while (row.step()) {
    const ByteView head = row.bytes(3);
    const ByteView manifest = row.bytes(4);
    heads.push_back({.origin = node_id(row.bytes(0)),
                     .position = {row.number(1), row.number(2)},
                     .head = {head.begin(), head.end()},
                     .manifest = {manifest.begin(), manifest.end()},
                     .complete = row.number(5) != 0,
                     .round = row.number(6)});
  }
  // Here and not in SQL, whose integers are signed.
  std::sort(heads.begin(), heads.end(), [](const StoredHead& a, const StoredHead& b) {
    return a.origin != b.origin ? a.origin < b.origin : a.position > b.position;
  });
  return heads;
}

void Store::put_round(std::uint64_t round, std::chrono::system_clock::time_point time,
                      const nlohmann::json& report) {
  assert(report.is_object());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  database_->run("INSERT OR REPLACE INTO rounds VALUES (?, ?, ?)", round,
                 static_cast<std::uint64_t>(seconds), std::string_view(dump(report)));
}

std::vector<nlohmann::json> Store::rounds(std::size_t limit) const {
  std::vector<nlohmann::json> rounds;
  Database::Statement row(reader(),
                          "SELECT round, time, report FROM rounds ORDER BY round DESC LIMIT ?",
                          std::min<std::uint64_t>(limit, INT64_MAX));
  while (row.step()) rounds.push_back(reader().report_in(row));
  std::reverse(rounds.begin(), rounds.end());
  return rounds;
}

std::vector<nlohmann::json> Store::thinned_rounds(std::size_t most) const {
  assert(most > 0);
  std::vector<nlohmann::json> rounds;
  Database::Statement ends(*database_, "SELECT count(*), min(round), max(round) FROM rounds");
  ends.step();
  if (ends.number(0) == 0) return rounds;
  const std::uint64_t first = ends.number(1), last = ends.number(2);
  const std::uint64_t step = (last - first) / most + 1;
  Database::Statement row(*database_,
                          "SELECT round, time, json_remove(report, '$.opinions', '$.why')"
                          " FROM rounds WHERE (? - round) % ? = 0 ORDER BY round",
                          last, step);
  while (row.step()) rounds.push_back(database_->report_in(row));
  return rounds;
}

void Store::put_peer(const crypto::NodeId& peer, const nlohmann::json& opinion) {
  assert(opinion.is_object());
  database_->run("INSERT OR REPLACE INTO peers VALUES (?, ?)", ByteView(peer.key),
                 std::string_view(dump(opinion)));
}

std::map<crypto::NodeId, nlohmann::json> Store::peers() const {
  std::map<crypto::NodeId, nlohmann::json> peers;
  Database::Statement row(reader(), "SELECT id, opinion FROM peers");
  while (row.step()) peers.emplace(node_id(row.bytes(0)), reader().parse(row.text(1)));
  return peers;
}

void Store::put_text(std::string_view key, std::string_view text) {
  database_->run("INSERT OR REPLACE INTO texts VALUES (?, ?)", key, text);
}

std::optional<std::string> Store::text(std::string_view key) const {
  Database::Statement row(reader(), "SELECT text FROM texts WHERE key = ?", key);
  if (!row.step()) return std::nullopt;
  return row.text(0);
}

void Store::forget_task() {
  atomically([&] {
    for (const char* table : {"rounds", "peers", "heads"}) {
      database_->run("DELETE FROM " + std::string(table));
    }
    database_->run("DELETE FROM texts WHERE key IN ('task', 'manifest', 'published', 'served')");
  });
}

void Store::go_back(std::uint64_t round, const crypto::NodeId& self, const crypto::NodeId& peer) {
  atomically([&] {
    database_->run("DELETE FROM rounds WHERE round > ?", round);
    database_->run("DELETE FROM peers WHERE id = ?", ByteView(peer.key));
    database_->run("DELETE FROM heads WHERE origin = ?", ByteView(peer.key));
    database_->run("DELETE FROM heads WHERE origin = ? AND round > ?", ByteView(self.key), round);
  });
}

void Store::atomically(const std::function<void()>& changes) {
  writing_ = std::this_thread::get_id();
  struct Written {
    std::atomic<std::thread::id>& writing;
    ~Written() { writing = std::thread::id(); }
  } const written{writing_};
  database_->atomically(changes);
}

StoreView::StoreView(const fs::path& directory) {
  const fs::path file = directory / kDatabase;
  if (!fs::exists(file)) {
    throw Failure(EX_NOINPUT, "there is no " + file.string() +
                                  "; a node writes it from its first start on: kith run");
  }
  database_ = std::make_unique<Store::Database>(file, Store::Database::Use::read);
}

StoreView::~StoreView() = default;

std::optional<nlohmann::json> StoreView::newest_round() const {
  Store::Database::Statement row(
      *database_, "SELECT round, time, report FROM rounds ORDER BY round DESC LIMIT 1");
  if (!row.step()) return std::nullopt;
  return database_->report_in(row);
}

void StoreView::each_round(const std::function<void(const nlohmann::json&)>& look) const {
  Store::Database::Statement row(*database_,
                                 "SELECT round, time, json_remove(report, '$.opinions', '$.why')"
                                 " FROM rounds ORDER BY round");
  while (row.step()) look(database_->report_in(row));
}

void StoreView::copy_to(const fs::path& file) const {
  File(file, O_WRONLY | O_CREAT | O_EXCL);
  Store::Database copy(file, Store::Database::Use::copy);
  database_->copy_into(copy);
  copy.run("DELETE FROM heads");
  copy.run("DELETE FROM texts WHERE key = 'published'");
  copy.run("VACUUM");  // what was deleted takes no room
}

}  // namespace kith::daemon
