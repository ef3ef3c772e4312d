#include "crypto/key_file.hpp"

#include "tests/crypto/bytes.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <variant>

namespace key_file_test {

using namespace kith;
using namespace kith::crypto;
namespace data = boost::unit_test::data;
namespace fs = std::filesystem;

struct Directory {
  test::TemporaryDirectory directory;
  fs::path path = directory.path();
};

struct WithFile : Directory {
  fs::path file = path / "keys";
  NodeKeys keys = create_key_file(file);
};

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
  BOOST_REQUIRE(::chmod(path.c_str(), 0600) == 0);
}

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

bool same(const NodeKeys& a, const NodeKeys& b) {
  return a.identity.id() == b.identity.id() && a.identity.seed() == b.identity.seed() &&
         a.channel.public_key() == b.channel.public_key() &&
         a.channel.secret() == b.channel.secret();
}

// Matches an error that names `path` and holds `hint`.
auto says(const fs::path& path, std::string hint) {
  return [=](const KeyFileError& error) {
    const std::string_view what = error.what();
    BOOST_TEST_MESSAGE(what);
    return what.starts_with(path.string()) && what.find(hint) != std::string_view::npos;
  };
}

bool is_sound(std::string_view text) {
  return std::holds_alternative<NodeKeys>(parse_key_file(as_byte_view(text)));
}

boost::test_tools::assertion_result as_root(boost::unit_test::test_unit_id) {
  return ::geteuid() == 0;
}

Passphrase passphrase(std::string_view text) {
  Passphrase made;
  std::ranges::copy(as_byte_view(text), made.text.data().begin());
  made.size = text.size();
  return made;
}

BOOST_FIXTURE_TEST_SUITE(key_file_tests, WithFile)

BOOST_AUTO_TEST_CASE(keys_come_back_as_they_were_made) {
  BOOST_TEST(same(load_key_file(file), keys));
  BOOST_TEST(!same(create_key_file(path / "others"), keys));
}

BOOST_AUTO_TEST_CASE(only_the_owner_can_open_a_new_file_whatever_the_umask) {
  for (const mode_t mask : {0U, 022U, 077U}) {
    const mode_t before = ::umask(mask);
    const fs::path made = path / std::to_string(mask);
    const NodeKeys ignored = create_key_file(made);
    ::umask(before);
    BOOST_TEST(mode_of(made) == 0600U);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_overwritten) {
  BOOST_CHECK_EXCEPTION((void)create_key_file(file), KeyFileError, says(file, "exists already"));
  BOOST_TEST(same(load_key_file(file), keys));
  fs::create_symlink(path / "nowhere", path / "link");
  BOOST_CHECK_EXCEPTION((void)create_key_file(path / "link"), KeyFileError,
                        says(path / "link", "exists already"));
  BOOST_TEST(!fs::exists(path / "nowhere"));
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_made_says_why) {
  const fs::path impossible = path / "missing" / "keys";
  BOOST_CHECK_EXCEPTION((void)create_key_file(impossible), KeyFileError,
                        says(impossible, "No such file or directory"));
}

BOOST_AUTO_TEST_CASE(a_missing_file_names_the_command_that_makes_it) {
  BOOST_CHECK_EXCEPTION((void)load_key_file(path / "none"), KeyFileError,
                        says(path / "none", "kith init"));
}

BOOST_DATA_TEST_CASE_F(WithFile, a_file_that_others_can_open_is_refused,
                       data::make({0640, 0620, 0610, 0604, 0602, 0601, 0644, 0777}), mode) {
  BOOST_REQUIRE(::chmod(file.c_str(), static_cast<mode_t>(mode)) == 0);
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError,
                        says(file, "run chmod 600 " + file.string()));
}

BOOST_AUTO_TEST_CASE(the_error_shows_the_mode_as_chmod_writes_it) {
  BOOST_REQUIRE(::chmod(file.c_str(), 0644) == 0);
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "(mode 0644)"));
}

BOOST_AUTO_TEST_CASE(a_file_that_even_the_owner_cannot_write_is_good) {
  BOOST_REQUIRE(::chmod(file.c_str(), 0400) == 0);
  BOOST_TEST(same(load_key_file(file), keys));
}

BOOST_AUTO_TEST_CASE(a_link_to_a_key_file_is_good) {
  fs::create_symlink(file, path / "link");
  BOOST_TEST(same(load_key_file(path / "link"), keys));
}

BOOST_AUTO_TEST_CASE(what_is_no_regular_file_is_refused_without_waiting) {
  BOOST_CHECK_EXCEPTION((void)load_key_file(path), KeyFileError, says(path, "not a regular file"));
  const fs::path pipe = path / "pipe";
  BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  BOOST_CHECK_EXCEPTION((void)load_key_file(pipe), KeyFileError, says(pipe, "not a regular file"));
}

BOOST_AUTO_TEST_CASE(a_file_of_another_user_is_refused, *boost::unit_test::precondition(as_root)) {
  BOOST_REQUIRE(::chown(file.c_str(), 12345, 12345) == 0);
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "another user"));
}

BOOST_AUTO_TEST_CASE(a_file_of_root_is_refused_only_if_it_cannot_be_opened,
                     *boost::unit_test::precondition(as_root)) {
  BOOST_REQUIRE(::chmod(path.c_str(), 0711) == 0);
  BOOST_REQUIRE(::seteuid(65534) == 0);
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "Permission denied"));
  BOOST_REQUIRE(::seteuid(0) == 0);
}

BOOST_AUTO_TEST_CASE(a_damaged_file_is_refused) {
  std::string text = contents(file);
  text.back() = ' ';
  write(file, text);
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "damaged"));
  write(file, "");
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "damaged"));
}

BOOST_AUTO_TEST_CASE(a_file_of_a_later_version_is_recognised) {
  write(file, "kith-keys 2\nwhatever that version holds\n");
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "newer version"));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_noticed) {
  const std::string text = contents(file);
  BOOST_TEST(is_sound(text));
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    const Bytes damaged = with_bit_flipped(as_byte_view(text), bit);
    BOOST_TEST(!std::holds_alternative<NodeKeys>(parse_key_file(damaged)), "bit " << bit);
  }
}

BOOST_AUTO_TEST_CASE(every_cut_and_every_addition_is_noticed) {
  const std::string text = contents(file);
  for (std::size_t size = 0; size < text.size(); ++size) {
    BOOST_TEST(!is_sound(std::string_view(text).substr(0, size)), "cut to " << size);
  }
  write(file, text + "\n");
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "damaged"));
  BOOST_TEST(!is_sound(text + text));
}

// --- Sealed with a passphrase --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(sealed_keys_need_the_passphrase_and_opened_ones_do_not) {
  const Passphrase right = passphrase("correct horse");
  replace_key_file(file, keys, &right);
  BOOST_TEST(mode_of(file) == 0600U);
  BOOST_CHECK_EXCEPTION((void)load_key_file(file), KeyFileError, says(file, "sealed"));
  BOOST_TEST(same(load_key_file(file, [] { return passphrase("correct horse"); }), keys));
  for (const char* wrong : {"correct horsE", "correct", "correct horse "}) {
    BOOST_CHECK_EXCEPTION((void)load_key_file(file, [&] { return passphrase(wrong); }),
                          WrongPassphrase, says(file, "another passphrase"));
  }
  replace_key_file(file, keys, nullptr);
  bool asked = false;
  const auto ask = [&] {
    asked = true;
    return passphrase("x");
  };
  BOOST_TEST(same(load_key_file(file, ask), keys));
  BOOST_TEST(!asked);
  BOOST_TEST(std::distance(fs::directory_iterator(path), {}) == 1);
}

BOOST_AUTO_TEST_CASE(the_same_keys_are_never_sealed_alike) {
  const Passphrase word = passphrase("word");
  const SealedKeys one = seal_keys(keys, word), other = seal_keys(keys, word);
  BOOST_TEST((one.salt != other.salt));
  BOOST_TEST((one.nonce != other.nonce));
  BOOST_TEST((one.box != other.box));
}

BOOST_AUTO_TEST_CASE(every_changed_byte_of_a_sealed_file_is_damage) {
  const Passphrase word = passphrase("word");
  replace_key_file(file, keys, &word);
  const std::string good = contents(file);
  BOOST_TEST(is_sealed_key_file(as_byte_view(good)));
  BOOST_TEST(std::holds_alternative<SealedKeys>(parse_sealed_key_file(as_byte_view(good))));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string altered = good;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    BOOST_TEST(!std::holds_alternative<SealedKeys>(parse_sealed_key_file(as_byte_view(altered))),
               "byte " << i);
  }
  BOOST_TEST((std::get<KeyFileFault>(parse_sealed_key_file(as_byte_view("kith-sealed-keys 2\n"))) ==
              KeyFileFault::newer_format));
}

BOOST_AUTO_TEST_CASE(keys_that_cannot_be_replaced_stay_as_they_were) {
  fs::create_directories(path / "keys.tmp" / "in the way");  // of what is written first
  const Passphrase word = passphrase("word");
  BOOST_CHECK_THROW(replace_key_file(file, keys, &word), KeyFileError);
  BOOST_TEST(same(load_key_file(file), keys));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(key_file_format_tests)

// Written once and kept: people have key files.
constexpr std::string_view kStored =
    "kith-keys 1\n"
    "# The secret keys of a Kith node: whoever reads them can pose as it.\n"
    "identity 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n"
    "channel 77076d0a7318a57d3c16c17251b26645db8a4f0b6b9f0b3c2f5b9c0d1e2f3a4b\n"
    "checksum 17a7b0b9ea52eedde23dee5d3e344f7464302b5396e5ee359b278bfa362e0565\n";

BOOST_AUTO_TEST_CASE(a_stored_file_stays_readable) {
  const auto parsed = parse_key_file(as_byte_view(kStored));
  BOOST_REQUIRE(std::holds_alternative<NodeKeys>(parsed));
  const auto& keys = std::get<NodeKeys>(parsed);
  BOOST_TEST(to_hex(keys.identity.id().key) ==
             "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  BOOST_TEST(to_hex(keys.channel.secret().data()) ==
             "77076d0a7318a57d3c16c17251b26645db8a4f0b6b9f0b3c2f5b9c0d1e2f3a4b");
}

BOOST_AUTO_TEST_CASE(only_a_number_after_the_family_name_is_a_version) {
  const auto fault = [](std::string_view text) {
    return std::get<KeyFileFault>(parse_key_file(as_byte_view(text)));
  };
  BOOST_TEST((fault("kith-keys 2\n") == KeyFileFault::newer_format));
  BOOST_TEST((fault("kith-keys 10") == KeyFileFault::newer_format));
  for (const auto* const text : {"", "kith-keys", "kith-keys ", "kith-keys \n", "kith-keys 1\n",
                                 "kith-keys two\n", "kith-keys 2 \n", "Kith-keys 2\n"}) {
    BOOST_TEST((fault(text) == KeyFileFault::damaged), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace key_file_test
