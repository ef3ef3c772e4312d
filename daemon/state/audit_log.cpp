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

std::ifstream open_log(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    throw Failure(EX_NOINPUT,
                  "cannot read " + file.string() + "; a node writes it from its first start on");
  }
  return in;
}

}  // namespace

AuditLog::AuditLog(const fs::path& file) : file_(file, O_RDWR | O_CREAT | O_APPEND) {
  const std::uintmax_t size = on_disk("read", [&] { return fs::file_size(file); });
  size_ = size;
  if (size == 0) return;
  const Tail tail = tail_of(file);
  const auto last = parse(tail.line);
  if (!tail.line.empty() && !last) {
    throw Failure(EX_DATAERR, file.string() +
                                  " is damaged: its last line is no entry; kith log verify says "
                                  "more.  Move it away, and keep it: the node begins another");
  }
  if (last) {
    entries_ = last->at("n").get<std::uint64_t>();
    last_ = hash_of(tail.line);
  }
  if (tail.rest == 0) return;
  if (::ftruncate(file_.descriptor(), static_cast<off_t>(size - tail.rest)) != 0) {
    disk_failed("write", file, errno);
  }
  size_ -= tail.rest;
  append("cut_short", {{"bytes", tail.rest}});
}

void AuditLog::append(std::string_view event, json fields, Sync sync) {
  json entry{{"n", entries_ + 1},
             {"at", log::time_text(std::chrono::system_clock::now())},
             {"event", event},
             {"prev", crypto::to_hex(last_)}};
  entry.update(fields);
  std::string line = entry.dump(-1, ' ', false, json::error_handler_t::replace);
  const crypto::Hash hash = hash_of(line);
  line += '\n';
  try {
    file_.write(as_byte_view(line));
  } catch (const Failure&) {  // nothing may follow half a line
    [[maybe_unused]] const int cut = ::ftruncate(file_.descriptor(), static_cast<off_t>(size_));
    throw;
  }
  size_ += line.size();
  if (sync == Sync::yes) file_.sync();
  ++entries_;
  last_ = hash;
}

std::variant<AuditSummary, AuditFault> verify_audit_log(const fs::path& file) {
  std::ifstream in = open_log(file);
  AuditSummary summary;
  for (std::string line; std::getline(in, line);) {
    const std::uint64_t number = summary.entries + 1;
    if (in.eof()) return AuditFault{number, "it is not whole: its end is missing"};
    const auto entry = parse(line);
    if (!entry) return AuditFault{number, "it is no entry"};
    if (entry->at("n") != number) {
      return AuditFault{number, "its number is " + entry->at("n").dump() +
                                    ": entries before it were removed, added or moved"};
    }
    if (entry->at("prev") != crypto::to_hex(summary.last)) {
      return AuditFault{number, "it does not follow the line before, which was changed later"};
    }
    if (summary.entries == 0) summary.from = entry->at("at");
    summary.to = entry->at("at");
    summary.last = hash_of(line);
    ++summary.entries;
  }
  return summary;
}

std::vector<json> read_audit_log(const fs::path& file, std::size_t count) {
  std::ifstream in = open_log(file);
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(std::move(line));
    if (lines.size() > count) lines.pop_front();
  }
  std::vector<json> entries;
  for (const std::string& line : lines) {
    if (auto entry = parse(line)) entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace kith::daemon
