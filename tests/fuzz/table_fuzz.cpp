// A table of columns of every kind, in one of several tasks, is refused with a reason or has as
// many inputs and answers as rows, all in their ranges; and reads the same a second time.
#include "model/data/table.hpp"

#include <cmath>
#include <cstdlib>

namespace {

using namespace kith;
using model::Column;
using Kind = Column::Kind;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<Column> columns(unsigned which) {
  std::vector<Column> all{
      {.name = "n", .kind = Kind::number, .low = -1, .high = 80, .missing = {"-9"}},
      {.name = "l", .kind = Kind::number, .low = 1, .high = 1e6, .scale = Column::Scale::log},
      {.name = "c", .kind = Kind::category, .values = {{"a"}, {"b", "\xc3\xa5"}, {"7"}}},
      {.name = "o", .kind = Kind::ordinal, .values = {{"1"}, {"2"}, {"3"}}},
      {.name = "y", .kind = Kind::yes_no},
      {.name = "d", .kind = Kind::date, .low = 0, .high = 20000},
      {.name = "g"}};
  if ((which & 1U) != 0) all[2].unknown = Column::Unknown::missing;
  if ((which & 2U) != 0) all[5].time = true;
  if ((which & 4U) != 0) all[6].group = true;
  all[which / 8 % 5].target = true;
  if (which / 8 % 5 == 2) all[2].unknown = Column::Unknown::refused;
  return all;
}

bool same(const data::Table& a, const data::Table& b) {
  return a.inputs == b.inputs && a.labels == b.labels && a.values == b.values &&
         a.groups == b.groups && a.noticed == b.noticed;
}

/// Rows to predict from are handed over all or not at all, and are in their ranges.
void check_rows(std::string_view file, const std::vector<Column>& declared) {
  data::Inputs inputs;
  std::size_t all = 0;
  const auto take = [&](const data::Inputs& piece, std::size_t rows) {
    require(!piece.empty());
    inputs.insert(inputs.end(), piece.begin(), piece.end());
    all = rows;
  };
  const auto parsed = data::parse_rows(file, declared, 3, take);
  if (std::holds_alternative<std::string>(parsed)) {
    require(inputs.empty());
    return;
  }
  std::size_t features = 0;
  for (const Column& column : declared) features += model::features(column);
  require(inputs.size() == features * all);
  for (const float input : inputs) require(std::abs(input) <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto declared = columns(data[0]);
  for (const Column& column : declared) require(!model::problem(column));
  const std::string_view file(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto parsed = data::parse_table(file, declared);
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    require(!why->empty());
    check_rows(file, declared);
    return 0;
  }
  const auto& table = std::get<data::Table>(parsed);
  require(table.inputs.size() == table.features * table.rows);
  require(table.labels.size() + table.values.size() == table.rows);
  require(table.groups.size() == (declared[6].group ? table.rows : 0));
  require(table.times.size() == (declared[5].time ? table.rows : 0));
  for (const float input : table.inputs) require(std::abs(input) <= 1);
  for (const std::int64_t label : table.labels) require(label >= 0 && label < 3);
  for (const float value : table.values) require(std::isfinite(value));
  require(same(table, std::get<data::Table>(data::parse_table(file, declared))));
  require(!sentences(table.noticed).empty());
  check_rows(file, declared);
  return 0;
}
