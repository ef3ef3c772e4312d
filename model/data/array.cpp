#include "model/data/array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

namespace kith::data {
namespace {

using Type = Array::Type;
static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kMaxSides = 8;
constexpr std::size_t kMaxHeader = std::size_t{1} << 20;  // bytes

struct TypeName {
  Type type;
  std::string_view name, numpy, safetensors;
  std::size_t size;  ///< bytes
};
constexpr std::array<TypeName, 13> kTypes{{{Type::boolean, "bool", "b1", "BOOL", 1},
                                           {Type::int8, "int8", "i1", "I8", 1},
                                           {Type::int16, "int16", "i2", "I16", 2},
                                           {Type::int32, "int32", "i4", "I32", 4},
                                           {Type::int64, "int64", "i8", "I64", 8},
                                           {Type::uint8, "uint8", "u1", "U8", 1},
                                           {Type::uint16, "uint16", "u2", "U16", 2},
                                           {Type::uint32, "uint32", "u4", "U32", 4},
                                           {Type::uint64, "uint64", "u8", "U64", 8},
                                           {Type::float16, "float16", "f2", "F16", 2},
                                           {Type::bfloat16, "bfloat16", "", "BF16", 2},
                                           {Type::float32, "float32", "f4", "F32", 4},
                                           {Type::float64, "float64", "f8", "F64", 8}}};

const TypeName& of(Type type) { return kTypes[static_cast<std::size_t>(type)]; }

double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const int fraction = bits & 0x3ff;
  double value = 0;
  if (exponent == 0x1f) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  } else {
    value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 0x400, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

double brain_value(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

template <class T>
T load(const std::byte* from, bool big_endian) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), from, sizeof(T));
  if (big_endian) std::ranges::reverse(bytes);
  return std::bit_cast<T>(bytes);
}

/// Calls `use` with the place in bytes of every number, the last dimension varying fastest.
template <class Use>
void each_place(const Array& array, Use use) {
  const std::size_t size = of(array.type).size;
  const std::size_t count = array.count();
  if (!array.fortran_order || array.shape.size() < 2) {
    for (std::size_t i = 0; i < count; ++i) use(i * size);
    return;
  }
  const std::size_t dimensions = array.shape.size();
  std::vector<std::size_t> strides(dimensions, size), at(dimensions);
  for (std::size_t d = 1; d < dimensions; ++d) strides[d] = strides[d - 1] * array.shape[d - 1];
  std::size_t place = 0;
  for (std::size_t i = 0; i < count; ++i) {
    use(place);
    for (std::size_t d = dimensions; d-- > 0;) {
      place += strides[d];
      if (++at[d] < array.shape[d]) break;
      place -= at[d] * strides[d];
      at[d] = 0;
    }
  }
}

/// Calls `use` with every number, in the type that it has.
template <class Use>
void each_number(const Array& array, Use use) {
  const auto all = [&]<class T>(T, auto convert) {
    each_place(array, [&](std::size_t place) {
      use(convert(load<T>(array.bytes.data() + place, array.big_endian)));
    });
  };
  const auto same = [](auto value) { return value; };
  switch (array.type) {
    case Type::boolean:
      return all(std::uint8_t{}, [](std::uint8_t value) { return value != 0; });
    case Type::int8:
      return all(std::int8_t{}, same);
    case Type::int16:
      return all(std::int16_t{}, same);
    case Type::int32:
      return all(std::int32_t{}, same);
    case Type::int64:
      return all(std::int64_t{}, same);
    case Type::uint8:
      return all(std::uint8_t{}, same);
    case Type::uint16:
      return all(std::uint16_t{}, same);
    case Type::uint32:
      return all(std::uint32_t{}, same);
    case Type::uint64:
      return all(std::uint64_t{}, same);
    case Type::float16:
      return all(std::uint16_t{}, half_value);
    case Type::bfloat16:
      return all(std::uint16_t{}, brain_value);
    case Type::float32:
      return all(float{}, same);
    case Type::float64:
      return all(double{}, same);
  }
}

/// What the numbers of this shape take, unless that is more than there can be.
std::optional<std::size_t> bytes_of(Type type, const std::vector<std::uint64_t>& shape) {
  std::size_t bytes = of(type).size;
  for (const std::uint64_t size : shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  }
  return bytes;
}

/// Reads the literal of a Python dictionary with which an NPY file begins.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, Array& array) : text_(text), array_(array) {}

  /// What is wrong, or nothing.
  std::string read() {
    if (!take('{')) return kNone;
    while (!take('}')) {
      const auto key = quoted();
      if (!key || !take(':')) return kNone;
      std::string wrong = kNone;
      if (*key == "descr") wrong = read_type();
      if (*key == "fortran_order") wrong = read_order();
      if (*key == "shape") wrong = read_shape();
      if (!wrong.empty()) return wrong;
      ++keys_;
      if (!take(',') && !peek('}')) return kNone;
    }
    return keys_ == 3 && typed_ && ordered_ && shaped_ ? "" : kNone;
  }

 private:
  static constexpr const char* kNone = "has a header that numpy.save() does not write";

  void skip() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n'))
      text_.remove_prefix(1);
  }
  bool peek(char c) {
    skip();
    return text_.starts_with(c);
  }
  bool take(char c) {
    if (!peek(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string_view> quoted() {
    skip();
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) return std::nullopt;
    const auto end = text_.find(text_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inner = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return inner;
  }

  std::string read_type() {
    if (peek('['))
      return "holds records with named fields; save one array of numbers for the inputs";
    const auto type = quoted();
    if (!type || type->size() < 2) return kNone;
    if (type->find('O') != std::string_view::npos) {
      return "holds Python objects, which are not unpickled, as that would run whatever is in "
             "them; "
             "save numbers, for example with x.astype(\"float32\")";
    }
    const auto known = std::ranges::find(kTypes, type->substr(1), &TypeName::numpy);
    if (known == kTypes.end() ||
        std::string_view("<>|=").find(type->front()) == std::string_view::npos) {
      return "holds values of type " + std::string(type->substr(0, 16)) +
             "; save numbers, for example with x.astype(\"float32\")";
    }
    array_.type = known->type;
    array_.big_endian = type->front() == '>';
    typed_ = true;
    return "";
  }
  std::string read_order() {
    array_.fortran_order = take_word("True");
    ordered_ = array_.fortran_order || take_word("False");
    return ordered_ ? "" : kNone;
  }
  std::string read_shape() {
    if (!take('(')) return kNone;
    array_.shape.clear();
    while (!take(')')) {
      skip();
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc() || array_.shape.size() == kMaxSides) return kNone;
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      array_.shape.push_back(size);
      if (!take(',') && !peek(')')) return kNone;
    }
    shaped_ = true;
    return "";
  }

  std::string_view text_;
  Array& array_;
  int keys_ = 0;
  bool typed_ = false, ordered_ = false, shaped_ = false;
};

std::string size_problem(const Array& array) {
  const auto wanted = bytes_of(array.type, array.shape);
  if (wanted == array.bytes.size()) return "";
  return "is cut short or too long: it announces " + shape_text(array.shape) + " numbers of " +
         std::string(name(array.type)) + " and holds " + std::to_string(array.bytes.size()) +
         " bytes";
}

}  // namespace

std::size_t Array::count() const {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies());
}

std::string_view name(Type type) { return of(type).name; }

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text;
  for (const std::uint64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "1" : text;
}

Inputs floats(const Array& array) {
  Inputs all;
  all.reserve(array.count());
  each_number(array, [&](auto value) { all.push_back(static_cast<float>(value)); });
  return all;
}

std::optional<std::vector<std::int64_t>> integers(const Array& array) {
  std::vector<std::int64_t> all;
  all.reserve(array.count());
  bool whole = true;
  each_number(array, [&](auto value) {
    const auto number = static_cast<double>(value);
    whole = whole && std::abs(number) <= 0x1p53 && number == std::floor(number);
    all.push_back(whole ? static_cast<std::int64_t>(number) : 0);
  });
  if (!whole) return std::nullopt;
  return all;
}

std::variant<Array, std::string> parse_npy(ByteView file) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  const std::string_view text{reinterpret_cast<const char*>(file.data()), file.size()};
  if (!text.starts_with(kMagic) || file.size() < 12) return "is no NPY file";
  const auto version = std::to_integer<unsigned>(file[6]);
  if (version < 1 || version > 3) return "is an NPY file of version " + std::to_string(version);
  const std::size_t begin = version == 1 ? 10 : 12;
  const std::size_t size =
      version == 1 ? load<std::uint16_t>(&file[8], false) : load<std::uint32_t>(&file[8], false);
  if (size > kMaxHeader || size > file.size() - begin) return "is cut short within its header";
  Array array;
  if (std::string wrong = NpyHeader(text.substr(begin, size), array).read(); !wrong.empty()) {
    return wrong;
  }
  array.bytes = file.subspan(begin + size);
  if (std::string wrong = size_problem(array); !wrong.empty()) return wrong;
  return array;
}

std::variant<NamedArrays, std::string> parse_safetensors(ByteView file) {
  using Json = nlohmann::json;
  if (file.size() < 8) return "is no safetensors file";
  const auto size = load<std::uint64_t>(file.data(), false);
  if (size > kMaxHeader * 16 || size > file.size() - 8)
    return "is no safetensors file, or cut short";
  const auto* const begin = reinterpret_cast<const char*>(file.data()) + 8;
  bool too_deep = false;
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > 3;
    return !too_deep;
  };
  const Json header = Json::parse(begin, begin + size, shallow, false);
  if (too_deep || !header.is_object())
    return "is no safetensors file: its header is not as it must be";
  const ByteView values = file.subspan(8 + size);
  NamedArrays arrays;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto wrong = [called = name.substr(0, 64)](const std::string& what) {
      return "has the tensor \"" + called + "\", which " + what;
    };
    const auto whole = [](const Json& json) { return json.is_number_unsigned(); };
    const bool made = entry.is_object() && entry.contains("dtype") && entry["dtype"].is_string() &&
                      entry.contains("shape") && entry["shape"].is_array() &&
                      std::ranges::all_of(entry["shape"], whole) &&
                      entry["shape"].size() <= kMaxSides && entry.contains("data_offsets") &&
                      entry["data_offsets"].is_array() && entry["data_offsets"].size() == 2 &&
                      std::ranges::all_of(entry["data_offsets"], whole);
    if (!made) return wrong("is not described as it must be");
    const auto type = entry["dtype"].get<std::string>();
    const auto known = std::ranges::find(kTypes, type, &TypeName::safetensors);
    if (known == kTypes.end()) return wrong("holds values of type " + type.substr(0, 16));
    const auto from = entry["data_offsets"][0].get<std::uint64_t>();
    const auto until = entry["data_offsets"][1].get<std::uint64_t>();
    if (from > until || until > values.size()) return wrong("lies beyond the end of the file");
    Array array{.type = known->type,
                .shape = entry["shape"].get<std::vector<std::uint64_t>>(),
                .bytes = values.subspan(from, until - from)};
    if (std::string problem = size_problem(array); !problem.empty()) return wrong(problem);
    arrays.emplace_back(name, std::move(array));
  }
  return arrays;
}

bool is_array_file(const std::filesystem::path& path) {
  const auto extension = path.extension();
  return extension == ".npy" || extension == ".npz" || extension == ".safetensors";
}

namespace {

const Array* find_array(const NamedArrays& arrays, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (const auto& [given, array] : arrays) {
      if (given == name) return &array;
    }
  }
  return nullptr;
}

/// One number for each example.
bool is_list(const Array& array) {
  return array.shape.size() == 1 || (array.shape.size() == 2 && array.shape[1] == 1);
}

const Array* find_inputs(const NamedArrays& arrays) {
  return find_array(arrays, {"x", "X", "inputs", "features", "images", "data"});
}

std::string names_of(const NamedArrays& arrays) {
  std::string names;
  for (const auto& [name, array] : arrays) {
    names +=
        (names.empty() ? "" : ", ") + name.substr(0, 64) + " (" + shape_text(array.shape) + ")";
  }
  return names.empty() ? "none" : names;
}

/// Of two arrays of which one is a list: the other, and the list.  Null else.
std::pair<const Array*, const Array*> told_by_shape(const NamedArrays& arrays) {
  if (arrays.size() != 2) return {};
  const Array &first = arrays[0].second, &second = arrays[1].second;
  if (is_list(first) == is_list(second)) return {};
  return is_list(first) ? std::pair(&second, &first) : std::pair(&first, &second);
}

/// Which are the inputs and which the answers.
void choose(const std::filesystem::path& file, const NamedArrays& arrays, ArrayExamples& into) {
  const Array* x = find_inputs(arrays);
  const Array* y = find_array(arrays, {"y", "Y", "labels", "targets", "label", "target"});
  if (x == nullptr || y == nullptr) {
    const auto [inputs, list] = told_by_shape(arrays);
    if (inputs != nullptr) x = inputs, y = list;
  }
  if (x == nullptr || y == nullptr) {
    throw DataError(file.string() +
                    " must hold the inputs as an array x and the answers as y; it holds " +
                    names_of(arrays) + "; rename them");
  }
  into.inputs = *x;
  into.answers = *y;
  const Array* const groups = find_array(arrays, {"group", "groups"});
  if (groups != nullptr) into.groups = *groups;
}

template <class Parsed>
Parsed parsed_or_throw(const std::filesystem::path& file,
                       std::variant<Parsed, std::string> parsed) {
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(file.string() + " " + with_advice(*why, "copy it again, or write it anew"));
  }
  return std::get<Parsed>(std::move(parsed));
}

/// The arrays borrow from `bytes`, to which they are added.
NamedArrays read_npz(const std::filesystem::path& file, std::vector<FileContents>& bytes_of) {
  std::vector<std::string> names;
  for (auto& [name, bytes] : parsed_or_throw(file, parse_npz(read_file(file), kMaxFileBytes))) {
    names.push_back(std::move(name));
    bytes_of.emplace_back(std::move(bytes));
  }
  NamedArrays arrays;
  for (std::size_t i = 0; i < bytes_of.size(); ++i) {
    auto parsed = parse_npy(bytes_of[i].bytes());
    if (auto* const why = std::get_if<std::string>(&parsed)) {
      parsed = "has the array \"" + names[i].substr(0, 64) + "\", which " + *why;
    }
    arrays.emplace_back(names[i], parsed_or_throw(file, std::move(parsed)));
  }
  return arrays;
}

/// The arrays of an NPZ or safetensors file, which borrow as in read_npz().
NamedArrays read_named(const std::filesystem::path& file, std::vector<FileContents>& bytes_of) {
  if (file.extension() == ".npz") return read_npz(file, bytes_of);
  bytes_of.emplace_back(file);
  return parsed_or_throw(file, parse_safetensors(bytes_of.front().bytes()));
}

}  // namespace

ArrayInputs read_array_inputs(const std::filesystem::path& file) {
  ArrayInputs read;
  if (file.extension() == ".npy") {
    read.bytes.emplace_back(file);
    read.inputs = parsed_or_throw(file, parse_npy(read.bytes.front().bytes()));
    return read;
  }
  const NamedArrays arrays = read_named(file, read.bytes);
  const Array* x = find_inputs(arrays);
  if (x == nullptr && arrays.size() == 1) x = &arrays.front().second;
  if (x == nullptr) x = told_by_shape(arrays).first;
  if (x == nullptr) {
    throw DataError(file.string() + " must hold the inputs as an array x; it holds " +
                    names_of(arrays) + "; rename them");
  }
  read.inputs = *x;
  return read;
}

std::optional<Array> part_of(const Array& array, std::uint64_t from, std::uint64_t count) {
  if (array.fortran_order || array.shape.empty() || array.shape[0] == 0) return std::nullopt;
  assert(from <= array.shape[0] && count <= array.shape[0] - from);
  const std::size_t size = array.bytes.size() / array.shape[0];
  Array part = array;
  part.shape[0] = count;
  part.bytes = array.bytes.subspan(from * size, count * size);
  return part;
}

ArrayExamples read_array_examples(std::span<const std::filesystem::path> files) {
  assert(!files.empty());
  const auto& file = files.front();
  ArrayExamples read;
  if (file.extension() == ".npz" || file.extension() == ".safetensors") {
    choose(file, read_named(file, read.bytes), read);
  } else {
    if (files.size() < 2 || files[1].extension() != ".npy") {
      throw DataError(file.string() + " needs another NPY file behind it, with the answers");
    }
    for (const auto& one : files.first(2)) read.bytes.emplace_back(one);
    read.inputs = parsed_or_throw(file, parse_npy(read.bytes[0].bytes()));
    read.answers = parsed_or_throw(files[1], parse_npy(read.bytes[1].bytes()));
  }
  const auto examples = [](const Array& array) { return array.shape.empty() ? 1 : array.shape[0]; };
  const bool even =
      read.answers.shape.size() <= 2 && examples(read.inputs) == examples(read.answers) &&
      (!read.groups || (is_list(*read.groups) && examples(*read.groups) == examples(read.inputs)));
  if (!even || read.inputs.shape.empty()) {
    throw DataError(file.string() + " has inputs of " + shape_text(read.inputs.shape) +
                    " and answers of " + shape_text(read.answers.shape) +
                    "; there must be one answer, and one group if there are any, for each example");
  }
  return read;
}

}  // namespace kith::data
