#include "daemon/membership/renewals.hpp"

#include "daemon/membership/charter_file.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSize = 1 << 20;

}  // namespace

fs::path renewals_file(const fs::path& charter) { return fs::path(charter) += ".renewals"; }

bool is_renewals_file(const fs::path& file) {
  const auto bytes = read_whole(file, net::limits::kCharterFile);
  return bytes && net::is_renewals_file(*bytes);
}

std::vector<net::Renewal> load_renewals(const fs::path& file, const net::Charter& charter) {
  const auto bytes = read_whole(file, kSize);
  if (!bytes) return {};
  auto renewals = net::parse_renewals_file(*bytes);
  if (!renewals) {
    throw Failure(EX_DATAERR, file.string() +
                                  " is damaged; remove it: the other members tell again what was "
                                  "in it, or take a copy of theirs with kith charter merge");
  }
  return in_force(charter, std::move(*renewals));
}

void save_renewals(const fs::path& file, const std::vector<net::Renewal>& renewals) {
  write_whole(file, net::renewals_file(renewals));
}

std::vector<net::Member> renewed_members(const fs::path& charter_file,
                                         const net::Charter& charter) {
  std::vector<net::Member> members = charter.members;
  for (const net::Renewal& renewal : load_renewals(renewals_file(charter_file), charter)) {
    const auto member = std::ranges::find(members, renewal.member, &net::Member::id);
    member->channel = renewal.channel;
    member->addresses = renewal.addresses;
  }
  return members;
}

std::vector<net::Renewal> renew_node(const Config& config, const crypto::NodeKeys& keys,
                                     AuditLog& audit, std::chrono::system_clock::time_point now) {
  const fs::path& file = config.consortium.charter;
  if (file.empty()) return {};
  const net::Charter charter = load_charter(file).newest().charter;
  auto renewals = load_renewals(renewals_file(file), charter);
  const auto entry = std::ranges::find(charter.members, keys.identity.id(), &net::Member::id);
  if (entry == charter.members.end()) return renewals;  // who is no member renews nothing
  const auto& channel = keys.channel.public_key();
  const auto& told = config.node.addresses;
  const auto addresses = told.empty() ? entry->addresses : told;
  const auto own = std::ranges::find(renewals, entry->id, &net::Renewal::member);
  const bool has_one = own != renewals.end();
  if ((has_one ? own->channel : entry->channel) == channel &&
      (has_one ? own->addresses : entry->addresses) == addresses) {
    return renewals;
  }
  const std::uint64_t issued = std::max(seconds_of(now), has_one ? own->issued + 1 : 0);
  net::Renewal made = net::renew(*entry, issued, channel, addresses, keys.identity);
  audit.append("renewed",
               {{"name", entry->name},
                {"id", to_string(entry->id)},
                {"channel", crypto::to_hex(channel)},
                {"addresses", addresses}},
               Sync::yes);
  log::info("renewed", {{"what",
                         "this node has another channel key, or other addresses, than the charter "
                         "says; the other members are told"},
                        {"addresses", boost::algorithm::join(addresses, ", ")}});
  if (has_one) renewals.erase(own);
  renewals.push_back(std::move(made));
  save_renewals(renewals_file(file), renewals);
  return renewals;
}

}  // namespace kith::daemon
