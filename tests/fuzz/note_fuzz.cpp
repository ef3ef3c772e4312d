// A peer's note, whatever it says, is read or it is nothing; and what a member or the convenor
// makes of it names only candidates, each once.
#include "daemon/learning/convenor.hpp"
#include "daemon/exchange/network_note.hpp"

#include <cstdint>
#include <cstdlib>
#include <set>
#include <string_view>

namespace {

using namespace kith;
using namespace kith::daemon;

void hear(const char* self, const nlohmann::json& note) {
  Convenor convenor({.self = self, .convenor = "z", .admit = 0.5, .drop = 0.4});
  static_cast<void>(convenor.pulls({}, {"a", "b", "c", "z"}));
  const nlohmann::json praise{{"row", {{"b", 0.9}, {"z", 0.9}}}};
  Situation situation;
  situation.round = 2;
  situation.candidates = {{"a", 2, praise}, {"b", 2, note}, {"c", 1, note}, {"z", 2, note}};
  std::erase_if(situation.candidates,
                [&](const auto& candidate) { return candidate.peer == self; });
  nlohmann::json why;
  const model::Admission admission;
  const auto members = convenor.admitted(situation, admission, why);
  if (candidates_among(situation, members) != members) std::abort();
  if (std::set(members.begin(), members.end()).size() != members.size()) std::abort();
  static_cast<void>(why.dump());
  static_cast<void>(convenor.note(admission).text.dump());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > net::limits::kNote) return 0;  // the manifest holds no more
  const nlohmann::json note = parse_note({reinterpret_cast<const char*>(data), size});
  if (note.is_null()) return 0;
  hear("a", note);
  hear("z", note);
  return 0;
}
