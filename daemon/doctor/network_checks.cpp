#include "daemon/doctor/checks.hpp"
#include "daemon/doctor/reach.hpp"
#include "net/asio/dial.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace kith::daemon::doctor {
namespace {

namespace asio = net::asio;
using net::tcp;
using namespace std::chrono_literals;

constexpr std::size_t kLanes =
    12;  // at once; fewer than may be looked up at once (net::limits::kLookups)
constexpr auto kForAll = 20s;           // with all addresses together
constexpr std::size_t kMostNamed = 10;  // in a sentence

/// What several lanes work off.
struct Work {
  std::vector<Reached>* all;
  How how;
  std::size_t next = 0;
};

net::awaitable<void> reach_one(asio::any_io_executor executor, Reached& one, How how) {
  const std::vector<std::string> address{one.address};
  const auto found = co_await net::resolve(executor, address);
  if (found.empty()) {
    one.fault = net::parse_endpoint(one.address) ? "its name leads nowhere" : "it is no host:port";
    co_return;
  }
  if (how == How::resolve) {
    one.fault.clear();
    co_return;
  }
  for (const tcp::endpoint& endpoint : found) {
    tcp::socket socket(executor);
    const net::error_code ec = co_await net::connect(socket, endpoint);
    one.fault = ec ? ec.message() : "";
    if (!ec) co_return;
  }
}

net::awaitable<void> work_off(asio::any_io_executor executor, std::shared_ptr<Work> work) {
  while (work->next < work->all->size()) {
    Reached& one = (*work->all)[work->next++];
    co_await reach_one(executor, one, work->how);
  }
}

/// "hospital-b (10.0.0.7:7700: Connection refused)"
std::string text_of(const std::vector<Reached>& failed) {
  std::vector<std::string> texts;
  for (const Reached& one : failed) {
    if (texts.size() == kMostNamed) {
      texts.push_back("and " + std::to_string(failed.size() - kMostNamed) + " more");
      break;
    }
    texts.push_back((one.who.empty() ? one.address : one.who + " (" + one.address) + ": " +
                    one.fault + (one.who.empty() ? "" : ")"));
  }
  return boost::algorithm::join(texts, ", ");
}

/// Why nobody can listen there; empty if one can.
std::string trouble_listening(const std::string& address) {
  asio::io_context io;
  std::vector<tcp::endpoint> endpoints;
  const std::vector<std::string> all{address};
  auto find = [&]() -> net::awaitable<void> {
    const auto executor = io.get_executor();
    endpoints = co_await net::resolve(executor, all);
  };
  asio::co_spawn(io, std::move(find), net::rethrow);
  io.run();
  if (endpoints.empty()) return "it leads nowhere";
  for (const tcp::endpoint& endpoint : endpoints) {
    net::error_code ec;
    tcp::acceptor acceptor(io);
    acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(1, ec);
    if (ec) return ec.message();
  }
  return "";
}

}  // namespace

std::vector<Reached> reach(std::vector<Reached> all, How how, std::chrono::milliseconds patience) {
  for (Reached& one : all) one.fault = "there was no time left to try";
  asio::io_context io;
  const auto work = std::make_shared<Work>();
  work->all = &all;
  work->how = how;
  const asio::any_io_executor executor = io.get_executor();
  for (std::size_t lane = 0; lane < std::min(kLanes, all.size()); ++lane) {
    asio::co_spawn(io, work_off(executor, work), net::rethrow);
  }
  io.run_for(patience);
  return all;
}

Finding check_ports(const Examined& node) {
  const std::vector<std::string>& listen = node.config.node.listen;
  if (node.runs()) {
    const auto listening = node.status.at("listening").get<std::vector<std::string>>();
    if (listening.empty()) {
      return warn("The running node does not listen yet: it is " +
                      node.status.at("phase").get<std::string>() + ".",
                  "Ask again in a moment; its log says what it waits for.");
    }
    return pass("The running node listens at " + boost::algorithm::join(listening, ", ") + ".");
  }
  std::vector<std::string> taken;
  const auto look = [&](const char* key, const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) {
      if (const auto why = trouble_listening(address); !why.empty())
        taken.push_back(std::string(key) + " " + address + ": " + why);
    }
  };
  look("node.listen", listen);
  look("api.listen", node.config.api.listen);
  look("metrics.listen", node.config.metrics.listen);
  if (taken.empty())
    return pass("The node can listen at " + boost::algorithm::join(listen, ", ") + ".");
  return fail("The node could not listen at " + boost::algorithm::join(taken, "; ") + ".",
              "End what uses that port (ss -ltnp shows it), or correct the configuration.");
}

Finding check_own_addresses(const Examined& node) {
  if (!node.card)
    return warn("Not checked, since the card cannot be read.", "Mend the card first.");
  if (node.card->addresses.empty())
    return pass("The card names no address: this node dials the others, and they never dial it.");
  std::vector<Reached> own;
  for (const std::string& address : node.card->addresses) own.push_back({"", address, ""});
  const auto tried = reach(own, node.runs() ? How::connect : How::resolve, kForAll);
  std::vector<Reached> failed;
  std::ranges::copy_if(tried, std::back_inserter(failed),
                       [](const Reached& one) { return !one.fault.empty(); });
  const std::string all = boost::algorithm::join(node.card->addresses, ", ");
  if (failed.empty()) {
    return pass(node.runs() ? "Somebody answers at this node's own address, " + all + "."
                            : "This node's own address leads somewhere, " + all +
                                  "; whether it is answered there shows once it runs.");
  }
  // From inside, a router may not lead to its own outside; a name that leads nowhere is wrong
  // everywhere.
  const auto finding = node.runs() ? warn : fail;
  return finding("This node's own address cannot be reached from here: " + text_of(failed) + ".",
                 node.runs()
                     ? "Ask a peer whether it can (kith peers there); else look at firewall and "
                       "port forwarding, or correct it: kith key card --address."
                     : "Correct it with kith key card --address HOST:PORT, where the node key is, "
                       "or the name server.");
}

Finding check_peer_addresses(const Examined& node) {
  if (!node.charter)
    return warn("Not checked, since the charter cannot be read.", "Mend the charter first.");
  const auto& members = node.charter->chain.newest().charter.members;
  std::set<std::string> connected;
  if (node.peers.is_array()) {
    for (const auto& peer : node.peers) {
      if (peer.at("connected").get<bool>()) connected.insert(peer.at("name").get<std::string>());
    }
  }
  std::vector<Reached> addresses;
  std::size_t silent = 0, others = 0;
  for (const net::Member& member : members) {
    if (node.card && member.id == node.card->node) continue;
    ++others;
    const auto card = std::ranges::find(node.charter->cards, member.id, &net::Card::node);
    if (card == node.charter->cards.end() || card->addresses.empty()) {
      if (!connected.contains(member.name)) ++silent;
      continue;
    }
    for (const std::string& address : card->addresses)
      addresses.push_back({member.name, address, ""});
  }
  if (others == 0) return pass("There are no peers yet.");
  std::map<std::string, std::vector<Reached>> failed;
  std::set<std::string> reached = connected;
  for (Reached& one : reach(addresses, How::connect, kForAll)) {
    if (one.fault.empty()) reached.insert(one.who);
    if (!one.fault.empty()) failed[one.who].push_back(std::move(one));
  }
  std::vector<Reached> lost;
  for (const auto& [who, tried] : failed) {
    if (!reached.contains(who)) lost.insert(lost.end(), tried.begin(), tried.end());
  }
  std::string shown =
      std::to_string(reached.size()) + " of " + std::to_string(others) + " peers can be reached";
  if (silent > 0)
    shown += "; " + std::to_string(silent) + " have told no address, and dial by themselves";
  if (lost.empty()) return pass(shown + ".");
  const char* const help =
      "Is it running? Does the firewall here let connections out, and the one there let them in? "
      "Is its name known to the name server?";
  if (reached.empty()) return fail(shown + ": " + text_of(lost) + ".", help);
  return warn(shown + ", but not " + text_of(lost) + ".", help);
}

}  // namespace kith::daemon::doctor
