// How fast a table is read: a file of a given size, written here, as several programs would write
// it.  Prints megabytes (10^6 bytes) of the file a second of
// processor time, the best of three.
//
//     build/release/bin/table MEGABYTES
#include "model/data/table.hpp"

#include "model/data/sampling.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>

namespace {

using namespace kith;
using model::Column;
using Kind = Column::Kind;

/// What a table of patients might look like.
std::vector<Column> columns() {
  std::vector<Column> all{
      {.name = "patient", .group = true},
      {.name = "day", .kind = Kind::date, .low = 10'000, .high = 20'000},
      {.name = "ward", .kind = Kind::category, .values = {{"A"}, {"B"}, {"C"}, {"D"}}},
      {.name = "smokes", .kind = Kind::yes_no}};
  for (int i = 0; i < 12; ++i) {
    all.push_back({.name = "x" + std::to_string(i), .kind = Kind::number, .low = 0, .high = 1000});
  }
  all.push_back({.name = "sick", .kind = Kind::yes_no, .target = true});
  return all;
}

struct Dialect {
  const char* name;
  char separator;
  char decimal;
  bool quoted;  ///< texts in quotation marks
};

std::string write(const Dialect& dialect, std::size_t bytes) {
  const std::string s(1, dialect.separator);
  const std::string q = dialect.quoted ? "\"" : "";
  std::string text;
  text.reserve(bytes + 4096);
  for (const Column& column : columns()) {
    text += (text.empty() ? "" : s) + q + column.name + q;
  }
  text += "\n";
  data::Random random = data::random_for({1});
  for (std::size_t row = 0; text.size() < bytes; ++row) {
    text += q + "p" + std::to_string(row / 5) + q + s +
            model::date_text(static_cast<double>(10'000 + row % 9'000)) + s;
    text += q + "ABCD"[row % 4] + q + s + q + (row % 3 == 0 ? "yes" : "no") + q;
    for (int i = 0; i < 12; ++i) {
      char number[32];
      std::snprintf(number, sizeof number, "%.4g",
                    1000 * static_cast<double>(random() >> 11) * 0x1p-53);
      for (char& c : number) c = c == '.' ? dialect.decimal : c;
      text += s + (data::below(20, random) == 0 ? "NA" : number);
    }
    text += s + q + (row % 2 == 0 ? "yes" : "no") + q + "\n";
  }
  return text;
}

double seconds_to_read(const std::string& text) {
  const auto declared = columns();
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const std::clock_t start = std::clock();  // processor time: others may be at work
    const auto parsed = data::parse_table(text, declared);
    const double taken = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (const auto* const why = std::get_if<std::string>(&parsed)) {
      std::cerr << *why << "\n";
      std::exit(1);
    }
    best = std::min(best, taken);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t megabytes = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100;
  for (const Dialect& dialect :
       {Dialect{"pandas", ',', '.', false}, Dialect{"R", ',', '.', true},
        Dialect{"spreadsheet, German", ';', ',', false}, Dialect{"tabs", '\t', '.', false}}) {
    const std::string text = write(dialect, megabytes * 1'000'000);
    std::printf("%-20s %6.0f MB/s\n", dialect.name,
                static_cast<double>(text.size()) / 1e6 / seconds_to_read(text));
  }
}
