#pragma once

#include "net/asio/asio.hpp"

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// What happens, for whoever wants to hear it at once: server-sent events.  An event says that
/// something is another, and little more: what it is now is asked.
///
/// Threads: one.
class EventFeed {
 public:
  /// One who hears.  It gets what is published from its making on; who falls behind by more than
  /// kMost gets no more, and begins again.
  class Listener {
   public:
    static constexpr std::size_t kMost = 64;  ///< events that wait

    explicit Listener(net::asio::any_io_executor executor) : wake_(executor) {}
    /// The next event as it travels; a comment if there was none for `patience`; nullopt after
    /// end(), or if it fell behind.
    [[nodiscard]] net::awaitable<std::optional<std::string>> next(net::Duration patience);
    void end();

   private:
    friend class EventFeed;
    net::asio::steady_timer wake_;
    std::deque<std::string> waiting_;
    bool ended_ = false;
  };

  explicit EventFeed(net::asio::any_io_executor executor) : executor_(executor) {}
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  /// `name` is a word.
  void publish(std::string_view name, const nlohmann::json& data);
  [[nodiscard]] std::shared_ptr<Listener> listen();
  /// Whether anybody listens.
  [[nodiscard]] bool heard() const;

 private:
  net::asio::any_io_executor executor_;
  std::vector<std::weak_ptr<Listener>> listeners_;
  std::uint64_t count_ = 0;
};

}  // namespace kith::daemon
