#include "daemon/cli/account_page.hpp"

#include <boost/algorithm/string/join.hpp>
#include <boost/test/unit_test.hpp>

namespace account_page_test {

using namespace kith::daemon;

constexpr const char* kHostile = "</style></title><script>alert(1)</script>\"'&";

AccountHead head() {
  return {"ana", "abcd-efgh", "ours", "scans", "print-of-it", 1'800'000'000, {{"ben-id", "ben"}}};
}

/// Of rounds that all were as good.
Account account(double served, double alone, const std::string& metric, std::size_t rounds = 12) {
  Account made;
  made.curve.metric = metric;
  made.curve.higher_is_better = metric != "mae";
  made.curve.split = "test";
  for (std::size_t i = 0; i < rounds; ++i) {
    made.curve.round.push_back(i + 1);
    made.curve.time.push_back(1000 + i);
    made.curve.served.emplace_back(served), made.curve.alone.emplace_back(alone);
    made.curve.examples.push_back(400);
  }
  made.curve.gain = gain_of(made.curve);
  made.answer = "yes";
  made.cost = {rounds,  0,      1'790'000'000, 1'790'864'000, {{"train", 5400}, {"gather", 60}},
               3 << 20, 5 << 20};
  made.partners = {{"ben", 9, 2, 12, 0.5, 0.81, 0.62, 1.0}};
  made.audit = Account::Audit{20, std::string(64, 'a'), "", 1, 12, {"ben-id", "gone-id"}, {}};
  made.alarms.emplace();
  return made;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(account_page_tests)

BOOST_AUTO_TEST_CASE(page_and_lines_say_the_gain_with_its_interval_and_what_it_cost) {
  const Account made = account(0.8, 0.7, "accuracy");
  const std::string page = account_page(made, head());
  const std::string lines = boost::algorithm::join(account_lines(made, head()), "\n");
  for (const std::string& text : {page, lines}) {
    for (const char* part :
         {"80.0 %", "70.0 %", "+10.0 points", "between +4.0 and +16.0", "400", "1 h 30 min",
          "3.0 MiB", "5.0 MiB", "ben", "0.81 [0.62, 1.00]", "9 (75 %)", "12 snapshots",
          "a former member (gone)", "never leave", "has no alarm"}) {
      BOOST_TEST(has(text, part), part << " is missing in " << text);
    }
  }
  BOOST_TEST(has(page, "<svg"));
  BOOST_TEST(has(page,
                 "aria-label=\"accuracy over rounds 1 to 12: with the others 80.0 % at the end, "
                 "alone 70.0 % at the end\""));
}

BOOST_AUTO_TEST_CASE(of_an_error_less_is_better_and_the_gain_is_in_its_unit) {
  Account made = account(2.5, 3.0, "mae");
  const std::string page = account_page(made, head());
  BOOST_TEST(has(page, "MAE"));
  BOOST_TEST(has(page, "+0.5"));
  BOOST_TEST(has(page, "Less of this metric is better"));
  BOOST_TEST(!has(page, " points"));
  BOOST_TEST(has(page, "not how few the examples are"));
}

BOOST_AUTO_TEST_CASE(no_text_of_others_becomes_markup) {
  Account made = account(0.8, 0.7, "accuracy");
  made.partners[0].name = kHostile;
  made.audit->fault = kHostile;
  made.audit->events = {{"denied", "The operator blocked a member", 1, "2026-01-01", {kHostile}}};
  made.alarms = {{Alarm{"name", "error", kHostile, kHostile}}};
  AccountHead whose = head();
  whose.name = whose.consortium = whose.task = whose.fingerprint = whose.id = kHostile;
  whose.names["ben-id"] = kHostile;
  const std::string page = account_page(made, whose);
  BOOST_TEST(!has(page, "<script"));
  BOOST_TEST(page.find("</style>") == page.rfind("</style>"));
  BOOST_TEST(has(page, "&lt;script&gt;"));
}

BOOST_AUTO_TEST_CASE(page_needs_no_script_and_nothing_from_elsewhere) {
  const std::string page = account_page(account(0.8, 0.7, "accuracy"), head());
  BOOST_TEST(has(page, "default-src 'none'"));
  for (const char* part : {"<script", "src=", "href=", "url(", "http:", "https:"})
    BOOST_TEST(!has(page, part), part);
}

BOOST_AUTO_TEST_CASE(what_is_not_known_is_said_to_be) {
  Account made;
  made.answer = "unknown";
  const std::string page = account_page(made, head());
  BOOST_TEST(has(page, "no round is finished"));
  BOOST_TEST(has(page, "With nobody"));
  BOOST_TEST(has(page, "The node does not run now"));
  BOOST_TEST(has(page, "There is no audit log yet"));
  BOOST_TEST(!has(page, "<svg"));
  made = account(0.8, 0.7, "accuracy", 1);
  made.curve.split = "validation";
  BOOST_TEST(has(account_page(made, head()), "the gain looks larger than it is"));
  made.audit->fault = "audit.log, line 3: it is no entry";
  BOOST_TEST(has(account_page(made, head()), "The audit log is not whole: audit.log, line 3"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace account_page_test
