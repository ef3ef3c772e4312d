#pragma once

#include "model/data/check.hpp"
#include "model/data/dataset.hpp"
#include "model/task.hpp"

#include <string>

namespace kith::daemon {

/// What `kith data check` found, as one page that needs nothing else: classes, columns with their
/// histograms, some pictures, and what to mend.  It shows an operator's own data: it is for the
/// operator.
[[nodiscard]] std::string data_page(const data::CheckReport& report, const data::Dataset& dataset,
                                    const model::Task& task);

}  // namespace kith::daemon
