#include "net/asio/link.hpp"

#include <array>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace kith::net {
namespace {

constexpr std::size_t kReadBuffer = 64 << 10;
constexpr int kUnsent = 128 << 10;  // bytes that the kernel takes before it can send them
constexpr Duration kFarewell = std::chrono::seconds(1);

}  // namespace

std::shared_ptr<Link> Link::start(asio::ip::tcp::socket socket, const LocalNode& local,
                                  std::optional<Callee> callee, Callbacks callbacks,
                                  std::uint64_t features, std::optional<Apply> application) {
  std::shared_ptr<Link> link(new Link(std::move(socket), local, callee, std::move(callbacks),
                                      features, std::move(application)));
  asio::co_spawn(link->socket_.get_executor(), read_loop(link), rethrow);
  asio::co_spawn(link->socket_.get_executor(), write_loop(link), rethrow);
  asio::co_spawn(link->socket_.get_executor(), clock_loop(link), rethrow);
  link->pump();
  return link;
}

Link::Link(asio::ip::tcp::socket socket, const LocalNode& local, std::optional<Callee> callee,
           Callbacks callbacks, std::uint64_t features, std::optional<Apply> application)
    : socket_(std::move(socket)),
      wake_writer_(socket_.get_executor(), Instant::max()),
      wake_reader_(socket_.get_executor(), Instant::max()),
      clock_(socket_.get_executor(), Instant::max()),
      session_(local, callee, Clock::now(), features, std::move(application)),
      callbacks_(std::move(callbacks)),
      rate_in_(Clock::now()),
      rate_out_(Clock::now()) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  // What the kernel has taken cannot be taken back, and says nothing of the line: the swarm sends
  // a piece when those before it have left.
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsent, sizeof kUnsent);
}

// What a message or our own memory makes go wrong ends this connection, and nothing else.
template <class Action>
void Link::contained(Action action) {
  try {
    action();
  } catch (const std::exception& error) {
    detail_ = error.what();
    finish(CloseReason::internal_error);
  }
}

void Link::send(const Message& message) {
  if (finished_) return;
  session_.send(Clock::now(), message);
  collect();  // here, not in pump(): whoever calls us from a callback sees has_room() at once
  pump();
}

void Link::close(CloseReason reason) {
  if (finished_) return;
  session_.close(reason);
  collect();  // here too: pump_once() does not finish before the goodbye is written
  pump();
}

void Link::resume() {
  paused_ = false;
  wake_reader_.cancel();
}

void Link::collect() {
  const Bytes output = session_.take_output();
  outbox_.insert(outbox_.end(), output.begin(), output.end());
  queued_ += output.size();
  if (queued_ > limits::kHopeless) session_.close(CloseReason::stalled);
}

// Carries out whatever the session has come to want.  A callback may well send, close or drop us:
// then the loop goes round once more instead of deeper.
void Link::pump() {
  pump_again_ = true;
  if (pumping_) return;
  const auto self = shared_from_this();
  pumping_ = true;
  contained([this] {
    while (std::exchange(pump_again_, false) && !finished_) pump_once();
  });
  pumping_ = false;
}

void Link::pump_once() {
  collect();
  if (!outbox_.empty()) wake_writer_.cancel();
  if (!announced_ && session_.established()) {
    announced_ = true;
    pump_again_ = true;
    callbacks_.established();
  }
  while (auto message = finished_ ? std::nullopt : session_.poll_message()) {
    pump_again_ = true;
    callbacks_.message(std::move(*message));
  }
  if (!parting_ && clock_.expiry() != session_.next_timeout()) {
    clock_.expires_at(session_.next_timeout());  // wakes clock_loop
  }
  // A goodbye still in the outbox is written first; write_loop then comes back here.
  if (session_.closed() && queued_ == 0) finish(*session_.closed());
}

void Link::finish(CloseReason reason) {
  if (finished_) return;
  finished_ = true;
  error_code ignored;
  socket_.close(ignored);  // ends read_loop
  wake_writer_.cancel();   // ends write_loop
  wake_reader_.cancel();
  clock_.cancel();  // ends clock_loop
  const Callbacks last = std::exchange(callbacks_, {});
  last.closed(reason);
}

awaitable<void> Link::read_loop(std::shared_ptr<Link> self) {
  Bytes buffer(kReadBuffer);
  error_code ec;
  while (!self->finished_) {
    co_await until_readable(self);
    if (self->finished_) co_return;
    const auto space = asio::buffer(buffer);
    const std::size_t size =
        co_await self->socket_.async_read_some(space, asio::redirect_error(use_awaitable, ec));
    if (self->finished_) co_return;
    if (ec) {
      self->detail_ = ec.message();
      // During the handshake a silent close is how the other side says that it does not know us.
      const bool shaking = !self->session_.established();
      co_return self->finish(self->session_.closed().value_or(
          shaking ? CloseReason::handshake_failed : CloseReason::connection_lost));
    }
    const Instant now = Clock::now();
    const std::uint64_t before = self->session_.messages();
    self->bytes_in_ += size;
    self->rate_in_.add(now, size);
    self->contained([&] { self->session_.handle_bytes(now, ByteView(buffer).first(size)); });
    if (self->finished_) co_return;
    const auto messages = static_cast<Duration::rep>(self->session_.messages() - before);
    self->indebted_until_ =
        std::max(self->indebted_until_, now) + messages * limits::kMessageEffort;
    self->pump();
  }
}

// Neither paused by the owner, nor by what the peer's messages have cost.
awaitable<void> Link::until_readable(std::shared_ptr<Link> self) {
  error_code ec;
  while (!self->finished_) {
    const Instant next = self->indebted_until_ - limits::kMessageEffortAtOnce;
    if (!self->paused_ && Clock::now() >= next) co_return;
    self->wake_reader_.expires_at(self->paused_ ? Instant::max() : next);
    co_await self->wake_reader_.async_wait(asio::redirect_error(use_awaitable, ec));
  }
}

awaitable<void> Link::write_loop(std::shared_ptr<Link> self) {
  error_code ec;
  while (!self->finished_) {
    if (self->outbox_.empty()) {
      co_await self->wake_writer_.async_wait(asio::redirect_error(use_awaitable, ec));
      continue;
    }
    const Bytes bytes = std::exchange(self->outbox_, {});
    for (ByteView rest = bytes; !rest.empty();) {
      // In the portions that the peer takes: a slow one is not a stalled one.
      const auto data = asio::buffer(rest.data(), rest.size());
      const std::size_t size =
          co_await self->socket_.async_write_some(data, asio::redirect_error(use_awaitable, ec));
      if (self->finished_) co_return;
      if (ec) {
        self->detail_ = ec.message();
        co_return self->finish(self->session_.closed().value_or(CloseReason::connection_lost));
      }
      rest = rest.subspan(size);
      self->queued_ -= size;
      self->bytes_out_ += size;
      self->rate_out_.add(Clock::now(), size);
      self->session_.handle_written(Clock::now(), self->queued_);
      if (self->has_room()) self->callbacks_.drained();
      self->pump();
      if (self->finished_) co_return;
    }
  }
}

awaitable<void> Link::clock_loop(std::shared_ptr<Link> self) {
  error_code ec;
  while (!self->finished_ && !self->session_.closed()) {
    co_await self->clock_.async_wait(asio::redirect_error(use_awaitable, ec));
    if (self->finished_ || self->session_.closed()) break;
    self->contained([&] { self->session_.handle_timeout(Clock::now()); });
    self->pump();
  }
  if (self->finished_) co_return;
  // Somebody who does not read our goodbye does not get to keep the socket.
  self->parting_ = true;
  self->clock_.expires_at(Clock::now() + kFarewell);
  co_await self->clock_.async_wait(asio::redirect_error(use_awaitable, ec));
  if (!self->finished_) self->finish(*self->session_.closed());
}

}  // namespace kith::net
