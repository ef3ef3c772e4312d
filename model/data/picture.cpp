#include "model/data/picture.hpp"

#include "model/data/csv.hpp"
#include "model/data/unicode.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <png.h>
#include <system_error>
#include <turbojpeg.h>
#include <utility>

namespace kith::data {
namespace {

namespace fs = std::filesystem;

std::string too_large(std::size_t width, std::size_t height) {
  return "is " + std::to_string(width) + " x " + std::to_string(height) +
         " pixels, which is too large; make it smaller";
}

std::variant<Picture, std::string> decode_png(ByteView file, std::size_t max_pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const auto free = [](png_image* used) { png_image_free(used); };
  const std::unique_ptr<png_image, decltype(free)> owner(&image, free);
  const auto failed = [&image] { return "cannot be decoded (" + std::string(image.message) + ")"; };
  if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0) return failed();
  Picture picture{.height = image.height, .width = image.width};
  picture.gray = (image.format & PNG_FORMAT_FLAG_COLOR) == 0;
  if (picture.width * picture.height > max_pixels) return too_large(image.width, image.height);
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  // With its transparency, which would else be mixed with a background.
  image.format = PNG_FORMAT_RGBA;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) == 0) return failed();
  picture.rgb.resize(picture.width * picture.height * 3);
  for (std::size_t i = 0; i < picture.width * picture.height; ++i) {
    std::copy_n(&pixels[4 * i], 3, &picture.rgb[3 * i]);
  }
  return picture;
}

constexpr unsigned kUpright = 1;

/// A number of EXIF's, at `at`; 0 beyond the end.
std::size_t exif_number(ByteView bytes, std::size_t at, std::size_t size, bool little) {
  if (at > bytes.size() || bytes.size() - at < size) return 0;
  std::size_t number = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t from = little ? size - 1 - i : i;
    number = number << 8 | std::to_integer<std::size_t>(bytes[at + from]);
  }
  return number;
}

/// The orientation, 1 to 8, that the first directory of EXIF data (a TIFF file) has.
unsigned orientation_in_exif(ByteView tiff) {
  constexpr std::size_t kEntry = 12, kTag = 0x0112, kShort = 3;
  const bool little = as_text(tiff).starts_with("II");
  if (exif_number(tiff, 2, 2, little) != 42) return kUpright;
  const std::size_t directory = exif_number(tiff, 4, 4, little);
  const std::size_t entries = exif_number(tiff, directory, 2, little);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntry;
    if (exif_number(tiff, entry, 2, little) != kTag) continue;
    if (exif_number(tiff, entry + 2, 2, little) != kShort) continue;
    const auto value = static_cast<unsigned>(exif_number(tiff, entry + 8, 2, little));
    return value >= 1 && value <= 8 ? value : kUpright;
  }
  return kUpright;
}

/// How a JPEG file's pixels lie, by its EXIF data; kUpright without any.
unsigned orientation_of(ByteView jpeg) {
  constexpr std::size_t kApp1 = 0xe1, kScan = 0xda;
  constexpr std::string_view kExif("Exif\0\0", 6);
  for (std::size_t at = 2; exif_number(jpeg, at, 1, false) == 0xff;) {
    const std::size_t marker = exif_number(jpeg, at + 1, 1, false);
    if (marker == 0xff) {  // fills
      ++at;
      continue;
    }
    const std::size_t size = exif_number(jpeg, at + 2, 2, false);
    if (marker == kScan || size < 2 || size > jpeg.size() - at - 2) break;
    const ByteView segment = jpeg.subspan(at + 4, size - 2);
    if (marker == kApp1 && as_text(segment).starts_with(kExif)) {
      return orientation_in_exif(segment.subspan(kExif.size()));
    }
    at += 2 + size;
  }
  return kUpright;
}

/// As it was seen: EXIF counts mirror images (2, 4, 5, 7) and quarter turns (3, 5 to 8).
Picture upright(Picture lying, unsigned orientation) {
  if (orientation == kUpright) return lying;
  const bool turned = orientation >= 5;  // rows become columns
  Picture picture{.height = turned ? lying.width : lying.height,
                  .width = turned ? lying.height : lying.width,
                  .gray = lying.gray};
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  picture.rgb.reserve(lying.rgb.size());
  for (std::size_t y = 0; y < picture.height; ++y) {
    for (std::size_t x = 0; x < picture.width; ++x) {
      const std::size_t column = turned ? y : x, row = turned ? x : y;
      const std::size_t at = (from_below ? lying.height - 1 - row : row) * lying.width +
                             (from_right ? lying.width - 1 - column : column);
      picture.rgb.insert(picture.rgb.end(), &lying.rgb[3 * at], &lying.rgb[3 * at] + 3);
    }
  }
  return picture;
}

std::variant<Picture, std::string> decode_jpeg(ByteView file, std::size_t max_pixels) {
  const auto destroy = [](void* handle) { tjDestroy(handle); };
  const std::unique_ptr<void, decltype(destroy)> handle(tjInitDecompress(), destroy);
  if (!handle) return "cannot be decoded: there is no memory";
  const auto failed = [&] {
    return "cannot be decoded (" + std::string(tjGetErrorStr2(handle.get())) + ")";
  };
  const auto* const bytes = reinterpret_cast<const unsigned char*>(file.data());
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(handle.get(), bytes, file.size(), &width, &height, &sampling, &colours) !=
      0) {
    return failed();
  }
  Picture picture{.height = static_cast<std::size_t>(height),
                  .width = static_cast<std::size_t>(width),
                  .gray = colours == TJCS_GRAY};
  if (picture.width * picture.height > max_pixels) return too_large(picture.width, picture.height);
  picture.rgb.resize(picture.width * picture.height * 3);
  // A file that is cut short is a warning, and the rest of the picture gray.
  if (tjDecompress2(handle.get(), bytes, file.size(), picture.rgb.data(), width, 0, height,
                    TJPF_RGB, TJFLAG_STOPONWARNING) != 0) {
    return failed();
  }
  return upright(std::move(picture), orientation_of(file));
}

/// Which pixels of a line of `from` make up one of `to`, and with which share.
struct Part {
  std::size_t at;
  double share;
};
std::vector<std::vector<Part>> parts(std::size_t from, std::size_t to) {
  std::vector<std::vector<Part>> all(to);
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  for (std::size_t i = 0; i < to; ++i) {
    // In whole numbers, so that a picture of the same size has each pixel once.
    for (std::size_t at = i * from / to; at < from && at * to < (i + 1) * from; ++at) {
      const std::size_t begin = std::max(at * to, i * from);
      const std::size_t end = std::min((at + 1) * to, (i + 1) * from);
      all[i].push_back({at, static_cast<double>(end - begin) / static_cast<double>(to) / scale});
    }
  }
  return all;
}

/// Whether it is of those that systems put into folders by themselves.
bool is_of_the_system(const std::string& name) {
  return name.starts_with('.') || name == "Thumbs.db" || name == "desktop.ini";
}

/// The names of what does not count are added to `ignored`, if there is one.
std::vector<fs::path> sorted_entries(const fs::path& folder, std::set<std::string>* ignored) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!is_of_the_system(name)) {
      entries.push_back(at->path());
    } else if (ignored != nullptr) {
      ignored->insert(name);
    }
  }
  if (error) {
    throw FileError(error.value(), "cannot read the folder " + folder.string() + ": " +
                                       error.message() + "; check the path and the permissions");
  }
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

std::variant<Picture, std::string> decode_picture(ByteView file, std::size_t max_pixels) {
  const std::string_view text = as_text(file);
  if (text.starts_with("\x89PNG")) return decode_png(file, max_pixels);
  if (text.starts_with("\xff\xd8")) return decode_jpeg(file, max_pixels);
  return "is neither PNG nor JPEG; convert it";
}

std::vector<float> fitted(const Picture& picture, std::size_t channels, std::size_t height,
                          std::size_t width) {
  const auto columns = parts(picture.width, width);
  const auto rows = parts(picture.height, height);
  std::vector<double> narrow(picture.height * width * channels);  // row, channel, column
  for (std::size_t y = 0; y < picture.height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      for (const auto& [at, share] : columns[x]) {
        const std::uint8_t* const rgb = &picture.rgb[(y * picture.width + at) * 3];
        double* const out = &narrow[y * channels * width + x];
        if (channels == 1) {
          const bool same = rgb[0] == rgb[1] && rgb[1] == rgb[2];
          *out += share * (same ? rgb[0] : 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]);
          continue;
        }
        for (std::size_t c = 0; c < channels; ++c) out[c * width] += share * rgb[c];
      }
    }
  }
  std::vector<double> sums(channels * height * width);
  for (std::size_t y = 0; y < height; ++y) {
    for (const auto& [at, share] : rows[y]) {
      for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t x = 0; x < width; ++x) {
          sums[(c * height + y) * width + x] += share * narrow[(at * channels + c) * width + x];
        }
      }
    }
  }
  std::vector<float> values(sums.size());
  std::ranges::transform(sums, values.begin(), [](double sum) {
    return static_cast<float>(std::clamp(sum, 0.0, 255.0)) / 127.5F - 1.0F;
  });
  return values;
}

bool is_picture(const fs::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

namespace {

/// Throws what is said of a folder if it is one, and else that it is no picture.
void must_be_picture(const fs::path& file, const std::string& said_of_folder) {
  if (is_picture(file)) return;
  throw DataError(file.string() +
                  (fs::is_directory(file)
                       ? said_of_folder
                       : " is neither .png nor .jpg; convert it, or take it out of the folder"));
}

}  // namespace

std::vector<fs::path> all_pictures_in(const fs::path& folder, std::set<std::string>* ignored) {
  std::vector<fs::path> all;
  const auto take = [&all](const fs::path& file) {
    must_be_picture(file, " is a folder within a folder; name it itself");
    all.push_back(file);
  };
  for (const fs::path& entry : sorted_entries(folder, ignored)) {
    if (!fs::is_directory(entry)) {
      take(entry);
      continue;
    }
    for (const fs::path& file : sorted_entries(entry, ignored)) take(file);
  }
  if (all.empty()) throw DataError(folder.string() + " holds no picture; name a folder with some");
  return all;
}

std::vector<LabelledFile> pictures_in(const fs::path& folder, std::set<std::string>* ignored) {
  std::vector<LabelledFile> all;
  bool loose = false;
  for (const fs::path& entry : sorted_entries(folder, ignored)) {
    loose = loose || is_picture(entry);
    if (!fs::is_directory(entry)) continue;
    const std::string label = entry.filename().string();
    for (const fs::path& file : sorted_entries(entry, ignored)) {
      must_be_picture(file,
                      " is a folder within that of a class; put the pictures of a class into " +
                          entry.string() + " itself");
      all.push_back({file, is_utf8(label) ? composed(label) : label});
    }
  }
  if (!all.empty()) return all;
  throw DataError(
      folder.string() +
      (loose ? " holds pictures, but a folder for each class with its pictures is wanted; "
               "sort them into such, or name a table of files and labels before it"
             : " holds no folder with pictures; it must have one for each class, with .png or "
               ".jpg files in it"));
}

std::vector<LabelledFile> pictures_of(const fs::path& table, const fs::path& folder) {
  const Bytes bytes = read_file(table);
  const auto decoded = decode(as_text(bytes));
  if (const auto* const why = std::get_if<std::string>(&decoded)) {
    throw DataError(table.string() + " " + *why);
  }
  const std::string_view text = std::get<Decoded>(decoded).text();
  CsvReader records(text, separator_of_first_line(text));
  std::vector<std::string_view> cells;
  std::optional<std::size_t> file_at, label_at;
  std::vector<LabelledFile> all;
  const auto wrong = [&](const std::string& what) {
    return DataError(table.string() + ": line " + std::to_string(records.line()) + " " + what);
  };
  const auto find =
      [&](std::initializer_list<std::string_view> names) -> std::optional<std::size_t> {
    for (const std::string_view name : names) {
      const auto found = std::ranges::find(cells, name);
      if (found != cells.end()) return static_cast<std::size_t>(found - cells.begin());
    }
    return std::nullopt;
  };
  std::size_t width = 0;
  while (records.next(cells)) {
    if (width == 0) {
      width = cells.size();
      file_at = find({"file", "filename", "path", "image"});
      label_at = find({"label", "class", "target"});
      if (file_at && label_at) continue;
      if (width != 2) throw wrong("names no columns file and label; add them");
      file_at = 0, label_at = 1;
    }
    if (cells.size() != width) {
      throw wrong("has " + std::to_string(cells.size()) + " cells, but the lines before have " +
                  std::to_string(width) + "; correct the line");
    }
    all.push_back({folder / fs::path(std::string(cells[*file_at])), composed(cells[*label_at])});
    if (cells[*file_at].empty() || cells[*label_at].empty()) {
      throw wrong("lacks the name of a file or its label; add it, or take the line out");
    }
  }
  if (!records.problem().empty()) throw wrong(records.problem() + "; correct the line");
  if (all.empty()) throw DataError(table.string() + " names no picture; name a file with some");
  return all;
}

}  // namespace kith::data
