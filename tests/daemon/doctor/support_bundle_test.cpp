#include "daemon/doctor/support_bundle.hpp"

#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "tests/daemon/doctor/made_node.hpp"

#include <boost/test/unit_test.hpp>
#include <sodium.h>

#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <zlib.h>

namespace support_bundle_test {

using namespace kith;
using namespace kith::daemon;
using namespace kith::daemon::doctor;
using nlohmann::json;

constexpr const char* kRow = "63,female,4711-XR,hemoglobin 13.7";

std::string base64(const std::string& bytes) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  text.resize(std::strlen(text.c_str()));
  return text;
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    text += two;
  }
  return text;
}

/// What `bytes` may look like in a text: as they are, in hexadecimal, and in base64 wherever they
/// begin.
std::vector<std::string> forms(const std::string& bytes) {
  std::vector<std::string> all{bytes, hex(bytes)};
  for (std::size_t offset = 0; offset < 3; ++offset) {
    const std::string text = base64(bytes.substr(offset, (bytes.size() - offset) / 3 * 3));
    all.push_back(text);
  }
  return all;
}

/// Every part of 16 bytes of what must stay here is looked for in every form.
std::string found(const std::string& where, const std::string& secret) {
  constexpr std::size_t kPart = 16;
  for (std::size_t at = 0; at + kPart <= secret.size(); at += kPart) {
    for (const std::string& form : forms(secret.substr(at, kPart))) {
      if (where.find(form) != std::string::npos) return form;
    }
  }
  return "";
}

std::string all_of(const std::vector<Packed>& files) {
  std::string all;
  for (const Packed& file : files) all += file.name + "\n" + file.text + "\n";
  return all;
}

/// A node that has learnt, with secrets wherever a node has them.
struct LearntNode : MadeNode {
  std::vector<std::string> secrets;
  std::string log;

  LearntNode() {
    std::ofstream(config.data.train[0]) << "age,sex,id,note\n" << kRow << "\n";
    config.worker.command = "/bin/true";
    save();
    std::ofstream(folder / "kith.toml", std::ios::app)
        << "# the password of our ward is swordfish-and-chips\n";
    std::string weights;
    for (int i = 0; i < 64; ++i) {
      const float weight = 0.37F * static_cast<float>(i) - 3.1F;
      weights.append(reinterpret_cast<const char*>(&weight), sizeof weight);
    }
    std::filesystem::create_directory(config.node.state);
    {
      Store store(config.node.state);
      store.put_round(1, std::chrono::system_clock::now(),
                      {{"diverged", kRow}, {"served", "partial"}});
    }
    std::ofstream(config.node.state / kCheckpoint, std::ios::binary) << weights;
    AuditLog(config.node.state / kAuditLog).append("published", {{"round", 1}}, Sync::yes);
    const std::string token = "read tok-0123456789abcdefghijklmnop",
                      passphrase = "correct horse battery staple";
    std::ofstream(folder / "api.tokens") << token << "\n";
    std::ofstream(folder / "passphrase") << passphrase << "\n";
    const auto seed_of = [](const std::filesystem::path& file) {
      const auto key = crypto::load_key_file(file, [] { return crypto::Passphrase(); });
      return std::string(reinterpret_cast<const char*>(key.seed.data().data()), 32);
    };
    secrets = {seed_of(config.node.key),
               seed_of(config.node.channel_key),
               weights,
               token,
               passphrase,
               kRow,
               "swordfish-and-chips"};
    log =
        "2026-03-01T12:00:00.000Z INFO  round_finished round=1 accuracy=0.5 help=\"a \\\"b\\\" "
        "c\"\n"
        "2026-03-01T12:00:01.000Z INFO  worker_says text=\"" +
        std::string(kRow) +
        "\"\n"
        "{\"time\":\"2026-03-01T12:00:02.000Z\",\"level\":\"warn\",\"event\":\"worker_lost\","
        "\"why\":\"" +
        kRow +
        "\"}\n"
        "kith: cannot read row " +
        kRow + "\n";
  }
};

BOOST_AUTO_TEST_SUITE(support_bundle_tests)

BOOST_AUTO_TEST_CASE(no_key_token_passphrase_row_or_weight_is_in_it) {
  const LearntNode node;
  std::istringstream log(node.log);
  Examined examined = node.examined();
  examined.look_at_data = [](const Config&) -> data::CheckReport {
    throw std::runtime_error(std::string("odd: ") + kRow);
  };
  examined.status = {
      {"pid", 1},
      {"worker_pid", nullptr},
      {"version", "x"},
      {"worker_trouble", kRow},
      {"phase", "training"},
      {"listening", json::array()},
      {"other_tasks", json::array()},
      {"last_round", {{"diverged", kRow}}},
      {"alarms",
       {{{"name", "worker_lost"}, {"severity", "error"}, {"what", kRow}, {"help", "Do."}},
        {{"name", "diverged"}, {"severity", "error"}, {"what", kRow}, {"help", "Do."}}}}};
  examined.peers = json::array();
  const std::string all = all_of(support_bundle(examined, &log, {}));
  BOOST_TEST(all.size() > 1000U);
  for (const std::string& secret : node.secrets) BOOST_TEST(found(all, secret) == "");
  // The search does find what is there.
  for (const std::string& form : forms(node.secrets[0]))
    BOOST_TEST(found(all + form, node.secrets[0]) != "");
}

BOOST_AUTO_TEST_CASE(it_has_what_helps_and_nothing_that_is_not_listed) {
  const LearntNode node;
  std::istringstream log(node.log);
  const auto files = support_bundle(node.examined(), &log, {{"limits.json", "{}"}});
  std::set<std::string> names;
  for (const Packed& file : files) names.insert(file.name);
  const std::set<std::string> expected{"about.json",  "audit.jsonl", "doctor.json", "kith.toml",
                                       "limits.json", "log.jsonl",   "rounds.json", "task.toml"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  const std::string all = all_of(files);
  for (const char* part : {"\"published\"", "round_finished", "name = \"digits\"", "charter's age",
                           "\"served\": \"partial\""}) {
    BOOST_TEST(all.find(part) != std::string::npos, part);
  }
}

BOOST_AUTO_TEST_CASE(broken_folder_gives_a_bundle_as_well) {
  const kith::test::TemporaryDirectory directory;
  const auto files = support_bundle(examine(directory / "kith.toml"), nullptr, {});
  std::set<std::string> names;
  for (const Packed& file : files) names.insert(file.name);
  BOOST_TEST(names.contains("doctor.json"));
  BOOST_TEST(names.contains("about.json"));
}

BOOST_AUTO_TEST_CASE(log_is_reduced_to_lines_that_kith_wrote) {
  const LearntNode node;
  std::istringstream log(node.log);
  std::istringstream lines(reduced_log(log));
  std::vector<json> all;
  for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
  BOOST_TEST_REQUIRE(all.size() == 3U);
  BOOST_TEST(all[0].at("round") == 1);
  BOOST_TEST(all[0].at("help") == "a \"b\" c");
  BOOST_TEST(all[1].at("event") == "worker_says");
  BOOST_TEST(!all[1].contains("text"));
  BOOST_TEST(!all[2].contains("why"));
  std::istringstream again(node.log);
  BOOST_TEST(std::string(reduced_log(again, 1)).find("worker_lost") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(archive_is_what_tar_and_gzip_read) {
  const std::vector<Packed> files{
      {"a.txt", "hello"}, {"empty", ""}, {"block", std::string(512, 'x')}};
  const std::string archive = tar(files, 1'800'000'000);
  BOOST_TEST(archive.size() == 512U * (2 + 1 + 2 + 2));
  BOOST_TEST(archive.substr(257, 5) == "ustar");
  BOOST_TEST(archive.substr(512, 5) == "hello");
  unsigned sum = 8 * ' ';
  for (std::size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? 0U : static_cast<unsigned char>(archive[i]);
  BOOST_TEST(std::stoul(archive.substr(148, 6), nullptr, 8) == sum);
  const std::string packed = gzip(archive);
  std::string unpacked(archive.size() + 1, '\0');
  z_stream stream{};
  BOOST_TEST_REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(unpacked.data());
  stream.avail_out = static_cast<uInt>(unpacked.size());
  BOOST_TEST(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  unpacked.resize(stream.total_out);
  inflateEnd(&stream);
  BOOST_TEST((unpacked == archive));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace support_bundle_test
