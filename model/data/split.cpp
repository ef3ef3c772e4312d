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

namespace kith::data {
namespace {

std::uint64_t first_bits(const Tag& tag) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof bits; ++i) bits = bits << 8 | std::to_integer<unsigned>(tag[i]);
  return bits;
}

/// Evenly spread over 0 to 1.
double position(const Tag& unit) { return static_cast<double>(first_bits(unit) >> 11) * 0x1p-53; }

Split divided(std::span<const Taggable> examples, const std::set<Tag>& set_aside) {
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
  std::map<Tag, std::uint64_t> copies;
  for (const Taggable& example : examples) copies[example.tag] = 0;
  if (5 * copies.size() >= examples.size()) return;
  for (Taggable& example : examples) {
    const std::uint64_t copy = copies[example.tag]++;
    if (copy == 0 || example.unit != example.tag) continue;
    const std::string name = crypto::to_hex(example.tag) + " " + std::to_string(copy);
    example.unit = tagger.tag(as_byte_view(name));
  }
}

std::vector<std::size_t> in_order(std::span<const Taggable> examples) {
  std::vector<std::size_t> all(examples.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::sort(all.begin(), all.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(examples[a].tag, a) < std::tie(examples[b].tag, b);
  });
  return all;
}

Split split_by_tag(std::span<const Taggable> examples, double fraction) {
  assert(fraction > 0 && fraction < 1);
  std::map<std::int64_t, std::set<Tag>> classes;  // the units of each, lowest tag first
  std::set<Tag> set_aside;
  for (const Taggable& example : examples) {
    classes[example.label].insert(example.unit);
    if (position(example.unit) < fraction) set_aside.insert(example.unit);
  }
  for (const auto& [label, units] : classes) {
    if (units.size() < 2) continue;
    const auto aside = std::ranges::count_if(
        units, [&](const Tag& unit) { return set_aside.contains(unit); });
    if (aside == 0) set_aside.insert(*units.begin());
    if (aside == std::ssize(units)) set_aside.erase(*units.rbegin());
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
