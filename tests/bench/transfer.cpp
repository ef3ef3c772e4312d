// One snapshot from one process to another over loopback, as nodes do it: published, fetched,
// stored, opened.  Beside it, what the same cryptography alone takes on one core.  Prints JSON;
// tests/bench/transfer.py compares it with TLS.
//
//     build/release/bin/transfer ENCODING MEBIBYTES
#include "crypto/init.hpp"
#include "crypto/noise.hpp"
#include "crypto/seal.hpp"
#include "daemon/exchange/sealed_snapshot.hpp"
#include "daemon/state/store.hpp"
#include "tests/bench/bench_node.hpp"

#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using namespace kith;
using namespace kith::daemon;
using bench::Clock;
using bench::End;
using bench::Keys;
using nlohmann::json;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What the receiver's cryptography takes, one thing after the other on this core.
json ceiling(const net::Manifest& manifest, const SnapshotForm& form, ByteView context,
             const NodeKeys& reader, const Blobs& blobs) {
  const Keys sender;
  const Bytes prologue;
  const crypto::DhKey& theirs = reader.channel.dh();
  auto one = crypto::Handshake::initiator(sender.channel.dh(), theirs.public_key(), prologue);
  auto other = crypto::Handshake::responder(theirs, prologue);
  (void)other.read(one.write({}));
  (void)one.read(other.write({}));
  (void)other.read(one.write({}));
  crypto::Transport sending = one.split(), receiving = other.split();

  // The content key is sealed to every member; ours opens.
  std::optional<Bytes> opened;
  for (const auto& sealed : manifest.keys) {
    if (sealed.member == reader.id) {
      opened = crypto::open_sealed(reader.channel, sealed.sealed);
    }
  }
  if (!opened) End::give_up("no key for the reader");
  crypto::ContentKey content;
  std::ranges::copy(*opened, content.data().begin());
  const crypto::ChunkKey key(content, context);

  double channel = 0, hashing = 0, decryption = 0, decoding = 0;
  SnapshotDecoder decoder(form);
  for (std::size_t i = 0; i < manifest.chunks.size(); ++i) {
    const Bytes chunk = blobs.read(manifest.chunks[i]).value();
    std::vector<Bytes> records;
    for (ByteView rest = chunk; !rest.empty();) {
      const ByteView part = rest.first(std::min(rest.size(), crypto::Transport::kMaxPlaintext));
      sending.seal(part, records.emplace_back());
      rest = rest.subspan(part.size());
    }
    Bytes plain;
    auto start = Clock::now();
    for (const Bytes& record : records) {
      if (!receiving.open(record, plain)) End::give_up("a record did not open");
    }
    channel += seconds_since(start);
    start = Clock::now();
    if (crypto::hash(plain) != manifest.chunks[i]) End::give_up("wrong hash");
    hashing += seconds_since(start);
    start = Clock::now();
    const auto encoded = key.decrypt_chunk(i, plain);
    decryption += seconds_since(start);
    start = Clock::now();
    if (!encoded || !decoder.append(*encoded)) End::give_up("a chunk did not open");
    decoding += seconds_since(start);
  }
  return {{"channel", channel},
          {"hash", hashing},
          {"decrypt", decryption},
          {"decode", decoding},
          {"total", channel + hashing + decryption + decoding}};
}

/// Fetches, opens, and prints.
void receive(net::asio::io_context& io, End& end, const SnapshotForm& form, ByteView context,
             const NodeKeys& keys, const Blobs& blobs) {
  json result;
  end.on_completed = [&] {
    const double fetched = seconds_since(end.discovered_at);
    const auto opened = open_snapshot(end.manifest, form, context, keys, blobs);
    if (const auto* failure = std::get_if<Unopened>(&opened)) End::give_up(failure->why);
    result = {{"fetch_seconds", fetched},
              {"seconds", seconds_since(end.discovered_at)},
              {"bytes", end.host().traffic().in},
              {"file_bytes", form.file_size()}};
    io.stop();
  };
  io.run();
  result["ceiling"] = ceiling(end.manifest, form, context, keys, blobs);
  std::cout << result.dump() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  crypto::init();
  std::optional<model::Encoding> encoding;
  using enum model::Encoding;
  for (const auto known : {fp32, bf16, int8}) {
    if (argc == 3 && name(known) == std::string_view(argv[1])) encoding = known;
  }
  const std::size_t mebibytes = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (!encoding || mebibytes == 0) {
    std::cerr << "usage: transfer fp32|bf16|int8 MEBIBYTES\n";
    return 64;
  }
  std::string pattern = (fs::temp_directory_path() / "kith-transfer-XXXXXX").string();
  const fs::path folder = ::mkdtemp(pattern.data());
  const Keys sender, receiver;
  int port[2];
  if (::pipe(port) != 0) return 1;
  const pid_t child = ::fork();  // before there is a thread
  {
    Blobs blobs(folder / (child == 0 ? "receiver" : "sender"));
    SnapshotForm form;
    const pipe::Fd file = bench::model_of(mebibytes, form, *encoding);
    net::asio::io_context io(1);
    std::vector<std::string> addresses;
    if (child == 0) {
      char address[64]{};
      if (::read(port[0], address, sizeof address - 1) <= 0) return 1;
      addresses = {address};
    }
    const net::MembershipRecord record =
        bench::consortium({{&sender, "sender", addresses}, {&receiver, "receiver"}});
    const net::Head head = bench::head_of(form, sender, record);
    const Bytes context = net::seal_context(head);
    if (child == 0) {
      End end(io, receiver, record, blobs);
      end.host().connect();
      const NodeKeys keys{receiver.identity.id(),
                          crypto::ChannelKey::from_seed(receiver.channel.seed())};
      receive(io, end, form, context, keys, blobs);
      ::_exit(0);
    }
    const net::Manifest manifest = seal_snapshot(file, form, bench::readers(record), context, blobs);
    End end(io, sender, record, blobs);
    end.on_connected = [&] { bench::publish(end, head, sender, manifest); };
    end.host().listen({"127.0.0.1:0"});
    const std::string address = end.host().listening().at(0);
    if (::write(port[1], address.data(), address.size()) < 0) return 1;
    io.run();
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  fs::remove_all(folder);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
