#pragma once

#include "daemon/config/config.hpp"
#include "daemon/export/model_card.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// A model for others, and the card that says where it comes from.
struct ExportedModel {
  Bytes model;             ///< a snapshot file, model/snapshot.hpp
  nlohmann::json body{};   ///< of the card
  std::string card{};      ///< signed: model_card.hpp
};
/// The model that the node of this configuration serves, whether it runs or not.  `file` is what the
/// model's file will be called.  Writes nothing.  Throws Failure: EX_NOINPUT if it has finished no
/// round, EX_TEMPFAIL if it finishes one at every look, EX_DATAERR if its checkpoint is damaged,
/// EX_CONFIG if its card names another channel key.
[[nodiscard]] ExportedModel export_model(const Config& config, const std::string& file);

/// The served model alone, out of a checkpoint of that round; nullopt if it is of another.  `name` is
/// what people call the checkpoint.  Throws Failure(EX_DATAERR).
[[nodiscard]] std::optional<Bytes> served_model(ByteView checkpoint, std::uint64_t round,
                                                const std::string& name);

/// What somebody who has a model and its card can know of it.
struct ModelVerdict {
  ModelCard card;
  std::vector<CardCheck> checks{};
  /// Which of the charter's versions a person vouches for: "founding" or "newest".  Without one the
  /// signers may be anybody.
  std::optional<std::string> anchor{};
  [[nodiscard]] bool good() const;  ///< every check holds
};
/// `name` is what people call the card.  `charter` is the consortium's, or nullptr; `fingerprint`, if
/// not empty, that of its first or newest version, as a member has read it.  Throws Failure:
/// EX_DATAERR if it is no card, or was altered; EX_USAGE for another fingerprint.
[[nodiscard]] ModelVerdict verify_model(std::string_view card, const std::string& name,
                                        ByteView model, const net::CharterChain* charter,
                                        const std::string& fingerprint);

}  // namespace kith::daemon
