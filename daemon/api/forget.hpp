#pragma once

#include "daemon/membership/membership.hpp"
#include "daemon/state/departures.hpp"

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

namespace kith::daemon {

/// Whose models an operator wants out of this node's.
struct ForgetRequest {
  std::string who;         ///< a member, present or former: its name, or the beginning of its id
  std::uint64_t from = 1;  ///< only what was averaged in this round or later
  bool deny = false;       ///< and nothing of it from now on
};

/// What came of it.
struct Forgotten {
  std::string id, name;
  std::uint64_t from = 1;
  Contributions found{};                ///< rounds in which its models were averaged
  std::uint64_t back_to = 0;            ///< it has the model of this round again; 0: it begins anew
  std::uint64_t rounds_lost = 0;        ///< that are done again
  std::set<std::string> may_carry_it{};  ///< names: their models in what remains may have its in them
  bool may_come_again = false;           ///< it is a member, and not denied

  void fields(auto& field) const {
    field("id", id);
    field("name", name);
    field("from", from);
    field("rounds_with_it", found.count);
    field("first", found.count > 0 ? std::optional(found.first) : std::nullopt);
    field("last", found.count > 0 ? std::optional(found.last) : std::nullopt);
    field("back_to", back_to);
    field("rounds_lost", rounds_lost);
    field("may_carry_it", may_carry_it);
    field("may_come_again", may_come_again);
  }
};

/// Takes the node `self`, whose state is in the folder `state`, back to the newest kept model from
/// before the first contribution of that member.  If none was found, nothing changes.  Interrupted,
/// the same again finishes it.
///
/// Requires that nobody runs the node.  Throws Failure: EX_NOINPUT if it has learnt nothing, EX_USAGE
/// if `who` means nobody, several, or the node itself, EX_TEMPFAIL if the node runs.
Forgotten forget(const std::filesystem::path& state, Membership& membership,
                 const crypto::NodeId& self, const ForgetRequest& request);

}  // namespace kith::daemon
