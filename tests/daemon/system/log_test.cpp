#include "daemon/system/log.hpp"

#include "crypto/secret.hpp"

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

namespace log_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;

// 2026-01-01T12:00:00.123Z
constexpr std::chrono::system_clock::time_point kNoon{1'767'268'800'123ms};

std::string line(log::Format format, log::Fields fields) {
  return log::format_line(format, kNoon, log::Level::info, "round_finished", fields);
}
std::string text(log::Fields fields) { return line(log::Format::text, fields); }
nlohmann::json json(log::Fields fields) {
  return nlohmann::json::parse(line(log::Format::json, fields));
}

template <class T>
concept Loggable = std::is_constructible_v<log::Field, std::string_view, T>;
static_assert(Loggable<int> && Loggable<bool> && Loggable<float> && Loggable<const char*> &&
              Loggable<std::string>);
static_assert(!Loggable<crypto::Secret<32>> && !Loggable<const crypto::Secret<32>&> &&
              !Loggable<ByteView> && !Loggable<void*>);

struct Captured {
  std::ostringstream out;
  ~Captured() { log::configure(log::Level::info, log::Format::text); }
};

BOOST_AUTO_TEST_SUITE(log_tests)

BOOST_AUTO_TEST_CASE(text_lines_have_time_level_event_and_fields) {
  BOOST_TEST(text({{"round", 3}, {"accuracy", 0.71}, {"peer", "ward-b"}, {"served", true}}) ==
             "2026-01-01T12:00:00.123Z INFO  round_finished round=3 accuracy=0.71 peer=ward-b "
             "served=true");
}

BOOST_AUTO_TEST_CASE(json_lines_keep_the_types) {
  const auto object = json({{"round", 3U}, {"loss", -0.5}, {"peer", "b"}, {"served", false}});
  BOOST_TEST(object["time"] == "2026-01-01T12:00:00.123Z");
  BOOST_TEST(object["level"] == "info");
  BOOST_TEST(object["event"] == "round_finished");
  BOOST_TEST(object["round"] == 3U);
  BOOST_TEST(object["loss"] == -0.5);
  BOOST_TEST(object["peer"] == "b");
  BOOST_TEST(object["served"] == false);
}

BOOST_AUTO_TEST_CASE(the_largest_and_smallest_numbers_survive) {
  BOOST_TEST(text({{"n", UINT64_MAX}}).ends_with("n=18446744073709551615"));
  BOOST_TEST(text({{"n", INT64_MIN}}).ends_with("n=-9223372036854775808"));
}

BOOST_AUTO_TEST_CASE(a_peer_cannot_forge_a_line_or_a_field) {
  const std::string forged =
      "x\n2026-01-01T12:00:00.123Z ERROR keys_lost\r\x1b[2J\x7f\xff a=b \"q\" \xe2\x80\xae";
  const std::string shown = text({{"agent", forged}});
  for (const char c : shown) BOOST_TEST((c >= ' ' && c <= '~'));
  BOOST_TEST(shown.ends_with(R"( agent="x\n2026-01-01T12:00:00.123Z ERROR keys_lost\r\u001b[2J)"
                             R"(\u007f\ufffd a=b \"q\" \u202e")"));
  const std::string object = line(log::Format::json, {{"agent", forged}});
  for (const char c : object) BOOST_TEST((c >= ' ' && c <= '~'));
  BOOST_TEST(nlohmann::json::accept(object));
}

BOOST_AUTO_TEST_CASE(empty_and_spaced_texts_are_quoted) {
  BOOST_TEST(text({{"a", ""}, {"b", "x y"}, {"c", "p=q"}}).ends_with(R"(a="" b="x y" c="p=q")"));
}

BOOST_AUTO_TEST_CASE(what_is_not_a_number_is_still_json) {
  BOOST_TEST(json({{"loss", std::numeric_limits<double>::quiet_NaN()}})["loss"].is_null());
}

BOOST_AUTO_TEST_CASE(lines_below_the_level_are_not_written) {
  Captured captured;
  log::configure(log::Level::warn, log::Format::text, captured.out);
  log::debug("a");
  log::info("b");
  log::warn("c");
  log::set_level(log::Level::debug);
  log::debug("d");
  const std::string out = captured.out.str();
  BOOST_TEST(out.find(" a\n") == std::string::npos);
  BOOST_TEST(out.find(" b\n") == std::string::npos);
  BOOST_TEST(out.find("WARN  c\n") != std::string::npos);
  BOOST_TEST(out.find("DEBUG d\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(lines_of_several_threads_do_not_mix) {
  Captured captured;
  log::configure(log::Level::info, log::Format::json, captured.out);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) log::info("tick", {{"thread", t}, {"i", i}});
    });
  }
  for (auto& thread : threads) thread.join();
  std::istringstream in(captured.out.str());
  int lines = 0;
  for (std::string each; std::getline(in, each); ++lines) {
    BOOST_TEST(nlohmann::json::accept(each));
  }
  BOOST_TEST(lines == 800);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace log_test
