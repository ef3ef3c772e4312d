#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// Structured logging: an event's name and its fields, one line each, to stderr.
///
///   log::info("round_finished", {{"round", 3}, {"accuracy", 0.71}});
///   2026-01-01T12:00:00.123Z INFO  round_finished round=3 accuracy=0.71
///   {"time":"2026-01-01T12:00:00.123Z","level":"info","event":"round_finished","round":3,…}
///
/// Nothing that a peer sends can forge or break a line: a text that is not plain is written as a
/// JSON string in ASCII.  Threads: any, after configure().
namespace kith::daemon::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

/// One `key=value`.  `key` is ours, not a peer's: lower case, digits and underscores.
/// There is no constructor for anything but numbers and texts, so no secret gets in by accident.
struct Field {
  using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string>;

  Field(std::string_view name, std::same_as<bool> auto b) : key(name), value(b) {}
  Field(std::string_view name, std::signed_integral auto n) : key(name), value(std::int64_t{n}) {}
  template <std::unsigned_integral Number>
  requires(!std::same_as<Number, bool>) Field(std::string_view name, Number n)
      : key(name), value(std::uint64_t{n}) {}
  Field(std::string_view name, std::floating_point auto x) : key(name), value(double{x}) {}
  template <std::convertible_to<std::string_view> Text>
  Field(std::string_view name, const Text& text)
      : key(name), value(std::string(std::string_view(text))) {}

  std::string_view key;
  Value value;
};
using Fields = std::initializer_list<Field>;

/// Call before other threads log.  Without it: info, text, stderr.
void configure(Level least, Format format);
/// What is logged goes into `out`, which must outlive every later line.
void configure(Level least, Format format, std::ostream& out);
void set_level(Level least);  ///< any thread, any time

void debug(std::string_view event, Fields fields = {});
void info(std::string_view event, Fields fields = {});
void warn(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

/// "2026-01-01T12:00:00.123Z"
[[nodiscard]] std::string time_text(std::chrono::system_clock::time_point time);

/// One line, without its end.
[[nodiscard]] std::string format_line(Format format, std::chrono::system_clock::time_point time,
                                      Level level, std::string_view event, Fields fields);

}  // namespace kith::daemon::log
