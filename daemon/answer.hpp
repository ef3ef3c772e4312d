#pragma once

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <sysexits.h>
#include <vector>

namespace kith::daemon {

/// What a verb says: to programs, and to people.
struct Answer {
  nlohmann::json value{};
  std::vector<std::string> lines{};
  int code = EX_OK;  ///< exit status
};

/// Prints it; the exit status.
inline int give(const Answer& answer, bool as_json) {
  if (as_json) std::cout << answer.value.dump(2) << "\n";
  if (!as_json) {
    for (const std::string& line : answer.lines) std::cout << line << "\n";
  }
  return answer.code;
}

}  // namespace kith::daemon
