#include "daemon/simulation/report.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>

namespace report_test {

using namespace kith::daemon;
using nlohmann::json;

json results() {
  const json opinion{{"admitted", true}, {"rho", 0.123456}, {"low", nullptr},
                     {"high", 1.5},      {"scores", 3},     {"reason", "a sentence for kith why"}};
  const json judged{{"loss", 1.25}, {"accuracy", 0.5}, {"examples", 40}};
  const json round{{"round", 1},
                   {"accuracy", 0.61},
                   {"loss", 1.2},
                   {"bytes_in", 1000},
                   {"served_reason", "a sentence for kith status"},
                   {"models",
                    {{"baseline", {{"validation", judged}, {"test", judged}}},
                     {"partial", {{"validation", judged}, {"test", nullptr}}}}},
                   {"members", {{{"id", "b"}, {"name", "b"}, {"weight", 0.5}}}},
                   {"opinions", {{"b", opinion}}},
                   {"seconds", {{"train", 0.123456}}}};
  const json world{{{"name", "a"}, {"group", 0}, {"attack", nullptr}}};
  const json run{{"strategy", "lia"},
                 {"seed", 1},
                 {"seconds", 12.3},
                 {"world", world},
                 {"nodes", {{{"name", "a"}, {"rounds", {round}}}}}};
  return {{"format", 1},          {"name", "two"}, {"version", "0"},   {"scenario", "[data]\n"},
          {"metric", "accuracy"}, {"rounds", 1},   {"drift_round", 0}, {"runs", {run}}};
}

constexpr std::string_view kBegin = "<script type=\"application/json\" id=\"results\">";

std::string embedded(const std::string& page) {
  const std::size_t begin = page.find(kBegin) + kBegin.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

std::size_t count(const std::string& page, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = page.find(what); at != std::string::npos; at = page.find(what, at + 1)) {
    ++found;
  }
  return found;
}

BOOST_AUTO_TEST_SUITE(report_tests)

BOOST_AUTO_TEST_CASE(page_holds_what_it_draws_and_no_more) {
  const json shown = json::parse(embedded(report_html(results())));
  json expected = results();
  json& round = expected["runs"][0]["nodes"][0]["rounds"][0];
  round.erase("served_reason");
  round["models"].erase("partial");
  round["models"]["baseline"].erase("validation");
  round["members"][0].erase("id");
  round["opinions"]["b"].erase("scores");
  round["opinions"]["b"].erase("reason");
  round["opinions"]["b"]["rho"] = 0.123;
  round["seconds"]["train"] = 0.123;
  BOOST_TEST(shown == expected, shown.dump(1));
}

BOOST_AUTO_TEST_CASE(page_needs_nothing_else) {
  const std::string page = report_html(results());
  BOOST_TEST(page.starts_with("<!DOCTYPE html>"));
  BOOST_TEST(page.ends_with("</html>\n"));
  BOOST_TEST(count(page, "default-src 'none'") == 1);
  for (const char* outside : {" src=", " href=", "@import", "url(h", "fetch(", "innerHTML"}) {
    BOOST_TEST(count(page, outside) == 0, outside);
  }
  // The name of SVG, which nobody looks up.
  BOOST_TEST(count(page, "://") == count(page, "http://www.w3.org/2000/svg"));
}

BOOST_AUTO_TEST_CASE(names_cannot_leave_the_data) {
  const std::string hostile = "</script><script>alert(1)</script><!--<script>@results@ \u2028\"'&";
  json results_of_others = results();
  results_of_others["name"] = hostile;
  results_of_others["scenario"] = hostile;
  results_of_others["runs"][0]["world"][0]["name"] = hostile;
  results_of_others["runs"][0]["nodes"][0]["name"] = hostile;
  auto& round = results_of_others["runs"][0]["nodes"][0]["rounds"][0];
  round["members"][0]["name"] = hostile;
  round["opinions"][hostile] = round["opinions"]["b"];
  const std::string page = report_html(results_of_others);
  BOOST_TEST(embedded(page).find('<') == std::string::npos);
  BOOST_TEST(count(page, "<script") == count(report_html(results()), "<script"));
  const json shown = json::parse(embedded(page));
  BOOST_TEST(shown["name"] == hostile);
  BOOST_TEST(shown["runs"][0]["nodes"][0]["rounds"][0]["opinions"].contains(hostile));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_and_numbers_that_are_none_still_make_a_page) {
  json odd = results();
  odd["name"] = "caf\xe9";
  auto& round = odd["runs"][0]["nodes"][0]["rounds"][0];
  round["loss"] = std::numeric_limits<double>::quiet_NaN();
  round["opinions"]["b"]["rho"] = std::numeric_limits<double>::infinity();
  const json shown = json::parse(embedded(report_html(odd)));
  BOOST_TEST(shown["name"] == "caf\ufffd");
  BOOST_TEST(shown["runs"][0]["nodes"][0]["rounds"][0]["loss"].is_null());
}

BOOST_AUTO_TEST_CASE(results_without_a_run_make_a_page) {
  json none = results();
  none["runs"] = json::array();
  BOOST_TEST(json::parse(embedded(report_html(none))).value("runs", json::array()).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace report_test
