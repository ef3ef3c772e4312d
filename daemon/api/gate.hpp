#pragma once

#include "crypto/hash.hpp"
#include "daemon/api/routes.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// The secrets with which the API can be used over TCP.
struct ApiTokens {
  std::vector<crypto::Hash> read{}, admin{};  ///< hashes of tokens: what takes long to compare tells nothing

  [[nodiscard]] Access access_of(std::string_view token) const;
};

/// A file of tokens, as its lines say: `read TOKEN` or `admin TOKEN`.
struct TokenFile {
  std::vector<std::string> read{}, admin{};
  [[nodiscard]] ApiTokens hashed() const;
};

/// Reads `file`; makes it, with a fresh token of each kind, if it is not there.  Throws Failure:
/// EX_NOPERM if others can read it, EX_CONFIG with FILE:LINE if a line is no token.
[[nodiscard]] TokenFile load_or_make_tokens(const std::filesystem::path& file);
/// As above, from text.
[[nodiscard]] TokenFile parse_tokens(std::string_view text, const std::string& source);

/// What of a request's header says who asks.
struct Caller {
  std::string host{};           ///< empty: none, so no browser
  std::string origin{};         ///< of the page that asks; empty: none
  std::string site{};           ///< Sec-Fetch-Site; empty: none
  std::string authorization{};
};

/// Who may do what at a listener.
///
/// A browser's user has other pages open.  One of these can have the browser ask us (a form), or be
/// served by a name that leads to us by now (rebinding): so the name must be ours, and a page that
/// asks must be one that we served.
struct Gate {
  /// By what names we are asked, without port; "localhost" and the like always are.  nullopt: any.
  std::optional<std::vector<std::string>> hosts = std::vector<std::string>{};
  /// None: who reaches this listener may do everything.
  std::optional<ApiTokens> tokens{};

  /// What it may do; or why it may not even see the page.
  struct Verdict {
    Access access = Access::none;
    std::string foreign{};  ///< a sentence if it is no caller of ours
    std::string unknown{};  ///< a sentence if it has no access
  };
  [[nodiscard]] Verdict judge(const Caller& caller) const;
};

}  // namespace kith::daemon
