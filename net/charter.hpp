#pragma once

#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "net/archive.hpp"
#include "net/label.hpp"
#include "net/limits.hpp"

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// Who belongs to a consortium, signed by those whom it trusts with that.  Files and signatures
/// only: no clock, no disk, no network.  docs/protocol.md, "Charter", has the bytes.
namespace kith::net {

using crypto::Hash;
using crypto::NodeId;

/// Whoever admits and expels: by k signatures of m.  Need not be a member.
struct Steward {
  NodeId id;
  std::string name{};  ///< for people

  bool operator==(const Steward&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(id.key, at_most<limits::kLabel>(name));
  }
};

/// A node that belongs.  How it is reached, its card says.
struct Member {
  NodeId id;
  std::string name{};  ///< for people

  bool operator==(const Member&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(id.key, at_most<limits::kLabel>(name));
  }
};

/// One version: everything, not what changed.
struct Charter {
  std::uint8_t format = 2;
  std::string consortium{};         ///< its id
  std::uint64_t number = 1;         ///< from 1, without a gap
  Hash previous{};                  ///< names the version before; zeros in the first
  std::uint64_t expires = 0;        ///< seconds since 1970
  std::uint32_t threshold = 1;      ///< signatures of stewards that the next version needs
  std::vector<Steward> stewards{};  ///< ascending by id
  std::vector<Member> members{};    ///< ascending by id

  bool operator==(const Charter&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(format, at_most<limits::kLabel>(consortium), number, previous, expires, threshold,
            at_most<limits::kStewards>(stewards), at_most<limits::kMembers>(members));
  }
  /// nullptr if there is none with that name.
  [[nodiscard]] const Member* find_member(std::string_view name) const;
  [[nodiscard]] const Steward* find_steward(std::string_view name) const;
};

/// Why a charter is refused.
enum class CharterFault {
  malformed,
  older_format,
  newer_format,
  bad_consortium,
  bad_number,
  bad_first,
  no_expiry,
  no_stewards,
  threshold_too_low,
  threshold_too_high,
  steward_twice,
  stewards_unordered,
  no_members,
  member_twice,
  members_unordered,
  name_twice,
  bad_name,
  signature_twice,
  signatures_unordered,
  signed_by_stranger,
  wrong_signature,
  not_the_first,
  other_consortium,
  not_newer,
  rival,
  skipped_number,
  wrong_previous,
  too_few_old_signatures,
  too_few_new_signatures,
  too_many_versions,
  no_versions,
};
inline constexpr std::size_t kCharterFaults = 31;

/// A word for programs: "wrong_previous".
[[nodiscard]] std::string_view name(CharterFault fault);
/// One sentence for an operator: what is wrong and what to do about it.
[[nodiscard]] std::string_view explain(CharterFault fault);

/// What is wrong with a version taken by itself.  nullopt: it may be encoded and signed.
[[nodiscard]] std::optional<CharterFault> problem(const Charter& charter);

/// A version as it travels and is stored: the exact bytes that were signed.
struct SignedCharter {
  struct Signature {
    NodeId steward;
    crypto::Signature signature{};
    bool operator==(const Signature&) const = default;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(steward.key, signature);
    }
  };
  Bytes body;
  std::vector<Signature> signatures{};  ///< ascending by steward

  [[nodiscard]] Hash id() const { return crypto::hash(body); }
  /// Bytes of it in a file.
  [[nodiscard]] std::size_t size() const {
    return 2 * sizeof(std::uint32_t) + body.size() + signatures.size() * sizeof(Signature);
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kCharter>(body), at_most<2 * limits::kStewards>(signatures));
  }
};

/// `charter` without a signature.  Requires that it has no problem().
[[nodiscard]] SignedCharter unsigned_charter(const Charter& charter);
/// Adds this steward's signature, or puts it in the place of the one it had.  The caller has made
/// sure that it signs no second version of that number: that convicts it for ever.
void sign(SignedCharter& charter, const crypto::Identity& steward);
/// Adds those of `other`'s signatures that `charter` lacks, if both are of one body.
void merge_signatures(SignedCharter& charter, const SignedCharter& other);
/// The version inside, if it has no problem(); says nothing of the signatures.
[[nodiscard]] std::variant<Charter, CharterFault> parse(const SignedCharter& charter);

/// How far a version is from being valid.
struct Tally {
  struct Part {
    std::size_t have = 0, need = 0;
  };
  Part of_old, of_new;  ///< signatures by stewards of the version before, and of this one
  std::vector<Steward> missing{};  ///< may still sign
  [[nodiscard]] bool enough() const {
    return of_old.have >= of_old.need && of_new.have >= of_new.need;
  }
};

/// Every version from the first on, each made valid by the one before it.
///
/// Ownership: a value.  What was refused leaves no trace.
class CharterChain {
 public:
  struct Version {
    Charter charter;
    SignedCharter signed_charter;
    Hash id;
  };
  struct Refusal {
    CharterFault fault;
    std::uint64_t number = 0;  ///< of the version, from 1; 0: all of them
  };

  /// These versions, from the first on, each one and each signature verified anew.
  [[nodiscard]] static std::variant<CharterChain, Refusal> verified(
      std::vector<SignedCharter> versions);

  /// Takes the next version, or the first one.
  [[nodiscard]] std::optional<CharterFault> append(SignedCharter next);
  /// All that append() checks, but for the number of signatures.
  [[nodiscard]] std::variant<Tally, CharterFault> tally(const SignedCharter& next) const;

  [[nodiscard]] const std::vector<Version>& versions() const { return versions_; }
  [[nodiscard]] bool empty() const { return versions_.empty(); }
  [[nodiscard]] const Version& newest() const;  ///< requires one
  [[nodiscard]] const Hash& founded() const;    ///< the first version's id; requires one
  /// Its first versions, up to that number.
  [[nodiscard]] CharterChain first(std::uint64_t number) const;
  /// Whether it has that version, under that hash.
  [[nodiscard]] bool contains(std::uint64_t number, const Hash& id) const;

 private:
  std::vector<Version> versions_;
  std::size_t size_ = 0;  // bytes of all
};

/// What changed from one version to another.
struct CharterDiff {
  std::vector<Member> added{}, removed{};
  std::vector<std::pair<Member, Member>> renamed{};  ///< the same id: before and after
  std::vector<Steward> stewards_added{}, stewards_removed{};
  std::pair<std::uint32_t, std::uint32_t> threshold{};
  std::pair<std::uint64_t, std::uint64_t> expires{};
};
[[nodiscard]] CharterDiff diff(const Charter& before, const Charter& after);

/// The stewards with sound signatures under both, if the two are rivals: different versions of one
/// number after the same version.  Two such signatures convict without any other file
/// (equivocation).
[[nodiscard]] std::vector<NodeId> signed_twice(const SignedCharter& one,
                                               const SignedCharter& other);

/// What another chain is to the one that is followed.
enum class ChainRelation {
  same,
  shorter,   ///< a beginning of ours
  longer,    ///< continues ours
  outranks,  ///< parts from ours, but those who may change ours stand behind it: follow it
  rival,     ///< parts from ours: evidence, and nothing else
  stranger,  ///< of another consortium
};
/// A chain that parts from `ours` outranks it if it has a version of a higher number, signed by as
/// many of the stewards of our newest version as may change that one.  Signatures of former stewards
/// do not count, however many, nor do those that were given before our newest version; and where a
/// steward has signed two versions of one number, by mistake or not, the next number that a quorum
/// signs brings everybody to one chain again.
///
/// An operator may have left a longer chain for `ours`; `settled` is the number that it had then, or
/// less than that of `ours`: only a higher one outranks.
[[nodiscard]] ChainRelation relation(const CharterChain& ours, const CharterChain& theirs,
                                     std::uint64_t settled = 0);
/// Whether `version` is signed by as many stewards of the newest version of `ours` as may change it.
[[nodiscard]] bool has_quorum(const CharterChain& ours, const SignedCharter& version);
/// How many versions the two have in common.
[[nodiscard]] std::size_t common_versions(const CharterChain& one, const CharterChain& other);

/// What the time makes of a version.
enum class CharterAge {
  valid,
  expiring,  ///< within 30 days
  grace,     ///< expired for less than 14 days: nodes still start, and warn
  expired,
};
[[nodiscard]] CharterAge age(const Charter& charter, std::chrono::system_clock::time_point now);

}  // namespace kith::net
