#pragma once

#include "daemon/learning/strategy.hpp"
#include "model/admission.hpp"
#include "model/clustering.hpp"
#include "model/selection.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// Convenor mode, the centralised clustering of the seed paper: members who agree tell one of them,
/// the convenor, in sealed notes how useful the others are to them; it groups them, and says in its
/// own notes, which are for all, who belongs together.  This is one node's part in it, be it a
/// member or the convenor itself.
///
/// A member follows only as far as its own measurements let it.  Who is in its group counts as
/// admitted unless its newest score condemns it; who is in another group is not averaged with;
/// about whoever is in none, such as those who use no convenor, it decides for itself, so that both
/// kinds of members can learn together.  And what is averaged, and served, is still decided by what
/// it does to the own validation loss.  Without a fresh assignment, or if it is in no group itself,
/// it chooses as if there were no convenor.
///
/// Decides only.  Ownership: a value.
class Convenor {
 public:
  struct Settings {
    std::string self;      ///< this node's id, in text
    std::string convenor;  ///< the convenor's; empty: no part is taken
    double admit = 0.5;    ///< mean affinity above which two groups are joined; see cluster()
    double drop = 0.4;     ///< an assigned peer whose newest interval is wholly below is refused
  };
  /// Rounds of this node after which what others said is no longer believed.
  static constexpr std::uint64_t kFresh = 5;

  explicit Convenor(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] bool off() const { return settings_.convenor.empty(); }

  /// Whose snapshots to fetch: those `chosen`, and the convenor's for its notes; as the convenor,
  /// everybody's.  This may exceed the budget.  `peers` are all there are: who is not among them is
  /// nobody, whatever the convenor says.
  [[nodiscard]] std::vector<std::string> pulls(std::vector<std::string> chosen,
                                               const std::vector<std::string>& peers);
  /// Whether `peer` is in this node's group, or in another; nullopt if in none, or if no assignment
  /// is in force.
  [[nodiscard]] std::optional<bool> assigned(const std::string& peer) const;
  /// What to say with the next partial.
  [[nodiscard]] Note note(const model::Admission& admission) const;

  /// Hears the notes of the candidates, all of which were scored, and says which of them may be
  /// averaged with, highest smoothed rho first; adds to `why` what was followed or refused.
  [[nodiscard]] model::Members admitted(const Situation& situation,
                                        const model::Admission& admission, nlohmann::json& why);

 private:
  using Groups = std::vector<std::vector<std::string>>;
  /// Peers that the convenor speaks of: true if they are in the group of this node.
  using Places = std::map<std::string, bool>;
  /// What is in force in a round, and the words for it.
  struct Ruling {
    std::optional<Places> places{};      ///< nullopt: this node chooses for itself
    std::optional<std::uint64_t> age{};  ///< rounds
    std::string reason;
  };

  [[nodiscard]] bool presides() const { return settings_.convenor == settings_.self; }
  [[nodiscard]] Ruling listen(const Situation& situation) const;
  [[nodiscard]] Ruling convene(const Situation& situation, const model::Admission& admission);
  [[nodiscard]] Ruling of_groups(const Groups& groups, std::uint64_t age) const;
  [[nodiscard]] model::Row own_row(const model::Admission& admission) const;
  [[nodiscard]] bool condemned(const model::Admission::Decision& decision) const;

  Settings settings_;
  std::vector<std::string> peers_;
  std::uint64_t round_ = 0;       // the last one chosen in
  std::optional<Places> places_;  // in force since then
  Groups groups_;                 // as the convenor: what to publish
  std::size_t rows_ = 0;          // ... and of how many rows it was made
};

}  // namespace kith::daemon
