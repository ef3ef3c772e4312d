#pragma once

#include "crypto/bytes.hpp"

#include <cereal/cereal.hpp>

#include <array>
#include <bit>
#include <cassert>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace kith::net {

static_assert(std::endian::native == std::endian::little,
              "the wire is little endian, and so are we");

/// Marks a variable-length member in `serialize()` with the most elements it may have on the wire.
///
///     archive(task, at_most<64>(agent));
///
/// Without it a vector or string does not compile: there is no unbounded length in our protocol.
template <std::size_t Max, class Container>
struct AtMost {
  Container& container;
};
template <std::size_t Max, class Container>
AtMost<Max, Container> at_most(Container& container) {
  static_assert(Max <= std::numeric_limits<std::uint32_t>::max());
  return {container};
}

/// Limits a list of texts as at_most() does: at most `Max` of them, of at most `MaxText` bytes each.
template <std::size_t Max, std::size_t MaxText>
struct AtMostTexts {
  std::vector<std::string>& texts;
};
template <std::size_t Max, std::size_t MaxText>
AtMostTexts<Max, MaxText> at_most_texts(std::vector<std::string>& texts) {
  return {texts};
}

/// Writes the fixed little-endian layout that Reader reads.  Lengths are u32.
class Writer : public cereal::OutputArchive<Writer, cereal::AllowEmptyClassElision> {
 public:
  explicit Writer(Bytes& out) : OutputArchive(this), out_(out) {}

  void raw(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
  }

 private:
  Bytes& out_;
};

/// Reads a peer's bytes.  Never throws, never allocates more than the bytes it was given allow: a
/// length is checked against its maximum and against the bytes that are left before anything is
/// reserved.  After the first violation it stays failed and every further read yields zeros.
class Reader : public cereal::InputArchive<Reader, cereal::AllowEmptyClassElision> {
 public:
  explicit Reader(ByteView in) : InputArchive(this), in_(in) {}

  /// Copies `size` bytes to `data`; fills it with zeros if they are not there.
  void raw(void* data, std::size_t size) {
    if (size == 0) return;  // `data` may be null then
    if (size > in_.size()) fail();
    if (failed_) {
      std::memset(data, 0, size);
      return;
    }
    std::memcpy(data, in_.data(), size);
    in_ = in_.subspan(size);
  }
  /// The length of a sequence whose elements take at least `element` bytes each.
  std::size_t length(std::size_t most, std::size_t element) {
    std::uint32_t count = 0;
    raw(&count, sizeof count);
    if (count > most || count > in_.size() / element) fail();
    return failed_ ? 0 : count;
  }
  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool complete() const { return !failed_ && in_.empty(); }

 private:
  ByteView in_;
  bool failed_ = false;
};

// Integers.  Cereal itself turns an enumerator into its underlying integer; bool is a byte, 0 or 1.
template <std::integral T>
void CEREAL_SAVE_FUNCTION_NAME(Writer& archive, const T& value) {
  archive.raw(&value, sizeof value);
}
template <std::integral T>
void CEREAL_LOAD_FUNCTION_NAME(Reader& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;
    archive.raw(&byte, 1);
    if (byte > 1) archive.fail();
    value = byte == 1;
  } else {
    archive.raw(&value, sizeof value);
  }
}

template <std::size_t N>
void CEREAL_SAVE_FUNCTION_NAME(Writer& archive, const std::array<std::byte, N>& value) {
  archive.raw(value.data(), N);
}
template <std::size_t N>
void CEREAL_LOAD_FUNCTION_NAME(Reader& archive, std::array<std::byte, N>& value) {
  archive.raw(value.data(), N);
}

template <std::size_t Max, class Container>
void CEREAL_SAVE_FUNCTION_NAME(Writer& archive, const AtMost<Max, Container>& value) {
  const auto& items = value.container;
  assert(items.size() <= Max);
  const auto count = static_cast<std::uint32_t>(items.size());
  archive.raw(&count, sizeof count);
  if constexpr (sizeof(*items.data()) == 1) {
    archive.raw(items.data(), items.size());
  } else {
    for (const auto& item : items) archive(item);
  }
}
template <std::size_t Max, class Container>
void CEREAL_LOAD_FUNCTION_NAME(Reader& archive, AtMost<Max, Container>& value) {
  using Item = typename Container::value_type;
  value.container.clear();
  if constexpr (sizeof(Item) == 1) {
    value.container.resize(archive.length(Max, 1));
    archive.raw(value.container.data(), value.container.size());
  } else {
    // Grown, not reserved: an element is larger in memory than the one byte we demand of it here.
    for (std::size_t left = archive.length(Max, 1); left > 0; --left) {
      archive(value.container.emplace_back());
      if (archive.failed()) return value.container.clear();
    }
  }
}

template <std::size_t Max, std::size_t MaxText>
void CEREAL_SAVE_FUNCTION_NAME(Writer& archive, const AtMostTexts<Max, MaxText>& value) {
  assert(value.texts.size() <= Max);
  const auto count = static_cast<std::uint32_t>(value.texts.size());
  archive.raw(&count, sizeof count);
  for (std::string& text : value.texts) archive(at_most<MaxText>(text));
}
template <std::size_t Max, std::size_t MaxText>
void CEREAL_LOAD_FUNCTION_NAME(Reader& archive, AtMostTexts<Max, MaxText>& value) {
  value.texts.resize(archive.length(Max, sizeof(std::uint32_t)));
  for (std::string& text : value.texts) archive(at_most<MaxText>(text));
}

/// The bytes of `value`, laid out by its serialize().
template <class T>
[[nodiscard]] Bytes encode(const T& value) {
  Bytes out;
  Writer archive(out);
  archive(value);
  return out;
}

/// The value whose encode() is exactly `bytes`, or nullopt.
template <class T>
[[nodiscard]] std::optional<T> decode(ByteView bytes) {
  T value{};
  Reader archive(bytes);
  archive(value);
  if (!archive.complete()) return std::nullopt;
  return value;
}

}  // namespace kith::net

CEREAL_SETUP_ARCHIVE_TRAITS(kith::net::Reader, kith::net::Writer)
