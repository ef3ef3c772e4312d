#pragma once

#include "daemon/system/failure.hpp"

#include <string_view>

namespace kith::test {

/// What `body` fails with; a Failure of code 0 if it does not.
template <class Body>
daemon::Failure failure_of(Body body) {
  try {
    body();
  } catch (const daemon::Failure& failure) {
    return failure;
  }
  return {0, ""};
}

inline bool contains(const daemon::Failure& failure, std::string_view text) {
  return std::string_view(failure.what()).find(text) != std::string_view::npos;
}

}  // namespace kith::test
