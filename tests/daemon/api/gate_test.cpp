#include "daemon/api/gate.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <ostream>

namespace gate_test {

using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;
namespace data = boost::unit_test::data;

constexpr const char* kTokens =
    "# whose\nread a-token-that-may-only-look\nadmin a-token-that-may-change-things\n";

Gate guarded() {
  Gate gate;
  gate.hosts = std::vector<std::string>{"kith.example"};
  gate.tokens = parse_tokens(kTokens, "here").hashed();
  return gate;
}

struct Case {
  Caller caller;
  Access access;
  bool foreign;
};
std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << "Host: " << one.caller.host << ", Origin: " << one.caller.origin << ", "
             << one.caller.authorization;
}
const std::string kRead = "Bearer a-token-that-may-only-look",
                  kAdmin = "Bearer a-token-that-may-change-things";
const Case kCases[] = {
    {{.host = "localhost:7780", .authorization = kRead}, Access::read, false},
    {{.host = "LOCALHOST", .authorization = kAdmin}, Access::admin, false},
    {{.host = "127.0.0.1:1", .origin = "http://127.0.0.1:1", .authorization = kAdmin}, Access::admin, false},
    {{.host = "[::1]:7780", .origin = "http://[::1]:7780", .authorization = kRead}, Access::read, false},
    {{.host = "kith.example", .origin = "https://kith.example", .authorization = kRead}, Access::read, false},
    {{.authorization = kRead}, Access::read, false},
    // A page that a name leads to us has served.
    {{.host = "evil.example:7780", .authorization = kAdmin}, Access::none, true},
    {{.host = "localhost.evil.example", .authorization = kAdmin}, Access::none, true},
    {{.host = "127.0.0.1.evil.example", .authorization = kAdmin}, Access::none, true},
    {{.host = "[::1].evil.example", .authorization = kAdmin}, Access::none, true},
    {{.host = "[::1", .authorization = kAdmin}, Access::none, true},
    // Forms and scripts of other pages.
    {{.host = "localhost:1", .origin = "http://localhost:2", .authorization = kAdmin}, Access::none, false},
    {{.host = "localhost:1", .origin = "null", .authorization = kAdmin}, Access::none, false},
    {{.host = "localhost:1", .origin = "http://evil.example", .authorization = kAdmin}, Access::none, false},
    {{.host = "localhost:1", .site = "cross-site", .authorization = kAdmin}, Access::none, false},
    {{.host = "localhost:1", .site = "same-site", .authorization = kAdmin}, Access::none, false},
    {{.host = "localhost:1", .site = "same-origin", .authorization = kAdmin}, Access::admin, false},
    // Tokens.
    {{.host = "localhost"}, Access::none, false},
    {{.host = "localhost", .authorization = "Bearer "}, Access::none, false},
    {{.host = "localhost", .authorization = kAdmin + "x"}, Access::none, false},
    {{.host = "localhost", .authorization = "Basic a-token-that-may-only-look"}, Access::none, false},
};

BOOST_FIXTURE_TEST_SUITE(gate_tests, CryptoReady)

BOOST_DATA_TEST_CASE(who_may_do_what, data::make(kCases), one) {
  const Gate::Verdict verdict = guarded().judge(one.caller);
  BOOST_TEST((verdict.access == one.access));
  BOOST_TEST(verdict.foreign.empty() == !one.foreign);
  if (!one.foreign && one.access == Access::none) BOOST_TEST(!verdict.unknown.empty());
}

BOOST_AUTO_TEST_CASE(without_tokens_other_pages_are_kept_out_all_the_same) {
  const Gate gate;
  BOOST_TEST((gate.judge({}).access == Access::admin));
  BOOST_TEST((gate.judge({.host = "localhost:7780", .origin = "http://localhost:7780"}).access ==
              Access::admin));
  BOOST_TEST((gate.judge({.host = "localhost:7780", .origin = "http://evil.example"}).access ==
              Access::none));
  BOOST_TEST(!gate.judge({.host = "evil.example"}).foreign.empty());
}

BOOST_AUTO_TEST_CASE(tokens_are_made_once_for_their_owner_alone) {
  const test::TemporaryDirectory folder;
  const fs::path file = folder.path() / "api.tokens";
  const TokenFile made = load_or_make_tokens(file);
  BOOST_TEST((fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write)));
  BOOST_TEST_REQUIRE(made.read.size() == 1U);
  BOOST_TEST_REQUIRE(made.admin.size() == 1U);
  BOOST_TEST(made.read != made.admin);
  BOOST_TEST(made.admin.front().size() >= 40U);
  BOOST_TEST(load_or_make_tokens(file).admin == made.admin);
  BOOST_TEST((made.hashed().access_of(made.read.front()) == Access::read));
  fs::permissions(file, fs::perms::group_read, fs::perm_options::add);
  BOOST_CHECK_EXCEPTION((void)load_or_make_tokens(file), Failure,
                        [](const Failure& failure) { return failure.code() == EX_NOPERM; });
}

const char* const kNoTokens[] = {"admin\n", "admin short\n", "root a-token-that-may-only-look\n",
                                 "admin a-token-that-may-only-look more\n",
                                 "admin a-token-with-a-quote-\"-in-it\n"};
BOOST_DATA_TEST_CASE(line_that_is_no_token_is_refused_with_its_number, data::make(kNoTokens), text) {
  BOOST_CHECK_EXCEPTION((void)parse_tokens("# first\n" + std::string(text), "there"), Failure,
                        [](const Failure& failure) {
                          return failure.code() == EX_CONFIG &&
                                 std::string(failure.what()).starts_with("there:2: ");
                        });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gate_test
