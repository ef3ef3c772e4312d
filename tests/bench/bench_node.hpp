#pragma once

#include "crypto/identity.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/state/store.hpp"
#include "model/pipe/memfd.hpp"
#include "model/snapshot.hpp"
#include "net/asio/host.hpp"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <string>

/// Nodes without a learner, to measure what moves between them.
namespace kith::bench {

using Clock = std::chrono::steady_clock;
using daemon::Blobs;
using daemon::SnapshotForm;

struct Keys : crypto::NodeKeys {
  Keys() : Keys(crypto::Identity::generate(), crypto::ChannelKey::generate()) {}
  Keys(crypto::Identity node, crypto::ChannelKey key) : NodeKeys{std::move(node), std::move(key)} {}
  [[nodiscard]] net::Member member(const std::string& name) const {
    return {identity.id(), channel.public_key(), name, {}};
  }
};

/// A node without a learner: serves what it has, or fetches what it hears of.
class End final : public net::HostOwner {
 public:
  End(net::asio::io_context& io, const Keys& keys, const net::Consortium& consortium, Blobs& blobs)
      : io_(io),
        blobs_(blobs),
        local_{keys.identity.id(), &keys.channel, &consortium, {}, "bench"},
        host_(io, local_, *this) {}
  ~End() override {
    host_.stop();
    disk_.join();
  }
  net::Host& host() { return host_; }

  std::function<void()> on_connected = [] {};
  std::function<void()> on_completed = [] {};
  std::function<void()> on_disconnected = [this] { io_.stop(); };
  Clock::time_point discovered_at;
  bool keeps = true;  ///< what it fetches; otherwise nobody can fetch it from here

  void read_piece(const net::SnapshotId& snapshot, std::uint32_t piece, PieceRead done) override {
    const crypto::Hash chunk = host_.gossip().manifest(snapshot)->chunks.at(piece);
    net::asio::post(disk_, [this, chunk, done = std::move(done)] {
      auto data = blobs_.read(chunk);
      net::asio::post(io_, [done, data = std::move(data)]() mutable { done(std::move(data)); });
    });
  }
  void write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data,
                   std::function<void()> written) override {
    if (!keeps) return net::asio::post(io_, std::move(written));
    const crypto::Hash chunk = host_.gossip().manifest(snapshot)->chunks.at(piece);
    net::asio::post(disk_, [this, chunk, data = std::move(data), written = std::move(written)] {
      blobs_.write(chunk, data, Blobs::Durability::refetchable);
      net::asio::post(io_, written);
    });
  }
  void discovered(const net::SnapshotId& snapshot, const net::Head&) override {
    discovered_at = Clock::now();
    host_.want(snapshot);
  }
  void begun(const net::SnapshotId&, const net::Head&) override {}
  void needed(const net::SnapshotId&, const net::Head&) override {}
  void completed(const net::SnapshotId& snapshot, const net::Head&) override {
    manifest = *host_.gossip().manifest(snapshot);
    net::asio::post(disk_, [this] { net::asio::post(io_, [this] { on_completed(); }); });
  }
  void dropped(const net::SnapshotId&, const net::Head&, const std::vector<net::Hash>&) override {}
  void peer_connected(const net::Member&, const net::Hello&) override { on_connected(); }
  void peer_disconnected(const net::Member&, const net::Trouble&) override { on_disconnected(); }
  void peer_failed(const net::Member*, const net::Trouble&) override {}
  void peer_accused(const net::Member&, const std::string& what) override { give_up(what); }
  void peer_convicted(const net::Member&, const net::Evidence&) override { give_up("convicted"); }
  void outrun(const net::LogPosition&) override {}

  [[noreturn]] static void give_up(const std::string& what) {
    std::cerr << "bench: " << what << "\n";
    std::exit(1);
  }
  net::Manifest manifest;

 private:
  net::asio::io_context& io_;
  Blobs& blobs_;
  net::LocalNode local_;
  net::asio::thread_pool disk_{1};
  net::Host host_;
};

/// Weights as a trained model has them.
inline pipe::Fd model_of(std::size_t mebibytes, SnapshotForm& form, model::Encoding encoding) {
  std::vector<float> values((mebibytes << 20) / sizeof(float));
  std::mt19937 random(1);
  std::normal_distribution<float> weight(0, 0.05F);
  std::ranges::generate(values, [&] { return weight(random); });
  const Bytes file = model::write_snapshot({{{"w", {values.size()}}}}, values);
  form = daemon::form_of(file, encoding);
  return pipe::sealed_memfd("bench", file);
}

inline net::SignedHead head_of(const net::Manifest& manifest, const SnapshotForm& form,
                               const Keys& keys, const net::Consortium& consortium) {
  const Bytes encoded = net::encode(manifest);
  net::Head head;
  head.origin = keys.identity.id();
  head.position = {1, 1};
  head.round = 1;
  head.examples = 1;
  head.size = form.encoded_size();
  head.manifest = crypto::hash(encoded);
  head.manifest_size = static_cast<std::uint32_t>(encoded.size());
  return net::sign_head(head, keys.identity, consortium.id());
}

}  // namespace kith::bench
