#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace kith::data {

/// What readers noticed in an operator's files, as counts, for a report to be made of; nobody else
/// sees it.
struct Noticed {
  /// In all files together.
  struct InColumn {
    std::string name;
    std::uint64_t missing = 0;  ///< of the rows that were taken
    std::uint64_t below = 0;    ///< number, date: cells under `low`
    std::uint64_t above = 0;    ///< number, date: cells over `high`
    std::uint64_t unknown = 0;  ///< none of the declared values, and so missing too
    /// number, date: what there was, in the file's own units; least > most if there was none.
    double least = std::numeric_limits<double>::infinity();
    double most = -std::numeric_limits<double>::infinity();
    bool operator==(const InColumn&) const = default;
  };
  struct InFile {
    std::filesystem::path file;
    std::uint64_t examples = 0;  ///< that were taken from it
    std::string format;          ///< how it was read: "UTF-8, separated by commas, with a header"
    bool operator==(const InFile&) const = default;
  };

  std::vector<InFile> files;
  std::vector<InColumn> columns;     ///< tables: the task's, those that are used
  std::uint64_t without_target = 0;  ///< rows or texts that were left out
  std::uint64_t without_group = 0;   ///< rows that were left out
  std::uint64_t resized = 0;         ///< pictures that were not of the task's size
  std::uint64_t recoloured = 0;      ///< pictures that were gray in place of colour, or colour
  std::uint64_t words = 0;           ///< text
  std::uint64_t unknown_words = 0;   ///< of these
  std::uint64_t divided = 0;         ///< sentences that were too long, and cut into pieces
  std::uint64_t cut = 0;             ///< texts of which only the first words count
  std::uint64_t all_unknown = 0;     ///< texts without a known word, which were left out
  bool operator==(const Noticed&) const = default;
};

/// Adds what was noticed in more files of the same task.
void add(Noticed& all, const Noticed& more);

/// What may make numbers worse than they need be, in one sentence, or nothing: "1540 cells are missing,
/// 130 are outside their column's range and count as its ends"; "812 of 4210 words are not in the
/// vocabulary".
[[nodiscard]] std::string summary(const Noticed& noticed);

/// One sentence without its end for each thing that an operator should hear of, beside how many
/// examples there are: "train.csv: 3 cells of the column age are above 80, up to 812".
[[nodiscard]] std::vector<std::string> sentences(const Noticed& noticed);

}  // namespace kith::data
