#include "model/data/split.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <utility>

namespace kith::data {
namespace {

std::uint64_t first_bits(const Tag& tag) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof bits; ++i)
    bits = bits << 8 | std::to_integer<std::uint64_t>(tag[i]);
  return bits;
}

/// Evenly spread over 0 to 1.
double position(const Tag& unit) { return static_cast<double>(first_bits(unit) >> 11) * 0x1p-53; }

/// Those whose position is below a limit, but for a few.
struct SetAside {
  double limit;
  std::set<Tag> added{}, taken_out{};
  [[nodiscard]] bool contains(const Tag& unit) const {
    if (!added.empty() && added.contains(unit)) return true;
    return position(unit) < limit && (taken_out.empty() || !taken_out.contains(unit));
  }
};

Split divided(std::span<const Taggable> examples, const auto& set_aside) {
  Split split;
  for (const std::size_t i : in_order(examples)) {
    (set_aside.contains(examples[i].unit) ? split.validation : split.train).push_back(i);
  }
  return split;
}

}  // namespace

Tagger::Tagger(std::string_view node) {
  const std::string name = "kith split " + std::string(node);
  key_ = crypto::hash(as_byte_view(name));
}

Tag Tagger::tag(ByteView content) const { return crypto::keyed_hash(key_, content); }

void part_copies(std::vector<Taggable>& examples, const Tagger& tagger) {
  const auto order = in_order(examples);  // copies side by side, the earlier first
  std::size_t different = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    different += i == 0 || examples[order[i]].tag != examples[order[i - 1]].tag;
  }
  if (5 * different >= examples.size()) return;
  std::uint64_t copy = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Taggable& example = examples[order[i]];
    const bool another = i > 0 && example.tag == examples[order[i - 1]].tag;
    copy = another ? copy + 1 : 0;
    if (copy == 0 || example.unit != example.tag) continue;
    const std::string name = crypto::to_hex(example.tag) + " " + std::to_string(copy);
    example.unit = tagger.tag(as_byte_view(name));
  }
}

std::vector<std::size_t> in_order(std::span<const Taggable> examples) {
  // The first bits decide nearly always, lie side by side, and are evenly spread: so the first of
  // them say which part of the keys one belongs to, and what is to be sorted fits a cache.
  using Key = std::pair<std::uint64_t, std::size_t>;
  constexpr int kPartBits = 11;
  const auto part_of = [](std::uint64_t bits) {
    return static_cast<std::size_t>(bits >> (64 - kPartBits));
  };
  std::vector<std::size_t> ends(std::size_t{1} << kPartBits);
  for (const Taggable& example : examples) ++ends[part_of(first_bits(example.tag))];
  std::exclusive_scan(ends.begin(), ends.end(), ends.begin(), std::size_t{0});
  std::vector<Key> keys(examples.size());
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::uint64_t bits = first_bits(examples[i].tag);
    keys[ends[part_of(bits)]++] = {bits, i};
  }
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    std::sort(keys.begin() + static_cast<std::ptrdiff_t>(begin),
              keys.begin() + static_cast<std::ptrdiff_t>(end), [&](const Key& a, const Key& b) {
                if (a.first != b.first) return a.first < b.first;
                return std::tie(examples[a.second].tag, a.second) <
                       std::tie(examples[b.second].tag, b.second);
              });
    begin = end;
  }
  std::vector<std::size_t> all;
  all.reserve(keys.size());
  for (const auto& [bits, i] : keys) all.push_back(i);
  return all;
}

Split split_by_tag(std::span<const Taggable> examples, double fraction) {
  assert(fraction > 0 && fraction < 1);
  SetAside set_aside{fraction};
  std::map<std::int64_t, std::vector<std::size_t>> classes;
  for (std::size_t i = 0; i < examples.size(); ++i) classes[examples[i].label].push_back(i);
  for (const auto& [label, own] : classes) {
    Tag lowest = examples[own.front()].unit, highest = lowest;
    std::uint64_t low = first_bits(lowest), high = low;  // which decide nearly always
    bool some = false, all = true;  // set aside
    for (const std::size_t i : own) {
      const Tag& unit = examples[i].unit;
      const bool aside = set_aside.contains(unit);
      some = some || aside;
      all = all && aside;
      const std::uint64_t bits = first_bits(unit);
      if (bits < low || (bits == low && unit < lowest)) lowest = unit, low = bits;
      if (bits > high || (bits == high && highest < unit)) highest = unit, high = bits;
    }
    if (lowest == highest) continue;
    if (!some) set_aside.added.insert(lowest), set_aside.taken_out.erase(lowest);
    if (all) set_aside.taken_out.insert(highest), set_aside.added.erase(highest);
  }
  return divided(examples, set_aside);
}

Split split_by_time(std::span<const Taggable> examples, double fraction) {
  assert(fraction > 0 && fraction < 1);
  const auto last = static_cast<std::size_t>(
      std::lround(static_cast<double>(examples.size()) * fraction));
  std::set<Tag> set_aside;
  for (const Taggable& example : examples.last(last)) set_aside.insert(example.unit);
  return divided(examples, set_aside);
}

std::string fingerprint(std::span<const Taggable> examples) {
  std::uint64_t sum = 0;
  for (const Taggable& example : examples) sum += first_bits(example.tag);
  char text[16];
  const auto end = std::to_chars(text, std::end(text), sum, 16).ptr;
  return std::to_string(examples.size()) + " " + std::string(text, end);
}

}  // namespace kith::data
