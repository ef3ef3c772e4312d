#include "daemon/state/history.hpp"

#include "daemon/system/disk.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".safetensors";

/// `to` is the file `from`, or a copy where the file system knows no links.
void link_or_copy(const fs::path& from, const fs::path& to) {
  fs::remove(to);
  std::error_code failed;
  fs::create_hard_link(from, to, failed);
  if (failed) fs::copy_file(from, to);
}

}  // namespace

std::vector<std::uint64_t> thinned(std::vector<std::uint64_t> rounds, std::size_t most) {
  assert(most != 1);
  if (most == 0) return {};
  while (rounds.size() > most) {
    // The one without which the gap is least, measured by how long ago it is.  In the last eighth of
    // all rounds that hardly counts: else nearly all would be kept there.
    const auto gap = [&](std::size_t i) {
      const auto all = static_cast<double>(rounds.back());
      const auto ago = static_cast<double>(rounds.back() - rounds[i - 1]);
      return static_cast<double>(rounds[i + 1] - rounds[i - 1]) / (ago + all / 8);
    };
    std::size_t least = 1;
    for (std::size_t i = 2; i + 1 < rounds.size(); ++i) {
      if (gap(i) < gap(least)) least = i;
    }
    rounds.erase(rounds.begin() + static_cast<std::ptrdiff_t>(least));
  }
  return rounds;
}

fs::path History::file_of(std::uint64_t round) const {
  return folder_ / (std::to_string(round) + kExtension);
}

std::vector<std::uint64_t> History::rounds() const {
  std::vector<std::uint64_t> found;
  on_disk("list", [&] {
    if (!fs::exists(folder_)) return;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().stem().string();
      std::uint64_t round = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), round);
      const bool is_number = error == std::errc() && end == name.data() + name.size();
      if (is_number && entry.path().extension() == kExtension) found.push_back(round);
    }
  });
  std::ranges::sort(found);
  return found;
}

void History::keep(std::uint64_t round, const fs::path& checkpoint, std::size_t most) {
  on_disk("write", [&] {
    if (most > 0) {
      fs::create_directories(folder_);
      link_or_copy(checkpoint, file_of(round));
    }
    const auto all = rounds();
    const auto kept = thinned(all, most);
    for (const std::uint64_t each : all) {
      if (!std::ranges::binary_search(kept, each)) fs::remove(file_of(each));
    }
  });
}

void History::restore(std::uint64_t round, const fs::path& checkpoint) const {
  on_disk("write", [&] {
    fs::path link = checkpoint;
    link += kUnfinished;
    link_or_copy(file_of(round), link);
    fs::rename(link, checkpoint);
    fs::remove(link);  // rename does nothing to two names of one file
  });
}

void History::forget_after(std::uint64_t round) {
  for (const std::uint64_t each : rounds()) {
    if (each > round) on_disk("remove", [&] { fs::remove(file_of(each)); });
  }
}

}  // namespace kith::daemon
