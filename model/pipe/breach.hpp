#pragma once

#include <span>
#include <string_view>

namespace kith::pipe {

/// Sends over a worker's socket what no Pipe would: a text of any length, or more files than one.
/// To see that the other side hangs up.  The files are borrowed.  False if it has hung up already.
/// Throws std::system_error.
[[nodiscard]] bool send_against_limits(int socket, std::string_view text,
                                       std::span<const int> files);

}  // namespace kith::pipe
