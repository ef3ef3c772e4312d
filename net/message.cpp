#include "net/message.hpp"

#include <utility>

namespace kith::net {
namespace {

template <std::size_t... Index>
std::optional<Message> decode_as(std::size_t type, ByteView body, std::index_sequence<Index...>) {
  std::optional<Message> message;
  const auto try_one = [&]<std::size_t I>() {
    if (type != I) return;
    if (auto decoded = decode<std::variant_alternative_t<I, Message>>(body)) {
      message.emplace(std::move(*decoded));
    }
  };
  (try_one.template operator()<Index>(), ...);
  return message;
}

}  // namespace

Bytes encode_message(const Message& message) {
  Bytes out{static_cast<std::byte>(message.index())};
  Writer archive(out);
  std::visit([&](const auto& body) { archive(body); }, message);
  return out;
}

std::optional<Message> decode_message(ByteView bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto type = static_cast<std::size_t>(bytes.front());
  const bool data = type == Message(Piece{}).index() || type == Message(CharterVersion{}).index();
  if (!data && bytes.size() > limits::kControlMessage) return std::nullopt;
  auto message =
      decode_as(type, bytes.subspan(1), std::make_index_sequence<std::variant_size_v<Message>>());
  if (const auto* goodbye = message ? std::get_if<Goodbye>(&*message) : nullptr) {
    if (static_cast<std::uint8_t>(goodbye->reason) > kLastCloseReason) return std::nullopt;
  }
  if (const auto* admission = message ? std::get_if<Admission>(&*message) : nullptr) {
    if (static_cast<std::uint8_t>(admission->state) > kLastAdmissionState) return std::nullopt;
  }
  return message;
}

}  // namespace kith::net
