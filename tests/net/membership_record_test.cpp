#include "net/membership_record.hpp"

#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace membership_record_test {

using namespace kith;
using namespace kith::net;
using namespace kith::test;

std::string refusal(ByteView file) {
  const auto decoded = decode_record(file);
  const auto* refused = std::get_if<RecordRefusal>(&decoded);
  return refused != nullptr ? refused->why : "";
}

struct Made : CryptoReady {
  Made() {
    record.chain = study();
    extend(record.chain, kExpires + 1, {1, 2});
    record.cards = {card(1, record.chain.founded()), card(3, record.chain.founded())};
    std::ranges::sort(record.cards, {}, &Card::node);
    CharterChain other = study();
    extend(other, kExpires + 2, {2, 3});
    record.rivals = {other.newest().signed_charter};
    record.settled = 1;
    file = encode_record(record);
  }
  MembershipRecord record;
  Bytes file;
};

BOOST_FIXTURE_TEST_SUITE(membership_record_tests, Made)

BOOST_AUTO_TEST_CASE(what_is_written_reads_back_and_has_one_encoding) {
  const auto again = decode_record(file);
  BOOST_TEST_REQUIRE(std::holds_alternative<MembershipRecord>(again));
  const auto& read = std::get<MembershipRecord>(again);
  BOOST_TEST((encode_record(read) == file));
  BOOST_TEST(read.cards.size() == 2U);
  BOOST_TEST(read.rivals.size() == 1U);
  BOOST_TEST(read.settled == 1U);
}

BOOST_AUTO_TEST_CASE(a_file_that_was_cut_or_prolonged_anywhere_is_refused) {
  for (std::size_t size = 0; size < file.size(); ++size) {
    BOOST_TEST(!refusal(ByteView(file).first(size)).empty());
  }
  file.emplace_back();
  BOOST_TEST(!refusal(file).empty());
}

// In a card or a rival an altered byte leaves that one out: it proves itself or is none.
BOOST_AUTO_TEST_CASE(an_altered_byte_is_refused_or_leaves_out_what_it_is_in) {
  for (std::size_t i = 0; i < file.size() - sizeof record.settled; ++i) {
    Bytes edited = file;
    edited[i] ^= std::byte{0x20};
    const auto decoded = decode_record(edited);
    const auto* read = std::get_if<MembershipRecord>(&decoded);
    if (read == nullptr) continue;
    BOOST_TEST(read->chain.versions().size() == 2U);
    BOOST_TEST((read->chain.newest().id == record.chain.newest().id));
    BOOST_TEST(read->cards.size() + read->rivals.size() == 2U);
  }
}

BOOST_AUTO_TEST_CASE(an_endless_file_costs_no_more_than_what_a_charter_may_have) {
  Bytes endless(file.begin(), file.begin() + 20);
  endless.insert(endless.end(), 4, std::byte{0xff});  // four thousand million versions
  endless.resize(1 << 20);
  BOOST_TEST(!refusal(endless).empty());
}

BOOST_AUTO_TEST_CASE(cards_of_strangers_and_what_is_no_rival_are_left_out) {
  record.cards.push_back(card(9, record.chain.founded()));
  record.cards.push_back(card(2, Hash{}));
  record.cards.push_back(card(1, record.chain.founded(), kIssued - 5, 40));  // older
  record.rivals.push_back(record.chain.versions()[1].signed_charter);
  record.rivals.push_back(signed_by(next_version(record.chain), {1}));
  const auto decoded = decode_record(encode_record(record));
  const auto& read = std::get<MembershipRecord>(decoded);
  BOOST_TEST((encode_record(read) == file));
}

BOOST_AUTO_TEST_CASE(files_of_other_versions_are_recognised) {
  const auto with_magic = [](std::string_view text) {
    const ByteView view = as_byte_view(text);
    return Bytes(view.begin(), view.end());
  };
  BOOST_TEST(refusal(with_magic("kith charter file 1\n")).find("Kith 0.1") != std::string::npos);
  BOOST_TEST(refusal(with_magic("kith charter file 3\n")).find("newer") != std::string::npos);
  BOOST_TEST(is_record(with_magic("kith charter file 3\n")));
  BOOST_TEST(!is_record(with_magic("kith-card-2-")));
}

BOOST_AUTO_TEST_CASE(where_a_version_is_wrong_is_said) {
  MembershipRecord bad;
  bad.chain = study();
  Bytes text = encode_record(bad);
  text[20] = std::byte{2};  // announces two versions
  BOOST_TEST(refusal(text).starts_with("version 2: "));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace membership_record_test
