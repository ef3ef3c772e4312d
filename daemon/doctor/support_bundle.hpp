#pragma once

#include "daemon/doctor/archive.hpp"
#include "daemon/doctor/doctor.hpp"

#include <cstddef>
#include <istream>
#include <string>
#include <vector>

/// What somebody who helps from afar needs to know of a node, and nothing that it has to keep: no
/// key, token or passphrase, no example, no weight.
namespace kith::daemon::doctor {

inline constexpr std::size_t kBundleLines = 1000;  ///< of each log

/// The files of a bundle: what is in this function, and `more`.  What cannot be had is left out,
/// and about.json says why.  `log` is what kith run has written to its standard error; null: none
/// is there.
[[nodiscard]] std::vector<Packed> support_bundle(const Examined& node, std::istream* log,
                                                 std::vector<Packed> more);

/// The last lines of a log that Kith wrote, in either format, as JSON.  Of what may quote a file of
/// data, as the words of a worker, only time, level and event are left; other lines are dropped.
[[nodiscard]] std::string reduced_log(std::istream& log, std::size_t most = kBundleLines);

}  // namespace kith::daemon::doctor
