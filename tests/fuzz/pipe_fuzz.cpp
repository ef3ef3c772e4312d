#include "model/pipe/messages.hpp"
#include "model/pipe/pipe.hpp"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using namespace kith::pipe;

/// What was understood must be understood again in the same way.
template <class Message, class Parse>
void check(const Message& message, Parse parse) {
  std::string text;
  try {
    text = encode(message);
  } catch (const std::length_error&) {
    return;  // escapes can make a text longer than the one it was read from
  }
  const auto again = parse(text);
  const auto* const parsed = std::get_if<Message>(&again);
  if (parsed == nullptr || encode(*parsed) != text) std::abort();
}

template <class Result>
void check_reply(std::string_view text) {
  const auto parsed = parse_reply<Result>(text);
  if (const auto* const reply = std::get_if<Reply<Result>>(&parsed)) {
    check(*reply, parse_reply<Result>);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = parse_request(text);
  if (const auto* const request = std::get_if<Request>(&parsed)) check(*request, parse_request);
  check_reply<Opened>(text);
  check_reply<Trained>(text);
  check_reply<Scored>(text);
  check_reply<Evaluation>(text);
  check_reply<Measured>(text);
  check_reply<Checkpointed>(text);
  check_reply<Done>(text);
  return 0;
}
