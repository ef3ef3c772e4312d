#pragma once

#include "crypto/bytes.hpp"
#include "crypto/identity.hpp"
#include "net/charter.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What goes with a model that leaves the consortium: which node made it, in which round, from
/// whose snapshots, and how good it is.  Text, with the node's signature as its last line:
///
///     kith model card 1
///     {JSON}
///     signature HEX            Ed25519, over all before this line
///
/// The JSON object has, beside what is for people:
///
///     node        {"name", "id"}
///     consortium  its id
///     charter     {"number", "version"}: what counted; or null
///     model       {"bytes", "hash"} of the file: BLAKE2b-256
///     task        the manifest; its BLAKE2b-256 is what the heads call the task
///     averaged    [{"name", "id", "weight", "head"}]: whose snapshots are in the average
///     published   the head of what the node published last, or null
///
/// A head is a signed head of docs/protocol.md, in hexadecimal.
namespace kith::daemon {

[[nodiscard]] std::string make_model_card(const nlohmann::json& body, const crypto::Identity& node);

/// One thing that was looked at.
struct CardCheck {
  bool holds = false;
  std::string what{};  ///< a sentence
};

/// A card that is signed by the node that it names.
struct ModelCard {
  nlohmann::json body{};
  crypto::NodeId node{};
};
/// Anybody's bytes.  nullopt if it is no card, or was altered since the node signed it.
[[nodiscard]] std::optional<ModelCard> parse_model_card(std::string_view text);

/// Checks the card against the model's file; every head in it against the signature of its origin;
/// and, if `charter` is not nullptr, those whom it names against the members.
[[nodiscard]] std::vector<CardCheck> check_model_card(const ModelCard& card, ByteView model,
                                                      const net::CharterChain* charter);

}  // namespace kith::daemon
