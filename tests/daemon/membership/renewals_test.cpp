#include "daemon/membership/renewals.hpp"

#include "daemon/membership/charter_file.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/keys.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

namespace renewals_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// A node that has founded a consortium, and its keys.
struct Home : CryptoReady {
  test::TemporaryDirectory folder;
  Config config;
  crypto::NodeKeys keys;
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();

  Home() : keys(made()) {
    net::Member self;
    self.id = keys.identity.id();
    self.channel = keys.channel.public_key();
    self.name = "ward";
    self.addresses = {"ward:7700"};
    config.node.keys = folder / "node.keys";
    config.consortium.charter = folder / "charter.kith";
    found_consortium(config.consortium.charter, "study", self, keys.identity, config.node.keys,
                     now);
  }
  crypto::NodeKeys made() const { return crypto::create_key_file(folder / "node.keys"); }
  fs::path file() const { return renewals_file(config.consortium.charter); }
  net::Charter charter() const { return load_charter(config.consortium.charter).newest().charter; }
  /// As the node does when it starts.
  std::vector<net::Renewal> start(std::chrono::seconds later = 0s) {
    AuditLog audit(folder / "audit.log");
    return renew_node(config, keys, audit, now + later);
  }
  void renew() {
    (void)renew_keys(config.node.keys);
    keys = load_keys(config.node.keys);
  }
};

BOOST_FIXTURE_TEST_SUITE(renewals_tests, Home)

BOOST_AUTO_TEST_CASE(node_that_is_as_the_charter_says_renews_nothing) {
  BOOST_TEST(start().empty());
  BOOST_TEST(!fs::exists(file()));
}

BOOST_AUTO_TEST_CASE(new_channel_key_is_signed_once_written_down_and_recorded) {
  const auto before = keys.channel.public_key();
  renew();
  const auto first = start();
  BOOST_TEST_REQUIRE(first.size() == 1U);
  BOOST_TEST(is_sound(first[0]));
  BOOST_TEST((first[0].channel == keys.channel.public_key()));
  BOOST_TEST((first[0].channel != before));
  BOOST_TEST((first[0].addresses == std::vector<std::string>{"ward:7700"}));
  BOOST_TEST((load_renewals(file(), charter()) == first));
  BOOST_TEST((start(60s) == first));  // the same after a restart
  const auto log = read_audit_log(folder / "audit.log", 10);
  BOOST_TEST(log.size() == 1U);
  BOOST_TEST(
      (renewed_members(config.consortium.charter, charter())[0].channel == first[0].channel));
}

BOOST_AUTO_TEST_CASE(later_renewal_is_later_whatever_the_clock_says) {
  renew();
  const auto first = start();
  renew();
  const auto second = start(-1h);
  BOOST_TEST_REQUIRE(second.size() == 1U);
  BOOST_TEST(second[0].issued == first[0].issued + 1);
}

BOOST_AUTO_TEST_CASE(new_address_is_told_and_taken_back_when_it_is_no_longer_configured) {
  config.node.addresses = {"elsewhere:7700"};
  BOOST_TEST((start().at(0).addresses == config.node.addresses));
  config.node.addresses.clear();
  const auto back = start(1s);
  BOOST_TEST((back.at(0).addresses == std::vector<std::string>{"ward:7700"}));
  BOOST_TEST((back.at(0).channel == keys.channel.public_key()));
}

BOOST_AUTO_TEST_CASE(damaged_file_is_an_error_that_says_what_to_do_and_nothing_is_changed) {
  renew();
  (void)start();
  Bytes bytes = read_whole(file(), 1 << 20).value();
  bytes.pop_back();
  write_whole(file(), bytes);
  renew();
  BOOST_CHECK_EXCEPTION((void)start(), Failure, [](const Failure& failure) {
    return failure.code() == EX_DATAERR &&
           std::string(failure.what()).find("remove it") != std::string::npos;
  });
  BOOST_TEST((read_whole(file(), 1 << 20) == bytes));
}

BOOST_AUTO_TEST_CASE(former_key_is_kept_for_the_overlap_and_then_removed) {
  const auto before = keys.channel.public_key();
  const auto id = keys.identity.id();
  renew();
  BOOST_TEST((keys.identity.id() == id));
  BOOST_TEST_REQUIRE(keys.former.has_value());
  BOOST_TEST((keys.former->public_key() == before));
  const fs::path former = former_keys(config.node.keys);
  fs::last_write_time(former, fs::last_write_time(former) - net::limits::kKeyOverlap - 1min);
  BOOST_TEST(!load_keys(config.node.keys).former.has_value());
  BOOST_TEST(!fs::exists(former));
}

BOOST_AUTO_TEST_CASE(former_key_that_is_damaged_or_anothers_keeps_no_node_from_its_work) {
  renew();
  const fs::path former = former_keys(config.node.keys);
  fs::remove(former);
  (void)crypto::create_key_file(former);  // another node's
  BOOST_TEST(!load_keys(config.node.keys).former.has_value());
  fs::copy_file(config.node.keys, former, fs::copy_options::overwrite_existing);  // cut short
  BOOST_TEST(!load_keys(config.node.keys).former.has_value());
  fs::resize_file(former, 20);
  BOOST_TEST(!load_keys(config.node.keys).former.has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace renewals_test
