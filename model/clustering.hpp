#pragma once

#include <map>
#include <string>
#include <vector>

namespace kith::model {

/// What a member says of others: their relative influence on it.  Whom it does not mention it does
/// not know.
using Row = std::map<std::string, double>;
/// Rows by the member who says them; node ids in text.
using Rows = std::map<std::string, Row>;

/// Who belongs together, by what they say of one another: average-linkage clustering, which needs
/// no number of clusters.  From one cluster each, the two with the highest mean affinity are joined
/// as long as it is above `threshold`.  Every member with a row is in exactly one cluster, perhaps
/// alone; members come in order, and clusters in the order of their first ones.
///
/// The affinity of two members is the lower of what each says of the other, within [0, 1]: it takes
/// both to agree.  If only one has spoken, the other one can only lower it: it is what the one
/// says, but at most the threshold, which speaks neither for nor against.  If neither has, it is
/// unknown, which is not zero: the pair counts in no mean.  To join, two clusters need two
/// witnesses each (one is enough of one): members with a known affinity to somebody of the other.
/// So where most do not know one another, many stay alone, and none gets into the wrong cluster.
///
/// What a liar can do.  Praise as he may, he belongs only with those to whom his model is useful.
/// Alone he cannot join two clusters of two or more: he is one witness, and where the others know
/// one another they outweigh him; those with an affinity below 1/4 stay apart even if his model
/// were perfect for all of them.  He can keep himself out.  If he is useful to some, his slander
/// counts as one member's view, which may keep a small cluster from joining another.  And liars who
/// praise one another, and are useful on both sides, join the sides once there are on each about
/// twice as many of them as of the honest.  So nobody has to do what comes out: see
/// daemon/convenor.hpp.
///
/// A cubic number of steps: for a full matrix of 512 members, well under a second.
[[nodiscard]] std::vector<std::vector<std::string>> cluster(const Rows& rows, double threshold);

}  // namespace kith::model
