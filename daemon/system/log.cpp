#include "daemon/system/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <type_traits>

namespace kith::daemon::log {
namespace {

struct Logger {
  std::shared_ptr<spdlog::logger> lines;
  std::atomic<Format> format = Format::text;

  void use(spdlog::sink_ptr sink) {
    lines = std::make_shared<spdlog::logger>("kith", std::move(sink));
    lines->set_pattern("%v");
    lines->flush_on(spdlog::level::trace);
  }
};

Logger& logger() {
  static Logger* const instance = [] {
    auto* const made = new Logger;  // never destroyed: other destructors may log
    made->use(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum spdlog_level(Level level) {
  constexpr std::array levels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                              spdlog::level::err};
  return levels.at(static_cast<std::size_t>(level));
}

void write(Level level, std::string_view event, Fields fields) {
  Logger& to = logger();
  if (!to.lines->should_log(spdlog_level(level))) return;
  const std::string line =
      format_line(to.format, std::chrono::system_clock::now(), level, event, fields);
  to.lines->log(spdlog_level(level), spdlog::string_view_t(line));
}

// In ASCII, with bytes that are not UTF-8 replaced: safe in a terminal and in any log store.
std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

bool is_plain(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-+:/@%,").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), plain);
}

std::string text_of(const Field::Value& value) {
  const auto show = [](const auto& v) -> std::string {
    using Type = std::decay_t<decltype(v)>;
    if constexpr (std::is_same_v<Type, std::string>) return is_plain(v) ? v : dump(v);
    if constexpr (std::is_same_v<Type, double>) return fmt::format("{:.6g}", v);
    return fmt::format("{}", v);
  };
  return std::visit(show, value);
}

constexpr std::array<std::string_view, 4> kLevelNames{"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 4> kLevelColumn{"DEBUG", "INFO ", "WARN ", "ERROR"};

}  // namespace

void configure(Level least, Format format) {
  logger().use(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger().format = format;
  set_level(least);
}

void configure(Level least, Format format, std::ostream& out) {
  logger().use(std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
  logger().format = format;
  set_level(least);
}

void set_level(Level least) { logger().lines->set_level(spdlog_level(least)); }

void debug(std::string_view event, Fields fields) { write(Level::debug, event, fields); }
void info(std::string_view event, Fields fields) { write(Level::info, event, fields); }
void warn(std::string_view event, Fields fields) { write(Level::warn, event, fields); }
void error(std::string_view event, Fields fields) { write(Level::error, event, fields); }

std::string time_text(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<milliseconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string format_line(Format format, std::chrono::system_clock::time_point time, Level level,
                        std::string_view event, Fields fields) {
  const auto rank = static_cast<std::size_t>(level);
  if (format == Format::json) {
    nlohmann::ordered_json line{
        {"time", time_text(time)}, {"level", kLevelNames.at(rank)}, {"event", event}};
    for (const Field& field : fields) {
      std::visit([&](const auto& value) { line[std::string(field.key)] = value; }, field.value);
    }
    return dump(line);
  }
  std::string line = fmt::format("{} {} {}", time_text(time), kLevelColumn.at(rank), event);
  for (const Field& field : fields) {
    line += fmt::format(" {}={}", field.key, text_of(field.value));
  }
  return line;
}

}  // namespace kith::daemon::log
