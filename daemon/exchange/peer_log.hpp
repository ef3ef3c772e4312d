#pragma once

#include "net/asio/host.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>

namespace kith::daemon {

/// What happens between this node and its peers, as lines of the log.  Threads: the io thread.
class PeerLog {
 public:
  void connected(const net::Member& peer, const net::Hello& hello);
  void disconnected(const net::Member& peer, const net::Trouble& trouble);
  /// nullptr: somebody who is no member; anyone may knock, but the log is not theirs to fill.
  void failed(const net::Member* peer, const net::Trouble& trouble);
  void accused(const net::Member& peer, const std::string& what);
  void convicted(const net::Member& peer, bool ourselves);
  /// Something of this program failed at what the peer sent.
  void fault(const net::Member* peer, const std::string& what, const std::exception& error);

 private:
  std::uint64_t strangers_ = 0;  // failed connections of nobody we know, unreported
  std::chrono::steady_clock::time_point strangers_reported_ =
      std::chrono::steady_clock::time_point::min();
};

}  // namespace kith::daemon
