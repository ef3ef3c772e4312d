#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace kith::daemon::doctor {

/// Whether somebody accepts connections at an address.
struct Reached {
  std::string who{};      ///< whose address it is
  std::string address{};  ///< "host:port"
  std::string fault{};    ///< why not; empty if so
};
enum class How { resolve, connect };

/// Looks the addresses up, and with How::connect dials them, several at once.  What is not done
/// after `patience` has that as its fault: neither a dead name server nor a silent host holds it
/// up.
[[nodiscard]] std::vector<Reached> reach(std::vector<Reached> all, How how,
                                         std::chrono::milliseconds patience);

}  // namespace kith::daemon::doctor
