#pragma once

#include "crypto/channel_key.hpp"
#include "daemon/learning/strategy.hpp"
#include "net/directory.hpp"
#include "net/head.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace kith::daemon {

/// Puts `note` into the manifest of the snapshot that `head`, of which origin and position must be
/// set, will name.  A note for one reader is sealed to it, and to this very snapshot: a member who
/// copies it says nothing with it.  Returns why it cannot travel; then the manifest is as before.
[[nodiscard]] std::optional<std::string> put_note(const Note& note, const net::Head& head,
                                                  const net::Directory& readers,
                                                  net::Manifest& manifest);

/// The text of the note in a manifest; nullopt if there is none, or it is sealed and not to `key`
/// and this snapshot.  Not looked into yet: parse_note().
[[nodiscard]] std::optional<std::string> note_text(const net::Manifest& manifest,
                                                   const net::Head& head,
                                                   const crypto::ChannelKey& key);

/// A peer's note; null if it is no JSON object, or has more than three levels or too many values
/// for a consortium.  What the values are is for the strategy to check.
[[nodiscard]] nlohmann::json parse_note(std::string_view text);

}  // namespace kith::daemon
