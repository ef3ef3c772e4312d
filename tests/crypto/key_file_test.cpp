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

/// Makes a new channel key, and its file.
StoredKey create(const fs::path& file) {
  StoredKey key = StoredKey::of(Identity::generate().id(), ChannelKey::generate());
  create_key_file(file, key);
  return key;
}

StoredKey load(const fs::path& file, const AskPassphrase& ask = {}) {
  return load_key_file(file, KeyKind::channel, ask);
}

struct WithFile : Directory {
  fs::path file = path / "key";
  StoredKey keys = create(file);
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

bool same(const StoredKey& a, const StoredKey& b) {
  return a.kind == b.kind && a.node == b.node && a.seed == b.seed;
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
  return std::holds_alternative<StoredKey>(parse_key_file(as_byte_view(text)));
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
  BOOST_TEST(same(load(file), keys));
  BOOST_TEST(!same(create(path / "others"), keys));
}

BOOST_AUTO_TEST_CASE(only_the_owner_can_open_a_new_file_whatever_the_umask) {
  for (const mode_t mask : {0U, 022U, 077U}) {
    const mode_t before = ::umask(mask);
    const fs::path made = path / std::to_string(mask);
    create_key_file(made, keys);
    ::umask(before);
    BOOST_TEST(mode_of(made) == 0600U);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_overwritten) {
  BOOST_CHECK_EXCEPTION(create_key_file(file, keys), KeyFileError, says(file, "exists already"));
  BOOST_TEST(same(load(file), keys));
  fs::create_symlink(path / "nowhere", path / "link");
  BOOST_CHECK_EXCEPTION(create_key_file(path / "link", keys), KeyFileError,
                        says(path / "link", "exists already"));
  BOOST_TEST(!fs::exists(path / "nowhere"));
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_made_says_why) {
  const fs::path impossible = path / "missing" / "keys";
  BOOST_CHECK_EXCEPTION(create_key_file(impossible, keys), KeyFileError,
                        says(impossible, "No such file or directory"));
}

BOOST_AUTO_TEST_CASE(a_missing_file_names_the_command_that_makes_it) {
  BOOST_CHECK_EXCEPTION((void)load(path / "none"), KeyFileError,
                        says(path / "none", "kith init"));
}

BOOST_DATA_TEST_CASE_F(WithFile, a_file_that_others_can_open_is_refused,
                       data::make({0640, 0620, 0610, 0604, 0602, 0601, 0644, 0777}), mode) {
  BOOST_REQUIRE(::chmod(file.c_str(), static_cast<mode_t>(mode)) == 0);
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError,
                        says(file, "run chmod 600 " + file.string()));
}

BOOST_AUTO_TEST_CASE(the_error_shows_the_mode_as_chmod_writes_it) {
  BOOST_REQUIRE(::chmod(file.c_str(), 0644) == 0);
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "(mode 0644)"));
}

BOOST_AUTO_TEST_CASE(a_file_that_even_the_owner_cannot_write_is_good) {
  BOOST_REQUIRE(::chmod(file.c_str(), 0400) == 0);
  BOOST_TEST(same(load(file), keys));
}

BOOST_AUTO_TEST_CASE(a_link_to_a_key_file_is_good) {
  fs::create_symlink(file, path / "link");
  BOOST_TEST(same(load(path / "link"), keys));
}

BOOST_AUTO_TEST_CASE(what_is_no_regular_file_is_refused_without_waiting) {
  BOOST_CHECK_EXCEPTION((void)load(path), KeyFileError, says(path, "not a regular file"));
  const fs::path pipe = path / "pipe";
  BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  BOOST_CHECK_EXCEPTION((void)load(pipe), KeyFileError, says(pipe, "not a regular file"));
}

BOOST_AUTO_TEST_CASE(a_file_of_another_user_is_refused, *boost::unit_test::precondition(as_root)) {
  BOOST_REQUIRE(::chown(file.c_str(), 12345, 12345) == 0);
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "another user"));
}

BOOST_AUTO_TEST_CASE(a_file_of_root_is_refused_only_if_it_cannot_be_opened,
                     *boost::unit_test::precondition(as_root)) {
  BOOST_REQUIRE(::chmod(path.c_str(), 0711) == 0);
  BOOST_REQUIRE(::seteuid(65534) == 0);
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "Permission denied"));
  BOOST_REQUIRE(::seteuid(0) == 0);
}

BOOST_AUTO_TEST_CASE(a_damaged_file_is_refused) {
  std::string text = contents(file);
  text.back() = ' ';
  write(file, text);
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "damaged"));
  write(file, "");
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "damaged"));
}

BOOST_AUTO_TEST_CASE(a_file_of_a_later_version_is_recognised) {
  write(file, "kith-channel-key 3\nwhatever that version holds\n");
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "newer version"));
}

BOOST_AUTO_TEST_CASE(a_file_of_kith_0_1_is_recognised) {
  for (const char* text : {"kith-keys 1\n# of before\n", "kith-sealed-keys 1\n# of before\n"}) {
    write(file, text);
    BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "Kith 0.1"));
  }
}

BOOST_AUTO_TEST_CASE(the_other_kind_of_key_is_not_taken_for_this_one) {
  const Identity identity = Identity::generate();
  create_key_file(path / "node", StoredKey::of(identity));
  BOOST_CHECK_EXCEPTION((void)load(path / "node"), KeyFileError, says(path / "node", "node key"));
  const StoredKey loaded = load_key_file(path / "node", KeyKind::node);
  BOOST_TEST((loaded.identity().id() == identity.id()));
  BOOST_TEST((keys.channel().public_key() == load(file).channel().public_key()));
}

BOOST_AUTO_TEST_CASE(a_node_key_file_cannot_name_another_node) {
  StoredKey key = StoredKey::of(Identity::generate());
  key.node = Identity::generate().id();
  create_key_file(path / "node", key);
  BOOST_CHECK_EXCEPTION((void)load_key_file(path / "node", KeyKind::node), KeyFileError,
                        says(path / "node", "damaged"));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_noticed) {
  const std::string text = contents(file);
  BOOST_TEST(is_sound(text));
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    const Bytes damaged = with_bit_flipped(as_byte_view(text), bit);
    BOOST_TEST(!std::holds_alternative<StoredKey>(parse_key_file(damaged)), "bit " << bit);
  }
}

BOOST_AUTO_TEST_CASE(every_cut_and_every_addition_is_noticed) {
  const std::string text = contents(file);
  for (std::size_t size = 0; size < text.size(); ++size) {
    BOOST_TEST(!is_sound(std::string_view(text).substr(0, size)), "cut to " << size);
  }
  write(file, text + "\n");
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "damaged"));
  BOOST_TEST(!is_sound(text + text));
}

// --- Sealed with a passphrase --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(sealed_keys_need_the_passphrase_and_opened_ones_do_not) {
  const Passphrase right = passphrase("correct horse");
  replace_key_file(file, keys, &right);
  BOOST_TEST(mode_of(file) == 0600U);
  BOOST_CHECK_EXCEPTION((void)load(file), KeyFileError, says(file, "sealed"));
  BOOST_TEST(same(load(file, [] { return passphrase("correct horse"); }), keys));
  for (const char* wrong : {"correct horsE", "correct", "correct horse "}) {
    BOOST_CHECK_EXCEPTION((void)load(file, [&] { return passphrase(wrong); }),
                          WrongPassphrase, says(file, "another passphrase"));
  }
  // As secrets are mounted: its group may read it, and nobody else.
  BOOST_REQUIRE(::chmod(file.c_str(), 0440) == 0);
  BOOST_TEST(same(load(file, [] { return passphrase("correct horse"); }), keys));
  BOOST_REQUIRE(::chmod(file.c_str(), 0444) == 0);
  BOOST_CHECK_EXCEPTION((void)load(file, [] { return passphrase("correct horse"); }), KeyFileError,
                        says(file, "open to others"));
  replace_key_file(file, keys, nullptr);
  bool asked = false;
  const auto ask = [&] {
    asked = true;
    return passphrase("x");
  };
  BOOST_TEST(same(load(file, ask), keys));
  BOOST_TEST(!asked);
  BOOST_TEST(std::distance(fs::directory_iterator(path), {}) == 1);
}

BOOST_AUTO_TEST_CASE(the_same_keys_are_never_sealed_alike) {
  const Passphrase word = passphrase("word");
  const SealedKey one = seal_key(keys, word), other = seal_key(keys, word);
  BOOST_TEST((one.salt != other.salt));
  BOOST_TEST((one.nonce != other.nonce));
  BOOST_TEST((one.box != other.box));
}

BOOST_AUTO_TEST_CASE(every_changed_byte_of_a_sealed_file_is_damage) {
  const Passphrase word = passphrase("word");
  replace_key_file(file, keys, &word);
  const std::string good = contents(file);
  BOOST_TEST(is_sealed_key_file(as_byte_view(good)));
  BOOST_TEST(std::holds_alternative<SealedKey>(parse_sealed_key_file(as_byte_view(good))));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string altered = good;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    BOOST_TEST(!std::holds_alternative<SealedKey>(parse_sealed_key_file(as_byte_view(altered))),
               "byte " << i);
  }
  BOOST_TEST((std::get<KeyFileFault>(parse_sealed_key_file(as_byte_view("kith-sealed-key 3\n"))) ==
              KeyFileFault::newer_format));
}

BOOST_AUTO_TEST_CASE(keys_that_cannot_be_replaced_stay_as_they_were) {
  fs::create_directories(path / "key.tmp" / "in the way");  // of what is written first
  const Passphrase word = passphrase("word");
  BOOST_CHECK_THROW(replace_key_file(file, keys, &word), KeyFileError);
  BOOST_TEST(same(load(file), keys));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(key_file_format_tests)

// Written once and kept: people have key files.
constexpr std::string_view kStored =
    "kith-channel-key 2\n"
    "# The secret channel key that this node runs with; kith key renew puts another in its place.\n"
    "node d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n"
    "seed 77076d0a7318a57d3c16c17251b26645db8a4f0b6b9f0b3c2f5b9c0d1e2f3a4b\n"
    "checksum c1d545db42a0c9fb2226dd4ced80f757784497ea0ce46919c1d24241ee17c1e6\n";

BOOST_AUTO_TEST_CASE(a_stored_file_stays_readable) {
  const auto parsed = parse_key_file(as_byte_view(kStored));
  BOOST_REQUIRE(std::holds_alternative<StoredKey>(parsed));
  const auto& key = std::get<StoredKey>(parsed);
  BOOST_TEST(to_hex(key.node.key) ==
             "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  BOOST_TEST(to_hex(key.seed.data()) ==
             "77076d0a7318a57d3c16c17251b26645db8a4f0b6b9f0b3c2f5b9c0d1e2f3a4b");
  BOOST_TEST(to_hex(key.channel().public_key().key) == "961d0f471e0dfea5325075d2e03e39eb03814498fb81922857dff55e7e6e8d78");
  BOOST_TEST(to_hex(key.channel().dh().public_key()) == "ecbc7bc9b48859453f30b3957f7d64d093034266597f643293315cddb7fc082d");
}

BOOST_AUTO_TEST_CASE(only_a_number_after_the_family_name_is_a_version) {
  const auto fault = [](std::string_view text) {
    return std::get<KeyFileFault>(parse_key_file(as_byte_view(text)));
  };
  BOOST_TEST((fault("kith-node-key 3\n") == KeyFileFault::newer_format));
  BOOST_TEST((fault("kith-channel-key 10") == KeyFileFault::newer_format));
  for (const auto* const text :
       {"", "kith-node-key", "kith-node-key ", "kith-node-key \n", "kith-node-key 2\n",
        "kith-node-key two\n", "kith-node-key 3 \n", "Kith-node-key 3\n"}) {
    BOOST_TEST((fault(text) == KeyFileFault::damaged), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace key_file_test
