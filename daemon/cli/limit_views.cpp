#include "daemon/cli/limit_views.hpp"

#include "daemon/state/audit_log.hpp"
#include "daemon/system/console.hpp"
#include "net/limit_table.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>

namespace kith::daemon {
namespace {

using net::Limit;
using nlohmann::json;

json unit_of(Limit::Unit unit) {
  switch (unit) {
    case Limit::Unit::bytes:
      return "bytes";
    case Limit::Unit::seconds:
      return "seconds";
    case Limit::Unit::count:
      break;
  }
  return nullptr;
}

json in_bytes(const char* group, const char* name, std::uint64_t bytes, const char* what,
              const char* then) {
  return {{"group", group},
          {"name", name},
          {"value", bytes},
          {"unit", "bytes"},
          {"what", what},
          {"then", then}};
}

/// "64", "1.0 MiB", "10.0 s", "0.5 ms"
std::string amount(const json& limit) {
  const json& value = limit.at("value");
  if (limit.at("unit") == "bytes") return human_bytes(value.get<std::uint64_t>());
  if (limit.at("unit").is_null()) return std::to_string(value.get<std::uint64_t>());
  const std::chrono::duration<double, std::milli> time(value.get<double>() * 1000);
  if (time.count() >= 1) return human_duration(std::chrono::round<std::chrono::milliseconds>(time));
  return std::to_string(std::lround(time.count() * 1000)) + " \u00b5s";
}

}  // namespace

json limits_json(const Config::Limits& configured) {
  json all = json::array();
  for (const Limit& limit : net::limit_table()) {
    const bool whole = limit.unit != Limit::Unit::seconds;
    all.push_back(
        {{"group", limit.group},
         {"name", limit.name},
         {"value", whole ? json(static_cast<std::uint64_t>(limit.amount)) : json(limit.amount)},
         {"unit", unit_of(limit.unit)},
         {"what", limit.what},
         {"then", limit.then}});
  }
  constexpr const char *kFiles = "files", *kConfigured = "this node's configuration";
  all.push_back(in_bytes(kFiles, "audit.log", kAuditFile, "in one file of the audit log",
                         "it is put aside, and another goes on; those put aside may be moved away"));
  all.push_back(in_bytes(kConfigured, "limits.disk", configured.disk.bytes,
                         "for snapshots, ours and our peers'",
                         "no further one is fetched; those of the strategy's first choice come "
                         "first (disk_quota in the log)"));
  all.push_back(in_bytes(kConfigured, "limits.disk_free", configured.disk_free.bytes,
                         "that are left free on the disk of the state folder",
                         "nothing is fetched until there is more (disk_low in the log)"));
  return all;
}

Lines limits_lines(const json& limits) {
  using enum Table::Align;
  Lines lines;
  std::string group;
  Table table({left, right, left, left});
  const auto flush = [&] {
    if (group.empty()) return;
    if (!lines.empty()) lines.emplace_back();
    lines.push_back(group);
    for (const std::string& line : table.lines()) lines.push_back("  " + line);
    table = Table({left, right, left, left});
  };
  for (const json& limit : limits) {
    if (limit.at("group") != group) {
      flush();
      group = limit.at("group");
    }
    table.add({limit.at("name"), amount(limit), limit.at("what"),
               "then: " + limit.at("then").get<std::string>()});
  }
  flush();
  return lines;
}

std::string limits_markdown() {
  std::string text =
      "# Limits\n\nWhat a node promises never to exceed, whatever its peers do; `kith limits` "
      "prints "
      "the same. This file is\ngenerated from the table in `net/limit_table.cpp`, which a test "
      "compares with `net/limits.hpp`; every limit has a\ntest of its own.\n";
  std::string group;
  for (const json& limit : limits_json({})) {
    if (limit.at("group") != group) {
      group = limit.at("group");
      text += "\n## " + group +
              "\n\n| name | limit | of what | and then |\n| --- | ---: | --- | --- |\n";
    }
    text += "| `" + limit.at("name").get<std::string>() + "` | " + amount(limit) + " | " +
            limit.at("what").get<std::string>() + " | " + limit.at("then").get<std::string>() +
            " |\n";
  }
  return text;
}

}  // namespace kith::daemon
