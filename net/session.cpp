#include "net/session.hpp"

#include <algorithm>
#include <cassert>

namespace kith::net {
namespace {

constexpr std::size_t kFrameHeader = 2;
constexpr std::size_t kMessageHeader = 4;
constexpr std::size_t kFirstMessage = 48;  // of Noise XK with an empty payload

std::size_t frame_length(ByteView header) {
  return std::to_integer<std::size_t>(header[0]) << 8 | std::to_integer<std::size_t>(header[1]);
}

std::size_t message_length(ByteView header) {
  std::uint32_t length = 0;
  std::memcpy(&length, header.data(), sizeof length);
  return length;
}

std::uint64_t ticks(Instant now) {
  return static_cast<std::uint64_t>(now.time_since_epoch().count());
}

void erase_front(Bytes& bytes, std::size_t count) {
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

Session::Session(const LocalNode& local, std::optional<Callee> callee, Instant now,
                 std::uint64_t features, std::optional<Apply> application)
    : local_(local),
      features_(features),
      role_(callee ? Role::initiator : Role::responder),
      application_(std::move(application)),
      at_{now, now, now, now} {
  if (role_ == Role::responder) return;  // nothing is computed for who says nothing
  peer_ = callee->id;
  const Bytes called = prologue(local.directory->founded(), callee->id);
  handshake_.emplace(crypto::Handshake::initiator(local.channel->dh(), callee->key, called));
  write_frame(handshake_->write({}));  // -> e, es
}

Session::~Session() = default;

void Session::handle_bytes(Instant now, ByteView bytes) {
  // Whole frames are handled where they lie; only the start of an unfinished one is kept.
  while (!closed_ && !bytes.empty()) {
    if (input_.size() < kFrameHeader) {
      const std::size_t take = std::min(kFrameHeader - input_.size(), bytes.size());
      input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(take));
      bytes = bytes.subspan(take);
      if (input_.size() < kFrameHeader) return;
      if (!transport_ && frame_length(input_) > limits::kHandshakeMessage) {
        return finish(CloseReason::handshake_failed, false);
      }
    }
    const std::size_t length = frame_length(input_);
    const std::size_t have = input_.size() - kFrameHeader;
    if (have == 0 && bytes.size() >= length) {
      input_.clear();
      handle_frame(now, bytes.first(length));
      bytes = bytes.subspan(length);
      continue;
    }
    const std::size_t take = std::min(length - have, bytes.size());
    input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(take));
    bytes = bytes.subspan(take);
    if (have + take < length) return;
    const Bytes frame = std::exchange(input_, {});
    handle_frame(now, ByteView(frame).subspan(kFrameHeader));
  }
}

void Session::handle_timeout(Instant now) {
  if (closed_) return;
  if (!established()) {
    if (now < next_timeout()) return;
    if (parting()) return close(CloseReason::other_task);
    return finish(CloseReason::handshake_timeout, false);
  }
  if (now >= at_.heard + limits::kIdle) return finish(CloseReason::idle, false);
  if (undrained_ && now >= at_.drained + limits::kStall) return finish(CloseReason::stalled, false);
  if (now >= at_.started + limits::kLifetime) return close(CloseReason::expired);
  if (now >= at_.spoke + limits::kPing) write_message(now, Ping{ticks(now)});
}

Instant Session::next_timeout() const {
  if (closed_) return Instant::max();
  if (applying_) return at_.started + limits::kApplication;
  if (!established()) return at_.started + limits::kHandshake;
  const Instant stall = undrained_ ? at_.drained + limits::kStall : Instant::max();
  return std::min({at_.heard + limits::kIdle, at_.spoke + limits::kPing,
                   at_.started + limits::kLifetime, stall});
}

void Session::send(Instant now, const Message& message) {
  if (open()) write_message(now, message);
}

Bytes Session::take_output() {
  if (!output_.empty()) undrained_ = true;
  return std::exchange(output_, {});
}

void Session::handle_written(Instant now, std::size_t waiting) {
  undrained_ = waiting > 0 || !output_.empty();
  at_.drained = now;
}

std::optional<Message> Session::poll_message() {
  if (inbox_.empty()) return std::nullopt;
  Message message = std::move(inbox_.front());
  inbox_.pop_front();
  return message;
}

void Session::close(CloseReason reason) {
  if (closed_) return;
  // Only who has proved to know our key, or to be the member we dialled, is told anything.
  if (transport_) write_message(at_.spoke, Goodbye{reason});
  finish(reason, false);
}

void Session::handle_frame(Instant now, ByteView frame) {
  if (transport_) return handle_record(now, frame);
  if (handshake_) {
    return handle_handshake(now, handshake_->my_turn() ? std::nullopt : handshake_->read(frame));
  }
  // Somebody's first message: it can be read with the key that he knows us by.
  if (frame.size() != kFirstMessage) return finish(CloseReason::handshake_failed, false);
  shown_ = Shown::wrong;  // until it proves right
  std::optional<Bytes> payload;
  for (const auto* key : {local_.channel, local_.former_channel}) {
    if (payload || key == nullptr) continue;
    const Bytes called = prologue(local_.directory->founded(), local_.id);
    handshake_.emplace(crypto::Handshake::responder(key->dh(), called));
    payload = handshake_->read(frame);
  }
  handle_handshake(now, payload);
}

void Session::handle_handshake(Instant now, const std::optional<Bytes>& payload) {
  if (!payload || !payload->empty()) return finish(CloseReason::handshake_failed, false);
  shown_ = Shown::plausible;
  if (handshake_->my_turn()) write_frame(handshake_->write({}));
  if (handshake_->finished()) handshake_done(now);
}

void Session::handshake_done(Instant now) {
  proved_ = handshake_->peer();
  transport_.emplace(handshake_->split());
  handshake_.reset();
  at_.heard = now;
  if (role_ == Role::responder) {
    // It has until kHandshake to say who it is; whoever has a key that nobody knows comes last.
    shown_ = local_.directory->has_key(*proved_) ? Shown::member : Shown::wrong;
    return;
  }
  if (application_) {
    applying_ = true;
    return write_message(now, *std::exchange(application_, std::nullopt));
  }
  if (local_.card) write_message(now, Cards{{*local_.card}});
  greet(now, *peer_);
}

void Session::greet(Instant now, const NodeId& to) {
  write_message(now, Hello{.version = local_.version,
                           .oldest = local_.oldest,
                           .features = features_,
                           .from = local_.id,
                           .to = to,
                           .task = local_.task,
                           .agent = local_.agent});
}

void Session::handle_record(Instant now, ByteView record) {
  if (!transport_->open(record, stream_)) return finish(CloseReason::forged, false);
  at_.heard = now;
  std::size_t done = 0;
  while (!closed_ && stream_.size() - done >= kMessageHeader) {
    const ByteView rest = ByteView(stream_).subspan(done);
    const std::size_t length = message_length(rest);
    if (length > kLargestMessage) return close(CloseReason::oversized);
    if (rest.size() < kMessageHeader + length) break;
    handle_message(now, rest.subspan(kMessageHeader, length));
    done += kMessageHeader + length;
  }
  if (closed_) return;  // finish() emptied the stream
  if (done == stream_.size()) {
    stream_ = {};  // give the memory back: most connections are idle most of the time
  } else {
    erase_front(stream_, done);
  }
}

void Session::handle_message(Instant now, ByteView bytes) {
  ++messages_;
  auto message = decode_message(bytes);
  if (!message) return close(CloseReason::malformed);
  if (const auto* goodbye = std::get_if<Goodbye>(&*message)) return finish(goodbye->reason, true);
  if (auto* apply = std::get_if<Apply>(&*message)) return handle_apply(*apply);
  if (const auto* hello = std::get_if<Hello>(&*message)) {
    if (hello_ || applying_) return close(CloseReason::malformed);
    return handle_hello(now, *hello);
  }
  const auto* cards = std::get_if<Cards>(&*message);
  if (cards && messages_ == 1 && !applying_) return handle_card(*cards);
  if (parting()) {
    if (auto* manifest = std::get_if<TaskManifest>(&*message)) return handle_manifest(*manifest);
  }
  if (!open() || std::holds_alternative<TaskManifest>(*message)) {
    return close(CloseReason::malformed);
  }
  if (const auto* ping = std::get_if<Ping>(&*message)) return write_message(now, Pong{ping->token});
  if (const auto* pong = std::get_if<Pong>(&*message)) {
    // Only a token that we could have sent: the past, and not longer ago than we keep silence.
    const std::uint64_t age = ticks(now) - pong->token;
    if (age < ticks(Instant(limits::kIdle))) round_trip_ = Duration(age);
    return;
  }
  inbox_.push_back(std::move(*message));
}

void Session::handle_hello(Instant now, const Hello& hello) {
  if (const auto reason = impostor(hello)) {
    // If somebody else has signed with its node key, it learns here what it must outbid.
    if (*reason == CloseReason::outdated_key && local_.directory->find(hello.from)->card) {
      write_message(now, Cards{{*local_.directory->find(hello.from)->card}});
    }
    return close(*reason);
  }
  hello_ = hello;
  peer_ = hello.from;
  if (role_ == Role::responder) greet(now, hello.from);
  if (hello.version < local_.oldest || hello.oldest > local_.version) {
    return close(CloseReason::version_mismatch);
  }
  if (hello.task != local_.task) {
    if (local_.manifest.empty()) return close(CloseReason::other_task);
    return write_message(now, TaskManifest{local_.manifest});
  }
  welcome_ = true;
  write_message(now, Ping{ticks(now)});  // measures the round trip before anything else waits
}

std::optional<CloseReason> Session::impostor(const Hello& hello) const {
  if (hello.to != local_.id) return CloseReason::wrong_peer;
  if (role_ == Role::initiator && hello.from != *peer_) return CloseReason::wrong_peer;
  const auto* const member = local_.directory->find(hello.from);
  if (member == nullptr || member->id == local_.id) return CloseReason::not_a_member;
  // Also of whom we have dialled: it may have taken another key since.
  return member->has_key(*proved_) ? std::nullopt : std::optional(CloseReason::outdated_key);
}

void Session::handle_manifest(TaskManifest& manifest) {
  if (crypto::hash(as_byte_view(manifest.text)) == hello_->task) {
    other_task_ = std::move(manifest.text);
  }
  close(CloseReason::other_task);
}

void Session::handle_card(const Cards& message) {
  const bool right = message.cards.size() == 1 && (role_ == Role::initiator
                                                       ? message.cards.front().node == local_.id
                                                       : message.cards.front().channel.dh() == proved_);
  if (!right) return close(CloseReason::malformed);
  if (local_.take_card) local_.take_card(message.cards.front());
}

void Session::handle_apply(Apply& apply) {
  if (role_ == Role::initiator || hello_ || applying_) return close(CloseReason::malformed);
  const bool expected = local_.takes_applications && local_.takes_applications();
  // Who was taken in a moment ago does not know it yet, and still applies.
  if (!expected && shown_ != Shown::member) return close(CloseReason::not_a_member);
  applying_ = true;
  inbox_.push_back(std::move(apply));
}

void Session::write_frame(ByteView frame) {
  assert(frame.size() <= crypto::Transport::kMaxRecord);
  output_.push_back(static_cast<std::byte>(frame.size() >> 8));
  output_.push_back(static_cast<std::byte>(frame.size()));
  output_.insert(output_.end(), frame.begin(), frame.end());
}

void Session::write_message(Instant now, const Message& message) {
  if (!undrained_ && output_.empty()) at_.drained = now;  // nothing waited until now
  const Bytes body = encode_message(message);
  const auto length = static_cast<std::uint32_t>(body.size());
  Bytes text(kMessageHeader);
  std::memcpy(text.data(), &length, sizeof length);
  text.insert(text.end(), body.begin(), body.end());
  for (ByteView rest = text; !rest.empty();) {
    const ByteView part = rest.first(std::min(rest.size(), crypto::Transport::kMaxPlaintext));
    const std::size_t size = part.size() + crypto::Transport::kTagSize;
    output_.push_back(static_cast<std::byte>(size >> 8));
    output_.push_back(static_cast<std::byte>(size));
    transport_->seal(part, output_);
    rest = rest.subspan(part.size());
  }
  at_.spoke = now;
}

void Session::finish(CloseReason reason, bool by_peer) {
  if (closed_) return;
  closed_ = reason;
  closed_by_peer_ = by_peer;
  // What it said before its goodbye counts: why it sends us away, say.  But who applied is gone.
  if (!by_peer || (applying_ && role_ == Role::responder)) inbox_.clear();
  input_ = {};
  stream_ = {};
}

}  // namespace kith::net
