#include "model/data/sampling.hpp"

#include <cassert>
#include <numeric>
#include <utility>

namespace kith::data {

Random random_for(std::initializer_list<std::uint64_t> numbers) {
  std::vector<std::uint32_t> words;  // seed_seq keeps 32 bits of each number
  for (const std::uint64_t number : numbers) {
    words.push_back(static_cast<std::uint32_t>(number));
    words.push_back(static_cast<std::uint32_t>(number >> 32));
  }
  std::seed_seq seed(words.begin(), words.end());
  return Random(seed);
}

std::uint64_t below(std::uint64_t bound, Random& random) {
  assert(bound > 0);
  const std::uint64_t uneven = (Random::max() % bound + 1) % bound;  // 2^64 mod bound
  for (;;) {
    const std::uint64_t value = random();
    if (value <= Random::max() - uneven) return value % bound;
  }
}

void shuffle(std::span<std::size_t> items, Random& random) {
  for (std::size_t left = items.size(); left > 1; --left) {
    std::swap(items[left - 1], items[below(left, random)]);
  }
}

std::vector<std::size_t> sample(std::size_t count, std::size_t wanted, Random& random) {
  assert(wanted <= count);
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  shuffle(all, random);
  all.resize(wanted);
  return all;
}

}  // namespace kith::data
