// A draft of any table is refused with a reason or is a task; and with no column but the target it
// is refused, too.
#include "model/data/draft.hpp"
#include "model/data/file.hpp"
#include "model/pipe/memfd.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith;
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  const pipe::Fd file = pipe::sealed_memfd("table", bytes);
  const std::vector<std::filesystem::path> paths{"/proc/self/fd/" + std::to_string(file.get())};
  try {
    data::Draft draft = data::draft_table(paths);
    draft.task.name = "fuzz";
    if (draft.reasons.size() != draft.task.columns.size()) std::abort();
    if (model::target_of(draft.task.columns) == nullptr) std::abort();
  } catch (const data::DataError&) {
  }
  return 0;
}
