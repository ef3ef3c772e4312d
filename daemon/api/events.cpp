#include "daemon/api/events.hpp"

#include <algorithm>
#include <utility>

namespace kith::daemon {

net::awaitable<std::optional<std::string>> EventFeed::Listener::next(net::Duration patience) {
  if (waiting_.empty() && !ended_) {
    net::error_code ec;
    wake_.expires_after(patience);
    co_await wake_.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
  }
  if (ended_) co_return std::nullopt;
  if (waiting_.empty()) co_return std::string(":\n\n");
  std::string event = std::move(waiting_.front());
  waiting_.pop_front();
  co_return event;
}

void EventFeed::Listener::end() {
  ended_ = true;
  wake_.cancel();
}

void EventFeed::publish(std::string_view name, const nlohmann::json& data) {
  constexpr auto kLenient = nlohmann::json::error_handler_t::replace;
  // JSON has no line breaks, which would end the event.
  const std::string event = "id: " + std::to_string(++count_) + "\nevent: " + std::string(name) +
                            "\ndata: " + data.dump(-1, ' ', false, kLenient) + "\n\n";
  std::erase_if(listeners_, [](const auto& listener) { return listener.expired(); });
  for (const auto& weak : listeners_) {
    const auto listener = weak.lock();
    listener->waiting_.push_back(event);
    if (listener->waiting_.size() > Listener::kMost) listener->ended_ = true;
    listener->wake_.cancel();
  }
}

bool EventFeed::heard() const {
  return !std::ranges::all_of(listeners_, [](const auto& listener) { return listener.expired(); });
}

std::shared_ptr<EventFeed::Listener> EventFeed::listen() {
  const auto listener = std::make_shared<Listener>(executor_);
  listeners_.push_back(listener);
  return listener;
}

}  // namespace kith::daemon
