#pragma once

#include "daemon/exchange/sealed_snapshot.hpp"
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

struct Keys {
  crypto::Identity identity = crypto::Identity::generate();
  crypto::ChannelKey channel = crypto::ChannelKey::generate();
  [[nodiscard]] net::Member member(const std::string& name) const { return {identity.id(), name}; }
  [[nodiscard]] net::Card card(const net::Hash& founded, std::vector<std::string> addresses) const {
    net::Card card;
    card.founded = founded;
    card.issued = 1;
    card.name = "bench";
    card.addresses = std::move(addresses);
    return net::sign_card(std::move(card), identity, channel);
  }
};

/// Who takes part, and where each is reached.
struct Part {
  const Keys* keys;
  std::string name;
  std::vector<std::string> addresses{};
};
/// A consortium of these, the first of whom founded it.
inline net::MembershipRecord consortium(const std::vector<Part>& parts) {
  net::Charter charter;
  charter.consortium = "bench";
  charter.expires = 4'000'000'000;
  charter.stewards = {{parts.front().keys->identity.id(), "steward"}};
  for (const Part& part : parts) charter.members.push_back(part.keys->member(part.name));
  std::ranges::sort(charter.members, {}, &net::Member::id);
  net::SignedCharter version = net::unsigned_charter(charter);
  net::sign(version, parts.front().keys->identity);
  net::MembershipRecord record;
  if (record.chain.append(version)) std::abort();
  const net::Hash founded = record.chain.founded();
  for (const Part& part : parts) record.cards.push_back(part.keys->card(founded, part.addresses));
  return record;
}
inline std::vector<daemon::SnapshotReader> readers(const net::MembershipRecord& record) {
  std::vector<daemon::SnapshotReader> all;
  for (const net::Card& card : record.cards) all.push_back({card.node, card.channel});
  return all;
}

/// A node without a learner: serves what it has, or fetches what it hears of.
class End final : public net::HostOwner {
 public:
  End(net::asio::io_context& io, const Keys& keys, const net::MembershipRecord& record,
      Blobs& blobs, const std::vector<std::string>& addresses = {})
      : io_(io), blobs_(blobs), host_(io, local(keys, record, addresses), record, *this) {}
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
  void failed(const net::Member*, const std::string& what, const std::exception& error) override {
    give_up(what + ": " + error.what());
  }

  [[noreturn]] static void give_up(const std::string& what) {
    std::cerr << "bench: " << what << "\n";
    std::exit(1);
  }
  net::Manifest manifest;

 private:
  static net::LocalNode local(const Keys& keys, const net::MembershipRecord& record,
                              const std::vector<std::string>& addresses) {
    net::LocalNode node;
    node.id = keys.identity.id();
    node.channel = &keys.channel;
    node.agent = "bench";
    node.dials_loopback = true;
    node.card = keys.card(record.chain.founded(), addresses);
    return node;
  }

  net::asio::io_context& io_;
  Blobs& blobs_;
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

/// The head of the only snapshot that these keys sign, but for its manifest.
inline net::Head head_of(const SnapshotForm& form, const Keys& keys,
                         const net::MembershipRecord& record) {
  net::Head head;
  head.founded = record.chain.founded();
  head.origin = keys.identity.id();
  head.key = keys.channel.public_key();
  head.position = {1, 1};
  head.round = 1;
  head.examples = 1;
  head.size = form.encoded_size();
  return head;
}

/// Announces it.
inline void publish(End& end, net::Head head, const Keys& keys, const net::Manifest& manifest) {
  const Bytes encoded = net::encode(manifest);
  head.manifest = crypto::hash(encoded);
  head.manifest_size = static_cast<std::uint32_t>(encoded.size());
  if (!end.host().publish(net::sign_head(head, keys.channel), manifest)) End::give_up("not published");
}

}  // namespace kith::bench
