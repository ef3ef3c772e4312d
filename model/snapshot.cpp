#include "model/snapshot.hpp"

#include "model/snapshot_header.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace kith::model {
namespace {

static_assert(std::endian::native == std::endian::little, "snapshots are little endian");
static_assert(sizeof(float) == 4 && std::numeric_limits<float>::is_iec559);

using Json = nlohmann::json;
constexpr std::size_t kLengthSize = sizeof(std::uint64_t);
constexpr std::size_t kAlignment = 8;  // of the data in the file
constexpr std::string_view kMetadata = "__metadata__";

/// 4 * the product of the dimensions, or nullopt if that is zero or does not fit.
std::optional<std::uint64_t> byte_size(const std::vector<std::uint64_t>& shape) {
  std::uint64_t size = sizeof(float);
  for (const auto dimension : shape) {
    if (__builtin_mul_overflow(size, dimension, &size)) return std::nullopt;
  }
  return size == 0 ? std::nullopt : std::optional(size);
}

/// `text` fit for a sentence: as JSON would quote it, and short.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 64;
  const auto shown = std::string(text.substr(0, kShown)) + (text.size() > kShown ? "..." : "");
  return Json(shown).dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::optional<std::string> name_problem(std::string_view name) {
  if (name.empty()) return "a tensor has an empty name";
  if (name.size() > SnapshotLimits::name) {
    return "the name of tensor " + in_quotes(name) + " is longer than " +
           std::to_string(SnapshotLimits::name) + " bytes";
  }
  if (!std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; })) {
    return "the name of tensor " + in_quotes(name) + " is not printable ASCII";
  }
  if (name == kMetadata) return "a tensor is named __metadata__, which safetensors reserves";
  return std::nullopt;
}

std::optional<std::string> order_problem(std::string_view previous, std::string_view name) {
  if (previous == name) return "tensor " + in_quotes(name) + " is there twice";
  if (name < previous) return "tensor " + in_quotes(name) + " is not in the order of the names";
  return std::nullopt;
}

std::optional<std::string> shape_problem(const TensorSpec& tensor) {
  if (tensor.shape.size() > SnapshotLimits::dimensions) {
    return "tensor " + in_quotes(tensor.name) + " has more than " +
           std::to_string(SnapshotLimits::dimensions) + " dimensions";
  }
  if (std::ranges::find(tensor.shape, 0U) != tensor.shape.end()) {
    return "tensor " + in_quotes(tensor.name) + " has a dimension of zero";
  }
  if (!byte_size(tensor.shape)) {
    return "the size of tensor " + in_quotes(tensor.name) + " does not fit 64 bits";
  }
  return std::nullopt;
}

/// The canonical header, padding included.  Requires !problem(schema); throws Json::type_error if
/// `metadata` is not UTF-8.
std::string header_text(const Schema& schema, const Metadata& metadata) {
  std::string text = "{";
  const auto separate = [&text] {
    if (text.size() > 1) text += ',';
  };
  if (!metadata.empty()) text += "\"__metadata__\":" + Json(metadata).dump();
  std::uint64_t offset = 0;
  for (const auto& [name, shape] : schema.tensors) {
    const auto end = offset + byte_size(shape).value();
    separate();
    text += Json(name).dump() + ":{\"dtype\":\"F32\",\"shape\":" + Json(shape).dump() +
            ",\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  text += '}';
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

/// Takes the header's JSON apart as it is parsed.  Knows only the three levels that a header has,
/// so nothing is ever nested deeper.  Every callback returns false to stop; problem() then says
/// why.
class HeaderReader {
 public:
  explicit HeaderReader(std::uint64_t data_size) : data_size_(data_size) {}

  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] Schema take_schema() { return std::move(schema_); }
  [[nodiscard]] Metadata take_metadata() { return std::move(metadata_); }

  // The callbacks of nlohmann::json's SAX interface.
  bool start_object(std::size_t) {
    switch (place_) {
      case Place::outside:
        return enter(Place::header);
      case Place::tensor_value:
        return enter(Place::tensor);
      case Place::metadata_value:
        return enter(Place::metadata);
      default:
        return unexpected();
    }
  }

  bool key(std::string& name) {
    switch (place_) {
      case Place::header:
        return name == kMetadata ? start_metadata() : start_tensor(name);
      case Place::tensor:
        return start_field(name);
      case Place::metadata:
        metadata_key_ = name;
        if (metadata_.contains(name)) return refuse("its metadata has a key twice");
        return enter(Place::metadata_text);
      default:
        return unexpected();
    }
  }

  bool string(std::string& text) {
    if (place_ == Place::metadata_text) {
      metadata_.emplace(std::move(metadata_key_), std::move(text));
      return enter(Place::metadata);
    }
    if (place_ != Place::dtype) return unexpected();
    if (text != "F32") return refuse(here() + " is of type " + in_quotes(text) + ", not F32");
    return enter(Place::tensor);
  }

  bool start_array(std::size_t) {
    switch (place_) {
      case Place::shape_value:
        return enter(Place::shape);
      case Place::offsets_value:
        return enter(Place::offsets);
      default:
        return unexpected();
    }
  }

  bool number_unsigned(std::uint64_t value) {
    if (place_ == Place::shape) {
      if (tensor().shape.size() == SnapshotLimits::dimensions) {
        return refuse(here() + " has more than " + std::to_string(SnapshotLimits::dimensions) +
                      " dimensions");
      }
      tensor().shape.push_back(value);
      return true;
    }
    if (place_ != Place::offsets) return unexpected();
    if (offsets_seen_ == offsets_.size()) return refuse(here() + " has more than two data offsets");
    offsets_[offsets_seen_++] = value;
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offsets_seen_ != offsets_.size()) {
      return refuse(here() + " has fewer than two data offsets");
    }
    return enter(Place::tensor);
  }

  bool end_object() {
    switch (place_) {
      case Place::header:
        return enter(Place::outside) && end_header();
      case Place::tensor:
        return enter(Place::header) && end_tensor();
      default:
        return enter(Place::header);
    }
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) {
    return refuse("its header is not JSON from byte " + std::to_string(position));
  }

  bool null() { return unexpected(); }
  bool boolean(bool) { return unexpected(); }
  bool number_integer(std::int64_t) { return unexpected(); }
  bool number_float(double, const std::string&) { return unexpected(); }
  bool binary(Json::binary_t&) { return unexpected(); }

 private:
  /// What comes next.
  enum class Place {
    outside,
    header,
    tensor_value,
    tensor,
    dtype,
    shape_value,
    shape,
    offsets_value,
    offsets,
    metadata_value,
    metadata,
    metadata_text,
  };

  TensorSpec& tensor() { return schema_.tensors.back(); }
  std::string here() { return "tensor " + in_quotes(tensor().name); }

  bool enter(Place place) {
    place_ = place;
    return true;
  }

  bool refuse(std::string why) {
    problem_ = std::move(why);
    return false;
  }

  bool unexpected() {
    switch (place_) {
      case Place::outside:
      case Place::header:
        return refuse("its header is not one JSON object");
      case Place::metadata_value:
        return refuse("its metadata is not a JSON object");
      case Place::metadata:
      case Place::metadata_text:
        return refuse("its metadata holds something other than text");
      default:
        return refuse(here() + " is not described as dtype, shape and data_offsets");
    }
  }

  bool start_metadata() {
    if (std::exchange(metadata_seen_, true)) return refuse("its __metadata__ is there twice");
    return enter(Place::metadata_value);
  }

  bool start_tensor(const std::string& name) {
    if (const auto why = name_problem(name)) return refuse(*why);
    if (!schema_.tensors.empty()) {
      if (const auto why = order_problem(tensor().name, name)) return refuse(*why);
    }
    schema_.tensors.push_back({name, {}});
    fields_.clear();
    offsets_seen_ = 0;
    return enter(Place::tensor_value);
  }

  bool start_field(const std::string& name) {
    static const std::map<std::string, Place, std::less<>> kFields = {
        {"dtype", Place::dtype},
        {"shape", Place::shape_value},
        {"data_offsets", Place::offsets_value}};
    const auto field = kFields.find(name);
    if (field == kFields.end()) return refuse(here() + " has the unknown field " + in_quotes(name));
    if (std::ranges::find(fields_, field->second) != fields_.end()) {
      return refuse(here() + " has its " + name + " twice");
    }
    fields_.push_back(field->second);
    return enter(field->second);
  }

  bool end_tensor() {
    if (fields_.size() != 3) return refuse(here() + " lacks its dtype, shape or data_offsets");
    if (const auto why = shape_problem(tensor())) return refuse(*why);
    const auto [begin, end] = offsets_;
    if (begin != data_end_) {
      return refuse(here() + " does not begin where the tensor before it ends");
    }
    if (end < begin || end - begin != byte_size(tensor().shape)) {
      return refuse("the data offsets of " + here() + " do not fit its shape");
    }
    if (end > data_size_) return refuse(here() + " ends beyond the end of the file");
    data_end_ = end;
    return true;
  }

  bool end_header() {
    if (schema_.tensors.empty()) return refuse("it holds no tensors");
    if (data_end_ != data_size_) return refuse("it has bytes after its last tensor");
    return true;
  }

  std::uint64_t data_size_;
  std::uint64_t data_end_ = 0;  ///< of the tensors so far
  Place place_ = Place::outside;
  Schema schema_;
  std::vector<Place> fields_;  ///< of the current tensor
  std::array<std::uint64_t, 2> offsets_{};
  std::size_t offsets_seen_ = 0;
  Metadata metadata_;
  bool metadata_seen_ = false;
  std::string metadata_key_;
  std::string problem_;
};

/// The header's text, not yet parsed.
std::variant<std::string_view, SnapshotError> find_header(ByteView file) {
  if (file.size() < kLengthSize) return SnapshotError{"it is shorter than the length of a header"};
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthSize);
  if (length > SnapshotLimits::header) {
    return SnapshotError{"its header is longer than " + std::to_string(SnapshotLimits::header) +
                         " bytes"};
  }
  if (length > file.size() - kLengthSize) return SnapshotError{"it ends within its header"};
  if (length % kAlignment != 0) {
    return SnapshotError{"its header is not padded to a multiple of 8 bytes"};
  }
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + kLengthSize,
                                static_cast<std::size_t>(length));
  const auto last = header.find_last_not_of(' ');
  if (!header.starts_with('{') || last == header.npos || header[last] != '}') {
    return SnapshotError{"its header is not one JSON object padded with spaces"};
  }
  return header;
}

bool all_finite(ByteView values) {
  for (std::size_t at = 0; at < values.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, values.data() + at, sizeof value);
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace

std::uint64_t Schema::parameters() const {
  std::uint64_t size = 0;
  for (const auto& tensor : tensors) size += byte_size(tensor.shape).value();
  return size / sizeof(float);
}

crypto::Hash Schema::hash() const {
  return crypto::hash(as_byte_view("kith schema\n" + header_text(*this, {})));
}

std::uint64_t Schema::file_size() const {
  return kLengthSize + header_text(*this, {}).size() + parameters() * sizeof(float);
}

std::optional<std::string> problem(const Schema& schema) {
  if (schema.tensors.empty()) return "it holds no tensors";
  std::uint64_t size = 0;
  const TensorSpec* previous = nullptr;
  for (const auto& tensor : schema.tensors) {
    if (auto why = name_problem(tensor.name)) return why;
    if (previous != nullptr) {
      if (auto why = order_problem(previous->name, tensor.name)) return why;
    }
    if (auto why = shape_problem(tensor)) return why;
    if (__builtin_add_overflow(size, byte_size(tensor.shape).value(), &size)) {
      return "the size of all tensors does not fit 64 bits";
    }
    previous = &tensor;
  }
  if (header_text(schema, {}).size() > SnapshotLimits::header) {
    return "its header would be longer than " + std::to_string(SnapshotLimits::header) + " bytes";
  }
  return std::nullopt;
}

std::vector<float> Snapshot::copy_values() const {
  std::vector<float> floats(values.size() / sizeof(float));
  if (!floats.empty()) std::memcpy(floats.data(), values.data(), values.size());
  return floats;
}

Bytes write_snapshot(const Schema& schema, std::span<const float> values,
                     const Metadata& metadata) {
  Bytes file = snapshot_header(schema, metadata);
  if (values.size() != schema.parameters()) {
    throw std::invalid_argument("cannot write a snapshot: the schema wants " +
                                std::to_string(schema.parameters()) + " values, there are " +
                                std::to_string(values.size()));
  }
  const ByteView bytes = std::as_bytes(values);
  file.reserve(file.size() + bytes.size());
  file.insert(file.end(), bytes.begin(), bytes.end());
  return file;
}

Bytes snapshot_header(const Schema& schema, const Metadata& metadata) {
  if (const auto why = problem(schema)) {
    throw std::invalid_argument("cannot write this model as a snapshot: " + *why);
  }
  std::string header;
  try {
    header = header_text(schema, metadata);
  } catch (const Json::type_error&) {
    throw std::invalid_argument("cannot write a snapshot: its metadata is not UTF-8");
  }
  if (header.size() > SnapshotLimits::header) {
    throw std::invalid_argument(
        "cannot write a snapshot: shorten its metadata, its header exceeds " +
        std::to_string(SnapshotLimits::header) + " bytes");
  }
  const std::uint64_t length = header.size();
  Bytes file;
  for (const ByteView part : {std::as_bytes(std::span(&length, 1)), as_byte_view(header)}) {
    file.insert(file.end(), part.begin(), part.end());
  }
  return file;
}

std::variant<Snapshot, SnapshotError> read_snapshot(ByteView file) {
  const auto found = find_header(file);
  if (const auto* error = std::get_if<SnapshotError>(&found)) return *error;
  const auto header = std::get<std::string_view>(found);
  const auto data = file.subspan(kLengthSize + header.size());
  HeaderReader reader(data.size());
  if (!Json::sax_parse(header.begin(), header.end(), &reader)) {
    return SnapshotError{reader.problem()};
  }
  return Snapshot{reader.take_schema(), reader.take_metadata(), data};
}

std::variant<Snapshot, SnapshotError> read_peer_snapshot(ByteView file, const Schema& expected) {
  assert(!problem(expected));
  const auto header = header_text(expected, {});
  const auto size = kLengthSize + header.size() + expected.parameters() * sizeof(float);
  if (file.size() != size) {
    return SnapshotError{"it is " + std::to_string(file.size()) + " bytes, where this task's are " +
                         std::to_string(size)};
  }
  const auto found = find_header(file);
  if (const auto* error = std::get_if<SnapshotError>(&found)) return *error;
  if (std::get<std::string_view>(found) != header) {
    return SnapshotError{"its header is not the one that this task's snapshots have"};
  }
  const auto values = file.subspan(kLengthSize + header.size());
  if (!all_finite(values)) return SnapshotError{"it holds a value that is not a finite number"};
  return Snapshot{expected, {}, values};
}

}  // namespace kith::model
