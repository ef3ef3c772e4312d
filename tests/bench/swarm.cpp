// One node of a real swarm: the first publishes a snapshot when a line comes on its standard input,
// the others fetch it; each serves what it has.  Prints a line of JSON when it is ready, when it
// has published or has it all, and, with what that took, when its standard input ends.
// tests/bench/swarm.py runs many, each behind a slow line.
//
//     build/release/bin/swarm NUMBER MEBIBYTES FOLDER ADDRESS...
//
// NUMBER: whose ADDRESS is ours; "-" for one that nobody knows, and who keeps nothing of what it
// fetches.
#include "crypto/init.hpp"
#include "daemon/exchange/sealed_snapshot.hpp"
#include "tests/bench/bench_node.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using namespace kith;
using nlohmann::json;

constexpr std::string_view kUnknown = "-";  // an address

/// The same in every process.
bench::Keys keys_of(std::size_t node) {
  crypto::Secret<32> seed;
  seed.data()[0] = static_cast<std::byte>(node + 1);
  auto identity = crypto::Identity::from_seed(seed);
  seed.data()[1] = std::byte{1};
  return {std::move(identity), crypto::ChannelKey::from_seed(seed)};
}

void say(const json& what) { std::cout << what.dump() << std::endl; }

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The most that this process had resident since the last look, in MiB.
double peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kilobytes = 0;
  while (status >> word) {
    if (word == "VmHWM:") status >> kilobytes;
  }
  return kilobytes / 1024;
}

}  // namespace

int main(int argc, char** argv) {
  crypto::init();
  const std::size_t nodes = argc > 4 ? static_cast<std::size_t>(argc) - 4 : 0;
  const std::size_t self = argc > 4 ? std::strtoul(argv[1], nullptr, 10) : 0;
  const std::size_t mebibytes = argc > 4 ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (self >= nodes || mebibytes == 0 || nodes > 200) {
    std::cerr << "usage: swarm NUMBER MEBIBYTES FOLDER ADDRESS...\n";
    return 64;
  }
  std::vector<bench::Keys> all_keys;
  for (std::size_t node = 0; node < nodes; ++node) all_keys.push_back(keys_of(node));
  std::vector<bench::Part> parts;
  for (std::size_t node = 0; node < nodes; ++node) {
    parts.push_back({&all_keys[node], "node-" + std::to_string(node)});
    if (argv[4 + node] != kUnknown) parts.back().addresses = {argv[4 + node]};
  }
  const net::MembershipRecord record = bench::consortium(parts);
  const bench::Keys& keys = all_keys[self];
  const std::vector<std::string>& addresses = parts[self].addresses;
  daemon::Blobs blobs(argv[3]);
  daemon::SnapshotForm form;
  net::Manifest manifest;
  net::Head head;
  if (self == 0) {
    const pipe::Fd file = bench::model_of(mebibytes, form, model::Encoding::fp32);
    head = bench::head_of(form, keys, record);
    manifest = daemon::seal_snapshot(file, form, bench::readers(record), net::seal_context(head), blobs);
  }
  std::ofstream("/proc/self/clear_refs") << 5;  // the model is the worker's, not ours
  net::asio::io_context io(1);
  bench::End end(io, keys, record, blobs, addresses);
  const auto publish = [&] {
    say({{"published", now()}, {"bytes", form.encoded_size()}});
    bench::publish(end, head, keys, manifest);
  };
  end.on_completed = [&] { say({{"completed", now()}}); };
  end.on_disconnected = [] {};
  net::asio::posix::stream_descriptor input(io, ::dup(STDIN_FILENO));
  std::array<char, 16> ignored{};
  const std::function<void()> wait = [&] {
    input.async_read_some(net::asio::buffer(ignored), [&](net::error_code ec, std::size_t) {
      if (ec) return io.stop();
      if (self == 0) publish();
      wait();
    });
  };
  wait();
  const bool known = !addresses.empty();
  end.keeps = self == 0 || known;
  end.host().listen(addresses);
  end.host().connect();
  say({{"ready", now()}});
  io.run();
  const auto traffic = end.host().traffic();
  say({{"memory_mebibytes", peak_memory()}, {"in", traffic.in}, {"out", traffic.out}});
  ::_exit(0);
}
