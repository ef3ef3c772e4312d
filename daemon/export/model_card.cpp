#include "daemon/export/model_card.hpp"

#include "net/head.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "kith model card 2\n";  // domain separation, too
constexpr std::string_view kOldMagic = "kith model card 1\n";
constexpr std::string_view kSignature = "\nsignature ";

std::optional<net::SignedHead> parse_signed(const json& text) {
  if (!text.is_string()) return std::nullopt;
  const auto bytes = crypto::from_hex(text.get_ref<const std::string&>());
  return bytes ? net::decode<net::SignedHead>(*bytes) : std::nullopt;
}

crypto::NodeId node_id(const json& text) {
  const auto id = crypto::parse_node_id(text.get<std::string>());
  if (!id) throw std::invalid_argument("no node id");
  return *id;
}

/// A sound card of `node`.  Throws std::invalid_argument.
net::Card card_of(const crypto::NodeId& node, const json& text) {
  auto parsed = net::parse_card(text.get<std::string>());
  const auto* const card = std::get_if<net::Card>(&parsed);
  if (card == nullptr || card->node != node) throw std::invalid_argument("no card of it");
  return *card;
}

const json& averaged_in(const json& body) {
  const json& all = body.at("averaged");
  if (!all.is_array()) throw std::invalid_argument("no list");
  return all;
}

/// `what` is the snapshot that `head` is of.
CardCheck check_head(const json& body, const json& head, const net::Card& origin,
                     const std::string& what) {
  const std::string name = to_string(origin.node);
  const auto signed_head = parse_signed(head);
  const auto parsed = signed_head ? net::parse_head(*signed_head) : std::nullopt;
  if (!parsed) return {false, what + " has no head that can be read"};
  const bool right = parsed->origin == origin.node && parsed->key == origin.channel &&
                     parsed->founded == origin.founded &&
                     body.at("founded") == crypto::to_hex(parsed->founded) &&
                     net::verify_head(*signed_head, *parsed);
  if (!right) return {false, what + " was not signed by " + name};
  const std::string task = body.at("task");
  if (parsed->task != crypto::hash(as_byte_view(task)))
    return {false, what + " is of another task"};
  return {true, what + ", of round " + std::to_string(parsed->round) + ", was signed by " + name +
                    ": " + crypto::to_hex(signed_head->id())};
}

/// The first version after `number` that does not name `id`; nullopt if all do.
std::optional<std::uint64_t> left_at(const net::CharterChain& charter, std::uint64_t number,
                                     const crypto::NodeId& id) {
  for (const auto& version : charter.versions()) {
    const auto& members = version.charter.members;
    if (version.charter.number <= number) continue;
    if (!std::ranges::binary_search(members, id, {}, &net::Member::id)) {
      return version.charter.number;
    }
  }
  return std::nullopt;
}

void check_members(const ModelCard& card, const net::CharterChain& charter,
                   std::vector<CardCheck>& checks) {
  const json& place = card.body.at("charter");
  if (card.body.at("founded") != crypto::to_hex(charter.founded())) {
    checks.push_back({false, "the card is not of the consortium that this charter is of"});
    return;
  }
  const auto number = place.at("number").get<std::uint64_t>();
  const auto& versions = charter.versions();
  const bool known = number >= 1 && number <= versions.size() &&
                     place.at("version") == crypto::to_hex(versions[number - 1].id);
  checks.push_back({known, "version " + std::to_string(number) +
                               " of the charter, which counted, is " + (known ? "" : "not ") +
                               "in this file"});
  if (!known) return;
  std::vector<crypto::NodeId> named{card.node.node};
  for (const json& one : averaged_in(card.body)) named.push_back(node_id(one.at("id")));
  const auto& members = versions[number - 1].charter.members;
  for (const crypto::NodeId& id : named) {
    const auto member = std::ranges::find(members, id, &net::Member::id);
    if (member == members.end()) {
      checks.push_back({false, to_string(id) + " was not a member"});
      continue;
    }
    const auto left = left_at(charter, number, id);
    checks.push_back({true, to_string(id) + " was a member, " + member->name +
                                (left ? "; it left with version " + std::to_string(*left) : "")});
  }
}

}  // namespace

std::string make_model_card(const json& body, const crypto::ChannelKey& channel) {
  std::string text(kMagic);
  text += body.dump(1, ' ', true, json::error_handler_t::replace) + "\n";
  const crypto::Signature signature = channel.sign(as_byte_view(text));
  return text + std::string(kSignature.substr(1)) + crypto::to_hex(signature) + "\n";
}

std::variant<ModelCard, std::string> parse_model_card(std::string_view text) {
  const std::string altered = "is no model card, or was altered since its node signed it";
  if (text.starts_with(kOldMagic)) return "was made by Kith 0.1; that version checks it";
  const std::size_t end = text.rfind(kSignature);
  if (!text.starts_with(kMagic) || end == std::string_view::npos || end < kMagic.size()) {
    return altered;
  }
  std::string_view digits = text.substr(end + kSignature.size());
  while (digits.ends_with('\n') || digits.ends_with('\r')) digits.remove_suffix(1);
  const auto bytes = crypto::from_hex(digits);
  crypto::Signature signature{};
  if (!bytes || bytes->size() != signature.size()) return altered;
  std::ranges::copy(*bytes, signature.begin());
  const std::string_view signed_text = text.substr(0, end + 1);
  ModelCard card;
  card.body = json::parse(signed_text.substr(kMagic.size()), nullptr, false);
  try {
    const json& node = card.body.at("node");
    card.node = card_of(node_id(node.at("id")), node.at("card"));
  } catch (const std::exception&) {
    return altered;
  }
  if (!crypto::verify(card.node.channel, as_byte_view(signed_text), signature)) return altered;
  return card;
}

std::vector<CardCheck> check_model_card(const ModelCard& card, ByteView model,
                                        const net::CharterChain* charter) {
  std::vector<CardCheck> checks;
  try {
    const json& file = card.body.at("model");
    const bool same =
        file.at("bytes") == model.size() && file.at("hash") == crypto::to_hex(crypto::hash(model));
    checks.push_back({same, same ? "the model is the one that the card is about"
                                 : "the model is another than the card is about"});
    for (const json& one : averaged_in(card.body)) {
      const net::Card origin = card_of(node_id(one.at("id")), one.at("card"));
      checks.push_back(check_head(card.body, one.at("head"), origin, "the averaged snapshot"));
    }
    const json& published = card.body.at("published");
    if (!published.is_null()) {
      checks.push_back(check_head(card.body, published, card.node, "the node's own snapshot"));
    }
    if (charter != nullptr) check_members(card, *charter, checks);
  } catch (const std::exception&) {  // its node may sign what it likes
    checks.push_back({false, "the card lacks something, or says what no card says"});
  }
  return checks;
}

}  // namespace kith::daemon
