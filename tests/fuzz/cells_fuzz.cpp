// A cell is a finite number or none, a date or none; a file's text is UTF-8 whatever it was, and
// composed once it is composed.
#include "model/data/cells.hpp"
#include "model/data/unicode.hpp"

#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith::data;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const char decimal : {'.', ','}) {
    if (const auto number = parse_number(bytes, decimal)) require(std::isfinite(*number));
  }
  for (const auto order : {DateOrder::unknown, DateOrder::day_first, DateOrder::month_first}) {
    if (const auto date = parse_cell_date(bytes, order)) require(std::abs(date->days) < 5e6);
  }
  const auto decoded = decode(bytes);
  const auto* const text = std::get_if<Decoded>(&decoded);
  if (text == nullptr) return 0;
  require(is_utf8(text->text()));
  const std::string once = composed(text->text());
  require(composed(once) == once);
  return 0;
}
