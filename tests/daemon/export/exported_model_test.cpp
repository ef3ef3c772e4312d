#include "daemon/export/exported_model.hpp"

#include "daemon/membership/keys.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "model/snapshot.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

namespace exported_model_test {

using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;
using nlohmann::json;

/// The founder of a consortium of its own, stopped after round 7.
struct Founder : CryptoReady {
  test::TemporaryDirectory folder;
  Config config;
  net::CharterChain chain;
  std::string task = "kith task\nname=t\n";

  Founder() {
    config.node.name = "m1";
    config.node.key = folder.path() / "node.key";
    config.node.channel_key = folder.path() / "channel.key";
    config.node.card = folder.path() / "node.card";
    config.node.state = folder.path() / "state";
    config.node.control = folder.path() / "control.sock";
    const KeyFiles files{config.node.key, config.node.channel_key, config.node.card};
    const crypto::Identity node = make_keys(files);
    net::Charter first = test::first_version({1}, 1);
    first.members = {{node.id(), "m1"}};
    test::append(chain, test::signed_by(first, {1}));
    (void)write_card(files, node, {"m1", {}}, chain.founded(), std::chrono::system_clock::now());
    finish(7, 7);
    AuditLog(config.node.state / kAuditLog).append("opened", json::object(), Sync::yes);
  }
  /// The node noted one round, and its checkpoint is of another, or of the same.
  void finish(std::uint64_t noted, std::uint64_t of_checkpoint, const char* served = "partial") {
    Store store(config.node.state);
    const json note{{"round", noted},
                    {"served", served},
                    {"founded", crypto::to_hex(chain.founded())},
                    {"charter", {{"number", 1}, {"version", crypto::to_hex(chain.newest().id)}}},
                    {"task", task},
                    {"averaged", json::array({{{"name", "b"}}})},
                    {"published", nullptr}};
    store.put_text("served", note.dump());
    const model::Schema schema{{{"baseline.w", {1}}, {"served.b", {1}}, {"served.w", {2}}}};
    const std::vector<float> values{9, 1, 2, 3};
    write_whole(config.node.state / kCheckpoint,
                model::write_snapshot(schema, values, {{"round", std::to_string(of_checkpoint)}}));
  }
  int refused() const {
    try {
      (void)export_model(config, "m.safetensors");
      return 0;
    } catch (const Failure& failure) {
      return failure.code();
    }
  }
};

BOOST_FIXTURE_TEST_SUITE(exported_model_tests, Founder)

BOOST_AUTO_TEST_CASE(served_model_leaves_with_a_card_that_its_charter_vouches_for) {
  const ExportedModel made = export_model(config, "m.safetensors");
  const auto model = std::get<model::Snapshot>(model::read_snapshot(made.model));
  BOOST_TEST((model.schema == model::Schema{{{"b", {1}}, {"w", {2}}}}));
  BOOST_TEST((model.copy_values() == std::vector<float>{1, 2, 3}));
  BOOST_TEST(made.body.at("model").at("file") == "m.safetensors");
  BOOST_TEST(made.body.at("audit").at("entries") == 1);
  BOOST_TEST(made.body.at("averaged").empty());  // since the average is not what is served
  const std::string founded = to_string(crypto::NodeId{chain.founded()});
  const ModelVerdict verdict = verify_model(made.card, "m.card", made.model, &chain, founded);
  for (const auto& [holds, what] : verdict.checks) BOOST_TEST(holds, what);
  BOOST_TEST(verdict.good());
  BOOST_TEST((verdict.anchor == "founding"));
}

BOOST_AUTO_TEST_CASE(card_names_whose_models_are_in_an_average_that_is_served) {
  for (const char* served : {"averaged", "running_average", "best"}) {
    finish(7, 7, served);
    BOOST_TEST(export_model(config, "m.safetensors").body.at("averaged").size() == 1U, served);
  }
}

BOOST_AUTO_TEST_CASE(without_a_fingerprint_nobody_vouches_for_the_signers) {
  const ExportedModel made = export_model(config, "m.safetensors");
  BOOST_TEST(!verify_model(made.card, "m.card", made.model, &chain, "").anchor);
  BOOST_TEST(!verify_model(made.card, "m.card", made.model, nullptr, "").anchor);
  BOOST_CHECK_THROW((void)verify_model(made.card, "m.card", made.model, &chain,
                                       to_string(test::identity(9).id())),
                    Failure);
}

BOOST_AUTO_TEST_CASE(other_bytes_than_the_cards_are_noticed) {
  ExportedModel made = export_model(config, "m.safetensors");
  made.model.back() ^= std::byte{1};
  BOOST_TEST(!verify_model(made.card, "m.card", made.model, &chain, "").good());
  made.card[made.card.find("m1")] = 'x';
  BOOST_CHECK_EXCEPTION((void)verify_model(made.card, "m.card", made.model, &chain, ""), Failure,
                        [](const Failure& failure) { return failure.code() == EX_DATAERR; });
}

BOOST_AUTO_TEST_CASE(what_cannot_be_exported_is_refused_with_what_to_do) {
  finish(8, 7);  // between the two it was finishing a round
  BOOST_TEST(refused() == EX_TEMPFAIL);
  write_whole(config.node.state / kCheckpoint, as_byte_view("no model"));
  BOOST_TEST(refused() == EX_DATAERR);
  fs::remove(config.node.state / kCheckpoint);
  BOOST_TEST(refused() == EX_NOINPUT);
  Store(config.node.state).put_text("served", "null");
  BOOST_TEST(refused() == EX_NOINPUT);
  fs::remove(config.node.card);
  BOOST_TEST(refused() == EX_CONFIG);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace exported_model_test
