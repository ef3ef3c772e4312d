#pragma once

#include "daemon/config/config.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kith::daemon {

/// A consortium whose right answer is known: nodes hold differently turned pictures of
/// Fashion-MNIST, and who shares a turn should find each other.  Every setting here is what `kith
/// demo` uses.
struct TestnetPlan {
  std::size_t nodes = 6, groups = 3;
  std::uint64_t rounds = 15;
  std::uint64_t seed = 1;
  std::size_t images = 100;        ///< of its own that each node learns from, validation included
  std::size_t test_images = 1000;  ///< held out, for the table only
  std::filesystem::path data = "/usr/share/datasets/fashion-mnist";
  /// Where the nodes listen.  Empty: free ports on 127.0.0.1.  Otherwise node i is at
  /// "<host_prefix>i:port", and listens there on all addresses: for containers.
  std::string host_prefix;
  std::uint16_t port = 7700;
};

/// A node of a testnet on disk.
struct TestnetNode {
  std::string name;
  std::size_t group = 0;
  std::filesystem::path directory;  ///< holds kith.toml
};

/// One testnet, a folder for each run: DIR/<run>/node-1 ...; DIR/data and the seeds are shared.
struct Testnet {
  TestnetPlan plan;
  std::filesystem::path directory;

  [[nodiscard]] std::vector<TestnetNode> nodes(const std::string& run) const;
};

/// What the demo compares.  In "oracle" each true group is a consortium of its own, in which
/// everybody averages with everybody.  "Alone" needs no run: Kith trains that baseline alongside.
inline const std::array<std::string, 3> kCompared{"lia", "fedavg", "oracle"};

/// Writes data, keys and configurations of all nodes for all of kCompared into `directory`, which
/// must be empty or absent.  Throws Failure: EX_NOINPUT without the data set, EX_CANTCREAT,
/// EX_USAGE for a plan that cannot be.
Testnet create_testnet(const std::filesystem::path& directory, const TestnetPlan& plan);
/// Reads back what create_testnet() wrote.  Throws Failure(EX_NOINPUT).
Testnet open_testnet(const std::filesystem::path& directory);

}  // namespace kith::daemon
