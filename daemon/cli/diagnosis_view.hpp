#pragma once

#include "daemon/doctor/doctor.hpp"
#include "daemon/system/console.hpp"

#include <string>
#include <vector>

namespace kith::daemon {

/// One check: its result, number, name and sentence; and below it what mends it, if there is that.
[[nodiscard]] std::vector<std::string> check_lines(const doctor::Diagnosis::Item& item,
                                                   const Terminal& terminal);
/// "12 passed, 1 to look at (WARN), 0 to mend (FAIL)."
[[nodiscard]] std::string diagnosis_sum(const doctor::Diagnosis& diagnosis);

}  // namespace kith::daemon
