#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kith::model {

/// What people call the quality of a model, by name; one that is not defined on some examples (the
/// AUROC where there is one class only) is left out.
using Metrics = std::map<std::string, double, std::less<>>;

/// "accuracy"; "balanced_accuracy", the mean recall of the classes that occur; "macro_f1", the mean
/// F1 of the classes that occur or were said.  `truth` and `said` are classes from 0 to
/// `classes` - 1, one of each an example.
[[nodiscard]] Metrics class_metrics(std::span<const std::int64_t> truth,
                                    std::span<const std::int64_t> said, std::size_t classes);

/// How often each class was taken for each, row by row; a row is one true class.
[[nodiscard]] std::vector<std::uint64_t> confusion(std::span<const std::int64_t> truth,
                                                   std::span<const std::int64_t> said,
                                                   std::size_t classes);

/// "auroc", the chance that an example of class 1 gets a higher score than one of class 0, ties
/// counting half; "average_precision", the area under precision over recall without interpolation.
/// `truth` is 0 or 1, one for each score.
[[nodiscard]] Metrics ranking_metrics(std::span<const std::int64_t> truth,
                                      std::span<const float> scores);

/// Of several yes-or-no targets: "macro_f1", "auroc" and "average_precision" as above, of each target's
/// yes, and then the mean over the targets for which it is defined; "accuracy", the share of targets
/// that are said right.  `truth` and `scores` go example by example, with `targets` of each; what is not
/// 0 or 1 is not known, and does not count.  A score above 0 says yes.
[[nodiscard]] Metrics multi_label_metrics(std::span<const std::int64_t> truth,
                                          std::span<const float> scores, std::size_t targets);

/// "mae" and "rmse" in the unit of the values, "r2" as a fraction of their variance.
[[nodiscard]] Metrics number_metrics(std::span<const double> truth, std::span<const double> said);

/// Whether more of it is better.
[[nodiscard]] bool is_better_when_higher(std::string_view metric);

}  // namespace kith::model
