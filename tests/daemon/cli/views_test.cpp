#include "daemon/cli/views.hpp"

#include "daemon/system/failure.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace views_test {

using namespace kith::daemon;
using nlohmann::json;

json opinion(double rho, bool admitted) {
  return {{"admitted", admitted},
          {"since", 3},
          {"scored", 8},
          {"scores", 7},
          {"rho", rho},
          {"low", rho - 0.2},
          {"high", nullptr},  // unbounded
          {"newest",
           {{"rho", rho + 0.1},
            {"low", rho},
            {"high", rho + 0.2},
            {"influence", {{"mean", 0.4}, {"standard_error", 0.05}, {"examples", 64}}},
            {"own", {{"mean", 0.5}, {"standard_error", 0.04}, {"examples", 64}}},
            {"objection", ""}}},
          {"reason", admitted ? "still admitted" : "not admitted"}};
}

json charter() {
  return {{"number", 3},     {"fingerprint", "abcd-efgh"}, {"expires", "2027-01-31"},
          {"member", true}, {"rivals", json::array()}};
}

json peer(const std::string& name, const std::string& id, json opinion) {
  return {
      {"name", name},
      {"id", id},
      {"connected", true},
      {"averaged", false},
      {"since", 1000},
      {"trouble", nullptr},
      {"quarantined", false},
      {"ignored", nullptr},
      {"charter", nullptr},
      {"round_trip_ms", 12.34},
      {"runs", {{"agent", "kith 0.1.0"}, {"protocol", 2}, {"oldest_protocol", 2}}},
      {"bytes_in", 10},
      {"bytes_out", 20},
      {"bytes_in_per_second", 2048.0},
      {"bytes_out_per_second", 0.0},
      {"snapshot", {{"round", 8}, {"sequence", 9}, {"arrived_in_round", 8}, {"refused", false}}},
      {"opinion", std::move(opinion)}};
}

json round(int number, json opinions, json members, json trials) {
  return {{"round", number},
          {"opinions", std::move(opinions)},
          {"members", std::move(members)},
          {"why", {{"trials", std::move(trials)}}}};
}

json trial(json members, double loss, bool kept) {
  return {{"members", std::move(members)}, {"loss", loss}, {"kept", kept}};
}

const json& peers() {
  static const json all = json::array({peer("ana", "kith-aaa1", opinion(0.9, true)),
                                       peer("ben", "kith-bbb2", opinion(0.1, false)),
                                       peer("cy", "kith-bbc3", nullptr)});
  return all;
}

/// In round 7 ana is averaged with; in 8 she is tried second, after a peer that was kept, and
/// refused.
const json& rounds() {
  static const json all = json::array(
      {round(7, {{"ana", opinion(0.8, true)}},
             json::array({{{"id", "kith-aaa1"}, {"name", "ana"}, {"weight", 0.5}}}),
             json::array({trial(json::array(), 0.7, true), trial({"kith-aaa1"}, 0.6, true)})),
       round(8, {{"ana", opinion(0.9, true)}}, json::array(),
             json::array({trial(json::array(), 0.65, true), trial({"kith-ddd4"}, 0.55, true),
                          trial({"kith-ddd4", "kith-aaa1"}, 0.75, false)}))});
  return all;
}

json status(json privacy) {
  const json good{{"loss", 0.5}, {"accuracy", 0.8}, {"examples", 50}};
  return {{"name", "ward"},
          {"id", "kith-aaa0"},
          {"last_round",
           {{"models", {{"partial", {{"validation", good}, {"test", nullptr}}}}},
            {"served", "partial"},
            {"served_reason", "it is best"},
            {"members", json::array()},
            {"privacy", std::move(privacy)}}},
          {"rounds", 0},
          {"finished_round", 4},
          {"phase", "training"},
          {"connected", 1},
          {"members", 3},
          {"bytes_in", 0},
          {"bytes_out", 0},
          {"consortium", "ours"},
          {"task", {{"name", "digits"}}},
          {"strategy", "lia"},
          {"charter", charter()},
          {"alarms", json::array()},
          {"expelled", json::array()}};
}

bool any_line(const Lines& lines, const std::string& part) {
  return std::ranges::any_of(
      lines, [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

BOOST_AUTO_TEST_SUITE(views_tests)

BOOST_AUTO_TEST_CASE(a_peer_is_found_by_name_id_or_the_beginning_of_one) {
  for (const char* who : {"ana", "kith-aaa1", "kith-a"}) {
    BOOST_TEST(explain_peer(peers(), rounds(), who).at("name") == "ana");
  }
}

BOOST_AUTO_TEST_CASE(a_peer_that_is_not_there_or_not_one_is_refused_with_the_names_there_are) {
  for (const char* who : {"dan", "kith-bb", ""}) {
    const auto says_who = [](const Failure& failure) {
      return failure.code() == EX_USAGE &&
             std::string(failure.what()).find("ana, ben, cy") != std::string::npos;
    };
    BOOST_CHECK_EXCEPTION(static_cast<void>(explain_peer(peers(), rounds(), who)), Failure,
                          says_who);
  }
}

BOOST_AUTO_TEST_CASE(why_compares_with_the_best_average_before_the_peer_was_added) {
  const json last = explain_peer(peers(), rounds(), "ana").at("last_trial");
  BOOST_TEST(last.at("round") == 8);
  BOOST_TEST(last.at("without") == 0.55);
  BOOST_TEST(last.at("with") == 0.75);
  BOOST_TEST(last.at("kept") == false);
}

BOOST_AUTO_TEST_CASE(why_tells_the_history_round_by_round) {
  const json history = explain_peer(peers(), rounds(), "ana").at("history");
  BOOST_TEST_REQUIRE(history.size() == 2U);
  BOOST_TEST(history[0].at("weight") == 0.5);
  BOOST_TEST(history[1].at("weight").is_null());
  BOOST_TEST(history[1].at("rho") == 0.9);
}

BOOST_AUTO_TEST_CASE(why_shows_every_number_to_people) {
  const Lines lines = why_lines(explain_peer(peers(), rounds(), "ana"));
  for (const char* part : {"still admitted", "0.90 [0.70, ?]", "64 validation examples", "0.4000",
                           "from 0.5500 to 0.7500", "not kept", "0.500"}) {
    BOOST_TEST(any_line(lines, part), part);
  }
}

BOOST_AUTO_TEST_CASE(why_says_what_all_rounds_together_say_of_an_average_with_the_peer) {
  json known = peers();
  known[0]["opinion"]["standing"] = 1.26;
  BOOST_TEST(any_line(why_lines(explain_peer(known, rounds(), "ana")),
                      "by all rounds together it makes the average worse by 1.3 standard errors"));
  known[0]["opinion"]["standing"] = -2;
  BOOST_TEST(any_line(why_lines(explain_peer(known, rounds(), "ana")), "better by 2.0"));
}

BOOST_AUTO_TEST_CASE(why_says_which_average_was_taken_in_place_of_the_search) {
  BOOST_TEST(explain_peer(peers(), rounds(), "ana").at("instead").is_null());
  json taken = rounds();
  json& rivals = taken.back()["why"]["rivals"];
  rivals = {{"everybody", {{"loss", 0.5}, {"better_by", 1.2}, {"taken", true}}},
            {"half everybody", {{"loss", nullptr}, {"better_by", 0}, {"taken", false}}},
            {"best 4", {{"loss", 0.4}, {"better_by", 2.5}, {"taken", true}}}};
  BOOST_TEST(
      any_line(why_lines(explain_peer(peers(), taken, "ana")),
               "in round 8 the average with the 4 of the highest rho was clearly better than "
               "that of adding peer after peer, and was taken (validation loss 0.4000)"));
  rivals.erase("best 4");
  BOOST_TEST(
      any_line(why_lines(explain_peer(peers(), taken, "ana")), "the average with everybody "));
}
BOOST_AUTO_TEST_CASE(why_tells_what_the_convenor_said_of_a_peer_and_what_came_of_it) {
  BOOST_TEST(explain_peer(peers(), rounds(), "ana").at("convenor").is_null());
  json followed = rounds();
  followed.back()["why"]["convenor"] = {{"assigned", {"kith-aaa1", "kith-bbb2"}},
                                        {"elsewhere", {"kith-bbc3"}},
                                        {"refused", {{"kith-bbb2", "it is useless"}}}};
  const auto shows = [&](const char* who, const char* part) {
    return any_line(why_lines(explain_peer(peers(), followed, who)), part);
  };
  BOOST_TEST(shows("ana", "assigned it to this node"));
  BOOST_TEST(shows("ben", "which refuses it: it is useless"));
  BOOST_TEST(shows("cy", "another group"));
}

BOOST_AUTO_TEST_CASE(a_peer_without_any_score_says_so) {
  json bare = peers();
  bare[2]["snapshot"] = nullptr;
  const Lines lines = why_lines(explain_peer(bare, json::array(), "cy"));
  BOOST_TEST(any_line(lines, "not scored yet"));
  BOOST_TEST(any_line(lines, "none of it has been fetched"));
}

// kith peers failed on the opinions of pens, fedfomo and the like, which have no rho.
BOOST_AUTO_TEST_CASE(an_opinion_without_rho_is_no_error) {
  json odd = peers();
  odd[0]["opinion"] = {{"chosen", 3}};
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1060)};
  BOOST_TEST(any_line(peers_lines(odd, now), "ana"));
  BOOST_TEST(!why_lines(explain_peer(odd, rounds(), "ana")).empty());
}

BOOST_AUTO_TEST_CASE(peers_show_round_trip_rates_and_what_they_run) {
  const Lines lines = peers_lines(peers(), {});
  for (const char* part : {"12.3 ms", "2.0 KiB", "kith 0.1.0, protocol 2"}) {
    BOOST_TEST(any_line(lines, part), part);
  }
}

BOOST_AUTO_TEST_CASE(an_offline_peer_shows_what_happened_and_where) {
  json absent = peers();
  absent[0]["connected"] = false;
  absent[0]["runs"] = absent[0]["round_trip_ms"] = nullptr;
  absent[0]["trouble"] = {{"reason", "unreachable"},
                          {"address", "192.0.2.7:7700"},
                          {"detail", "Connection refused"},
                          {"help", "Nobody answers."}};
  const char* told = "Nobody answers. (192.0.2.7:7700: Connection refused)";
  BOOST_TEST(any_line(peers_lines(absent, {}), told));
  BOOST_TEST(any_line(why_lines(explain_peer(absent, rounds(), "ana")), told));
}

BOOST_AUTO_TEST_CASE(status_tells_every_alarm_in_the_nodes_own_words_and_the_worst_in_capitals) {
  json full = status(nullptr);
  BOOST_TEST(!any_line(status_lines(full), "ALARM"));
  const auto alarm = [](const char* severity, const char* what) {
    return json{{"name", "x"}, {"severity", severity}, {"what", what}, {"help", "Do that."}};
  };
  full["alarms"] = {alarm("error", "It burns."), alarm("warning", "It smokes."), alarm("notice", "It is warm.")};
  const Lines lines = status_lines(full);
  BOOST_TEST(any_line(lines, "  ALARM       It burns. Do that."));
  BOOST_TEST(any_line(lines, "  WARNING     It smokes. Do that."));
  BOOST_TEST(any_line(lines, "  notice      It is warm. Do that."));
}

BOOST_AUTO_TEST_CASE(status_says_what_the_worker_is_kept_from) {
  json full = status(nullptr);
  full["guards"] = json::array({{{"name", "network"}, {"holds", true}, {"what", "no socket"}},
                                {{"name", "reading"}, {"holds", false}, {"what", "no Landlock"}}});
  BOOST_TEST(any_line(status_lines(full), "worker      confined: network"));
  BOOST_TEST(!any_line(status_lines(full), "reading"));
}

BOOST_AUTO_TEST_CASE(status_says_what_the_network_process_is_kept_from_beside_its_worker) {
  json full = status(nullptr);
  full["own_guards"] = json::array({{{"name", "sockets"}, {"holds", true}, {"what", "TCP"}},
                                    {{"name", "files"}, {"holds", false}, {"what", "no rules"}}});
  BOOST_TEST(any_line(status_lines(full), "kith        confined: sockets"));
}

BOOST_AUTO_TEST_CASE(peers_show_who_learns_something_else_and_in_which_field) {
  const json fields =
      json::array({{{"field", "learning_rate"}, {"ours", "0.05"}, {"theirs", "0.1"}},
                   {{"field", "columns"}, {"ours", ""}, {"theirs", "age: 1..2"}}});
  json bad = peers();
  bad[0]["ignored"] = {{"reason", "other_task"}, {"help", "Another task."}};
  bad[0]["other_task"] = fields;
  BOOST_TEST(any_line(peers_lines(bad, {}),
                      "IGNORED: Another task. (learning_rate 0.1, here 0.05; columns age: 1..2, here not there)"));
}

BOOST_AUTO_TEST_CASE(status_shows_what_the_departure_of_a_member_did_to_the_model) {
  json full = status(nullptr);
  json gone{{"id", "kith-bbb2"}, {"name", "ben"}, {"version", 3},      {"round", 9},
            {"averaged", 4},     {"last", 8},     {"before", nullptr}, {"after", nullptr}};
  gone["before"] = {{"rounds", 5}, {"accuracy", 0.81}, {"loss", 0.5}};
  full["expelled"] = {gone};
  const std::string begins =
      "ben, by version 3 of the charter: averaged with in 4 rounds, last in 8";
  BOOST_TEST(any_line(status_lines(full), begins));
  BOOST_TEST(any_line(status_lines(full), "81.0 % in the 5 rounds before, no round since"));
  gone["after"] = {{"rounds", 2}, {"accuracy", 0.79}, {"loss", 0.6}};
  full["expelled"] = {gone};
  BOOST_TEST(any_line(status_lines(full), "5 rounds before, 79.0 % in the 2 rounds since"));
  gone["averaged"] = 0;
  full["expelled"] = {gone};
  BOOST_TEST(any_line(status_lines(full), "never averaged with"));
}

BOOST_AUTO_TEST_CASE(a_node_without_peers_says_so) {
  BOOST_TEST(any_line(peers_lines(json::array(), {}), "the only member"));
}

BOOST_AUTO_TEST_CASE(who_is_ignored_is_shown_so_whatever_its_score) {
  json bad = peers();
  bad[0]["ignored"] = {{"reason", "quarantined"}, {"help", "it signed two."}};
  BOOST_TEST(any_line(peers_lines(bad, {}), "IGNORED"));
  BOOST_TEST(any_line(why_lines(explain_peer(bad, rounds(), "ana")), "IGNORED"));
}

BOOST_AUTO_TEST_CASE(who_follows_another_charter_is_shown_with_its_version) {
  json all = peers();
  const auto peer_says = [&](const char* state) {
    all[0]["charter"] = {{"number", 2}, {"fingerprint", "abcd-efgh"}, {"state", state}};
    const Lines why = why_lines(explain_peer(all, rounds(), "ana"));
    for (const char* told :
         {"FOLLOWS AN OLDER CHARTER: version 2 (abcd-efgh)", "FOLLOWS ANOTHER CHARTER"}) {
      BOOST_TEST(any_line(peers_lines(all, {}), told) == any_line(why, told));
    }
    return peers_lines(all, {});
  };
  BOOST_TEST(any_line(peer_says("older"), "FOLLOWS AN OLDER CHARTER: version 2 (abcd-efgh)"));
  BOOST_TEST(any_line(peer_says("another"), "FOLLOWS ANOTHER CHARTER"));
  BOOST_TEST(!any_line(peer_says("ours"), "FOLLOWS"));
}

BOOST_AUTO_TEST_CASE(status_shows_the_charter) {
  BOOST_TEST(any_line(status_lines(status(nullptr)), "version 3 (abcd-efgh), expires 2027-01-31"));
}

BOOST_AUTO_TEST_CASE(long_lines_are_broken_between_words_and_lose_none) {
  const std::string line = "  ALARM       one two three four five six seven eight nine ten";
  const Lines lines = wrapped_lines({"short", line}, 40);
  BOOST_TEST_REQUIRE(lines.size() == 3U);
  BOOST_TEST(lines[0] == "short");
  BOOST_TEST(lines[1] == "  ALARM       one two three four five");
  BOOST_TEST(lines[2] == "              six seven eight nine ten");
  BOOST_TEST(wrapped_lines({line}, 0) == Lines{line});
  const std::string word(100, 'x');
  BOOST_TEST(wrapped_lines({word}, 40) == Lines{word});  // has nowhere to be broken
}

BOOST_AUTO_TEST_CASE(status_says_what_has_been_spent_of_privacy) {
  json privacy{{"epsilon", 3.14159}, {"delta", 1e-5}, {"noise", 1},
               {"clip", 1},          {"budget", 8},   {"published", true}};
  BOOST_TEST(any_line(status_lines(status(privacy)), "epsilon 3.14 of 8.00 spent, delta 1e-05"));
  privacy["budget"] = nullptr;
  BOOST_TEST(any_line(status_lines(status(privacy)), "epsilon 3.14 spent"));
  BOOST_TEST(!any_line(status_lines(status(nullptr)), "epsilon"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace views_test
