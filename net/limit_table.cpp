#include "net/limit_table.hpp"

#include "net/limits.hpp"

#include <chrono>
#include <concepts>

namespace kith::net {
namespace {

using Unit = Limit::Unit;

struct Amount {
  double number;
  Unit unit;
};
Amount bytes(std::size_t number) { return {static_cast<double>(number), Unit::bytes}; }
Amount count(std::size_t number) { return {static_cast<double>(number), Unit::count}; }
Amount time(std::chrono::duration<double> duration) { return {duration.count(), Unit::seconds}; }

class Group {
 public:
  Group(std::vector<Limit>& table, std::string_view name) : table_(table), name_(name) {}
  Group& add(std::string_view name, Amount amount, std::string_view what, std::string_view then,
             std::string_view test) {
    table_.push_back({name_, name, amount.number, amount.unit, what, then, test});
    return *this;
  }

 private:
  std::vector<Limit>& table_;
  std::string_view name_;
};

}  // namespace

std::vector<Limit> limit_table() {
  using namespace limits;
  std::vector<Limit> table;
  Group(table, "before a connection is a member's")
      .add("handshake", time(kHandshake), "from the connection to the other side's greeting",
           "closed: handshake_timeout", "handshake_has_ten_seconds")
      .add("unauthenticated", count(kUnauthenticated),
           "connections that came to us and have not greeted yet",
           "one of them is closed: who has shown least, of the largest crowd, the oldest (crowded)",
           "there_is_room_for_64_and_the_65th_takes_the_place_of_the_oldest")
      .add("unauthenticated_of_subnet", count(kUnauthenticatedOfSubnet),
           "of these from one /24, in IPv6 from one /48", "one of that subnet is closed (crowded)",
           "a_subnet_has_eight_places_and_displaces_only_itself")
      .add("handshake_message", bytes(kHandshakeMessage), "in a message of the handshake",
           "closed without a word: handshake_failed", "garbage_gets_no_answer")
      .add("stranger_effort", time(kStrangerEffort),
           "for a first message that leads nowhere: 50 a second, from everywhere together",
           "whoever comes from a subnet that has lately sent one is closed at once (crowded)",
           "fifty_wrong_first_messages_a_second_are_the_most_and_only_offenders_suffer")
      .add("stranger_effort_at_once", time(kStrangerEffortAtOnce),
           "of such effort before that happens", "as above",
           "fifty_wrong_first_messages_a_second_are_the_most_and_only_offenders_suffer")
      .add("offence", time(kOffence), "that such a message counts against its subnet",
           "it is like every other subnet again", "an_offence_is_forgotten_after_ten_seconds")
      .add("offenders", count(kOffenders), "subnets of which that is remembered",
           "the one that would be forgotten first is",
           "offenders_from_everywhere_are_forgotten_before_they_fill_our_memory");
  Group(table, "one connection")
      .add("idle", time(kIdle), "without anything from the peer", "closed: idle",
           "silent_peer_is_closed_after_two_minutes")
      .add("ping", time(kPing), "of our own silence", "we send a ping",
           "pings_keep_a_quiet_connection_and_measure_it")
      .add("stall", time(kStall), "in which the peer takes nothing of what waits for it",
           "closed: stalled", "peer_that_does_not_read_is_closed_after_a_minute")
      .add("lifetime", time(kLifetime), "of a connection", "closed: expired; made anew",
           "a_day_old_connection_asks_for_a_fresh_handshake")
      .add("control_message", bytes(kControlMessage), "in a message other than a piece",
           "closed: malformed", "control_message_over_its_limit_is_refused")
      .add("queued", bytes(kQueued), "that wait for the peer",
           "no more pieces are read for it until they have gone",
           "nothing_more_is_read_while_sixteen_mebibytes_wait_for_the_disk")
      .add("hopeless", bytes(kHopeless), "that wait for the peer", "closed: stalled",
           "two_mebibytes_are_the_most_that_wait_for_a_peer")
      .add("message_effort", time(kMessageEffort), "for any message: 10 000 a second",
           "we read its next ones later",
           "ten_thousand_messages_a_second_are_the_most_that_a_peer_is_heard")
      .add("message_effort_at_once", time(kMessageEffortAtOnce),
           "of such effort before that happens", "as above",
           "ten_thousand_messages_a_second_are_the_most_that_a_peer_is_heard");
  Group(table, "how many connections")
      .add("full_mesh", count(kFullMesh), "nodes in a consortium that is fully connected",
           "in a larger one the next two hold", "in_a_consortium_of_nine_everyone_is_dialled")
      .add("outbound", count(kOutbound), "connections that we make", "no further member is dialled",
           "in_a_larger_one_eight_chosen_by_chance")
      .add("peers", count(kPeers), "connections with members",
           "who comes is sent away (crowded) and dials another",
           "thirty_two_members_are_the_most_that_are_connected_at_once")
      .add("few_connections", count(kFewConnections), "connections that a node needs at least",
           "who has fewer is let in, in place of one that had more",
           "nodes_that_only_dial_out_are_connected_through_those_that_listen")
      .add("connect", time(kConnect), "for an answer at one address of a member",
           "its next address is tried", "address_that_swallows_packets_costs_three_seconds")
      .add("lookups", count(kLookups), "names that are being looked up at once",
           "a further one counts as not found, until it is dialled again",
           "a_dead_name_server_holds_up_names_alone")
      .add("first_redial", time(kFirstRedial), "before a member is dialled again",
           "the pause doubles with each failure",
           "pause_doubles_up_to_thirty_seconds_with_at_most_half_of_it_left_to_chance")
      .add("last_redial", time(kLastRedial), "of that pause", "it grows no more",
           "pause_doubles_up_to_thirty_seconds_with_at_most_half_of_it_left_to_chance")
      .add("rotation", time(kRotation), "between changes of a member that we dialled by choice",
           "one, chosen by chance, makes room for another (rotated)",
           "every_half_hour_or_so_one_choice_makes_room_for_another");
  Group(table, "all connections together")
      .add("queued_by_all", bytes(kQueuedByAll), "that wait for all peers",
           "follows from peers and hopeless", "two_mebibytes_are_the_most_that_wait_for_a_peer")
      .add("waiting_for_disk", bytes(kWaitingForDisk), "of chunks that the disk has not taken yet",
           "nothing is read from anybody until half of it is written",
           "nothing_more_is_read_while_sixteen_mebibytes_wait_for_the_disk");
  Group(table, "snapshots")
      .add("chunk", bytes(kChunk), "in a chunk", "closed: malformed",
           "largest_piece_fits_and_one_more_byte_does_not")
      .add("chunks_per_snapshot", count(kChunksPerSnapshot), "chunks of a snapshot: 4 GiB",
           "the head is refused", "insane_heads_are_not_parsed")
      .add("members", count(kMembers), "members of a consortium", "no charter has more",
           "no_charter_has_more_than_512_members")
      .add("note", bytes(kNote), "in the note that travels with a snapshot",
           "the manifest is refused",
           "largest_manifest_is_as_large_as_documented_and_no_note_is_longer")
      .add("snapshots_per_origin", count(kSnapshotsPerOrigin), "snapshots kept of a member",
           "the oldest is dropped", "newer_snapshots_supersede_and_two_are_kept")
      .add("fetches_per_peer", count(kFetchesPerPeer), "pieces asked of a peer, or by one",
           "what it asks beyond is answered with busy",
           "peer_that_asks_for_too_much_is_told_to_wait")
      .add("heads_per_message", count(kHeadsPerMessage), "heads in a message", "closed: malformed",
           "length_over_the_maximum_is_refused_before_allocating")
      .add("fetch", time(kFetch), "for a piece to come, at least",
           "it is asked of somebody else, and the peer loses standing",
           "every_wanted_snapshot_reaches_all_of_32_nodes_despite_loss")
      .add("uploads_at_once", count(kUploadsAtOnce), "peers to which a piece is on its way",
           "the others wait for their turn",
           "peers_that_do_not_take_their_pieces_hold_up_nobody_for_long")
      .add("upload_turn", time(kUploadTurn), "for a peer to take its piece",
           "it no longer counts among those",
           "peers_that_do_not_take_their_pieces_hold_up_nobody_for_long")
      .add("relays_at_once", count(kRelaysAtOnce), "snapshots fetched only because others ask",
           "further wishes are not granted", "relays_only_a_few_snapshots_at_once")
      .add("fetches_per_round", count(kFetchesPerRound),
           "snapshots of a member fetched in a round of ours", "its next waits for the next round",
           "peer_that_publishes_without_end_is_fetched_twice_a_round")
      .add("head_pause", time(kHeadPause), "between two new snapshots of a member",
           "the later one is not heard, until somebody tells of it again",
           "member_that_publishes_without_end_is_heard_ten_times_a_second")
      .add("heads_at_once", count(kHeadsAtOnce), "that may come sooner", "as above",
           "member_that_publishes_without_end_is_heard_ten_times_a_second");
  Group(table, "the charter")
      .add("label", bytes(kLabel), "in a name", "the version is refused",
           "every_wrong_field_is_refused_with_its_reason")
      .add("addresses", count(kAddresses), "addresses of a member", "the version is refused",
           "every_wrong_field_is_refused_with_its_reason")
      .add("address", bytes(kAddress), "in an address", "the version is refused",
           "every_wrong_field_is_refused_with_its_reason")
      .add("stewards", count(kStewards), "stewards of a version", "the version is refused",
           "every_wrong_field_is_refused_with_its_reason")
      .add("charter", bytes(kCharter), "in a version, without signatures", "the version is refused",
           "a_full_consortium_fits")
      .add("charter_versions", count(kCharterVersions), "versions in a file", "the file is refused",
           "no_charter_has_more_than_1024_versions_or_32_mebibytes")
      .add("charter_file", bytes(kCharterFile), "in a file", "the file is refused",
           "no_charter_has_more_than_1024_versions_or_32_mebibytes")
      .add("charter_warning", time(kCharterWarning), "before it expires", "a warning every day",
           "age_has_a_warning_before_and_a_grace_after")
      .add("charter_grace", time(kCharterGrace), "after it has expired", "no node starts",
           "age_has_a_warning_before_and_a_grace_after")
      .add("rivals", count(kRivals), "versions that contradict the charter, kept as evidence",
           "further ones are not kept", "rivals_without_end_are_kept_up_to_sixteen");
  Group(table, "cards")
      .add("cards_per_message", count(kCardsPerMessage), "cards in a message",
           "closed: malformed", "length_over_the_maximum_is_refused_before_allocating")
      .add("card_list", time(kCardList), "between lists of cards to a peer",
           "it is not sent sooner, unless members have come",
           "cards_that_got_lost_come_with_the_next_list")
      .add("card_pause", time(kCardPause), "between two cards of a member",
           "the later one is not heard, until somebody tells of it again",
           "member_that_renews_itself_without_end_is_heard_a_few_times")
      .add("cards_at_once", count(kCardsAtOnce), "that may come sooner", "as above",
           "member_that_renews_itself_without_end_is_heard_a_few_times")
      .add("card_ahead", time(kCardAhead), "that a card may be dated ahead",
           "it is not taken before its day", "a_card_of_tomorrow_is_taken_and_one_of_later_is_not")
      .add("key_overlap", time(kKeyOverlap), "for which a node answers to its former key",
           "who knows only that one is refused",
           "former_key_is_answered_to_for_a_while_and_then_gone");
  Group(table, "who wants to become a member")
      .add("invites", count(kInvites), "open invitations", "no more are made",
           "no_more_than_sixty_four_invitations_are_open")
      .add("application", time(kApplication), "for a connection of who applies",
           "closed: handshake_timeout", "applicant_is_heard_for_a_minute")
      .add("reason", bytes(kReason), "of the words that answer an application", "closed: malformed",
           "length_over_the_maximum_is_refused_before_allocating")
      .add("task_text", bytes(kTaskText), "of the task that is handed to a new member",
           "closed: malformed", "length_over_the_maximum_is_refused_before_allocating");
  Group(table, "what a member may make us compute")
      .add("effort_at_once", time(kEffortAtOnce), "of the next eight together",
           "what it says of heads is not heard until time has paid for it",
           "member_that_floods_forged_heads_is_reported_a_few_times_then_not_heard")
      .add("signature_effort", time(kSignatureEffort), "for a head's signature: 200 a second",
           "as above", "member_that_floods_forged_heads_is_reported_a_few_times_then_not_heard")
      .add("summary_effort", time(kSummaryEffort), "for a summary: 10 a second", "as above",
           "empty_summaries_do_not_buy_answers_without_end")
      .add("wanted_effort", time(kWantedEffort), "for saying what we hold of a snapshot",
           "as above", "asking_what_we_hold_and_to_relay_is_heard_as_often_as_time_pays_for")
      .add("relay_effort", time(kRelayEffort), "for being asked to relay one", "as above",
           "asking_what_we_hold_and_to_relay_is_heard_as_often_as_time_pays_for")
      .add("charter_effort", time(kCharterEffort), "for a version of the charter", "as above",
           "versions_are_handed_out_as_often_as_time_pays_for")
      .add("card_list_effort", time(kCardListEffort), "for answering a list of cards", "as above",
           "asking_for_cards_again_and_again_is_answered_as_often_as_time_pays_for")
      .add("pursuit_effort", time(kPursuitEffort), "for going after a charter that it tells of",
           "as above", "charters_without_end_are_gone_after_as_often_as_time_pays_for")
      .add("accusation_effort", time(kAccusationEffort), "for a report of it to the operator",
           "as above", "member_that_floods_forged_heads_is_reported_a_few_times_then_not_heard");
  return table;
}

}  // namespace kith::net
