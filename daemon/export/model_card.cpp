#include "daemon/export/model_card.hpp"

#include "net/head.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "kith model card 1\n";  // domain separation, too
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

const json& averaged_in(const json& body) {
  const json& all = body.at("averaged");
  if (!all.is_array()) throw std::invalid_argument("no list");
  return all;
}

/// `what` is the snapshot that `head` is of.
CardCheck check_head(const json& body, const json& head, const crypto::NodeId& origin,
                     const std::string& what) {
  const auto signed_head = parse_signed(head);
  const auto parsed = signed_head ? net::parse_head(*signed_head) : std::nullopt;
  if (!parsed) return {false, what + " has no head that can be read"};
  const bool right =
      parsed->origin == origin &&
      net::verify_head(*signed_head, origin, body.at("consortium").get<std::string>());
  if (!right) return {false, what + " was not signed by " + to_string(origin)};
  const std::string task = body.at("task");
  if (parsed->task != crypto::hash(as_byte_view(task)))
    return {false, what + " is of another task"};
  return {true, what + ", of round " + std::to_string(parsed->round) + ", was signed by " +
                    to_string(origin) + ": " + crypto::to_hex(signed_head->id())};
}

void check_members(const ModelCard& card, const net::CharterChain& charter,
                   std::vector<CardCheck>& checks) {
  const json& place = card.body.at("charter");
  if (card.body.at("consortium") != charter.newest().charter.consortium || place.is_null()) {
    checks.push_back({false, "the card is not of the consortium that this charter is of"});
    return;
  }
  const auto number = place.at("number").get<std::uint64_t>();
  const auto& versions = charter.versions();
  const bool known = number >= 1 && number <= versions.size() &&
                     crypto::to_hex(versions[number - 1].id) == place.at("version");
  checks.push_back({known, "version " + std::to_string(number) +
                               " of the charter, which counted, is " + (known ? "" : "not ") +
                               "in this file"});
  if (!known) return;
  std::vector<crypto::NodeId> named{card.node};
  for (const json& one : averaged_in(card.body)) named.push_back(node_id(one.at("id")));
  const auto& members = versions[number - 1].charter.members;
  for (const crypto::NodeId& id : named) {
    const auto member = std::ranges::find(members, id, &net::Member::id);
    const bool is_one = member != members.end();
    checks.push_back({is_one, to_string(id) + (is_one ? " was a member, " + member->name
                                                      : " was not a member")});
  }
}

}  // namespace

std::string make_model_card(const json& body, const crypto::Identity& node) {
  std::string text(kMagic);
  text += body.dump(1, ' ', true, json::error_handler_t::replace) + "\n";
  const crypto::Signature signature = node.sign(as_byte_view(text));
  return text + std::string(kSignature.substr(1)) + crypto::to_hex(signature) + "\n";
}

std::optional<ModelCard> parse_model_card(std::string_view text) {
  const std::size_t end = text.rfind(kSignature);
  if (!text.starts_with(kMagic) || end == std::string_view::npos || end < kMagic.size()) {
    return std::nullopt;
  }
  std::string_view digits = text.substr(end + kSignature.size());
  while (digits.ends_with('\n') || digits.ends_with('\r')) digits.remove_suffix(1);
  const auto bytes = crypto::from_hex(digits);
  crypto::Signature signature{};
  if (!bytes || bytes->size() != signature.size()) return std::nullopt;
  std::ranges::copy(*bytes, signature.begin());
  const std::string_view signed_text = text.substr(0, end + 1);
  ModelCard card;
  card.body = json::parse(signed_text.substr(kMagic.size()), nullptr, false);
  try {
    card.node = node_id(card.body.at("node").at("id"));
  } catch (const std::exception&) {
    return std::nullopt;
  }
  if (!crypto::verify(card.node, as_byte_view(signed_text), signature)) return std::nullopt;
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
      checks.push_back(
          check_head(card.body, one.at("head"), node_id(one.at("id")), "the averaged snapshot"));
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
