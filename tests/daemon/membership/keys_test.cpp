#include "daemon/membership/keys.hpp"

#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "net/limits.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <string_view>

namespace keys_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Keys : CryptoReady {
  test::TemporaryDirectory folder;
  KeyFiles files{folder.path() / "node.key", folder.path() / "channel.key",
                 folder.path() / "node.card"};
  crypto::Identity node = make_keys(files);
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();

  [[nodiscard]] NodeKeys load() const { return load_channel_keys(files.channel); }
  static int code_of(const std::function<void()>& action) {
    try {
      action();
      return 0;
    } catch (const Failure& failure) {
      return failure.code();
    }
  }
};

BOOST_FIXTURE_TEST_SUITE(keys_tests, Keys)

BOOST_AUTO_TEST_CASE(two_keys_in_two_files_are_of_one_node) {
  BOOST_TEST((load().id == node.id()));
  BOOST_TEST((load_node_key(files.node).id() == node.id()));
  BOOST_TEST(code_of([&] { (void)load_node_key(files.channel); }) != 0);
  BOOST_TEST(code_of([&] { (void)load_channel_keys(files.node); }) != 0);
  const auto channel = load().channel.public_key();
  BOOST_TEST((make_keys(files).id() == node.id()));  // what is there stays
  BOOST_TEST((load().channel.public_key() == channel));
}

BOOST_AUTO_TEST_CASE(channel_key_without_its_node_key_is_not_given_to_another_node) {
  fs::remove(files.node);
  BOOST_TEST(code_of([&] { (void)make_keys(files); }) == EX_NOINPUT);
  BOOST_TEST(!fs::exists(files.node));
}

BOOST_AUTO_TEST_CASE(key_file_is_sealed_and_opened_as_what_it_holds_wherever_it_lies) {
  const fs::path stick = folder.path() / "stick";
  fs::rename(files.node, stick);
  crypto::Passphrase passphrase;
  for (const char letter : std::string_view("correct horse")) {
    passphrase.text.data()[passphrase.size++] = static_cast<std::byte>(letter);
  }
  seal_key_file(stick, &passphrase);
  seal_key_file(files.channel, &passphrase);
  for (const fs::path& file : {stick, files.channel}) {
    BOOST_TEST(read_text(file, 1 << 10).starts_with("kith-sealed"), file.string());
  }
  const fs::path word = folder.path() / "word";
  write_whole(word, as_byte_view("correct horse\n"));
  ::setenv("KITH_PASSPHRASE_FILE", word.c_str(), 1);
  seal_key_file(stick, nullptr);
  seal_key_file(files.channel, nullptr);
  ::unsetenv("KITH_PASSPHRASE_FILE");
  BOOST_TEST((load_node_key(stick).id() == node.id()));
  BOOST_TEST((load().id == node.id()));
}

BOOST_AUTO_TEST_CASE(former_key_is_kept_for_the_overlap_and_then_removed) {
  const auto before = load().channel.public_key();
  renew_channel_key(files.channel);
  const NodeKeys keys = load();
  BOOST_TEST((keys.id == node.id()));
  BOOST_TEST((keys.channel.public_key() != before));
  BOOST_TEST_REQUIRE(keys.former.has_value());
  BOOST_TEST((keys.former->public_key() == before));
  const fs::path former = former_key(files.channel);
  fs::last_write_time(former, fs::last_write_time(former) - net::limits::kKeyOverlap - 1min);
  BOOST_TEST(!load().former.has_value());
  BOOST_TEST(!fs::exists(former));
}

BOOST_AUTO_TEST_CASE(former_key_that_is_damaged_or_anothers_keeps_no_node_from_its_work) {
  renew_channel_key(files.channel);
  const fs::path former = former_key(files.channel);
  fs::remove(former);
  crypto::create_key_file(former, crypto::StoredKey::of(crypto::Identity::generate().id(),
                                                        crypto::ChannelKey::generate()));
  BOOST_TEST(!load().former.has_value());
  fs::copy_file(files.channel, former, fs::copy_options::overwrite_existing);  // cut short
  BOOST_TEST(!load().former.has_value());
  fs::resize_file(former, 20);
  BOOST_TEST(!load().former.has_value());
}

BOOST_AUTO_TEST_CASE(card_names_the_channel_key_and_outbids_the_one_before) {
  const net::Hash founded = crypto::hash(as_byte_view("founded"));
  BOOST_TEST(!load_card(files.card).has_value());
  const auto card = write_card(files, node, {"a", {"host:7700"}}, founded, now);
  BOOST_TEST(net::is_sound(card));
  BOOST_TEST((card.channel == load().channel.public_key()));
  BOOST_TEST((load_card(files.card).value() == card));
  const auto later = write_card(files, node, {"a", {}}, founded, now, card.issued + 100);
  BOOST_TEST(later.issued == card.issued + 101);
  BOOST_TEST(net::supersedes(later, card));
}

BOOST_AUTO_TEST_CASE(card_is_made_of_no_name_no_address_and_no_two_nodes_keys) {
  const auto refuses = [&](const crypto::Identity& by, const CardDraft& draft) {
    return code_of([&] { (void)write_card(files, by, draft, {}, now); }) == EX_USAGE;
  };
  BOOST_TEST(refuses(node, {"", {}}));
  BOOST_TEST(refuses(node, {"\xe2\x80\x8b", {}}));
  BOOST_TEST(refuses(node, {"a", {"no port"}}));
  BOOST_TEST(refuses(crypto::Identity::generate(), {"a", {}}));
  BOOST_TEST(!fs::exists(files.card));
}

BOOST_AUTO_TEST_CASE(card_that_is_cut_or_altered_is_refused_in_one_sentence) {
  (void)write_card(files, node, {"a", {}}, {}, now);
  std::string text = read_text(files.card, 1 << 16);
  for (const auto& wrong :
       {std::string(), text.substr(0, text.size() / 2), "kith-card-1-" + text.substr(12),
        "kith-card-9-" + text.substr(12), std::string(4000, 'x')}) {
    write_whole(files.card, as_byte_view(wrong));
    BOOST_TEST(code_of([&] { (void)load_card(files.card); }) == EX_DATAERR);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace keys_test
