#include "daemon/system/console.hpp"

#include <boost/test/unit_test.hpp>

#include <sstream>

namespace console_test {

using namespace kith::daemon;
using namespace std::chrono_literals;

const Terminal kPipe{};
const Terminal kScreen{.interactive = true, .colour = true, .columns = 10, .rows = 4};
const LiveBlock::Instant kStart{1000s};

BOOST_AUTO_TEST_SUITE(console_tests)

BOOST_AUTO_TEST_CASE(colours_only_where_the_terminal_has_them) {
  BOOST_TEST(kPipe.paint(Style::red, "no") == "no");
  BOOST_TEST(kScreen.paint(Style::red, "no") == "\x1b[31mno\x1b[0m");
  BOOST_TEST(kScreen.paint(Style::plain, "no") == "no");
}

BOOST_AUTO_TEST_CASE(a_live_block_is_redrawn_in_place) {
  std::ostringstream out;
  LiveBlock block(out, kScreen);
  block.show({"a", "b"}, kStart);
  BOOST_TEST(out.str() == "\ra\x1b[K\n\rb\x1b[K\n\x1b[J");
  out.str("");
  block.show({"c"}, kStart);
  BOOST_TEST(out.str() == "\x1b[2A\rc\x1b[K\n\x1b[J");
  out.str("");
  block.finish({"d"});
  BOOST_TEST(out.str() == "\x1b[1A\rd\x1b[K\n\x1b[J");
  out.str("");
  block.show({"e"}, kStart);  // below, not over it
  BOOST_TEST(out.str() == "\re\x1b[K\n\x1b[J");
}

BOOST_AUTO_TEST_CASE(a_live_block_never_wraps_or_scrolls) {
  std::ostringstream out;
  LiveBlock block(out, kScreen);
  block.show({"0123456789", "0123456789+", kScreen.paint(Style::red, "åäö3456789+"), "4", "5"},
             kStart);
  BOOST_TEST(out.str() ==
             "\r0123456789\x1b[K\n\r012345678…\x1b[K\n\r\x1b[31måäö345678…\x1b[0m\x1b[K\n\x1b[J");
}

BOOST_AUTO_TEST_CASE(elsewhere_the_lines_come_now_and_then) {
  std::ostringstream out;
  LiveBlock block(out, kPipe, 10s);
  block.show({"first"}, kStart);
  block.show({"too soon"}, kStart + 9999ms);
  block.show({"in time"}, kStart + 10s);
  block.finish({"last"});
  BOOST_TEST(out.str() == "first\nin time\nlast\n");
}

BOOST_AUTO_TEST_CASE(table_columns_are_as_wide_as_they_look) {
  Table table({Table::Align::left, Table::Align::right});
  table.add({"name", "score"});
  table.add({"Malmö", kScreen.paint(Style::green, "0.9")});
  table.add({"x", ""});
  const auto lines = table.lines();
  BOOST_TEST_REQUIRE(lines.size() == 3U);
  BOOST_TEST(lines[0] == "name   score");
  BOOST_TEST(lines[1] == "Malmö    \x1b[32m0.9\x1b[0m");
  BOOST_TEST(lines[2] == "x");
}

BOOST_AUTO_TEST_CASE(width_counts_characters_and_not_colours) {
  BOOST_TEST(display_width("") == 0U);
  BOOST_TEST(display_width("Malmö") == 5U);
  BOOST_TEST(display_width("\x1b[1mMalmö\x1b[0m") == 5U);
  BOOST_TEST(display_width("\x1b[1") == 0U);        // cut short
  BOOST_TEST(display_width("\xff\x80\x80") == 1U);  // not UTF-8
}

BOOST_AUTO_TEST_CASE(bytes_are_readable) {
  BOOST_TEST(human_bytes(0) == "0 B");
  BOOST_TEST(human_bytes(1023) == "1023 B");
  BOOST_TEST(human_bytes(1536) == "1.5 KiB");
  BOOST_TEST(human_bytes((1 << 20) - 1) == "1.0 MiB");  // not 1024.0 KiB
  BOOST_TEST(human_bytes(UINT64_MAX) == "16.0 EiB");
}

BOOST_AUTO_TEST_CASE(durations_are_readable) {
  BOOST_TEST(human_duration(0ms) == "0 ms");
  BOOST_TEST(human_duration(999ms) == "999 ms");
  BOOST_TEST(human_duration(2500ms) == "2.5 s");
  BOOST_TEST(human_duration(59'949ms) == "59.9 s");
  BOOST_TEST(human_duration(59'950ms) == "1 min 00 s");
  BOOST_TEST(human_duration(125s) == "2 min 05 s");
  BOOST_TEST(human_duration(3599'600ms) == "1 h 00 min");
  BOOST_TEST(human_duration(26h) == "1 d 02 h");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace console_test
