#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// What people call by its name, or by the beginning of its id.
struct Named {
  std::string name;
  std::string id{};  ///< may be empty
};

/// The places in `all` of whom `who` means: those of that name, or else those whose id begins so,
/// since a short name may begin an id by chance.
[[nodiscard]] std::vector<std::size_t> meant_by(std::string_view who,
                                                const std::vector<Named>& all);

/// For a message: the names in order, each once, with commas between; or "none".
[[nodiscard]] std::string names_of(const std::vector<Named>& all);

}  // namespace kith::daemon
