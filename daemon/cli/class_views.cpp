#include "daemon/cli/class_views.hpp"

#include "daemon/system/console.hpp"

#include <cstdio>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr std::size_t kWidestMatrix = 12;  // classes

json share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? json() : json(static_cast<double>(part) / static_cast<double>(whole));
}

std::string percent(const json& value) {
  if (value.is_null()) return "-";
  char text[16];
  std::snprintf(text, sizeof text, "%.1f", 100 * value.get<double>());
  return text;
}

}  // namespace

json explain_classes(std::span<const std::uint64_t> confusion,
                     const std::vector<std::string>& names) {
  const std::size_t count = names.size();
  json classes = json::array();
  for (std::size_t own = 0; own < count; ++own) {
    std::uint64_t examples = 0, said = 0, most = 0;
    std::size_t mistaken = own;
    for (std::size_t other = 0; other < count; ++other) {
      const std::uint64_t taken = confusion[own * count + other];
      examples += taken;
      said += confusion[other * count + own];
      if (other != own && taken > most) most = taken, mistaken = other;
    }
    const std::uint64_t right = confusion[own * count + own];
    json one{{"name", names[own]},
             {"examples", examples},
             {"said", said},
             {"recall", share(right, examples)},
             {"precision", share(right, said)},
             {"f1", share(2 * right, examples + said)},
             {"mistaken", nullptr}};
    if (most > 0) one["mistaken"] = {{"class", names[mistaken]}, {"examples", most}};
    classes.push_back(std::move(one));
  }
  return classes;
}

std::vector<std::string> class_lines(const json& classes,
                                     std::span<const std::uint64_t> confusion) {
  using enum Table::Align;
  Table table({left, right, right, right, right, left});
  table.add({"class", "examples", "recall %", "precision %", "F1 %", "most often taken for"});
  for (const json& one : classes) {
    const json& mistaken = one.at("mistaken");
    table.add({one.at("name"), one.at("examples").dump(), percent(one.at("recall")),
               percent(one.at("precision")), percent(one.at("f1")),
               mistaken.is_null() ? "-"
                                  : mistaken.at("class").get<std::string>() + " (" +
                                        mistaken.at("examples").dump() + ")"});
  }
  std::vector<std::string> lines = table.lines();
  if (classes.size() > kWidestMatrix) return lines;

  Table matrix(std::vector<Table::Align>(classes.size() + 1, right));
  std::vector<std::string> row{"is, said"};
  for (const json& one : classes) row.push_back(one.at("name"));
  matrix.add(row);
  for (std::size_t own = 0; own < classes.size(); ++own) {
    row = {classes[own].at("name")};
    for (std::size_t said = 0; said < classes.size(); ++said) {
      row.push_back(std::to_string(confusion[own * classes.size() + said]));
    }
    matrix.add(row);
  }
  lines.emplace_back();
  for (std::string& line : matrix.lines()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace kith::daemon
