// A peer's manifest, whatever it says, differs in fields that differ, each named once; from itself
// in none.
#include "model/task.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view ours = text.substr(0, size / 2), theirs = text.substr(size / 2);
  std::string last;
  bool first = true;
  for (const auto& difference : kith::model::differences(ours, theirs)) {
    if (difference.ours == difference.theirs) std::abort();
    if (!first && difference.field <= last) std::abort();
    last = difference.field;
    first = false;
  }
  if (!kith::model::differences(text, text).empty()) std::abort();
  return 0;
}
