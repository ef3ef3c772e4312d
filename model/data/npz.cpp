#include "model/data/array.hpp"

#include <algorithm>
#include <memory>
#include <zip.h>

namespace kith::data {
namespace {

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

/// Reads what there is, step by step: what the archive announces may not be true.
std::variant<Bytes, std::string> read_member(zip_t* archive, zip_uint64_t index,
                                             std::size_t max_bytes) {
  constexpr std::size_t kStep = std::size_t{1} << 20;
  const std::unique_ptr<zip_file_t, Discard> member(zip_fopen_index(archive, index, 0));
  if (!member) return std::string(zip_strerror(archive));
  Bytes bytes;
  zip_stat_t stat;
  if (zip_stat_index(archive, index, 0, &stat) == 0 && (stat.valid & ZIP_STAT_SIZE) != 0) {
    bytes.reserve(std::min<std::uint64_t>(stat.size, kStep));
  }
  for (;;) {
    const std::size_t had = bytes.size();
    const std::size_t step = std::min(kStep, had + 4096);
    bytes.resize(had + step);
    const auto got = zip_fread(member.get(), bytes.data() + had, step);
    if (got < 0) return std::string(zip_file_strerror(member.get()));
    bytes.resize(had + static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) {
      return "more than " + std::to_string(max_bytes) + " bytes when unpacked";
    }
    if (got == 0) return bytes;
  }
}

}  // namespace

std::variant<Members, std::string> parse_npz(ByteView file, std::size_t max_bytes) {
  constexpr zip_int64_t kMostMembers = 1024;
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
  zip_t* const opened = source != nullptr
                            ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error)
                            : nullptr;
  if (opened == nullptr) {
    if (source != nullptr) zip_source_free(source);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    return "is no NPZ file, or cut short (" + why + ")";
  }
  const std::unique_ptr<zip_t, Discard> archive(opened);
  zip_error_fini(&error);
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  if (count > kMostMembers) return "has more than 1024 members";
  Members members;
  std::size_t left = max_bytes;
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* const given = zip_get_name(archive.get(), index, ZIP_FL_ENC_RAW);
    std::string name = given != nullptr ? given : "";
    if (!name.ends_with(".npy")) continue;
    name.resize(name.size() - 4);
    auto read = read_member(archive.get(), index, left);
    if (const auto* const why = std::get_if<std::string>(&read)) {
      return "has the array \"" + name.substr(0, 64) + "\", which cannot be read: " + *why;
    }
    auto& bytes = std::get<Bytes>(read);
    left -= bytes.size();
    members.emplace_back(std::move(name), std::move(bytes));
  }
  return members;
}

}  // namespace kith::data
