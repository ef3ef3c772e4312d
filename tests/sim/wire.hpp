#pragma once

#include "net/session.hpp"
#include "tests/sim/simulator.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <utility>

namespace kith::sim {

/// One connection: two production Sessions, whose bytes travel over the Network as over TCP.
///
/// What net/asio/link.cpp does with a socket.  Lives as long as one of its ends does.
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  using Node = Network::Node;
  /// Told of each end; `closed` also of one that was never established.
  struct Callbacks {
    std::function<void(const std::shared_ptr<Wire>&, Node self, Node other)> established;
    std::function<void(Node self, Node other, net::Message)> message;
    std::function<void(const Wire*, Node self, Node other)> closed;
  };

  /// The first of `nodes` dials the second, with the key that it knows of it.  `local` are borrowed,
  /// and all else.
  static std::shared_ptr<Wire> dial(Simulator& simulator, Network& network,
                                    std::array<Node, 2> nodes,
                                    std::array<const net::LocalNode*, 2> local,
                                    const Callbacks& callbacks) {
    const std::shared_ptr<Wire> wire(new Wire(simulator, network, nodes, local, callbacks));
    for (const std::size_t end : {0U, 1U}) wire->pump(end);
    return wire;
  }

  /// Returns when it has left; `as_if` is its size on the way, if it is more than it has.
  net::Instant send(Node from, const net::Message& message, std::size_t as_if) {
    const std::size_t end = end_of(from);
    if (!sessions_[end]) return simulator_.now();
    sessions_[end]->send(now(end), message);
    const net::Instant sent = flush(end, as_if);
    pump(end);
    return sent;
  }
  /// The key that the other side has proved to `self`.
  [[nodiscard]] crypto::DhPublicKey proved(Node self) const {
    const auto& session = sessions_[end_of(self)];
    return session && session->proved() ? *session->proved() : crypto::DhPublicKey{};
  }
  void close(Node by, net::CloseReason reason) {
    const std::size_t end = end_of(by);
    if (!sessions_[end]) return;
    sessions_[end]->close(reason);
    pump(end);
  }
  /// From now on nothing arrives, and nobody is told.
  void cut() { cut_ = true; }

 private:
  static constexpr std::size_t kDrops = 100;  // bytes

  Wire(Simulator& simulator, Network& network, std::array<Node, 2> nodes,
       std::array<const net::LocalNode*, 2> local, const Callbacks& callbacks)
      : simulator_(simulator), network_(network), nodes_(nodes), callbacks_(callbacks) {
    const auto* const dialled = local[0]->directory->find(local[1]->id);
    const net::Callee callee{dialled->id, dialled->dh};
    sessions_[0] = std::make_unique<net::Session>(*local[0], callee, now(0));
    sessions_[1] = std::make_unique<net::Session>(*local[1], std::nullopt, now(1));
  }
  [[nodiscard]] net::Instant now(std::size_t end) const { return simulator_.now(nodes_[end]); }
  [[nodiscard]] std::size_t end_of(Node node) const { return nodes_[0] == node ? 0 : 1; }

  net::Instant flush(std::size_t end, std::size_t as_if = 0) {
    Bytes bytes = sessions_[end]->take_output();
    if (bytes.empty()) return simulator_.now();
    const std::size_t size = std::max(bytes.size(), as_if);
    const auto self = shared_from_this();
    const auto send = [&](Bytes some, std::size_t some_size) {
      const Node from = nodes_[end], to = nodes_[1 - end];
      return network_.send(from, to, some_size, [self, end, some = std::move(some)] {
        if (!self->cut_) self->arrive(1 - end, some);
      });
    };
    net::Instant& sent = sent_[end];
    if (!network_.drips(nodes_[end])) {
      sent = send(std::move(bytes), size);
    } else if (sent <= simulator_.now()) {  // the start of something that will never be whole
      bytes.resize(std::min(bytes.size(), kDrops));
      for (const std::byte byte : bytes) sent = send({byte}, 1);
    }
    simulator_.at(sent, [self, end] {
      if (self->sessions_[end]) self->sessions_[end]->handle_written(self->now(end), 0);
    });
    return sent;
  }
  void arrive(std::size_t end, const Bytes& bytes) {
    if (!sessions_[end]) return;
    sessions_[end]->handle_bytes(now(end), bytes);
    pump(end);
  }

  /// Carries out what a session has come to want.  Callbacks may send or close: then it goes round
  /// once more.
  void pump(std::size_t end) {
    const auto self = shared_from_this();
    again_[end] = true;
    if (std::exchange(pumping_[end], true)) return;
    while (sessions_[end] && std::exchange(again_[end], false)) pump_once(end);
    pumping_[end] = false;
  }
  void pump_once(std::size_t end) {
    net::Session& session = *sessions_[end];
    const Node node = nodes_[end], other = nodes_[1 - end];
    if (session.established() && !std::exchange(announced_[end], true)) {
      callbacks_.established(shared_from_this(), node, other);
    }
    while (auto message = session.poll_message()) {
      callbacks_.message(node, other, std::move(*message));
    }
    flush(end);
    if (session.closed()) return finish(end);
    const net::Instant next = session.next_timeout();
    if (next == alarms_[end]) return;
    alarms_[end] = next;
    simulator_.at(node, next, [weak = weak_from_this(), end, next] {
      const auto wire = weak.lock();
      if (!wire || !wire->sessions_[end] || wire->alarms_[end] != next) return;
      wire->alarms_[end] = net::Instant::max();
      wire->sessions_[end]->handle_timeout(wire->now(end));
      wire->pump(end);
    });
  }
  /// The socket is closed, which the other side reads after all that was written.
  void finish(std::size_t end) {
    sessions_[end].reset();
    network_.send(nodes_[end], nodes_[1 - end], 0, [self = shared_from_this(), end] {
      if (!self->cut_) self->close(self->nodes_[1 - end], net::CloseReason::connection_lost);
    });
    callbacks_.closed(this, nodes_[end], nodes_[1 - end]);
  }

  Simulator& simulator_;
  Network& network_;
  std::array<Node, 2> nodes_;
  const Callbacks& callbacks_;
  std::array<std::unique_ptr<net::Session>, 2> sessions_;
  std::array<bool, 2> announced_{}, pumping_{}, again_{};
  std::array<net::Instant, 2> sent_{};  // all of it, by the simulator's clock
  std::array<net::Instant, 2> alarms_{net::Instant::max(), net::Instant::max()};
  bool cut_ = false;
};

}  // namespace kith::sim
