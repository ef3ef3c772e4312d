#include "daemon/state/audit_log.hpp"

#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"

#include <algorithm>
#include <deque>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kContinued = "continued";  // the first entry of a file that another went before
constexpr std::size_t kLongest = 1 << 20;  // bytes of a line: every member of 512, several times

crypto::Hash hash_of(std::string_view line) { return crypto::hash(as_byte_view(line)); }

/// An entry; nullopt if the line is none.
std::optional<json> parse(std::string_view line) {
  json entry = json::parse(line, nullptr, false);
  const auto is = [&](const char* key, auto right) {
    const auto found = entry.find(key);
    return found != entry.end() && right(*found);
  };
  const auto text = [](const json& value) { return value.is_string(); };
  const auto number = [](const json& value) { return value.is_number_unsigned(); };
  if (!entry.is_object() || !is("n", number) || !is("at", text) || !is("event", text) ||
      !is("prev", text)) {
    return std::nullopt;
  }
  return entry;
}

/// The last whole line of a file, and what is left behind it.
struct Tail {
  std::string line;
  std::size_t rest = 0;  ///< bytes
};

Tail tail_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::size_t>(in.tellg());
  const std::size_t take = std::min(size, 2 * kLongest);
  std::string text(take, '\0');
  in.seekg(static_cast<std::streamoff>(size - take));
  in.read(text.data(), static_cast<std::streamsize>(take));
  if (!in) throw Failure(EX_IOERR, "cannot read " + file.string());
  const std::size_t end = text.rfind('\n');
  if (end == std::string::npos) return {"", take};
  const std::size_t before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
  const std::size_t start = before == std::string::npos ? 0 : before + 1;
  return {text.substr(start, end - start), take - end - 1};
}

/// Those put aside, the oldest first.
std::vector<fs::path> put_aside_of(const fs::path& file) {
  std::vector<fs::path> files;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const std::string start = file.filename().string() + ".";
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(start) || name.size() == start.size()) continue;
    if (name.find_first_not_of("0123456789", start.size()) == std::string::npos) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files, [](const fs::path& one, const fs::path& other) {
    const auto& [a, b] = std::pair(one.native(), other.native());
    return a.size() != b.size() ? a.size() < b.size() : a < b;  // by number
  });
  return files;
}

std::ifstream open_log(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    throw Failure(EX_NOINPUT,
                  "cannot read " + file.string() + "; a node writes it from its first start on");
  }
  return in;
}

}  // namespace

AuditLog::AuditLog(fs::path file, std::uint64_t most) : path_(std::move(file)), most_(most) {
  open();
  size_ = on_disk("read", [&] { return fs::file_size(path_); });
  if (size_ == 0) {  // it begins, or is the next one
    const auto before = put_aside_of(path_);
    if (before.empty()) return;
    go_on_after(tail_of(before.back()).line, before.back());
    append(kContinued, {{"after", before.back().filename().string()}});
    return;
  }
  const Tail tail = tail_of(path_);
  if (!tail.line.empty()) go_on_after(tail.line, path_);
  if (tail.rest == 0) return;
  if (::ftruncate(file_->descriptor(), static_cast<off_t>(size_ - tail.rest)) != 0) {
    disk_failed("write", path_, errno);
  }
  size_ -= tail.rest;
  append("cut_short", {{"bytes", tail.rest}});
}

void AuditLog::go_on_after(const std::string& tail, const fs::path& where) {
  const auto last = parse(tail);
  if (!last) {
    throw Failure(EX_DATAERR, where.string() +
                                  " is damaged: its last line is no entry; kith log verify says "
                                  "more.  Move it away, and keep it: the node begins another");
  }
  entries_ = last->at("n").get<std::uint64_t>();
  last_ = hash_of(tail);
}

void AuditLog::open() { file_.emplace(path_, O_RDWR | O_CREAT | O_APPEND); }

void AuditLog::put_aside() {
  file_->sync();
  std::string number = std::to_string(entries_);
  number.insert(0, number.size() < 9 ? 9 - number.size() : 0, '0');
  const fs::path aside = path_.string() + "." + number;
  on_disk("rename", [&] { fs::rename(path_, aside); });
  open();
  size_ = 0;
  append(kContinued, {{"after", aside.filename().string()}});
}

void AuditLog::append(std::string_view event, json fields, Sync sync) {
  if (size_ >= most_) put_aside();
  json entry{{"n", entries_ + 1},
             {"at", log::time_text(std::chrono::system_clock::now())},
             {"event", event},
             {"prev", crypto::to_hex(last_)}};
  entry.update(fields);
  std::string line = entry.dump(-1, ' ', false, json::error_handler_t::replace);
  const crypto::Hash hash = hash_of(line);
  line += '\n';
  try {
    file_->write(as_byte_view(line));
  } catch (const Failure&) {  // nothing may follow half a line
    [[maybe_unused]] const int cut = ::ftruncate(file_->descriptor(), static_cast<off_t>(size_));
    throw;
  }
  size_ += line.size();
  if (sync == Sync::yes) file_->sync();
  ++entries_;
  last_ = hash;
}

namespace {

/// Goes on with `summary`; the fault if a line does not follow the one before.
std::optional<AuditFault> verify_file(const fs::path& file, AuditSummary& summary,
                                      const std::function<void(const json&)>& look) {
  std::ifstream in = open_log(file);
  std::uint64_t at = 0;
  for (std::string line; std::getline(in, line);) {
    ++at;
    const auto fault = [&](const std::string& what) { return AuditFault{file, at, what}; };
    if (in.eof()) return fault("it is not whole: its end is missing");
    const auto entry = parse(line);
    if (!entry) return fault("it is no entry");
    const auto number = entry->at("n").get<std::uint64_t>();
    const bool begins = summary.entries == 0;
    const auto before = crypto::from_hex(entry->at("prev").get<std::string>());
    const bool continues = entry->at("event") == kContinued;
    if (begins && continues && before && before->size() == summary.last.size()) {
      summary.first = number;  // those before it were moved away
      std::ranges::copy(*before, summary.before.begin());
      summary.last = summary.before;
      summary.entries = number - 1;
    }
    if (number != summary.entries + 1) {
      return fault("its number is " + std::to_string(number) +
                   ": entries before it were removed, added or moved");
    }
    if (entry->at("prev") != crypto::to_hex(summary.last)) {
      return fault("it does not follow the line before, which was changed later");
    }
    if (begins) summary.from = entry->at("at");
    summary.to = entry->at("at");
    summary.last = hash_of(line);
    ++summary.entries;
    if (look) look(*entry);
  }
  return std::nullopt;
}

}  // namespace

std::variant<AuditSummary, AuditFault> verify_audit_log(
    const fs::path& file, const std::function<void(const json&)>& look) {
  AuditSummary summary;
  std::vector<fs::path> files = put_aside_of(file);
  files.push_back(file);
  for (const fs::path& each : files) {
    if (auto fault = verify_file(each, summary, look)) return *std::move(fault);
  }
  return summary;
}

std::vector<json> read_audit_log(const fs::path& file, std::size_t count) {
  std::vector<fs::path> files = put_aside_of(file);
  files.push_back(file);
  std::deque<std::string> lines;
  for (const fs::path& each : files) {
    std::ifstream in = open_log(each);
    for (std::string line; std::getline(in, line);) {
      lines.push_back(std::move(line));
      if (lines.size() > count) lines.pop_front();
    }
  }
  std::vector<json> entries;
  for (const std::string& line : lines) {
    if (auto entry = parse(line)) entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace kith::daemon
