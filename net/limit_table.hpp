#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::net {

/// One of limits.hpp, for people.
struct Limit {
  enum class Unit { bytes, seconds, count };
  std::string_view group;  ///< what it is about: a heading
  std::string_view name;   ///< "unauthenticated_of_subnet" for kUnauthenticatedOfSubnet
  double amount = 0;
  Unit unit = Unit::count;
  std::string_view what;  ///< is limited
  std::string_view then;  ///< what happens when it is reached
  std::string_view test;  ///< the test that shows it
};

/// Every limit of limits.hpp, in its order.  `kith limits` and docs/limits.md are made from this.
[[nodiscard]] std::vector<Limit> limit_table();

}  // namespace kith::net
