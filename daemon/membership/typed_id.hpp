#pragma once

#include "crypto/identity.hpp"

#include <string_view>

namespace kith::daemon {

/// Compares a node id, or the fingerprint of a charter, as somebody has typed it who heard it on the
/// telephone: throws Failure(EX_DATAERR) unless it is `expected`.  Says in which groups it differs
/// if it is mistyped, and that it is another one if its check digits are right; never what would be
/// right, so that it must be asked for again.
void check_typed(const crypto::NodeId& expected, std::string_view typed);

}  // namespace kith::daemon
