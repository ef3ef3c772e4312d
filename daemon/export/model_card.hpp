#pragma once

#include "crypto/bytes.hpp"
#include "crypto/channel_key.hpp"
#include "net/card.hpp"
#include "net/charter.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What goes with a model that leaves the consortium: which node made it, in which round, from
/// whose snapshots, and how good it is.  Text, with the node's signature as its last line:
///
///     kith model card 2
///     {JSON}
///     signature HEX            by the node's channel key, over all before this line
///
/// The JSON object has, beside what is for people:
///
///     made        seconds since 1970
///     node        {"name", "id", "card"}: the card says that the channel key is the node's
///     founded     the id of the first version of the consortium's charter
///     charter     {"number", "version"}: what counted
///     model       {"bytes", "hash"} of the file: BLAKE2b-256
///     task        the manifest; its BLAKE2b-256 is what the heads call the task
///     averaged    [{"name", "id", "weight", "head", "card"}]: whose snapshots are in the average
///     published   the head of what the node published last, or null
///
/// A head is a signed head of docs/protocol.md, in hexadecimal; a card is its text.
namespace kith::daemon {

[[nodiscard]] std::string make_model_card(const nlohmann::json& body,
                                          const crypto::ChannelKey& channel);

/// One thing that was looked at.
struct CardCheck {
  bool holds = false;
  std::string what{};  ///< a sentence
};

/// A card that is signed by the node that it names.
struct ModelCard {
  nlohmann::json body{};
  net::Card node{};
};
/// Anybody's bytes.  A sentence if it is no card, or was altered since the node signed it.
[[nodiscard]] std::variant<ModelCard, std::string> parse_model_card(std::string_view text);

/// Checks the card against the model's file, and every head in it against the signature of its
/// origin; and, if `charter` is not nullptr, those whom it names against the members, then and now.
[[nodiscard]] std::vector<CardCheck> check_model_card(const ModelCard& card, ByteView model,
                                                      const net::CharterChain* charter);

}  // namespace kith::daemon
