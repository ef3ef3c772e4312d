#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Reports are structs, and JSON only where they leave the program.  Each has the one list of its
/// fields:
///
///     struct Spent {
///       double epsilon = 0;
///       void fields(auto& field) const { field("epsilon", epsilon); }
///     };
namespace kith::daemon {

class ReportWriter;

template <class T>
concept Report = requires(const T& report, ReportWriter& writer) { report.fields(writer); };

template <Report T>
[[nodiscard]] nlohmann::json to_json(const T& report);

/// What `fields` of a report is called with.
class ReportWriter {
 public:
  template <class T>
  void operator()(std::string_view name, const T& value) {
    json_[std::string(name)] = value_of(value);
  }
  [[nodiscard]] nlohmann::json take() { return std::move(json_); }

 private:
  template <class T>
  static nlohmann::json value_of(const T& value) {
    if constexpr (Report<T>) {
      return to_json(value);
    } else {
      return value;
    }
  }
  template <class T>
  static nlohmann::json value_of(const std::optional<T>& value) {
    return value ? value_of(*value) : nlohmann::json(nullptr);
  }
  template <class T>
  static nlohmann::json value_of(const std::vector<T>& values) {
    nlohmann::json all = nlohmann::json::array();
    for (const T& value : values) all.push_back(value_of(value));
    return all;
  }

  template <class T>
  static nlohmann::json value_of(const std::map<std::string, T>& values) {
    nlohmann::json all = nlohmann::json::object();
    for (const auto& [name, value] : values) all[name] = value_of(value);
    return all;
  }

  nlohmann::json json_ = nlohmann::json::object();
};

template <Report T>
nlohmann::json to_json(const T& report) {
  ReportWriter writer;
  report.fields(writer);
  return writer.take();
}

}  // namespace kith::daemon
