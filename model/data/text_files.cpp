#include "model/data/text_files.hpp"

#include "model/data/csv.hpp"
#include "model/data/text.hpp"
#include "model/data/unicode.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

namespace kith::data {
namespace {

using Names = std::span<const std::string_view>;

// What people call these columns, in lower case.
constexpr std::array<std::string_view, 8> kTextNames{"text",    "sentence", "review", "comment",
                                                     "message", "content",  "body",   "tweet"};
constexpr std::array<std::string_view, 6> kLabelNames{"label",    "class",     "target",
                                                      "category", "sentiment", "topic"};
constexpr std::array<std::string_view, 1> kGroupNames{"group"};

/// What ends the reading of a file.
struct Unreadable {
  std::string why;
};

std::string small(std::string_view text) {
  std::string made(text);
  for (char& c : made) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return made;
}

std::string listed(Names names) {
  std::string all;
  for (const std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  return all;
}

bool has_word(std::string_view text) {
  const auto words = words_of(text);
  return words && !words->empty();
}

/// Which texts are wanted.
enum class Wanted {
  sentences,  ///< with a word; a text of several lines is as many
  labelled,   ///< with a word and a label
  all,
};

/// Gathers records.
class Gatherer {
 public:
  explicit Gatherer(Wanted wanted) : wanted_(wanted) {}

  struct Record {
    std::string_view text, label, group;
    bool grouped = false;
    std::size_t line = 0;
  };
  void add(const Record& record) {
    if (wanted_ == Wanted::all) {
      made_.texts.emplace_back(record.text);
      made_.lines.push_back(record.line);
      return;
    }
    if (!has_word(record.text)) return;
    if (wanted_ == Wanted::labelled && record.label.empty()) {
      ++made_.without_label;
      return;
    }
    if (wanted_ == Wanted::labelled) {
      keep(record.text, record);
      made_.labels.push_back(composed(record.label));
      return;
    }
    for (const std::string_view line : lines_of(record.text)) {
      if (has_word(line)) keep(line, record);
    }
  }
  Texts take() { return std::move(made_); }

 private:
  void keep(std::string_view text, const Record& record) {
    made_.texts.emplace_back(text);
    made_.lines.push_back(record.line);
    if (record.grouped) made_.groups.push_back(composed(record.group));
  }

  Wanted wanted_;
  Texts made_;
};

std::optional<std::size_t> find(const std::vector<std::string>& header, Names names) {
  for (const std::string_view name : names) {
    const auto found = std::ranges::find(header, name);
    if (found != header.end()) return static_cast<std::size_t>(found - header.begin());
  }
  return std::nullopt;
}

std::vector<std::string> header_of(const std::vector<std::string_view>& cells) {
  std::vector<std::string> header;
  for (const std::string_view cell : cells) header.push_back(small(cell));
  return header;
}

void read_csv(std::string_view text, bool labelled, Gatherer& gatherer) {
  CsvReader records(text, separator_of_first_line(text));
  std::vector<std::string_view> cells;
  if (!records.next(cells)) throw Unreadable{"holds no text; name a file with some"};
  const auto header = header_of(cells);
  const auto text_at = find(header, kTextNames);
  const auto label_at = find(header, kLabelNames);
  const auto group_at = find(header, kGroupNames);
  if (!text_at) {
    throw Unreadable{"names no column of texts on its first line; call it one of " +
                  listed(kTextNames)};
  }
  if (labelled && !label_at) {
    throw Unreadable{"names no column of labels on its first line; call it one of " +
                  listed(kLabelNames)};
  }
  while (records.next(cells)) {
    if (cells.size() != header.size()) {
      throw Unreadable{"has " + std::to_string(cells.size()) + " cells on line " +
                    std::to_string(records.line()) + ", but " + std::to_string(header.size()) +
                    " on its first; put texts in quotation marks"};
    }
    gatherer.add({.text = cells[*text_at],
                  .label = label_at ? cells[*label_at] : std::string_view(),
                  .group = group_at ? cells[*group_at] : std::string_view(),
                  .grouped = group_at.has_value(),
                  .line = records.line()});
  }
  if (!records.problem().empty()) {
    throw Unreadable{"cannot be read on line " + std::to_string(records.line()) + ": it " +
                  records.problem()};
  }
}

/// Of a label or a group: what is no text is written as JSON has it; null is none.
std::string shown(const nlohmann::json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

const nlohmann::json* member(const nlohmann::json& object, Names names) {
  for (const std::string_view name : names) {
    if (const auto found = object.find(name); found != object.end()) return &*found;
  }
  return nullptr;
}

void read_jsonl(std::string_view text, bool labelled, Gatherer& gatherer) {
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    const auto refuse = [number](const std::string& what) {
      return Unreadable{"has on line " + std::to_string(number) + " " + what};
    };
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) throw refuse("no JSON object; put one on each line");
    const nlohmann::json* const said = member(object, kTextNames);
    const nlohmann::json* const label = member(object, kLabelNames);
    const nlohmann::json* const group = member(object, kGroupNames);
    if (said == nullptr || !said->is_string()) {
      throw refuse("no text; call it one of " + listed(kTextNames));
    }
    if (labelled && label == nullptr) {
      throw refuse("no label; call it one of " + listed(kLabelNames));
    }
    const std::string of = label != nullptr ? shown(*label) : "";
    const std::string belongs = group != nullptr ? shown(*group) : "";
    gatherer.add({.text = said->get_ref<const std::string&>(),
                  .label = of,
                  .group = belongs,
                  .grouped = group != nullptr,
                  .line = number});
  }
}

}  // namespace

TextFormat text_format(const std::filesystem::path& file) {
  const std::string extension =
      small((file.extension() == ".gz" ? file.stem() : file).extension().string());
  if (extension == ".csv" || extension == ".tsv") return TextFormat::csv;
  if (extension == ".jsonl" || extension == ".ndjson") return TextFormat::jsonl;
  return TextFormat::lines;
}

namespace {

std::variant<Texts, std::string> parse_wanted(std::string_view file, TextFormat format,
                                              Wanted wanted) {
  const bool labelled = wanted == Wanted::labelled;
  const auto decoded = decode(file);
  if (const auto* const why = std::get_if<std::string>(&decoded)) return *why;
  const std::string_view text = std::get<Decoded>(decoded).text();
  if (labelled && format == TextFormat::lines) {
    return "has texts without labels; name a file that ends in .csv or .jsonl, with a text and a "
           "label in each record";
  }
  Gatherer gatherer(wanted);
  try {
    if (format == TextFormat::csv) read_csv(text, labelled, gatherer);
    if (format == TextFormat::jsonl) read_jsonl(text, labelled, gatherer);
  } catch (const Unreadable& refused) {
    return refused.why;
  }
  if (format == TextFormat::lines) {
    std::size_t number = 0;
    for (const std::string_view line : lines_of(text)) {
      gatherer.add({.text = line, .label = {}, .group = {}, .line = ++number});
    }
  }
  Texts made = gatherer.take();
  if (!made.groups.empty() && made.groups.size() != made.texts.size()) {
    return "has a group in some records and none in others; give all one, or none";
  }
  made.format = std::string(std::get<Decoded>(decoded).encoding()) +
                (format == TextFormat::csv     ? ", CSV"
                 : format == TextFormat::jsonl ? ", JSONL"
                                               : ", a text a line");
  return made;
}

Texts or_refused(const std::filesystem::path& path, std::variant<Texts, std::string> parsed) {
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + " " + with_advice(*why, "correct the file"));
  }
  return std::get<Texts>(std::move(parsed));
}

}  // namespace

std::variant<Texts, std::string> parse_texts(std::string_view file, TextFormat format,
                                             bool labelled) {
  return parse_wanted(file, format, labelled ? Wanted::labelled : Wanted::sentences);
}

Texts read_texts(const std::filesystem::path& path, bool labelled) {
  return or_refused(path, parse_texts(as_text(read_file(path)), text_format(path), labelled));
}

std::variant<Texts, std::string> parse_records(std::string_view file, TextFormat format) {
  return parse_wanted(file, format, Wanted::all);
}

Texts read_records(const std::filesystem::path& path) {
  return or_refused(path, parse_records(as_text(read_file(path)), text_format(path)));
}

std::vector<std::string> read_sentences(const std::filesystem::path& path) {
  const Bytes file = read_file(path);
  auto parsed = parse_texts(as_text(file), TextFormat::lines, false);
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + " " + *why + "; name a text with a sentence a line");
  }
  return std::get<Texts>(std::move(parsed)).texts;
}

bool has_labels(std::string_view text, TextFormat format) {
  if (format == TextFormat::csv) {
    CsvReader records(text, separator_of_first_line(text));
    std::vector<std::string_view> cells;
    return records.next(cells) && find(header_of(cells), kLabelNames).has_value();
  }
  if (format == TextFormat::lines) return false;
  const auto object = nlohmann::json::parse(text.substr(0, text.find('\n')), nullptr, false);
  return object.is_object() && member(object, kLabelNames) != nullptr;
}

bool is_table_of_texts(std::string_view text) {
  constexpr std::size_t kMostColumns = 4;
  CsvReader records(text, separator_of_first_line(text));
  std::vector<std::string_view> cells;
  if (!records.next(cells) || cells.size() > kMostColumns) return false;
  const auto header = header_of(cells);
  return find(header, kTextNames).has_value() &&
         (cells.size() == 1 || find(header, kLabelNames).has_value());
}

}  // namespace kith::data
