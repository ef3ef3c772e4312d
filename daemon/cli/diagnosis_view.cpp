#include "daemon/cli/diagnosis_view.hpp"

namespace kith::daemon {

std::vector<std::string> check_lines(const doctor::Diagnosis::Item& item,
                                     const Terminal& terminal) {
  const Style style = item.result == "FAIL"   ? Style::red
                      : item.result == "WARN" ? Style::yellow
                                              : Style::green;
  const std::string number = std::to_string(item.number);
  std::vector<std::string> lines{terminal.paint(style, item.result) +
                                 std::string(4 - number.size(), ' ') + number + "  " + item.name +
                                 ": " + item.what};
  if (!item.help.empty()) lines.push_back("          -> " + item.help);
  return lines;
}

std::string diagnosis_sum(const doctor::Diagnosis& diagnosis) {
  return std::to_string(diagnosis.passed) + " passed, " + std::to_string(diagnosis.warned) +
         " to look at (WARN), " + std::to_string(diagnosis.failed) + " to mend (FAIL).";
}

}  // namespace kith::daemon
