#include "daemon/membership/typed_id.hpp"

#include "daemon/system/failure.hpp"

#include <cctype>
#include <string>

namespace kith::daemon {
namespace {

constexpr std::size_t kGroup = 7;

/// Digits alone, as to_string() writes them: see crypto::parse_node_id().
std::string digits_of(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c == '-' || c == ' ') continue;
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    digits += lower == 'o' ? '0' : lower == 'i' || lower == 'l' ? '1' : lower;
  }
  return digits;
}

}  // namespace

void check_typed(const crypto::NodeId& expected, std::string_view typed) {
  const std::string right = digits_of(to_string(expected)), given = digits_of(typed);
  if (given == right) return;
  if (crypto::parse_node_id(typed)) {
    throw Failure(EX_DATAERR,
                  "that is well typed, and ANOTHER one: whoever read it to you means something "
                  "else; nothing is changed");
  }
  if (given.size() != right.size()) {
    throw Failure(EX_DATAERR, "that has " + std::to_string(given.size()) +
                                  " characters in place "
                                  "of " +
                                  std::to_string(right.size()) +
                                  ", in eight groups of seven; nothing is changed");
  }
  std::string groups;
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < right.size(); at += kGroup) {
    if (given.compare(at, kGroup, right, at, kGroup) == 0) continue;
    groups += (groups.empty() ? "" : ", ") + std::to_string(at / kGroup + 1) + " (" +
              given.substr(at, kGroup) + ")";
    ++wrong;
  }
  throw Failure(EX_DATAERR, "that is mistyped in " +
                                (wrong == 1 ? std::string("group ") : "the groups ") + groups +
                                ": have it read once more; nothing is changed");
}

}  // namespace kith::daemon
