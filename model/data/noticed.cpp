#include "model/data/noticed.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace kith::data {
namespace {

std::string counted(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string shown(double value) {
  char buffer[32];
  return {buffer,
          std::to_chars(buffer, std::end(buffer), value, std::chars_format::general, 6).ptr};
}

}  // namespace

void add(Noticed& all, const Noticed& more) {
  all.files.insert(all.files.end(), more.files.begin(), more.files.end());
  for (const Noticed::InColumn& column : more.columns) {
    const auto found = std::ranges::find(all.columns, column.name, &Noticed::InColumn::name);
    if (found == all.columns.end()) {
      all.columns.push_back(column);
      continue;
    }
    found->missing += column.missing;
    found->below += column.below;
    found->above += column.above;
    found->unknown += column.unknown;
    found->least = std::min(found->least, column.least);
    found->most = std::max(found->most, column.most);
  }
  all.without_target += more.without_target;
  all.without_group += more.without_group;
  all.resized += more.resized;
  all.recoloured += more.recoloured;
  all.words += more.words;
  all.unknown_words += more.unknown_words;
  all.divided += more.divided;
  all.cut += more.cut;
  all.all_unknown += more.all_unknown;
}

std::vector<std::string> sentences(const Noticed& noticed) {
  std::vector<std::string> all;
  for (const Noticed::InFile& file : noticed.files) {
    all.push_back(file.file.string() + ": " + counted(file.examples, "example") + ", " +
                  file.format);
  }
  const auto say = [&](std::uint64_t count, const char* what, const std::string& more) {
    if (count > 0) all.push_back(counted(count, what) + " " + more);
  };
  say(noticed.without_target, noticed.words > 0 ? "text" : "row", "without a target left out");
  say(noticed.without_group, "row", "without a group left out");
  for (const Noticed::InColumn& column : noticed.columns) {
    const std::string of = "of the column " + column.name + " ";
    say(column.missing - std::min(column.missing, column.unknown), "cell", of + "missing");
    say(column.unknown, "cell", of + "with a value that is not declared");
    say(column.below, "cell", of + "below its range, down to " + shown(column.least));
    say(column.above, "cell", of + "above its range, up to " + shown(column.most));
  }
  say(noticed.resized, "picture", "of another size");
  say(noticed.recoloured, "picture", "with other colours");
  say(noticed.unknown_words, "word",
      "of " + std::to_string(noticed.words) + " not in the vocabulary");
  say(noticed.divided, "sentence", "too long, cut into pieces");
  say(noticed.cut, "text", "too long, of which only the first words count");
  say(noticed.all_unknown, "text", "without a known word left out");
  return all;
}

std::string summary(const Noticed& noticed) {
  std::uint64_t missing = 0, outside = 0, unknown = 0;
  for (const Noticed::InColumn& column : noticed.columns) {
    missing += column.missing, outside += column.below + column.above, unknown += column.unknown;
  }
  std::string text;
  const auto add = [&text](std::uint64_t count, const std::string& what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + what;
  };
  add(missing, " cells are missing");
  add(outside, " are outside their column's range and count as its ends");
  add(unknown, " have a value that the task does not know");
  add(noticed.unknown_words,
      " of " + std::to_string(noticed.words) + " words are not in the vocabulary");
  add(noticed.divided, " sentences were cut into pieces");
  add(noticed.cut, " texts were too long, so their ends do not count");
  add(noticed.all_unknown, " texts without a known word were left out");
  return text;
}

}  // namespace kith::data
