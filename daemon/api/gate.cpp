#include "daemon/api/gate.hpp"

#include "crypto/secret.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <boost/algorithm/string/case_conv.hpp>

#include <algorithm>
#include <array>
#include <sstream>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTokenFile = 64 << 10;  // bytes
constexpr std::size_t kShortest = 20, kLongest = 200;  // characters of a token

crypto::Hash hash_of(std::string_view token) { return crypto::hash(as_byte_view(token)); }

bool holds(const std::vector<crypto::Hash>& hashes, const crypto::Hash& hash) {
  return std::ranges::find(hashes, hash) != hashes.end();
}

std::string fresh_token() { return crypto::to_base64(crypto::Secret<32>::random().data()); }

bool is_token(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return text.size() >= kShortest && text.size() <= kLongest && std::ranges::all_of(text, plain);
}

/// "localhost" of "LocalHost:7780", "[::1]" of "[::1]:7780".
std::string name_in(std::string_view host) {
  const std::size_t port = host.rfind(':');
  const bool in_brackets = port != host.npos && host.find(']', port) != host.npos;
  const std::string_view name = in_brackets ? host : host.substr(0, port);
  return boost::algorithm::to_lower_copy(std::string(name));
}

bool is_loopback(const std::string& name) {
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

/// Whether the page at `origin` is one that `host` served.
bool is_our_page(const std::string& origin, const std::string& host) {
  const std::string page = boost::algorithm::to_lower_copy(origin);
  const std::string ours = boost::algorithm::to_lower_copy(host);
  return page == "http://" + ours || page == "https://" + ours;
}

}  // namespace

Access ApiTokens::access_of(std::string_view token) const {
  const crypto::Hash hash = hash_of(token);
  if (holds(admin, hash)) return Access::admin;
  return holds(read, hash) ? Access::read : Access::none;
}

ApiTokens TokenFile::hashed() const {
  ApiTokens tokens;
  for (const std::string& token : read) tokens.read.push_back(hash_of(token));
  for (const std::string& token : admin) tokens.admin.push_back(hash_of(token));
  return tokens;
}

TokenFile parse_tokens(std::string_view text, const std::string& source) {
  TokenFile tokens;
  std::istringstream lines{std::string(text)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    std::string kind, token, more;
    words >> kind >> token >> more;
    if (kind.empty() || kind.starts_with('#')) continue;
    if ((kind != "read" && kind != "admin") || !is_token(token) || !more.empty()) {
      throw Failure(EX_CONFIG,
                    source + ":" + std::to_string(number) +
                        ": must be read or admin, and a token of 20 to 200 letters, digits, '-' and "
                        "'_'; remove the file, and another is made at the next start");
    }
    (kind == "read" ? tokens.read : tokens.admin).push_back(token);
  }
  return tokens;
}

TokenFile load_or_make_tokens(const fs::path& file) {
  if (!fs::exists(file)) {
    const std::string made =
        "# Whoever has one of these may use this node's API over TCP (api.listen).\nread " +
        fresh_token() + "\nadmin " + fresh_token() + "\n";
    write_whole(file, as_byte_view(made));
  }
  const fs::perms others = fs::perms::group_all | fs::perms::others_all;
  if ((fs::status(file).permissions() & others) != fs::perms::none) {
    throw Failure(EX_NOPERM, file.string() + " is open to others: chmod 600 " + file.string());
  }
  return parse_tokens(read_text(file, kTokenFile), file.string());
}

Gate::Verdict Gate::judge(const Caller& caller) const {
  const std::string name = name_in(caller.host);
  if (hosts && !name.empty() && !is_loopback(name) &&
      std::ranges::find(*hosts, name) == hosts->end()) {
    return {.foreign = "this node is not called \"" + name.substr(0, 100) +
                       "\"; if that name is meant to lead here, add it to api.hosts"};
  }
  const bool foreign_page = !caller.origin.empty() && !is_our_page(caller.origin, caller.host);
  const bool foreign_site =
      !caller.site.empty() && caller.site != "same-origin" && caller.site != "none";
  if (foreign_page || foreign_site) {
    return {.unknown = "a page of another site has asked; only this node's own pages may"};
  }
  if (!tokens) return {.access = Access::admin};
  constexpr std::string_view kBearer = "Bearer ";
  if (!caller.authorization.starts_with(kBearer)) {
    return {.unknown = "this needs a token; kith dashboard, on the node's machine, prints it"};
  }
  const Access access =
      tokens->access_of(std::string_view(caller.authorization).substr(kBearer.size()));
  if (access != Access::none) return {.access = access};
  return {.unknown = "this node does not know that token; kith dashboard, on the node's machine, "
                     "prints the right one"};
}

}  // namespace kith::daemon
