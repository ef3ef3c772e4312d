#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
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

/// A JSON schema of what to_json() makes of such reports.
template <Report T>
[[nodiscard]] nlohmann::json schema_of();

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

/// Likewise, for schema_of(): goes by the types of the fields.
class SchemaWriter {
 public:
  template <class T>
  void operator()(std::string_view name, const T&) {
    properties_[std::string(name)] = schema(static_cast<const T*>(nullptr));
    required_.emplace_back(name);
  }
  [[nodiscard]] nlohmann::json take() {
    return {{"type", "object"}, {"required", required_}, {"properties", properties_}};
  }

 private:
  template <class T>
  static nlohmann::json schema(const T*) {
    if constexpr (Report<T>) {
      return schema_of<T>();
    } else if constexpr (std::is_same_v<T, nlohmann::json>) {
      return nlohmann::json::object();  // anything
    } else if constexpr (std::is_same_v<T, bool>) {
      return {{"type", "boolean"}};
    } else if constexpr (std::is_integral_v<T>) {
      return {{"type", "integer"}};
    } else if constexpr (std::is_floating_point_v<T>) {
      return {{"type", {"number", "null"}}};  // null for what is not finite
    } else {
      static_assert(std::is_convertible_v<T, std::string_view>);
      return {{"type", "string"}};
    }
  }
  template <class T>
  static nlohmann::json schema(const std::optional<T>*) {
    return {{"anyOf", {schema(static_cast<const T*>(nullptr)), {{"type", "null"}}}}};
  }
  template <class T>
  static nlohmann::json schema(const std::vector<T>*) {
    return {{"type", "array"}, {"items", schema(static_cast<const T*>(nullptr))}};
  }
  template <class T>
  static nlohmann::json schema(const std::map<std::string, T>*) {
    return {{"type", "object"}, {"additionalProperties", schema(static_cast<const T*>(nullptr))}};
  }

  nlohmann::json properties_ = nlohmann::json::object();
  std::vector<std::string> required_;
};

template <Report T>
nlohmann::json schema_of() {
  SchemaWriter writer;
  T().fields(writer);
  return writer.take();
}

template <Report T>
nlohmann::json to_json(const T& report) {
  ReportWriter writer;
  report.fields(writer);
  return writer.take();
}

}  // namespace kith::daemon
