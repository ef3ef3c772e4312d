#pragma once

#include "model/data/file.hpp"
#include "model/data/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// Arrays as NumPy and safetensors store them.  Files that hold Python objects are refused: to read
// them is to run what they say.
namespace kith::data {

/// Numbers in a file's bytes, which it borrows.
struct Array {
  enum class Type {
    boolean,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    float16,
    bfloat16,
    float32,
    float64
  };
  Type type = Type::float32;
  bool big_endian = false;
  bool fortran_order = false;        ///< the first dimension varies fastest, not the last
  std::vector<std::uint64_t> shape;  ///< empty: one number
  ByteView bytes;                    ///< of exactly as many numbers

  [[nodiscard]] std::size_t count() const;  ///< of numbers
};

[[nodiscard]] std::string_view name(Array::Type type);  ///< "float16"
/// "193 x 50 x 6"
[[nodiscard]] std::string shape_text(const std::vector<std::uint64_t>& shape);

/// All numbers, the last dimension varying fastest.
[[nodiscard]] Inputs floats(const Array& array);
/// The same of whole numbers; nullopt if one is none, or beyond 2^53.
[[nodiscard]] std::optional<std::vector<std::int64_t>> integers(const Array& array);

/// An array with its name in a file.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// One array, as numpy.save() writes it; or, in a few words, why it is none.
[[nodiscard]] std::variant<Array, std::string> parse_npy(ByteView file);

/// The arrays of a safetensors file in the order of their names; or why it is none.
[[nodiscard]] std::variant<NamedArrays, std::string> parse_safetensors(ByteView file);

/// The members of a ZIP archive as numpy.savez() writes it: names without ".npy" and their bytes,
/// at most `max_bytes` altogether; or why it is none.
using Members = std::vector<std::pair<std::string, Bytes>>;
[[nodiscard]] std::variant<Members, std::string> parse_npz(ByteView file, std::size_t max_bytes);

/// Inputs and what belongs to them, as many of each; they borrow from `bytes`.  There may be several
/// answers to each input.
struct ArrayExamples {
  Array inputs, answers;
  std::optional<Array> groups;
  std::vector<FileContents> bytes;
};

/// The inputs alone of an NPZ or a safetensors file, in which answers and groups may be or not; or what
/// is in an NPY file.  Throws DataError naming the file.
struct ArrayInputs {
  Array inputs;
  std::vector<FileContents> bytes;  ///< from which they borrow
};
[[nodiscard]] ArrayInputs read_array_inputs(const std::filesystem::path& file);

/// Examples of an array in a row, the first being number `from`; nullopt if they do not lie together.
[[nodiscard]] std::optional<Array> part_of(const Array& array, std::uint64_t from,
                                           std::uint64_t count);

/// Whether a file's name is one of an array: .npy, .npz or .safetensors.
[[nodiscard]] bool is_array_file(const std::filesystem::path& path);

/// Reads an NPZ or a safetensors file with the arrays x and y, or others if it is plain which is
/// which, and perhaps `group`; or two NPY files, x and y.  Throws DataError naming the file.
[[nodiscard]] ArrayExamples read_array_examples(std::span<const std::filesystem::path> files);

}  // namespace kith::data
