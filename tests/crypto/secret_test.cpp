#include "crypto/secret.hpp"

#include "crypto/init.hpp"

#include "tests/crypto/bytes.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <ostream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <type_traits>
#include <unistd.h>
#include <utility>

namespace secret_test {

using namespace kith;
using crypto::Secret;

static_assert(!std::is_copy_constructible_v<Secret<32>> && !std::is_copy_assignable_v<Secret<32>>);
static_assert(std::is_nothrow_move_constructible_v<Secret<32>>);
template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(!Printable<Secret<32>>);

// Whether a process that touches `*address` dies of it.
bool is_out_of_bounds(const volatile std::byte* address) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);  // no reports by a sanitizer or the test framework
    std::signal(SIGBUS, SIG_DFL);
    [[maybe_unused]] const std::byte touched = *address;
    ::_exit(0);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status);
}

BOOST_AUTO_TEST_SUITE(secret_tests)

BOOST_AUTO_TEST_CASE(begins_as_zeros) {
  const Secret<48> secret;
  BOOST_TEST((bytes(secret.data()) == Bytes(48)));
}

BOOST_AUTO_TEST_CASE(random_secrets_differ) {
  const auto a = Secret<32>::random(), b = Secret<32>::random();
  BOOST_TEST(!(a == b));
  BOOST_TEST(!(a == Secret<32>()));
}

BOOST_AUTO_TEST_CASE(an_explicit_copy_is_equal_and_separate) {
  const auto original = Secret<32>::random();
  Secret<32> copy(original.data());
  BOOST_TEST((copy == original));
  copy.data()[31] ^= std::byte{1};
  BOOST_TEST(!(copy == original));
}

BOOST_AUTO_TEST_CASE(one_that_was_moved_from_holds_nothing) {
  auto secret = Secret<32>::random();
  const Bytes value = bytes(secret.data());
  const Secret<32> owner = std::move(secret);
  BOOST_TEST(secret.empty());
  BOOST_TEST((bytes(owner.data()) == value));
}

BOOST_AUTO_TEST_CASE(its_memory_is_gone_when_it_is_destroyed) {
  const std::byte* where = nullptr;
  {
    const auto secret = Secret<32>::random();
    where = secret.data().data();
    BOOST_TEST(!is_out_of_bounds(where));
  }
  BOOST_TEST(is_out_of_bounds(where));
}

BOOST_AUTO_TEST_CASE(its_memory_is_gone_when_it_is_assigned_to) {
  auto secret = Secret<32>::random();
  const std::byte* const where = secret.data().data();
  secret = Secret<32>::random();
  BOOST_TEST((secret.data().data() != where));
  BOOST_TEST(is_out_of_bounds(where));
}

BOOST_AUTO_TEST_CASE(reading_past_the_end_is_fatal) {
  const Secret<32> secret;
  BOOST_TEST(!is_out_of_bounds(secret.data().data() + 31));
  BOOST_TEST(is_out_of_bounds(secret.data().data() + 32));
}

// The sanitizers' mlock() does nothing, and well.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLocks = false;
#else
constexpr bool kLocks = true;
#endif

BOOST_AUTO_TEST_CASE(secret_that_cannot_be_locked_works_and_is_told_of_once,
                     *boost::unit_test::enable_if<kLocks>()) {
  const pid_t child = ::fork();
  if (child == 0) {
    static int told = 0;
    constexpr uid_t kNobody = 65534;
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) ::_exit(2);
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(3);  // root may lock
    crypto::on_unlocked_memory([] { ++told; });
    const auto one = Secret<32>::random(), two = Secret<32>::random();
    ::_exit(told == 1 && !(one == two) ? 0 : 1);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(nothing_is_told_of_secrets_that_are_locked) {
  const pid_t child = ::fork();
  if (child == 0) {
    static int told = 0;
    crypto::on_unlocked_memory([] { ++told; });
    const auto secret = Secret<32>::random();
    ::_exit(told == 0 ? 0 : 1);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace secret_test
