#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <new>
#include <vector>

/// Where examples go that are too many for memory: a file without a name, mapped, of which the system
/// keeps as much in memory as it can spare and gives the rest back to the disk.
namespace kith::data {

/// From now on a vector of Inputs of more than `above` bytes lies in that file, which is open for
/// reading and writing, empty, and stays open.  Call it once, before anything is read.
void use_scratch(int file, std::size_t above);

/// Such a file in a folder, or -1 if the folder allows none.  The caller closes it.
[[nodiscard]] int open_scratch(const std::filesystem::path& folder);

/// A quarter of this machine's memory.
[[nodiscard]] std::size_t memory_for_examples();

/// Of at least that many bytes, or nullptr where memory is to be taken.  Throws DataError if the disk
/// is full.
[[nodiscard]] void* allocate_scratch(std::size_t bytes);
/// False if it is none of allocate_scratch().
[[nodiscard]] bool free_scratch(void* memory);

template <class T>
struct ScratchAllocator {
  using value_type = T;
  ScratchAllocator() = default;
  template <class U>
  ScratchAllocator(const ScratchAllocator<U>&) {}  // NOLINT: as allocators are

  [[nodiscard]] T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    if (void* const memory = allocate_scratch(count * sizeof(T))) return static_cast<T*>(memory);
    return static_cast<T*>(::operator new(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t) {
    if (!free_scratch(memory)) ::operator delete(memory);
  }
  template <class U>
  bool operator==(const ScratchAllocator<U>&) const {
    return true;
  }
};

/// Numbers of many examples.
using Inputs = std::vector<float, ScratchAllocator<float>>;

}  // namespace kith::data
