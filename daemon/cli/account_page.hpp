#pragma once

#include "daemon/cli/views.hpp"
#include "daemon/node/account.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace kith::daemon {

/// Whose account it is, and as of when.
struct AccountHead {
  std::string name, id, consortium, task;
  std::string fingerprint{};                   ///< of the charter that is followed
  std::uint64_t made = 0;                      ///< seconds since 1970
  std::map<std::string, std::string> names{};  ///< of members, by id
  void fields(auto& field) const {
    field("name", name), field("id", id), field("consortium", consortium), field("task", task);
    field("fingerprint", fingerprint), field("made", made);
  }
};

/// An account for people who do not run the node: one page in one HTML file that needs nothing
/// else, neither a network nor a script, and prints on a sheet of A4.  No string in it becomes
/// markup.
[[nodiscard]] std::string account_page(const Account& account, const AccountHead& head);

/// The same in lines for a terminal.
[[nodiscard]] Lines account_lines(const Account& account, const AccountHead& head);

}  // namespace kith::daemon
