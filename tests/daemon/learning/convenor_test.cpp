#include "daemon/learning/convenor.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace convenor_test {

using namespace kith;
using namespace kith::daemon;
using nlohmann::json;
namespace data = boost::unit_test::data;

using Names = std::vector<std::string>;

Convenor member(const std::string& self, const std::string& convenor) {
  Convenor made({.self = self, .convenor = convenor, .admit = 0.5, .drop = 0.4});
  static_cast<void>(made.pulls({}, {"b", "c", "d", "new", "gone", "silent", "z"}));
  return made;
}

model::RelativeInfluence score(double rho, double half_width = 0.1) {
  model::RelativeInfluence score;
  score.rho = rho;
  score.low = rho - half_width;
  score.high = rho + half_width;
  score.against = model::Yardstick::own;
  return score;
}

/// Newest scores, all of this round.
model::Admission admission(const std::map<std::string, double>& scores, std::uint64_t round = 1) {
  model::Admission admission;
  for (const auto& [peer, rho] : scores) admission.score(peer, round, score(rho));
  return admission;
}

Situation situation(std::uint64_t round, std::vector<Candidate> candidates) {
  Situation situation;
  situation.round = round;
  situation.candidates = std::move(candidates);
  return situation;
}

json groups(const std::vector<Names>& all) { return {{"groups", all}}; }
json row(const std::map<std::string, double>& entries) { return {{"row", entries}}; }

/// What "a" admits when the convenor "z" says this, one round ago, and "a" finds b and c useful.
struct Heard {
  explicit Heard(const json& note, std::uint64_t age = 1) {
    Convenor convenor = member("a", "z");
    const model::Admission own = admission({{"b", 0.9}, {"c", 0.8}, {"d", 0.1}, {"z", 0.1}});
    members = convenor.admitted(
        situation(10, {{"b", 10}, {"c", 10}, {"d", 10}, {"z", 10 - age, note}}), own, why);
    assigned_c = convenor.assigned("c");
  }
  [[nodiscard]] const json& report() const { return why.at("convenor"); }
  [[nodiscard]] bool chose_itself() const {
    return members == Names{"b", "c"} && !report().at("followed").get<bool>() && !assigned_c;
  }
  Names members;
  json why;
  std::optional<bool> assigned_c;
};

BOOST_AUTO_TEST_SUITE(convenor_tests)

// ---- As a member ----

BOOST_AUTO_TEST_CASE(without_a_convenor_nothing_is_said_and_everybody_admitted_stays) {
  Convenor off = member("a", "");
  json why;
  const model::Admission own = admission({{"b", 0.9}, {"c", 0.1}});
  const Situation now = situation(1, {{"b", 1, groups({{"a", "c"}})}, {"c", 1}});
  BOOST_TEST((off.admitted(now, own, why) == Names{"b"}));
  BOOST_TEST(why.is_null());
  BOOST_TEST(off.note(own).text.is_null());
  BOOST_TEST((off.pulls({"b"}, {"b", "c"}) == Names{"b"}));
  BOOST_TEST(!off.assigned("b").has_value());
}

BOOST_AUTO_TEST_CASE(assignment_is_followed_and_nobody_of_another_group_averaged_with) {
  const Heard heard(groups({{"b", "d"}, {"a", "c"}}));
  BOOST_TEST((heard.members == Names{"c"}));
  BOOST_TEST(heard.report().at("followed") == true);
  BOOST_TEST(heard.report().at("id") == "z");
  BOOST_TEST(heard.report().at("age") == 1);
  BOOST_TEST(heard.report().at("assigned") == json({"c"}));
  BOOST_TEST(heard.report().at("elsewhere") == json({"b", "d"}));
  BOOST_TEST(heard.report().at("refused").empty());
  BOOST_TEST(heard.assigned_c.value_or(false));
}

BOOST_AUTO_TEST_CASE(assigned_come_most_useful_first_whether_admitted_or_not) {
  Convenor convenor = member("a", "z");
  json why;
  const model::Admission own = admission({{"b", 0.45}, {"c", 0.8}});  // b was never admitted
  const Situation now = situation(
      1, {{"b", 1}, {"c", 1}, {"new", 1}, {"z", 1, groups({{"a", "b", "c", "new", "gone"}})}});
  BOOST_TEST((convenor.admitted(now, own, why) == Names{"c", "b", "new"}));
}

BOOST_AUTO_TEST_CASE(
    assigned_peer_that_its_own_measurements_condemn_is_refused_and_it_is_said_why) {
  const Heard heard(groups({{"a", "b", "d"}, {"c", "z"}}));
  BOOST_TEST((heard.members == Names{"b"}));
  BOOST_TEST(heard.report().at("followed") == true);
  const std::string reason = heard.report().at("refused").at("d");
  BOOST_TEST(reason.find("is wholly below 0.4") != std::string::npos);

  Convenor convenor = member("a", "z");
  json why;
  model::Admission own = admission({{"b", 0.9}});
  auto worse = score(0.9);
  worse.objection = "its newest model is clearly worse";
  own.score("b", 2, worse);
  const Situation now = situation(2, {{"b", 2}, {"z", 2, groups({{"a", "b"}})}});
  BOOST_TEST(convenor.admitted(now, own, why).empty());
  const std::string condemned = why.at("convenor").at("refused").at("b");
  BOOST_TEST(condemned.find("clearly worse") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(about_whoever_is_in_no_group_it_decides_for_itself) {
  const Heard heard(groups({{"a", "c"}}));
  BOOST_TEST((heard.members == Names{"b", "c"}));  // not d, which is useless
  BOOST_TEST(heard.report().at("followed") == true);
  BOOST_TEST(heard.report().at("assigned") == json({"c"}));
}

BOOST_AUTO_TEST_CASE(low_score_that_is_uncertain_does_not_condemn) {
  Convenor convenor = member("a", "z");
  json why;
  model::Admission own;
  own.score("b", 1, score(0.2, 0.3));
  const Situation now = situation(1, {{"b", 1}, {"z", 1, groups({{"a", "b"}})}});
  BOOST_TEST((convenor.admitted(now, own, why) == Names{"b"}));
}

BOOST_AUTO_TEST_CASE(without_a_fresh_assignment_it_chooses_for_itself) {
  BOOST_TEST(!Heard(groups({{"a", "c"}}), Convenor::kFresh).chose_itself());
  const Heard stale(groups({{"a", "c"}}), Convenor::kFresh + 1);
  BOOST_TEST(stale.chose_itself());
  BOOST_TEST(stale.report().at("reason") ==
             "the convenor's newest assignment is 6 rounds old, more than 5: this node chooses for "
             "itself");
  BOOST_TEST(Heard(groups({{"b", "c"}})).chose_itself());  // it is in no group
  BOOST_TEST(Heard(nullptr).chose_itself());
  Convenor convenor = member("a", "z");  // there is no convenor at all
  json why;
  BOOST_TEST(
      (convenor.admitted(situation(1, {{"b", 1}}), admission({{"b", 0.9}}), why) == Names{"b"}));
}

BOOST_AUTO_TEST_CASE(assignment_of_somebody_else_is_not_looked_at) {
  Convenor convenor = member("a", "z");
  json why;
  const Situation now = situation(1, {{"b", 1, groups({{"a", "c"}})}, {"c", 1}, {"z", 1}});
  BOOST_TEST((convenor.admitted(now, admission({{"b", 0.9}, {"c", 0.9}}), why) == Names{"b", "c"}));
}

BOOST_DATA_TEST_CASE(assignment_that_does_not_read_is_not_followed,
                     data::make({
                         R"({"groups": 3})",
                         R"({"groups": {"a": "c"}})",
                         R"({"groups": ["a", "c"]})",
                         R"({"groups": [["a", "c"], 3]})",
                         R"({"groups": [["a", "c", 3]]})",
                         R"({"groups": [["a", "c"], ["b", "a"]]})",
                         R"({"groups": [["a", "c", "c"]]})",
                         R"({"row": {"c": 1}})",
                         R"([["a", "c"]])",
                         R"("groups")",
                         R"({})",
                     }),
                     note) {
  BOOST_TEST(Heard(json::parse(note)).chose_itself());
}

BOOST_AUTO_TEST_CASE(unknown_members_of_its_group_do_not_matter) {
  const Heard heard(groups({{"a", "c", "nobody", ""}, {"b", "somebody"}}));
  BOOST_TEST((heard.members == Names{"c"}));
  BOOST_TEST(heard.report().at("assigned") == json({"c"}));
  BOOST_TEST(Heard(groups({{"a", "nobody"}})).chose_itself());
}

BOOST_AUTO_TEST_CASE(row_goes_to_the_convenor_alone_and_says_no_more_than_it_needs) {
  Convenor convenor = member("a", "z");
  model::Admission own = admission({{"b", 0.87654}, {"c", 1.7}, {"d", -0.4}, {"f", 0.2}});
  auto worse = score(0.9);
  worse.objection = "its newest model is clearly worse";
  own.score("e", 1, worse);
  own.score("unknown", 1, model::RelativeInfluence());  // says nothing
  const Note note = convenor.note(own);
  BOOST_TEST(note.reader == "z");
  BOOST_TEST(note.text == row({{"b", 0.877}, {"c", 1}, {"d", 0}, {"e", 0}, {"f", 0}}));
}

BOOST_AUTO_TEST_CASE(row_forgets_whom_it_has_not_scored_for_long) {
  Convenor convenor = member("a", "z");
  json why;
  const model::Admission own = admission({{"b", 0.9}}, 3);
  static_cast<void>(convenor.admitted(situation(13, {}), own, why));
  BOOST_TEST(convenor.note(own).text == row({{"b", 0.9}}));
  static_cast<void>(convenor.admitted(situation(14, {}), own, why));
  BOOST_TEST(convenor.note(own).text == row({}));
}

BOOST_AUTO_TEST_CASE(convenor_is_fetched_beyond_the_budget_and_only_once) {
  Convenor convenor = member("a", "z");
  BOOST_TEST((convenor.pulls({"b"}, {"b", "c", "z"}) == Names{"b", "z"}));
  BOOST_TEST((convenor.pulls({"z"}, {"b", "c", "z"}) == Names{"z"}));
  BOOST_TEST((convenor.pulls({"b"}, {"b", "c"}) == Names{"b"}));  // it is no member
}

// ---- As the convenor ----

BOOST_AUTO_TEST_CASE(convenor_fetches_everybody_for_their_rows) {
  Convenor convenor = member("z", "z");
  BOOST_TEST((convenor.pulls({"b"}, {"a", "b", "c"}) == Names{"a", "b", "c"}));
}

BOOST_AUTO_TEST_CASE(convenor_groups_those_who_sent_rows_and_follows_itself) {
  Convenor convenor = member("z", "z");
  BOOST_TEST(convenor.note(admission({})).text == groups({}));
  json why;
  const Situation now = situation(4, {{"a", 4, row({{"b", 0.9}, {"z", 0.1}, {"c", 0.2}})},
                                      {"b", 4, row({{"a", 0.8}, {"z", 0.2}, {"nobody", 1}})},
                                      {"c", 2, row({{"z", 0.7}, {"a", 0.1}})},
                                      {"silent", 4}});  // useful, but takes no part: in no matrix
  const model::Admission own = admission({{"a", 0.1}, {"b", 0.1}, {"c", 0.9}, {"silent", 0.9}}, 4);
  BOOST_TEST((convenor.admitted(now, own, why) == Names{"c", "silent"}));
  BOOST_TEST(why.at("convenor").at("rows") == 4);
  BOOST_TEST(why.at("convenor").at("age") == 0);
  const Note note = convenor.note(own);
  BOOST_TEST(note.reader.empty());
  BOOST_TEST(note.text == groups({{"a", "b"}, {"c", "z"}}));
}

BOOST_AUTO_TEST_CASE(who_is_like_nobody_is_not_assigned_and_chooses_for_itself) {
  Convenor convenor = member("z", "z");
  json why;
  const Situation now =
      situation(1, {{"a", 1, row({{"b", 0.9}})}, {"b", 1, row({{"a", 0.9}})}, {"silent", 1}});
  BOOST_TEST((convenor.admitted(now, admission({{"silent", 0.9}}), why) == Names{"silent"}));
  BOOST_TEST(convenor.note(admission({})).text == groups({{"a", "b"}}));
}

BOOST_AUTO_TEST_CASE(stale_row_is_left_out) {
  for (const std::uint64_t age : {Convenor::kFresh, Convenor::kFresh + 1}) {
    Convenor convenor = member("z", "z");
    json why;
    const Situation now =
        situation(10, {{"a", 10, row({{"b", 0.9}})}, {"b", 10 - age, row({{"a", 0.9}})}});
    static_cast<void>(convenor.admitted(now, admission({}), why));
    const bool fresh = age == Convenor::kFresh;
    BOOST_TEST(convenor.note(admission({})).text == (fresh ? groups({{"a", "b"}}) : groups({})));
  }
}

BOOST_DATA_TEST_CASE(row_that_does_not_read_counts_as_none,
                     data::make({R"({"row": [0.9]})", R"({"row": {"b": "0.9"}})",
                                 R"({"row": {"b": 0.9, "c": null}})", R"({"row": 3})", R"([])",
                                 R"({"groups": [["a", "b"]]})"}),
                     note) {
  Convenor convenor = member("z", "z");
  json why;
  const Situation now = situation(1, {{"a", 1, json::parse(note)}, {"b", 1, row({{"a", 0.9}})}});
  static_cast<void>(convenor.admitted(now, admission({}), why));
  BOOST_TEST(why.at("convenor").at("rows") == 2);
  BOOST_TEST(convenor.note(admission({})).text == groups({}));
}

BOOST_AUTO_TEST_CASE(numbers_beyond_all_measure_in_a_row_do_no_harm) {
  Convenor convenor = member("z", "z");
  json why;
  json infinite = row({});
  infinite["row"]["b"] = std::numeric_limits<double>::infinity();
  const Situation now = situation(1, {{"a", 1, infinite},
                                      {"b", 1, row({{"a", 1e300}, {"c", 1e300}})},
                                      {"c", 1, row({{"b", -1e300}})}});
  static_cast<void>(convenor.admitted(now, admission({}), why));
  BOOST_TEST(why.at("convenor").at("rows") == 3);  // without a
  BOOST_TEST(convenor.note(admission({})).text == groups({}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace convenor_test
