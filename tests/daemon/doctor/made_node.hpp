#pragma once

#include "daemon/doctor/doctor.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/proposal.hpp"
#include "daemon/system/disk.hpp"
#include "net/membership_record.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace kith::daemon::doctor {

/// A node's folder as kith init makes it, with data that can be read.
struct MadeNode : CryptoReady {
  kith::test::TemporaryDirectory directory;
  std::filesystem::path folder = directory / "node";
  Config config;
  std::optional<crypto::Identity> identity;
  net::MembershipRecord record;

  explicit MadeNode(const std::vector<std::string>& addresses = {}) {
    std::filesystem::create_directory(folder);
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
    config.node.name = "ana";
    config.node.key = folder / "node.key";
    config.node.channel_key = folder / "channel.key";
    config.node.card = folder / "node.card";
    config.node.state = folder / "state";
    config.node.control = folder / "control.sock";
    config.node.listen = {"127.0.0.1:0"};
    config.consortium.charter = folder / "charter.kith";
    config.task.name = "digits";
    config.data.train = {folder / "rows.csv"};
    config.worker.command = KITH_FAKE_WORKER;
    std::ofstream(config.data.train[0]) << "not looked at\n";
    identity.emplace(make_keys(keys()));
    found(addresses, std::chrono::system_clock::now());
    save();
  }
  [[nodiscard]] KeyFiles keys() const {
    return {config.node.key, config.node.channel_key, config.node.card};
  }
  void found(const std::vector<std::string>& addresses, std::chrono::system_clock::time_point now) {
    record = {};
    net::SignedCharter first =
        net::unsigned_charter(founding_version("ours", {identity->id(), "ana"}, now));
    net::sign(first, *identity);
    (void)record.chain.append(std::move(first));
    record.cards = {write_card(keys(), *identity, {"ana", addresses}, record.chain.founded(), now)};
    write_whole(config.consortium.charter, net::encode_record(record));
  }
  void save() const { write_whole(folder / "kith.toml", as_byte_view(to_toml(config))); }

  /// As a verb sees it.
  [[nodiscard]] Examined examined() const {
    Examined node = examine(folder / "kith.toml");
    node.environment = [](const char*) -> const char* { return nullptr; };
    node.look_at_data = [](const Config&) {
      return data::CheckReport{.train = 8, .validation = 2};
    };
    return node;
  }
};

}  // namespace kith::daemon::doctor
