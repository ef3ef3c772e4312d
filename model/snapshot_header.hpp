#pragma once

#include "model/snapshot.hpp"

namespace kith::model {

/// All that is before the values in what write_snapshot() writes, for who writes these piece by
/// piece. Throws as it does.
[[nodiscard]] Bytes snapshot_header(const Schema& schema, const Metadata& metadata = {});

}  // namespace kith::model
