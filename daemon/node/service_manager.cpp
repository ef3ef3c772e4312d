#include "daemon/node/service_manager.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <time.h>
#include <unistd.h>

namespace kith::daemon {
namespace {

namespace asio = net::asio;
using Protocol = asio::local::datagram_protocol;

constexpr std::size_t kMostPath = 107;  // bytes that the kernel takes

std::optional<long long> number_of(const char* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view all = text;
  long long number = 0;
  const auto [end, ec] = std::from_chars(all.data(), all.data() + all.size(), number);
  if (ec != std::errc() || end != all.data() + all.size() || number <= 0) return std::nullopt;
  return number;
}

}  // namespace

ServiceManager ServiceManager::of_environment(asio::io_context& io) {
  const char* const socket = std::getenv("NOTIFY_SOCKET");
  std::optional<std::chrono::microseconds> watchdog;
  const auto whose = number_of(std::getenv("WATCHDOG_PID"));
  const auto time = number_of(std::getenv("WATCHDOG_USEC"));
  if (time && (!whose || *whose == ::getpid())) watchdog = std::chrono::microseconds(*time);
  return ServiceManager(io, socket == nullptr ? "" : socket, watchdog);
}

ServiceManager::ServiceManager(asio::io_context& io, const std::string& socket,
                               std::optional<std::chrono::microseconds> watchdog)
    : socket_(io) {
  if (socket.size() < 2 || socket.size() > kMostPath || (socket[0] != '/' && socket[0] != '@'))
    return;
  std::string path = socket;
  if (path[0] == '@') path[0] = '\0';
  net::error_code ec;
  socket_.open(Protocol(), ec);
  if (!ec) socket_.connect(Protocol::endpoint(path), ec);
  if (!ec) socket_.non_blocking(true, ec);
  net::error_code ignored;
  if (ec) socket_.close(ignored);
  if (!ec) watchdog_ = watchdog;
}

void ServiceManager::ready() { tell("READY=1"); }

void ServiceManager::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long time = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(time));
}

void ServiceManager::stopping() {
  tell("STOPPING=1\nSTATUS=stopping");
  stopping_ = true;
}

void ServiceManager::alive() { tell("WATCHDOG=1"); }

void ServiceManager::status(const std::string& line) {
  std::string one_line = line;
  std::ranges::replace(one_line, '\n', ' ');
  if (one_line == told_) return;
  tell("STATUS=" + one_line);
  told_ = one_line;
}

void ServiceManager::tell(const std::string& text) {
  if (!socket_.is_open() || stopping_) return;
  net::error_code ignored;
  socket_.send(asio::buffer(text), 0, ignored);
}

}  // namespace kith::daemon
