#include "model/data/unlabelled.hpp"

#include "model/data/array.hpp"
#include "model/data/cifar.hpp"
#include "model/data/dataset.hpp"
#include "model/data/idx.hpp"
#include "model/data/inputs.hpp"
#include "model/data/picture.hpp"
#include "model/data/table.hpp"
#include "model/data/text_files.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace kith::data {
namespace {

namespace fs = std::filesystem;
using Take = std::function<void(const UnlabelledRows&)>;

/// Reads one file after another and keeps what was noticed.
class UnlabelledReader {
 public:
  UnlabelledReader(const model::Task& task, std::size_t at_once, const Take& take)
      : task_(task), size_(input_size(task)), at_once_(at_once), take_(take) {}

  Noticed read(const std::vector<fs::path>& files) {
    for (const fs::path& file : files) {
      switch (model::data_kind(task_)) {
        case model::DataKind::table:
          read_table_file(file);
          break;
        case model::DataKind::text:
          read_texts_of(file);
          break;
        case model::DataKind::pictures:
          read_picture_file(file);
          break;
      }
    }
    return std::move(noticed_);
  }

 private:
  /// `inputs_of` appends the inputs of so many rows from a place on, counted from 0, and says which
  /// of them can be read.
  template <class InputsOf>
  void in_pieces(const fs::path& file, std::size_t all, const InputsOf& inputs_of) {
    if (all == 0) throw DataError(file.string() + " holds no example; name a file with some");
    for (std::size_t from = 0; from < all; from += at_once_) {
      const std::size_t count = std::min(at_once_, all - from);
      UnlabelledRows rows{
          .file = file, .first = from + 1, .all = all, .readable = {}, .inputs = {}};
      rows.readable.assign(count, true);
      inputs_of(from, count, rows);
      take_(rows);
    }
  }
  void notice(const fs::path& file, std::size_t examples, std::string format) {
    noticed_.files.push_back({.file = file, .examples = examples, .format = std::move(format)});
  }

  void read_table_file(const fs::path& file) {
    std::size_t first = 1;
    const auto take_rows = [&](const Inputs& inputs, std::size_t all) {
      const std::size_t count = inputs.size() / size_;
      take_({.file = file,
             .first = first,
             .all = all,
             .readable = std::vector<bool>(count, true),
             .inputs = inputs});
      first += count;
    };
    add(noticed_, read_rows(file, task_.columns, at_once_, take_rows));
    if (first == 1) throw DataError(file.string() + " holds no row; name a file with some");
  }

  void read_texts_of(const fs::path& file) {
    if (!vocabulary_) vocabulary_ = vocabulary_of(task_);
    const Texts texts = read_records(file);
    const bool sentences = model::predicts_words(task_);
    in_pieces(file, texts.texts.size(), [&](std::size_t from, std::size_t count, auto& rows) {
      for (std::size_t i = 0; i < count; ++i) {
        Tokens tokens = tokens_of(texts.texts[from + i], *vocabulary_);
        count_words(noticed_, tokens);
        noticed_.cut += !sentences && tokens.size() > kMaxText;
        cut(tokens, sentences);
        rows.readable[i] = has_known_word(tokens);
        if (!rows.readable[i]) continue;
        if (sentences) {
          add_beginning(rows.inputs, tokens);
        } else {
          add_text(rows.inputs, tokens);
        }
      }
    });
    notice(file, texts.texts.size(), texts.format);
  }
  /// To the words that the model gets: the first ones, or, where the next is to be predicted, the
  /// last.
  static void cut(Tokens& tokens, bool sentences) {
    const std::size_t most = sentences ? kMaxSentence : kMaxText;
    if (tokens.size() <= most) return;
    const auto spare = static_cast<std::ptrdiff_t>(tokens.size() - most);
    tokens.erase(sentences ? tokens.begin() : tokens.end() - spare,
                 sentences ? tokens.begin() + spare : tokens.end());
  }
  /// The words of a text that was cut, of which the next one is to be predicted, after the
  /// boundary.
  static void add_beginning(Inputs& inputs, const Tokens& tokens) {
    const std::size_t end = inputs.size() + kMaxSentence + 1;
    inputs.push_back(static_cast<float>(Vocabulary::kBoundary));
    for (const std::int64_t token : tokens) inputs.push_back(static_cast<float>(token));
    inputs.resize(end, Samples::kNoWord);
  }

  void read_picture_file(const fs::path& file) {
    const bool after_images = std::exchange(after_images_, false);
    const fs::path plain = file.extension() == ".gz" ? file.stem() : file;
    std::error_code unknown;
    if (fs::is_directory(file, unknown)) {
      read_pictures(file, all_pictures_in(file, &noticed_.ignored));
    } else if (is_array_file(file)) {
      read_array(file);
    } else if (is_picture(file)) {
      read_pictures(file, {file});
    } else if (plain.extension() == ".bin") {
      read_images(file, read_cifar(file, cifar_label(task_)).images);
    } else {
      read_idx_file(file, after_images);
    }
  }

  void read_pictures(const fs::path& named, const std::vector<fs::path>& files) {
    check_takes_pictures(task_);
    in_pieces(named, files.size(), [&](std::size_t from, std::size_t count, auto& rows) {
      for (std::size_t i = from; i < from + count; ++i) {
        add_picture(rows.inputs, files[i], task_, noticed_);
        rows.names.push_back(files[i].string());
      }
    });
    notice(named, files.size(), "pictures");
  }

  void read_array(const fs::path& file) {
    const ArrayInputs read = read_array_inputs(file);
    const Array& array = read.inputs;
    const bool fits =
        !array.shape.empty() && std::ranges::equal(std::span(array.shape).subspan(1), task_.input);
    const std::size_t all = array.shape.empty() ? 1 : array.shape[0];
    // The answers to what is in the file before.
    const bool answers = !fits && file.extension() == ".npy" && all == before_;
    if (answers) return;
    before_ = file.extension() == ".npy" ? all : 0;
    const bool lies_together = all == 0 || part_of(array, 0, 1).has_value();
    const Inputs whole = lies_together && fits ? Inputs() : array_inputs(array, task_, file);
    in_pieces(file, all, [&](std::size_t from, std::size_t count, auto& rows) {
      if (const auto part = part_of(array, from, count)) {
        rows.inputs = array_inputs(*part, task_, file, from);
      } else {
        const auto some = std::span(whole).subspan(from * size_, count * size_);
        rows.inputs.assign(some.begin(), some.end());
      }
    });
    const bool pixels = array.type == Array::Type::uint8;
    notice(file, all,
           std::string(name(array.type)) + (pixels ? ", from 0..255 to -1..1" : ", as they are"));
  }

  void read_images(const fs::path& file, const Images& images) {
    const Inputs whole = image_inputs(images, task_, file);
    in_pieces(file, images.count, [&](std::size_t from, std::size_t count, auto& rows) {
      const auto some = std::span(whole).subspan(from * size_, count * size_);
      rows.inputs.assign(some.begin(), some.end());
    });
    notice(file, images.count, "images");
  }

  /// Images; or the labels to those before, which do not count.
  void read_idx_file(const fs::path& file, bool after_images) {
    Idx idx = read_idx(file);
    if (idx.shape.size() == 1 && after_images) return;
    if (idx.shape.size() < 3) {
      throw DataError(file.string() + " holds no images: it has " +
                      std::to_string(idx.shape.size()) +
                      " dimensions; name images before their labels");
    }
    read_images(file, images_of(std::move(idx)));
    after_images_ = true;
  }

  const model::Task& task_;
  std::size_t size_, at_once_;
  const Take& take_;
  Noticed noticed_;
  std::optional<Vocabulary> vocabulary_;
  std::size_t before_ = 0;     ///< examples in the NPY file before
  bool after_images_ = false;  ///< the file before was IDX, with images
};

}  // namespace

Noticed read_unlabelled(const std::vector<fs::path>& files, const model::Task& task,
                        std::size_t at_once, const Take& take) {
  if (files.empty()) throw DataError("there is no file to predict for; name one");
  return UnlabelledReader(task, at_once, take).read(files);
}

}  // namespace kith::data
