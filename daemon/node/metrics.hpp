#pragma once

#include "daemon/exchange/peer_report.hpp"
#include "daemon/node/status.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// Numbers in Prometheus' text format, version 0.0.4.
class MetricsText {
 public:
  enum class Kind { gauge, counter };
  struct Label {
    std::string_view name;
    std::string value;  ///< any text
  };

  /// What the samples that follow are of.  `name` with its unit; a counter's ends with "_total".
  void metric(std::string_view name, Kind kind, std::string_view help);
  void sample(double value, const std::vector<Label>& labels = {});
  [[nodiscard]] const std::string& text() const { return text_; }

  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  std::string name_, text_;
};

/// A peer, as it counts.
struct MeasuredPeer {
  PeerReport report;
  bool averaged = false;   ///< in the last round
  nlohmann::json opinion;  ///< the strategy's
};

/// What is worth watching over time: docs/metrics.md lists it.
[[nodiscard]] std::string metrics_of(const NodeStatus& status,
                                     const std::vector<MeasuredPeer>& peers);

}  // namespace kith::daemon
