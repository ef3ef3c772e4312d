#pragma once

#include "daemon/config/config.hpp"
#include "daemon/system/failure.hpp"
#include "model/column.hpp"
#include "net/endpoint.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <toml++/toml.h>
#include <utility>
#include <vector>

/// Files of settings as tables: a line for each key says what it is called, where it is kept, what
/// it must be and what it means; reading, writing, errors and documentation follow from it.  For
/// config.cpp and scenario.cpp only.
namespace kith::daemon::settings {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// ---- Types of values.  For each: what it is called, how it is read, how it is written. ----

/// A unit that a quantity may be written in.
struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
inline constexpr std::array<Unit, 4> kTimeUnits{
    {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}}};
inline constexpr std::array<Unit, 5> kSizeUnits{
    {{"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}}};
inline constexpr std::uint64_t kMaxQuantity = std::numeric_limits<std::int64_t>::max();

/// "10min" in the smallest unit.
inline std::optional<std::uint64_t> parse_quantity(std::string_view text,
                                                   std::span<const Unit> units) {
  std::uint64_t count = 0;
  const auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (ec != std::errc()) return std::nullopt;
  const std::string_view name = text.substr(static_cast<std::size_t>(rest - text.data()));
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end() || count > kMaxQuantity / unit->factor) return std::nullopt;
  return count * unit->factor;
}

/// In the largest unit that needs no fraction.
inline std::string quantity(std::uint64_t amount, std::span<const Unit> units) {
  const Unit* largest = &units.front();
  for (const Unit& unit : units) {
    if (amount > 0 && amount % unit.factor == 0) largest = &unit;
  }
  return std::to_string(amount / largest->factor) + std::string(largest->name);
}

template <class Enum>
struct Choice {
  std::string_view name;
  Enum value;
};
/// The values of an enumeration as people write them: specialise with a static constexpr array
/// `all` of Choice<Enum>.
template <class Enum>
struct Choices;

template <class T>
concept Enumeration = std::is_enum_v<T>;
template <class T>
concept WholeNumber = std::unsigned_integral<T> && !std::same_as<T, bool>;
template <class T>
concept Text = std::same_as<T, std::string> || std::same_as<T, fs::path>;

/// "a", "b" or "c"
inline std::string alternatives(std::span<const std::string_view> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 < names.size() ? ", " : " or ";
    text += '"' + std::string(names[i]) + '"';
  }
  return text;
}

inline std::string kind(bool) { return "true or false"; }
std::string kind(WholeNumber auto) { return "a whole number"; }
inline std::string kind(double) { return "a number"; }
inline std::string kind(const std::string&) { return "a text"; }
inline std::string kind(const fs::path&) { return "a path"; }
inline std::string kind(milliseconds) {
  return "a duration like \"500ms\", \"2s\", \"10min\" or \"1h\"";
}
inline std::string kind(ByteSize) { return "a size like \"64MiB\" or \"2GiB\""; }
inline std::string kind(const std::vector<std::string>&) { return "a list of texts"; }
inline std::string kind(const std::vector<fs::path>&) { return "a list of paths"; }
inline std::string kind(const std::vector<unsigned>&) { return "a list of whole numbers"; }
inline std::string kind(const std::vector<double>&) { return "a list of numbers"; }
std::string kind(Enumeration auto value) {
  std::vector<std::string_view> names;
  for (const auto& choice : Choices<decltype(value)>::all) names.push_back(choice.name);
  return alternatives(names);
}

template <Enumeration Enum>
std::string kind(const std::vector<Enum>&) {
  return "a list of " + kind(Enum());
}

// Each read() returns false if `node` is not of the type.
inline bool read(const toml::node& node, bool& value) {
  if (!node.is_boolean()) return false;
  value = node.as_boolean()->get();
  return true;
}
bool read(const toml::node& node, WholeNumber auto& value) {
  if (!node.is_integer()) return false;
  const std::int64_t number = node.as_integer()->get();
  if (!std::in_range<std::remove_cvref_t<decltype(value)>>(number)) return false;
  value = static_cast<std::remove_cvref_t<decltype(value)>>(number);
  return true;
}
inline bool read(const toml::node& node, double& value) {
  if (!node.is_number()) return false;
  value = *node.value<double>();
  return true;
}
bool read(const toml::node& node, Text auto& value) {
  if (!node.is_string()) return false;
  value = node.as_string()->get();
  return true;
}
template <class Read>
bool read_text(const toml::node& node, Read read) {
  return node.is_string() && read(std::string_view(node.as_string()->get()));
}
inline bool read(const toml::node& node, milliseconds& value) {
  return read_text(node, [&](std::string_view text) {
    const auto amount = parse_quantity(text, kTimeUnits);
    if (amount) value = milliseconds(*amount);
    return amount.has_value();
  });
}
inline bool read(const toml::node& node, ByteSize& value) {
  return read_text(node, [&](std::string_view text) {
    const auto amount = parse_quantity(text, kSizeUnits);
    if (amount) value.bytes = *amount;
    return amount.has_value();
  });
}
bool read(const toml::node& node, Enumeration auto& value) {
  return read_text(node, [&](std::string_view text) {
    for (const auto& choice : Choices<std::remove_cvref_t<decltype(value)>>::all) {
      if (choice.name != text) continue;
      value = choice.value;
      return true;
    }
    return false;
  });
}
template <class Element>
bool read(const toml::node& node, std::vector<Element>& value) {
  if (!node.is_array()) return false;
  std::vector<Element> elements(node.as_array()->size());
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (!read(*node.as_array()->get(i), elements[i])) return false;
  }
  value = std::move(elements);
  return true;
}

// Each show() writes TOML.
template <class Node>
std::string toml_text(const Node& node) {
  std::ostringstream out;
  out << toml::toml_formatter(node, toml::format_flags::allow_unicode_strings);
  return std::move(out).str();
}
inline std::string show(bool value) { return value ? "true" : "false"; }
std::string show(WholeNumber auto value) { return std::to_string(value); }
inline std::string show(double value) {  // the shortest text that reads back as the same number
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}
inline std::string show(const std::string& value) {
  return toml_text(toml::value<std::string>(value));
}
inline std::string show(const fs::path& value) { return show(value.string()); }
inline std::string show(milliseconds value) {
  return show(quantity(static_cast<std::uint64_t>(value.count()), kTimeUnits));
}
inline std::string show(ByteSize value) { return show(quantity(value.bytes, kSizeUnits)); }
std::string show(Enumeration auto value) {
  for (const auto& choice : Choices<decltype(value)>::all) {
    if (choice.value == value) return show(std::string(choice.name));
  }
  std::abort();
}
template <class Range>
std::string show_list(const Range& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + show(value);
  return "[" + text + "]";
}
inline std::string show(const std::vector<std::string>& values) { return show_list(values); }
inline std::string show(const std::vector<fs::path>& values) { return show_list(values); }
inline std::string show(const std::vector<unsigned>& values) { return show_list(values); }
inline std::string show(const std::vector<double>& values) { return show_list(values); }

template <Enumeration Enum>
std::string show(const std::vector<Enum>& values) {
  return show_list(values);
}

// ---- Rules: what a value of the right type must also be. ----

template <class T>
struct Rule {
  std::string text;  ///< follows kind(): "a whole number" "from 1 to 9"
  std::function<bool(const T&)> holds = [](const T&) { return true; };
};

template <class T>
Rule<T> within(T least, T most) {
  return {"from " + show(least) + " to " + show(most),
          [=](const T& value) { return value >= least && value <= most; }};
}
template <class T>
Rule<T> at_least(T least) {
  return {"of at least " + show(least), [=](const T& value) { return value >= least; }};
}
inline Rule<ByteSize> at_least(ByteSize least) {
  return {"of at least " + quantity(least.bytes, kSizeUnits),
          [=](const ByteSize& value) { return value.bytes >= least.bytes; }};
}
inline Rule<double> above_zero() {
  return {"above 0", [](double value) { return value > 0 && value <= 1e9; }};
}
inline Rule<fs::path> not_empty() {
  return {"that is not empty", [](const fs::path& path) { return !path.empty(); }};
}
inline Rule<std::vector<fs::path>> files() {
  return {"of which none is empty", [](const std::vector<fs::path>& list) {
            return std::ranges::none_of(list, [](const fs::path& path) { return path.empty(); });
          }};
}
inline Rule<std::vector<fs::path>> some_files() {
  return {"with at least one, and none empty",
          [](const std::vector<fs::path>& list) { return !list.empty() && files().holds(list); }};
}
/// 1 to 64 bytes that can be shown to people: no control characters.
inline Rule<std::string> label() {
  return {"of 1 to 64 printable characters", [](const std::string& text) {
            for (std::size_t i = 0; i < text.size(); ++i) {
              const auto c = static_cast<unsigned char>(text[i]);
              if (c < 0x20 || c == 0x7f) return false;
              const bool c1 = c == 0xc2 && i + 1 < text.size() &&
                              static_cast<unsigned char>(text[i + 1]) < 0xa0;
              if (c1) return false;
            }
            return !text.empty() && text.size() <= 64;
          }};
}
inline Rule<std::string> one_of(std::vector<std::string_view> names) {
  const std::string text = alternatives(names);
  return {": " + text, [names = std::move(names)](const std::string& value) {
            return std::ranges::find(names, value) != names.end();
          }};
}
inline Rule<std::vector<std::string>> addresses() {
  return {"like \"host:7700\" or \"[::1]:7700\"", [](const std::vector<std::string>& list) {
            return std::ranges::all_of(
                list, [](const auto& text) { return net::parse_endpoint(text).has_value(); });
          }};
}

// ---- The table. ----

/// Throws an error that names the place.
using Refuse = std::function<void(const toml::node* at, const std::string& what)>;

/// One key of a section that is kept in an `Owner`.
template <class Owner>
struct Key {
  std::string name;
  std::string type;
  bool required;
  std::string summary;
  std::function<bool(Owner&, const toml::node&)> read;  ///< false if the value is not as it must be
  std::function<std::string(const Owner&)> show;
  std::function<void(Owner&, const fs::path&)> resolve;  ///< a relative path, against a folder
  /// Of a list of tables, in place of `read`: refuses what is wrong where it stands.
  std::function<void(Owner&, const toml::node&, const Refuse&)> read_tables{};
};

/// A section of a file that is read into a `Root`.
template <class Root>
struct Section {
  std::string name;
  std::string summary;
  std::vector<Key<Root>> keys;
};

template <class Owner, class T>
Key<Owner> key(std::string_view name, T Owner::*member, Rule<T> rule, std::string_view summary) {
  const std::string separator = rule.text.empty() || rule.text.starts_with(":") ? "" : " ";
  const auto read_value = [member, holds = rule.holds](Owner& owner, const toml::node& node) {
    T value{};
    if (!read(node, value) || !holds(value)) return false;
    owner.*member = std::move(value);
    return true;
  };
  std::function<void(Owner&, const fs::path&)> resolve = [](Owner&, const fs::path&) {};
  if constexpr (std::same_as<T, fs::path>) {
    resolve = [member](Owner& owner, const fs::path& folder) {
      fs::path& path = owner.*member;
      if (!path.empty()) path = (folder / path).lexically_normal();
    };
  }
  if constexpr (std::same_as<T, std::vector<fs::path>>) {
    resolve = [member](Owner& owner, const fs::path& folder) {
      for (fs::path& path : owner.*member) path = (folder / path).lexically_normal();
    };
  }
  return {.name = std::string(name),
          .type = kind(T{}) + separator + rule.text,
          .required = false,
          .summary = std::string(summary),
          .read = read_value,
          .show = [member](const Owner& owner) { return show(owner.*member); },
          .resolve = resolve,
          .read_tables = {}};
}
template <class Owner, class T>
Key<Owner> key(std::string_view name, T Owner::*member, std::string_view summary) {
  return key(name, member, Rule<T>{}, summary);
}
template <class Owner, class T>
Key<Owner> required(std::string_view name, T Owner::*member, Rule<T> rule,
                    std::string_view summary) {
  auto result = key(name, member, std::move(rule), summary);
  result.required = true;
  return result;
}

inline std::string excerpt(const toml::node& node) {
  if (node.is_table()) return "a section";
  std::string text = node.is_floating_point()
                         ? show(node.as_floating_point()->get())
                         : node.visit([](const auto& value) { return toml_text(value); });
  std::ranges::replace(text, '\n', ' ');
  constexpr std::size_t kLongest = 60;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

/// One table of a list, by its `keys`.  `name` is the list's, as errors call it.
template <class Part>
Part read_part(const toml::table& table, const std::vector<Key<Part>>& keys,
               const std::string& name, const Refuse& refuse) {
  Part part;
  for (const auto& [given, value] : table) {
    const std::string full_name = name + "." + std::string(given.str());
    const auto key = std::ranges::find(keys, given.str(), &Key<Part>::name);
    if (key == keys.end()) {
      std::vector<std::string_view> known;
      for (const auto& k : keys) known.push_back(k.name);
      refuse(&value, "unknown key " + full_name + "; there are " + alternatives(known));
    } else if (!key->read(part, value)) {
      refuse(&value, full_name + " must be " + key->type + ", not " + excerpt(value));
    }
  }
  for (const auto& key : keys) {
    if (!key.required || table.contains(key.name)) continue;
    refuse(&table, name + "." + key.name + " is missing; add " + key.name + " = ... to this table");
  }
  return part;
}

/// A list of tables [[SECTION.name]] with the keys `parts`.  `problem` says what is wrong with one
/// that was read, beginning with how it is called.
template <class Owner, class Part>
Key<Owner> tables(std::string_view name, std::vector<Part> Owner::*member,
                  const std::vector<Key<Part>>& parts,
                  std::function<std::optional<std::string>(const Part&)> problem,
                  std::string_view summary) {
  const std::string called(name);
  const auto read_tables = [=](Owner& owner, const toml::node& node, const Refuse& refuse) {
    std::vector<Part> all;
    const toml::array* const list = node.as_array();
    if (list == nullptr)
      refuse(&node, called + " must be a list of tables, each under [[task." + called + "]]");
    for (const toml::node& element : *list) {
      if (!element.is_table()) {
        refuse(&element,
               called + " must be tables, like { name = \"age\", ... }, not " + excerpt(element));
      }
      all.push_back(read_part(*element.as_table(), parts, called, refuse));
      if (const auto wrong = problem(all.back())) refuse(&element, *wrong);
    }
    owner.*member = std::move(all);
  };
  struct Refused {};
  const auto read = [=](Owner& owner, const toml::node& node) {
    try {
      read_tables(owner, node, [](const toml::node*, const std::string&) { throw Refused{}; });
    } catch (const Refused&) {
      return false;
    }
    return true;
  };
  const auto show_all = [=](const Owner& owner) {
    static const Part defaults{};
    std::string text;
    for (const Part& part : owner.*member) {
      std::string fields;
      for (const auto& key : parts) {
        const std::string value = key.show(part);
        if (value == key.show(defaults)) continue;
        fields += (fields.empty() ? "" : ", ") + key.name + " = " + value;
      }
      text += "  { " + fields + " },\n";
    }
    return text.empty() ? std::string("[]") : "[\n" + text + "]";
  };
  return {.name = called,
          .type = "tables",
          .required = false,
          .summary = std::string(summary),
          .read = read,
          .show = show_all,
          .resolve = [](Owner&, const fs::path&) {},
          .read_tables = read_tables};
}

/// `part` finds in a root what the section's keys are about.
template <class Root, class Owner>
Section<Root> section(std::string_view name, Owner& (*part)(Root&), std::string_view summary,
                      std::vector<Key<Owner>> keys) {
  Section<Root> section{std::string(name), std::string(summary), {}};
  for (auto& k : keys) {
    section.keys.push_back(
        {.name = k.name,
         .type = k.type,
         .required = k.required,
         .summary = k.summary,
         .read = [part, read = k.read](Root& root,
                                       const toml::node& node) { return read(part(root), node); },
         .show = [part,
                  show = k.show](const Root& root) { return show(part(const_cast<Root&>(root))); },
         .resolve = [part, resolve = k.resolve](
                        Root& root, const fs::path& folder) { resolve(part(root), folder); },
         .read_tables = {}});
    if (!k.read_tables) continue;
    section.keys.back().read_tables = [part, read = k.read_tables](
                                          Root& root, const toml::node& node,
                                          const Refuse& refuse) { read(part(root), node, refuse); };
  }
  return section;
}

// ---- Reading. ----

inline std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

/// Reads a file into a `Root`: known sections with known keys, each checked, relative paths
/// resolved. Whatever is wrong is a Failure(EX_CONFIG) that begins with FILE:LINE:COLUMN.
template <class Root>
class SettingsReader {
 public:
  /// `documented` is where people find what there is.
  SettingsReader(fs::path file, const toml::table& table,
                 const std::vector<Section<Root>>& sections, std::string documented)
      : file_(std::move(file)),
        table_(table),
        sections_(sections),
        documented_(std::move(documented)) {}
  virtual ~SettingsReader() = default;

  void read(Root& root) {
    for (const auto& [name, node] : table_) read_section(root, name.str(), node);
    for (const auto& section : sections_) require_keys(section);
    for (const auto& section : sections_) {
      for (const auto& key : section.keys) key.resolve(root, file_.parent_path());
    }
  }

 protected:
  /// Reads what is no plain key of a section; false if it is unknown.
  virtual bool read_other(const std::string&, const toml::node&) { return false; }
  /// Names that read_other() knows, to be proposed in place of unknown ones.
  [[nodiscard]] virtual std::vector<std::string> others() const { return {}; }

  [[noreturn]] void fail(const toml::node* at, const std::string& what) const {
    const auto where = at != nullptr ? at->source().begin : toml::source_position{};
    const std::string place =
        where ? ":" + std::to_string(where.line) + ":" + std::to_string(where.column) : "";
    throw Failure(EX_CONFIG, file_.string() + place + ": " + what);
  }

  [[noreturn]] void fail_unknown(const toml::node& node, const std::string& name) const {
    std::vector<std::string> known = others();
    for (const auto& section : sections_) {
      known.push_back(section.name);
      for (const auto& key : section.keys) known.push_back(section.name + "." + key.name);
    }
    // The right key in the wrong section counts as one edit.
    const auto edits = [&name](const std::string& candidate) {
      return std::min(model::distance(name, candidate),
                      1 + model::distance(last_part(name), last_part(candidate)));
    };
    const std::string nearest = *std::ranges::min_element(known, {}, edits);
    const bool near = edits(nearest) <= 1 + last_part(name).size() / 3;
    fail(&node, std::string("unknown ") + (node.is_table() ? "section " : "key ") + name +
                    (near ? "; did you mean " + nearest + "?"
                          : "; " + documented_ + " lists what there is"));
  }

  template <class Owner>
  void read_key(const std::string& section, const std::vector<Key<Owner>>& keys, Owner& owner,
                std::string_view name, const toml::node& node) {
    const std::string full_name = section + "." + std::string(name);
    const auto key = std::ranges::find(keys, name, &Key<Owner>::name);
    if (key == keys.end()) {
      if (read_other(full_name, node)) return;
      fail_unknown(node, full_name);
    }
    if (key->read_tables) {
      const auto refuse = [&](const toml::node* at, const std::string& what) {
        fail(at, section + "." + what);
      };
      key->read_tables(owner, node, refuse);
      return;
    }
    if (key->read(owner, node)) return;
    fail(&node, full_name + " must be " + key->type + ", not " + excerpt(node));
  }

  [[nodiscard]] const toml::table& table() const { return table_; }

 private:
  void read_section(Root& root, std::string_view name, const toml::node& node) {
    const auto section = std::ranges::find(sections_, name, &Section<Root>::name);
    if (section == sections_.end()) fail_unknown(node, std::string(name));
    if (!node.is_table()) {
      fail(&node, section->name + " must be a section: [" + section->name + "]");
    }
    for (const auto& [key, value] : *node.as_table()) {
      read_key(section->name, section->keys, root, key.str(), value);
    }
  }

  void require_keys(const Section<Root>& section) const {
    const toml::node* const node = table_.get(section.name);
    const toml::table* const table = node != nullptr ? node->as_table() : nullptr;
    for (const auto& key : section.keys) {
      if (!key.required || (table != nullptr && table->contains(key.name))) continue;
      fail(table, section.name + "." + key.name + " is missing; add " + key.name +
                      " = ... to the section [" + section.name + "]");
    }
  }

  fs::path file_;
  const toml::table& table_;
  const std::vector<Section<Root>>& sections_;
  std::string documented_;
};

/// Throws Failure(EX_CONFIG) with FILE:LINE:COLUMN.
inline toml::table parse_toml(std::string_view text, const fs::path& file) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto where = error.source().begin;
    throw Failure(EX_CONFIG, file.string() + ":" + std::to_string(where.line) + ":" +
                                 std::to_string(where.column) +
                                 ": not TOML: " + std::string(error.description()));
  }
}

// ---- Writing. ----

/// `text` in lines of comment.
inline std::string commented(std::string_view text) {
  constexpr std::size_t kColumns = 100;
  std::istringstream words{std::string(text)};
  std::string comment = "#";
  std::size_t column = 1;
  for (std::string word; words >> word;) {
    if (column + 1 + word.size() > kColumns) {
      comment += "\n#";
      column = 1;
    }
    comment += " " + word;
    column += 1 + word.size();
  }
  return comment + "\n";
}

template <class Owner>
std::string meaning(const Key<Owner>& key) {
  return key.summary + " (" + key.type + ")";
}

/// For a cell of a Markdown table.
inline std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, "\\");
  }
  return text;
}

template <class Owner, class Default>
std::string markdown_table(const std::vector<Key<Owner>>& keys, Default shown_default) {
  std::string table = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const auto& key : keys) {
    const std::string initial = key.required ? "*required*" : "`" + shown_default(key) + "`";
    table += "| `" + key.name + "` | " + cell(key.type) + " | " + cell(initial) + " | " +
             cell(key.summary) + " |\n";
  }
  return table;
}

}  // namespace kith::daemon::settings
