#pragma once

#include <boost/test/unit_test.hpp>

#include <charconv>
#include <cstdint>
#include <string_view>

namespace kith::sim {

/// A number given after `--` on the command line.
inline std::uint64_t option(std::string_view name, std::uint64_t otherwise) {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  for (int i = 1; i + 1 < suite.argc; ++i) {
    const std::string_view value = suite.argv[i + 1];
    if (suite.argv[i] == name) std::from_chars(value.begin(), value.end(), otherwise);
  }
  return otherwise;
}

}  // namespace kith::sim
