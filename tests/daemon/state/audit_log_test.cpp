#include "daemon/state/audit_log.hpp"

#include "daemon/system/failure.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace audit_log_test {

using namespace kith;
using namespace kith::daemon;

struct Audited : CryptoReady {
  test::TemporaryDirectory folder;
  std::filesystem::path file = folder.path() / "audit.log";

  void write(std::uint64_t count) const {
    AuditLog log(file);
    for (std::uint64_t i = 0; i < count; ++i) log.append("averaged", {{"round", i}});
  }
  std::string text() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& text) const {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  }
  std::vector<std::string> lines() const {
    std::ifstream in(file);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line + "\n");
    return all;
  }
  /// The line that is found wrong; 0 if none is.
  std::uint64_t wrong() const {
    const auto checked = verify_audit_log(file);
    const auto* fault = std::get_if<AuditFault>(&checked);
    return fault != nullptr ? fault->line : 0;
  }
  std::uint64_t entries() const { return std::get<AuditSummary>(verify_audit_log(file)).entries; }
};

BOOST_FIXTURE_TEST_SUITE(audit_log_tests, Audited)

BOOST_AUTO_TEST_CASE(it_goes_on_where_it_ended_and_is_whole) {
  write(3);
  write(2);
  BOOST_TEST(wrong() == 0U);
  BOOST_TEST(entries() == 5U);
  const auto newest = read_audit_log(file, 2);
  BOOST_TEST_REQUIRE(newest.size() == 2U);
  BOOST_TEST(newest.at(1).at("n") == 5);
  BOOST_TEST(newest.at(0).at("round") == 0);
}

BOOST_AUTO_TEST_CASE(every_changed_byte_is_noticed_at_the_line_after_it_at_the_latest) {
  write(4);
  const std::string whole = text();
  const std::size_t last_line = whole.rfind('\n', whole.size() - 2);
  for (std::size_t i = 0; i < last_line; ++i) {
    std::string edited = whole;
    edited[i] = static_cast<char>(edited[i] ^ 1);
    put(edited);
    BOOST_TEST(wrong() != 0U, "byte " << i);
  }
}

BOOST_AUTO_TEST_CASE(a_removed_a_moved_and_an_added_line_are_noticed) {
  write(4);
  const auto whole = lines();
  put(whole[0] + whole[2] + whole[3]);
  BOOST_TEST(wrong() == 2U);
  put(whole[0] + whole[2] + whole[1] + whole[3]);
  BOOST_TEST(wrong() == 2U);
  put(whole[0] + whole[1] + whole[1] + whole[2]);
  BOOST_TEST(wrong() == 3U);
  put(whole[1] + whole[2]);
  BOOST_TEST(wrong() == 1U);
  put(whole[0] + "{}\n");
  BOOST_TEST(wrong() == 2U);
}

BOOST_AUTO_TEST_CASE(what_a_power_cut_left_of_a_line_is_cut_off_and_that_is_recorded) {
  write(3);
  const std::string whole = text();
  for (std::size_t cut = 1; cut < 100; cut += 7) {
    put(whole.substr(0, whole.size() - cut));
    BOOST_TEST(wrong() == 3U);
    write(1);
    BOOST_TEST(wrong() == 0U);
    BOOST_TEST(entries() == 4U);
    BOOST_TEST(read_audit_log(file, 2).at(0).at("event") == "cut_short");
  }
  put(whole.substr(0, 10));  // not even one
  write(1);
  BOOST_TEST(entries() == 2U);
}

BOOST_AUTO_TEST_CASE(a_log_whose_end_was_edited_is_not_gone_on_with) {
  write(2);
  const auto whole = lines();
  put(whole[0] + "hello\n");
  BOOST_CHECK_EXCEPTION(write(1), Failure,
                        [](const Failure& failure) { return failure.code() == EX_DATAERR; });
  BOOST_TEST(text() == whole[0] + "hello\n");
}

BOOST_AUTO_TEST_CASE(text_that_is_not_utf8_does_not_break_it) {
  AuditLog(file).append("refused", {{"why", "\xff\n"}});
  BOOST_TEST(wrong() == 0U);
  BOOST_TEST(lines().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_said_so) {
  BOOST_CHECK_EXCEPTION((void)verify_audit_log(file), Failure,
                        [](const Failure& failure) { return failure.code() == EX_NOINPUT; });
}

BOOST_AUTO_TEST_CASE(chain_goes_on_unbroken_from_file_to_file_and_old_ones_may_be_moved_away) {
  constexpr std::uint64_t kMost = 500;  // bytes
  const auto append = [&](std::uint64_t count) {
    AuditLog log(file, kMost);
    for (std::uint64_t i = 0; i < count; ++i) log.append("averaged", {{"round", i}});
    return log.entries();
  };
  (void)append(20);
  const std::uint64_t all = append(20);
  std::vector<std::filesystem::path> aside;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path() != file) aside.push_back(entry.path());
  }
  std::ranges::sort(aside);
  BOOST_TEST_REQUIRE(aside.size() > 4U);
  BOOST_TEST(std::filesystem::file_size(aside.front()) < 2 * kMost);
  BOOST_TEST(entries() == all);
  BOOST_TEST(all == 40U + aside.size());
  BOOST_TEST(read_audit_log(file, 30).front().at("n") == all - 29);

  // A power cut between the two: the next file goes on.
  std::filesystem::remove(file);
  const auto rest = std::get<AuditSummary>(verify_audit_log(aside.back())).entries;
  BOOST_TEST(append(1) == rest + 2);
  BOOST_TEST(wrong() == 0U);

  std::filesystem::remove(aside.front());
  const auto later = std::get<AuditSummary>(verify_audit_log(file));
  BOOST_TEST(later.entries == rest + 2);
  BOOST_TEST(later.first > 1U);
  std::filesystem::remove(aside.at(2));
  const auto broken = verify_audit_log(file);
  BOOST_TEST_REQUIRE(std::holds_alternative<AuditFault>(broken));
  BOOST_TEST(std::get<AuditFault>(broken).file == aside.at(3));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace audit_log_test
