// Two honest nodes, whole but for sockets and disk, and two colluders, whose decrypted messages and
// calls the input chooses, with what happens to the honest: loss, restarts, renewals, versions of the
// charter, time.  The input is a list of steps; most messages carry real signatures of the colluders.
#include "tests/sim/small_world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using namespace kith;
using namespace kith::sim::small;

constexpr std::size_t kSteps = 64;

void require(const World& world) {
  if (world.broken().empty()) return;
  std::fprintf(stderr, "%s\n", world.broken().c_str());
  std::abort();
}

void begin(World& world, const std::vector<Action>& actions) {
  for (const Action& action : actions) world.perform(action);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };
  const std::uint8_t start = next();
  if (start % 4 != 0) begin(world, connected());
  if (start % 4 == 2) begin(world, infiltrated());
  for (std::size_t step = 0; step < kSteps && at < size; ++step) {
    const std::uint8_t kind = next(), who = next();
    const auto a = static_cast<Node>(who % kNodes), b = static_cast<Node>(who / kNodes % kNodes);
    if (kind % (kKinds + 1) == kKinds) {  // something that nobody has thought of
      const std::size_t length = std::min<std::size_t>(next(), size - at);
      const ByteView bytes(reinterpret_cast<const std::byte*>(data + at), length);
      at += length;
      const auto message = net::decode_message(bytes);
      if (message && !is_honest(a) && is_honest(b)) world.say(a, b, *message);
    } else {
      Action action{static_cast<Action::Kind>(kind % (kKinds + 1)), a, b, 0};
      if (action.kind == Action::Kind::say || action.kind == Action::Kind::call ||
          action.kind == Action::Kind::pass) {
        action.c = next();
      }
      world.perform(action);
    }
    require(world);
  }
  world.settle();
  require(world);
  return 0;
}
