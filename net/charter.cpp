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
    {"channel_twice", "two members have the same channel key"},
    {"name_twice", "two members, or two stewards, have the same name; choose another one"},
    {"bad_name", "a name is not a text of 1 to 64 printable characters"},
    {"bad_address", "a member has more than 4 addresses, or one that is not like \"host:7700\""},
    {"too_large", "it is larger than 64 KiB; use shorter names and fewer addresses"},
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
     "to see who signed both, and agree with the other members which is right"},
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
constexpr std::string_view kCharterContext = "kith charter 1\n";

Bytes signed_text(const Hash& id) {
  Bytes text;
  Writer writer(text);
  writer.raw(kCharterContext.data(), kCharterContext.size());
  writer(id);
  return text;
}

constexpr std::string_view kCharterMagic = "kith charter file 1\n";
constexpr std::size_t kNumbers = 8;  // bytes: how long body and signatures are
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

std::optional<CharterFault> stewards_problem(const Charter& charter) {
  const auto& stewards = charter.stewards;
  if (stewards.empty() || stewards.size() > limits::kStewards) return CharterFault::no_stewards;
  if (has_twins(stewards, &Steward::id)) return CharterFault::steward_twice;
  if (!std::ranges::is_sorted(stewards, {}, &Steward::id)) return CharterFault::stewards_unordered;
  if (has_twins(stewards, &Steward::name)) return CharterFault::name_twice;
  if (!std::ranges::all_of(stewards, is_label, &Steward::name)) return CharterFault::bad_name;
  // More than half: any two groups that are large enough have a steward in common.
  if (charter.threshold <= stewards.size() / 2) return CharterFault::threshold_too_low;
  if (charter.threshold > stewards.size()) return CharterFault::threshold_too_high;
  return std::nullopt;
}

std::optional<CharterFault> members_problem(const std::vector<Member>& members) {
  if (members.empty() || members.size() > limits::kMembers) return CharterFault::no_members;
  if (has_twins(members, &Member::id)) return CharterFault::member_twice;
  if (!std::ranges::is_sorted(members, {}, &Member::id)) return CharterFault::members_unordered;
  if (has_twins(members, &Member::channel)) return CharterFault::channel_twice;
  if (has_twins(members, &Member::name)) return CharterFault::name_twice;
  if (!std::ranges::all_of(members, is_label, &Member::name)) return CharterFault::bad_name;
  if (!std::ranges::all_of(members, are_addresses, &Member::addresses)) {
    return CharterFault::bad_address;
  }
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

/// Bytes of it in a file, at most.
std::size_t size_of(const SignedCharter& version) {
  return kNumbers + version.body.size() +
         version.signatures.size() * sizeof(SignedCharter::Signature);
}

}  // namespace

std::string_view name(CharterFault fault) { return text(fault).name; }
std::string_view explain(CharterFault fault) { return text(fault).sentence; }

const Member* Charter::find_member(std::string_view name) const { return find_name(members, name); }
const Steward* Charter::find_steward(std::string_view name) const {
  return find_name(stewards, name);
}

std::optional<CharterFault> problem(const Charter& charter) {
  if (charter.format == 0) return CharterFault::malformed;
  if (charter.format > 1) return CharterFault::newer_format;
  if (!is_label(charter.consortium)) return CharterFault::bad_consortium;
  if (charter.number == 0) return CharterFault::bad_number;
  if ((charter.number == 1) != (charter.previous == Hash{})) return CharterFault::bad_first;
  if (charter.expires == 0) return CharterFault::no_expiry;
  if (const auto fault = stewards_problem(charter)) return fault;
  if (const auto fault = members_problem(charter.members)) return fault;
  if (encode(charter).size() > limits::kCharter) return CharterFault::too_large;
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
  if (!charter.body.empty() && charter.body.front() > std::byte{1}) {
    return CharterFault::newer_format;
  }
  if (charter.body.size() > limits::kCharter) return CharterFault::too_large;
  auto parsed = decode<Charter>(charter.body);
  if (!parsed) return CharterFault::malformed;
  if (const auto fault = problem(*parsed)) return *fault;
  return std::move(*parsed);
}

// --- The chain ---------------------------------------------------------------------------------

std::variant<CharterChain, CharterChain::Refusal> CharterChain::decode(ByteView file) {
  const ByteView magic = as_byte_view(kCharterMagic);
  if (file.size() > limits::kCharterFile) return Refusal{CharterFault::too_many_versions};
  if (file.size() < magic.size() || !std::ranges::equal(file.first(magic.size()), magic)) {
    return Refusal{CharterFault::malformed};
  }
  Reader reader(file.subspan(magic.size()));
  CharterChain chain;
  while (!reader.complete()) {
    SignedCharter next;
    reader(next);
    const std::uint64_t number = chain.versions_.size() + 1;
    if (reader.failed()) return Refusal{CharterFault::malformed, number};
    if (const auto fault = chain.append(std::move(next))) return Refusal{*fault, number};
  }
  if (chain.versions_.empty()) return Refusal{CharterFault::no_versions};
  return chain;
}

Bytes CharterChain::encode() const {
  Bytes file;
  Writer writer(file);
  writer.raw(kCharterMagic.data(), kCharterMagic.size());
  for (const Version& version : versions_) writer(version.signed_charter);
  return file;
}

std::optional<CharterFault> CharterChain::append(SignedCharter next) {
  const std::size_t size = size_of(next);
  if (versions_.size() >= limits::kCharterVersions || file_size_ + size > limits::kCharterFile) {
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
  file_size_ += size;
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

CharterChain CharterChain::first(std::uint64_t number) const {
  CharterChain chain;
  for (const Version& version : versions_) {
    if (version.charter.number > number) break;
    chain.versions_.push_back(version);
    chain.file_size_ += size_of(version.signed_charter);
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
    if (old != before.members.end() && *old != member) diff.changed.emplace_back(*old, member);
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

namespace {

/// Whether enough stewards of the version before `first` (counted from 0), but for `convicted`,
/// have signed something from there on.
bool has_quorum(const CharterChain& chain, std::size_t first,
                const std::vector<NodeId>& convicted) {
  if (first == 0) return false;
  const Charter& trusted = chain.versions()[first - 1].charter;
  const auto signed_here = [&](const Steward& steward) {
    const auto& versions = chain.versions();
    const auto begin = versions.begin() + static_cast<std::ptrdiff_t>(first);
    return std::any_of(begin, versions.end(), [&](const auto& each) {
      return std::ranges::find(each.signed_charter.signatures, steward.id,
                               &SignedCharter::Signature::steward) !=
             each.signed_charter.signatures.end();
    });
  };
  return std::ranges::count_if(trusted.stewards, [&](const Steward& steward) {
           return std::ranges::find(convicted, steward.id) == convicted.end() &&
                  signed_here(steward);
         }) >= std::ptrdiff_t{trusted.threshold};
}

}  // namespace

std::optional<CharterFork> find_fork(const CharterChain& one, const CharterChain& other) {
  const auto &a = one.versions(), &b = other.versions();
  const std::size_t common = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < common && a[i].id == b[i].id) ++i;
  if (i == common) return std::nullopt;
  CharterFork fork{.number = i + 1,
                   .one = a[i].id,
                   .other = b[i].id,
                   .signed_twice = signed_twice(a[i].signed_charter, b[i].signed_charter)};
  const auto& others = other.newest().charter.members;
  for (const Member& member : one.newest().charter.members) {
    const auto twin = std::ranges::find(others, member.id, &Member::id);
    if (twin != others.end() && twin->channel == member.channel) fork.members.push_back(member);
  }
  const bool for_one = has_quorum(one, i, fork.signed_twice);
  const bool for_other = has_quorum(other, i, fork.signed_twice);
  if (for_one != for_other) {
    fork.prevails = for_one ? CharterFork::Side::one : CharterFork::Side::other;
  }
  return fork;
}

const CharterChain* settle(const CharterChain& followed, const CharterChain& rival) {
  const auto fork = find_fork(followed, rival);
  if (!fork || fork->prevails == CharterFork::Side::neither) return nullptr;
  if (fork->prevails == CharterFork::Side::one) return &followed;
  const bool built_upon = followed.versions().size() > fork->number;
  return built_upon ? nullptr : &rival;
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
