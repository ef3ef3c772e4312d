#include "net/charter.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <set>

namespace kith::net {
namespace {

struct FaultText {
  std::string_view name, sentence;
};

constexpr std::array<FaultText, kCharterFaults> kFaultTexts{{
    {"malformed",
     "these are not the bytes of a charter, or not all of them; get the file again, and never edit "
     "it"},
    {"older_format",
     "it was made by Kith 0.1, which this version does not read; found the consortium anew with "
     "kith init"},
    {"newer_format", "it was made by a newer version of Kith; install that version"},
    {"bad_consortium", "the consortium's id is not a text of 1 to 64 printable characters"},
    {"bad_number", "a version's number is at least 1"},
    {"bad_first", "the first version, and no other, follows nothing"},
    {"no_expiry", "it does not say when it expires"},
    {"no_stewards", "it has no stewards, or more than 64"},
    {"threshold_too_low",
     "the threshold must be more than half of the stewards, or two groups of them could each make "
     "a version; raise it with --threshold"},
    {"threshold_too_high",
     "the threshold is higher than the number of stewards, so nobody could ever change the charter "
     "again; lower it with --threshold"},
    {"steward_twice", "a steward is listed twice"},
    {"stewards_unordered",
     "the stewards are not in ascending order: another program, or a hand, "
     "wrote it"},
    {"no_members", "it has no members, or more than 512"},
    {"member_twice", "a member is listed twice"},
    {"members_unordered",
     "the members are not in ascending order: another program, or a hand, wrote it"},
    {"name_twice",
     "two members, or two stewards, have names that people take for the same; choose another one"},
    {"bad_name",
     "a name is not a text of 1 to 64 bytes that people can see and tell apart: no invisible "
     "characters, no double spaces, no mixed alphabets"},
    {"signature_twice", "a steward's signature is there twice"},
    {"signatures_unordered",
     "the signatures are not in ascending order: another program, or a hand, wrote it"},
    {"signed_by_stranger",
     "somebody signed it who is a steward neither of it nor of the version before"},
    {"wrong_signature",
     "a signature does not fit: it was altered after signing; get the file again from a steward"},
    {"not_the_first", "it does not begin with the first version; get the whole file"},
    {"other_consortium", "it is of another consortium"},
    {"not_newer", "it is not newer than the newest version here: an old version, told again"},
    {"rival",
     "another version of that number is followed here; merge the whole charter file that it is in "
     "to see who signed both, and let the stewards sign the next version together"},
    {"skipped_number",
     "there is a version between it and the newest one here; get the whole charter file"},
    {"wrong_previous",
     "it does not follow the newest version here but a rival of it; kith charter merge with the "
     "rival's whole file shows who signed both"},
    {"too_few_old_signatures",
     "it has fewer signatures by stewards of the version before than that version demands; collect "
     "more, with kith charter sign and kith charter merge"},
    {"too_few_new_signatures",
     "it has fewer signatures by its own stewards than it demands; collect more, with kith charter "
     "sign and kith charter merge"},
    {"too_many_versions", "there are more than 1024 versions, or 32 MiB of them"},
    {"no_versions", "it has no version"},
}};

const FaultText& text(CharterFault fault) {
  const auto index = static_cast<std::size_t>(fault);
  assert(index < kFaultTexts.size());
  return kFaultTexts[index];
}

// Domain separation: these bytes are never the start of anything else that an identity signs.
constexpr std::string_view kCharterContext = "kith charter 2\n";

Bytes signed_text(const Hash& id) {
  Bytes text;
  Writer writer(text);
  writer.raw(kCharterContext.data(), kCharterContext.size());
  writer(id);
  return text;
}

static_assert(sizeof(SignedCharter::Signature) == 96);

template <class Range, class Projection>
bool has_twins(const Range& range, Projection projection) {
  std::set<std::remove_cvref_t<decltype(std::invoke(projection, *range.begin()))>> seen;
  return !std::ranges::all_of(
      range, [&](const auto& item) { return seen.insert(std::invoke(projection, item)).second; });
}

template <class Range>
const typename Range::value_type* find_name(const Range& range, std::string_view name) {
  const auto found = std::ranges::find(range, name, &Range::value_type::name);
  return found == range.end() ? nullptr : &*found;
}

constexpr auto key_of_name = [](const auto& named) { return label_key(named.name); };

std::optional<CharterFault> stewards_problem(const Charter& charter) {
  const auto& stewards = charter.stewards;
  if (stewards.empty() || stewards.size() > limits::kStewards) return CharterFault::no_stewards;
  if (has_twins(stewards, &Steward::id)) return CharterFault::steward_twice;
  if (!std::ranges::is_sorted(stewards, {}, &Steward::id)) return CharterFault::stewards_unordered;
  if (!std::ranges::all_of(stewards, is_label, &Steward::name)) return CharterFault::bad_name;
  if (has_twins(stewards, key_of_name)) return CharterFault::name_twice;
  // More than half: any two groups that are large enough have a steward in common.
  if (charter.threshold <= stewards.size() / 2) return CharterFault::threshold_too_low;
  if (charter.threshold > stewards.size()) return CharterFault::threshold_too_high;
  return std::nullopt;
}

std::optional<CharterFault> members_problem(const std::vector<Member>& members) {
  if (members.empty() || members.size() > limits::kMembers) return CharterFault::no_members;
  if (has_twins(members, &Member::id)) return CharterFault::member_twice;
  if (!std::ranges::is_sorted(members, {}, &Member::id)) return CharterFault::members_unordered;
  if (!std::ranges::all_of(members, is_label, &Member::name)) return CharterFault::bad_name;
  if (has_twins(members, key_of_name)) return CharterFault::name_twice;
  return std::nullopt;
}

std::size_t count_signers(const SignedCharter& charter, const std::vector<Steward>& stewards) {
  return static_cast<std::size_t>(std::ranges::count_if(charter.signatures, [&](const auto& s) {
    return std::ranges::find(stewards, s.steward, &Steward::id) != stewards.end();
  }));
}

bool verify(const SignedCharter::Signature& signature, const Hash& id) {
  return crypto::verify(signature.steward, signed_text(id), signature.signature);
}

}  // namespace

std::string_view name(CharterFault fault) { return text(fault).name; }
std::string_view explain(CharterFault fault) { return text(fault).sentence; }

const Member* Charter::find_member(std::string_view name) const { return find_name(members, name); }
const Steward* Charter::find_steward(std::string_view name) const {
  return find_name(stewards, name);
}

// Whatever has no problem fits.
static_assert((limits::kMembers + limits::kStewards) * (32 + 4 + limits::kLabel) + 256 <=
              limits::kCharter);

std::optional<CharterFault> problem(const Charter& charter) {
  if (charter.format == 0) return CharterFault::malformed;
  if (charter.format < 2) return CharterFault::older_format;
  if (charter.format > 2) return CharterFault::newer_format;
  if (!is_label(charter.consortium)) return CharterFault::bad_consortium;
  if (charter.number == 0) return CharterFault::bad_number;
  if ((charter.number == 1) != (charter.previous == Hash{})) return CharterFault::bad_first;
  if (charter.expires == 0) return CharterFault::no_expiry;
  if (const auto fault = stewards_problem(charter)) return fault;
  if (const auto fault = members_problem(charter.members)) return fault;
  return std::nullopt;
}

// --- Signing -----------------------------------------------------------------------------------

SignedCharter unsigned_charter(const Charter& charter) {
  assert(!problem(charter));
  return {encode(charter), {}};
}

void sign(SignedCharter& charter, const crypto::Identity& steward) {
  std::erase_if(charter.signatures, [&](const auto& s) { return s.steward == steward.id(); });
  merge_signatures(charter,
                   {charter.body, {{steward.id(), steward.sign(signed_text(charter.id()))}}});
}

void merge_signatures(SignedCharter& charter, const SignedCharter& other) {
  using Signature = SignedCharter::Signature;
  if (charter.body != other.body) return;
  for (const Signature& signature : other.signatures) {
    auto& all = charter.signatures;
    const auto at = std::ranges::lower_bound(all, signature.steward, {}, &Signature::steward);
    if (at == all.end() || at->steward != signature.steward) all.insert(at, signature);
  }
}

std::variant<Charter, CharterFault> parse(const SignedCharter& charter) {
  if (!charter.body.empty() && charter.body.front() > std::byte{2}) {
    return CharterFault::newer_format;
  }
  if (!charter.body.empty() && charter.body.front() == std::byte{1}) {
    return CharterFault::older_format;
  }
  if (charter.body.size() > limits::kCharter) return CharterFault::malformed;
  auto parsed = decode<Charter>(charter.body);
  if (!parsed) return CharterFault::malformed;
  if (const auto fault = problem(*parsed)) return *fault;
  return std::move(*parsed);
}

// --- The chain ---------------------------------------------------------------------------------

std::variant<CharterChain, CharterChain::Refusal> CharterChain::verified(
    std::vector<SignedCharter> versions) {
  CharterChain chain;
  for (SignedCharter& version : versions) {
    const std::uint64_t number = chain.versions_.size() + 1;
    if (const auto fault = chain.append(std::move(version))) return Refusal{*fault, number};
  }
  if (chain.empty()) return Refusal{CharterFault::no_versions};
  return chain;
}

std::optional<CharterFault> CharterChain::append(SignedCharter next) {
  const std::size_t size = next.size();
  if (versions_.size() >= limits::kCharterVersions || size_ + size > limits::kCharterFile) {
    return CharterFault::too_many_versions;
  }
  const auto tallied = tally(next);
  if (const auto* fault = std::get_if<CharterFault>(&tallied)) return *fault;
  const Tally& count = std::get<Tally>(tallied);
  if (count.of_old.have < count.of_old.need) return CharterFault::too_few_old_signatures;
  if (count.of_new.have < count.of_new.need) return CharterFault::too_few_new_signatures;
  Charter charter = std::get<Charter>(parse(next));
  const Hash id = next.id();
  versions_.push_back({std::move(charter), std::move(next), id});
  size_ += size;
  return std::nullopt;
}

std::variant<Tally, CharterFault> CharterChain::tally(const SignedCharter& next) const {
  using Signature = SignedCharter::Signature;
  const auto parsed = parse(next);
  if (const auto* fault = std::get_if<CharterFault>(&parsed)) return *fault;
  const Charter& charter = std::get<Charter>(parsed);
  static const Charter nobody;
  const Charter& before = versions_.empty() ? nobody : newest().charter;
  if (versions_.empty()) {
    if (charter.number != 1) return CharterFault::not_the_first;
  } else {
    if (charter.consortium != before.consortium) return CharterFault::other_consortium;
    if (charter.number <= before.number) {
      return contains(charter.number, next.id()) ? CharterFault::not_newer : CharterFault::rival;
    }
    if (charter.number > before.number + 1) return CharterFault::skipped_number;
    if (charter.previous != newest().id) return CharterFault::wrong_previous;
  }
  const auto& signatures = next.signatures;
  if (has_twins(signatures, &Signature::steward)) return CharterFault::signature_twice;
  if (!std::ranges::is_sorted(signatures, {}, &Signature::steward)) {
    return CharterFault::signatures_unordered;
  }
  const Hash id = next.id();
  for (const Signature& signature : signatures) {
    const SignedCharter alone{{}, {signature}};
    if (count_signers(alone, before.stewards) + count_signers(alone, charter.stewards) == 0) {
      return CharterFault::signed_by_stranger;
    }
    if (!verify(signature, id)) return CharterFault::wrong_signature;
  }
  Tally tally;
  tally.of_old = {count_signers(next, before.stewards), versions_.empty() ? 0 : before.threshold};
  tally.of_new = {count_signers(next, charter.stewards), charter.threshold};
  for (const auto* stewards : {&before.stewards, &charter.stewards}) {
    for (const Steward& steward : *stewards) {
      const bool known =
          std::ranges::find(tally.missing, steward.id, &Steward::id) != tally.missing.end();
      if (!known && count_signers(next, {steward}) == 0) tally.missing.push_back(steward);
    }
  }
  return tally;
}

const CharterChain::Version& CharterChain::newest() const {
  assert(!versions_.empty());
  return versions_.back();
}

const Hash& CharterChain::founded() const {
  assert(!versions_.empty());
  return versions_.front().id;
}

CharterChain CharterChain::first(std::uint64_t number) const {
  CharterChain chain;
  for (const Version& version : versions_) {
    if (version.charter.number > number) break;
    chain.versions_.push_back(version);
    chain.size_ += version.signed_charter.size();
  }
  return chain;
}

bool CharterChain::contains(std::uint64_t number, const Hash& id) const {
  return number >= 1 && number <= versions_.size() && versions_[number - 1].id == id;
}

// --- Comparing ---------------------------------------------------------------------------------

CharterDiff diff(const Charter& before, const Charter& after) {
  CharterDiff diff;
  for (const Member& member : after.members) {
    const auto old = std::ranges::find(before.members, member.id, &Member::id);
    if (old == before.members.end()) diff.added.push_back(member);
    if (old != before.members.end() && *old != member) diff.renamed.emplace_back(*old, member);
  }
  std::ranges::copy_if(before.members, std::back_inserter(diff.removed), [&](const Member& member) {
    return std::ranges::find(after.members, member.id, &Member::id) == after.members.end();
  });
  const auto lacking = [](const std::vector<Steward>& from, const std::vector<Steward>& in) {
    std::vector<Steward> found;
    std::ranges::copy_if(from, std::back_inserter(found), [&](const Steward& steward) {
      return std::ranges::find(in, steward.id, &Steward::id) == in.end();
    });
    return found;
  };
  diff.stewards_added = lacking(after.stewards, before.stewards);
  diff.stewards_removed = lacking(before.stewards, after.stewards);
  diff.threshold = {before.threshold, after.threshold};
  diff.expires = {before.expires, after.expires};
  return diff;
}

std::vector<NodeId> signed_twice(const SignedCharter& one, const SignedCharter& other) {
  const auto a = parse(one), b = parse(other);
  if (!std::holds_alternative<Charter>(a) || !std::holds_alternative<Charter>(b)) return {};
  const Charter &first = std::get<Charter>(a), &second = std::get<Charter>(b);
  const bool rivals = one.body != other.body && first.number == second.number &&
                      first.previous == second.previous && first.consortium == second.consortium;
  if (!rivals) return {};
  std::vector<NodeId> found;
  for (const auto& signature : one.signatures) {
    const auto again =
        std::ranges::find(other.signatures, signature.steward, &SignedCharter::Signature::steward);
    if (again == other.signatures.end()) continue;
    if (verify(signature, one.id()) && verify(*again, other.id())) {
      found.push_back(signature.steward);
    }
  }
  return found;
}

bool has_quorum(const CharterChain& ours, const SignedCharter& version) {
  const Charter& now = ours.newest().charter;
  const Hash id = version.id();
  const auto behind_it = std::ranges::count_if(now.stewards, [&](const Steward& steward) {
    const auto& signatures = version.signatures;
    const auto found =
        std::ranges::find(signatures, steward.id, &SignedCharter::Signature::steward);
    return found != signatures.end() && verify(*found, id);
  });
  return behind_it >= std::ptrdiff_t{now.threshold};
}

std::size_t common_versions(const CharterChain& one, const CharterChain& other) {
  const auto &a = one.versions(), &b = other.versions();
  const auto parting = std::ranges::mismatch(a, b, {}, &CharterChain::Version::id,
                                             &CharterChain::Version::id);
  return static_cast<std::size_t>(parting.in1 - a.begin());
}

ChainRelation relation(const CharterChain& ours, const CharterChain& theirs,
                       std::uint64_t settled) {
  const std::size_t common = common_versions(ours, theirs);
  if (common == 0) return ChainRelation::stranger;
  const std::size_t here = ours.versions().size(), there = theirs.versions().size();
  if (common == here && common == there) return ChainRelation::same;
  if (common == there) return ChainRelation::shorter;
  if (common == here) return ChainRelation::longer;
  const std::size_t before = std::max(here, static_cast<std::size_t>(settled));
  const bool outranks =
      there > before && has_quorum(ours, theirs.versions()[before].signed_charter);
  return outranks ? ChainRelation::outranks : ChainRelation::rival;
}

CharterAge age(const Charter& charter, std::chrono::system_clock::time_point now) {
  using std::chrono::seconds;
  const auto clock = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
  const auto today = static_cast<std::uint64_t>(std::max<std::int64_t>(clock, 0));
  const auto warning = static_cast<std::uint64_t>(seconds(limits::kCharterWarning).count());
  const auto grace = static_cast<std::uint64_t>(seconds(limits::kCharterGrace).count());
  if (today < charter.expires) {
    return charter.expires - today <= warning ? CharterAge::expiring : CharterAge::valid;
  }
  return today - charter.expires < grace ? CharterAge::grace : CharterAge::expired;
}

}  // namespace kith::net
