// Anybody's model card, whatever it says: it is signed by its node, or it is none; and what a node
// signs is looked at and never trusted.
#include "crypto/init.hpp"
#include "daemon/export/model_card.hpp"

#include <cstdint>

namespace {

using namespace kith;

struct Node {
  crypto::Identity identity = (crypto::init(), crypto::Identity::generate());
  crypto::ChannelKey channel = crypto::ChannelKey::generate();
  net::Card card = net::sign_card({.issued = 1, .name = "x"}, identity, channel);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(daemon::parse_model_card(text));
  nlohmann::json body = nlohmann::json::parse(text, nullptr, false);
  if (!body.is_object()) return 0;
  static const Node node;
  body["node"] = {{"name", "x"},
                  {"id", to_string(node.identity.id())},
                  {"card", net::to_text(node.card)}};
  body["founded"] = crypto::to_hex(node.card.founded);
  const auto parsed = daemon::parse_model_card(daemon::make_model_card(body, node.channel));
  const auto* const card = std::get_if<daemon::ModelCard>(&parsed);
  if (card == nullptr) return 0;
  static_cast<void>(daemon::check_model_card(*card, as_byte_view(text), nullptr));
  return 0;
}
