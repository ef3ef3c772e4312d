// The first line declares the columns, separated by commas; the rest is the table.
#include "model/data/table.hpp"
#include "model/task.hpp"

#include <cmath>
#include <cstdlib>

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

kith::model::Task task_of(std::string_view declared) {
  kith::model::Task task;
  task.name = "fuzz";
  for (;;) {
    const auto end = declared.find(',');
    task.columns.emplace_back(declared.substr(0, end));
    if (end == std::string_view::npos) break;
    declared.remove_prefix(end + 1);
  }
  task.classes = kith::model::classes_of(task.columns).value_or(0);
  return task;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return 0;
  const model::Task task = task_of(text.substr(0, end));
  if (model::problem(task)) return 0;
  const auto columns = model::columns_of(task);
  for (const model::Column& column : columns) {
    require(std::get<model::Column>(model::parse_column(to_string(column))) == column);
  }
  const auto parsed = data::parse_table(text.substr(end + 1), columns);
  const auto* const table = std::get_if<data::Table>(&parsed);
  if (table == nullptr) return 0;
  require(table->inputs.size() == table->features * table->labels.size());
  for (const float input : table->inputs) require(std::abs(input) <= 1);
  for (const std::int64_t label : table->labels) require(label >= 0 && label < task.classes);
  return 0;
}
