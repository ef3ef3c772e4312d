#pragma once

#include "daemon/system/report.hpp"

#include <string>
#include <vector>

namespace kith::daemon {

struct NodeStatus;

/// Something that somebody should know of, or do something about.
struct Alarm {
  std::string name;      ///< a word, for programs; the same for the same thing
  std::string severity;  ///< "error": it does not do what it is there for; "warning"; "notice"
  std::string what;      ///< a sentence
  std::string help;      ///< what to do, a sentence
  void fields(auto& field) const {
    field("name", name), field("severity", severity), field("what", what), field("help", help);
  }
};

/// All that is wrong with the node whose status this is, the worst first.
[[nodiscard]] std::vector<Alarm> alarms_of(const NodeStatus& status);

}  // namespace kith::daemon
