#include "net/close_reason.hpp"

#include <array>
#include <cassert>

namespace kith::net {
namespace {

struct ReasonText {
  std::string_view name, sentence;
};

constexpr std::array<ReasonText, kLastCloseReason + 1> kReasonTexts{{
    {"shutting_down", "The other side is shutting down; it will be dialled again."},
    {"connection_lost", "The connection broke; it will be dialled again."},
    {"handshake_timeout",
     "The other side did not finish the handshake in time: check that it is Kith and not "
     "overloaded."},
    {"handshake_failed",
     "The other side could not be authenticated: check that the address leads to Kith, to this "
     "member, and in the same consortium (kith charter show names how it was founded)."},
    {"not_a_member",
     "One of the two nodes is not a member for the other: compare the versions of the charter "
     "(kith charter show) of both; if this node was expelled, ask a steward."},
    {"wrong_peer", "Another member answers at this address: correct the member's addresses."},
    {"version_mismatch",
     "The two nodes have no protocol version in common: upgrade the older one."},
    {"other_task",
     "The two nodes learn different tasks: make the [task] sections, and the LibTorch versions "
     "that made the "
     "initial model, the same."},
    {"malformed",
     "The other side sent an authenticated message that is not Kith's protocol: upgrade the older "
     "node."},
    {"oversized", "The other side announced a message over the limit, and was not believed."},
    {"idle", "Nothing came from the other side for two minutes; it will be dialled again."},
    {"stalled", "The other side stopped reading; it will be dialled again."},
    {"duplicate", "The two nodes dialled each other at once; the other connection is used."},
    {"expired", "The connection was a day old; it is made anew with fresh keys."},
    {"forged", "A record was altered on its way; the connection is made anew."},
    {"unreachable",
     "Nobody answers at the member's addresses: check them, the firewall, and whether the node "
     "runs."},
    {"crowded", "Too many connections at once; it will be dialled again."},
    {"rotated",
     "In a large consortium a node talks with a few members at a time, and now with another one."},
    {"denied",
     "The operator of one of the two nodes has denied the other (kith deny); kith allow undoes it "
     "there."},
    {"outdated_key",
     "The channel key that was used is not the one of the member's newest card; the connection is "
     "made anew. If that stays so, the key file came out of a backup: kith key renew, there."},
    {"internal_error",
     "The node that closed could not do what a message asks for: its log says why. It will be "
     "dialled again."},
}};

const ReasonText& text_of(CloseReason reason) {
  const auto index = static_cast<std::size_t>(reason);
  assert(index < kReasonTexts.size());
  return kReasonTexts[index];
}

}  // namespace

std::string_view name(CloseReason reason) { return text_of(reason).name; }
std::string_view explain(CloseReason reason) { return text_of(reason).sentence; }

}  // namespace kith::net
