#include "crypto/identity.hpp"

#include "tests/crypto/bytes.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cctype>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace identity_test {

using namespace kith;
using namespace kith::crypto;
namespace data = boost::unit_test::data;

const std::string kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";

std::string digits_of(const NodeId& id) {
  std::string text = to_string(id);
  std::erase(text, '-');
  return text;
}

// The ids with every bit clear, every bit set, and some that are neither.
std::vector<NodeId> samples() {
  std::vector<NodeId> ids(2);
  ids[1].key.fill(std::byte{0xff});
  std::mt19937 random(1);
  for (int i = 0; i < 6; ++i) {
    auto& id = ids.emplace_back();
    std::ranges::generate(id.key, [&] { return static_cast<std::byte>(random()); });
  }
  return ids;
}

BOOST_AUTO_TEST_SUITE(node_id_tests)

BOOST_AUTO_TEST_CASE(text_is_eight_groups_of_seven_digits) {
  NodeId id;
  id.key.front() = std::byte{0x08};  // the first digit is the first five bits
  id.key.back() = std::byte{0x01};   // the last bit, and four zeros after it, are the last digit
  const std::string text = to_string(id);
  BOOST_TEST(text.substr(0, 8) == "1000000-");
  BOOST_TEST(text.size() == 8 * 7 + 7);
  BOOST_TEST(digits_of(id)[51] == 'g');
  for (std::size_t i = 7; i < text.size(); i += 8) BOOST_TEST(text[i] == '-');
  BOOST_TEST(short_name(id) == "1000000");
}

// Written once and kept: people have ids on paper.
BOOST_AUTO_TEST_CASE(text_of_an_id_never_changes) {
  NodeId id;
  id.key = unhex_array<32>("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  BOOST_TEST(to_string(id) == "txd9g0c-2p45bfn-abzv9wj-s07787e-2wqkvak-269df08-d6hxr7a-4d0pb1z");
}

BOOST_AUTO_TEST_CASE(every_id_survives_the_round_trip) {
  for (const NodeId& id : samples()) BOOST_TEST((parse_node_id(to_string(id)) == id));
}

BOOST_AUTO_TEST_CASE(every_bit_of_the_key_is_in_the_text) {
  std::set<std::string> texts;
  for (std::size_t bit = 0; bit < 256; ++bit) {
    NodeId id;
    id.key[bit / 8] = std::byte{1} << static_cast<int>(bit % 8);
    BOOST_TEST((parse_node_id(to_string(id)) == id));
    texts.insert(to_string(id).substr(0, 59));
  }
  BOOST_TEST(texts.size() == 256);
}

BOOST_AUTO_TEST_CASE(every_wrong_digit_is_noticed) {
  for (const NodeId& id : samples()) {
    const std::string right = digits_of(id);
    for (std::size_t i = 0; i < right.size(); ++i) {
      for (const char digit : kAlphabet) {
        std::string wrong = right;
        wrong[i] = digit;
        BOOST_REQUIRE_MESSAGE(wrong == right || !parse_node_id(wrong), wrong);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_swap_of_two_digits_is_noticed) {
  for (const NodeId& id : samples()) {
    const std::string right = digits_of(id);
    for (std::size_t i = 0; i < right.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        std::string wrong = right;
        std::swap(wrong[i], wrong[j]);
        BOOST_REQUIRE_MESSAGE(wrong == right || !parse_node_id(wrong), wrong);
      }
    }
  }
}

// All places, a sample of the digits; that it holds for all digits is proved where they are made.
BOOST_AUTO_TEST_CASE(two_wrong_digits_are_noticed) {
  const std::string right = digits_of(samples().back());
  std::mt19937 random(1);
  for (std::size_t i = 0; i < right.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::string wrong = right;
        wrong[i] = kAlphabet[random() % 32];
        wrong[j] = kAlphabet[random() % 32];
        BOOST_REQUIRE_MESSAGE(wrong == right || !parse_node_id(wrong), wrong);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_missing_or_doubled_digit_is_noticed) {
  for (const NodeId& id : samples()) {
    const std::string right = digits_of(id);
    for (std::size_t i = 0; i < right.size(); ++i) {
      BOOST_TEST(!parse_node_id(std::string(right).erase(i, 1)));
      BOOST_TEST(!parse_node_id(std::string(right).insert(i, 1, right[i])));
    }
  }
}

BOOST_AUTO_TEST_CASE(case_grouping_and_look_alikes_are_forgiven) {
  NodeId id;
  id.key = unhex_array<32>("00443214c74254b635cf84653a56d7c675be77df0000000000000000ffffffff");
  std::string text = to_string(id);
  BOOST_TEST(text.find('0') != std::string::npos);
  BOOST_TEST(text.find('1') != std::string::npos);
  const auto replaced = [&](char from, char to) {
    std::string other = text;
    std::ranges::replace(other, from, to);
    return other;
  };
  BOOST_TEST((parse_node_id(digits_of(id)) == id));
  BOOST_TEST((parse_node_id(replaced('-', ' ')) == id));
  BOOST_TEST((parse_node_id("- " + text + " ") == id));
  for (const char o : {'o', 'O'}) BOOST_TEST((parse_node_id(replaced('0', o)) == id));
  for (const char l : {'i', 'I', 'l', 'L'}) BOOST_TEST((parse_node_id(replaced('1', l)) == id));
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
  BOOST_TEST((parse_node_id(text) == id));
}

BOOST_AUTO_TEST_CASE(what_is_no_digit_is_refused) {
  const std::string right = to_string(samples().back());
  for (int c = 0; c < 256; ++c) {
    if (std::isalnum(c) != 0 && c != 'u' && c != 'U') continue;
    if (c == '-' || c == ' ') continue;
    std::string wrong = right;
    wrong[3] = static_cast<char>(c);
    BOOST_TEST(!parse_node_id(wrong), "byte " << c);
    BOOST_TEST(!parse_node_id(right + static_cast<char>(c)), "byte " << c);
  }
  BOOST_TEST(!parse_node_id(""));
  BOOST_TEST(!parse_node_id("-"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(identity_tests)

BOOST_AUTO_TEST_CASE(signs_as_rfc_8032_does) {
  const auto identity = Identity::from_seed(Secret<32>(
      unhex_array<32>("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")));
  BOOST_TEST(to_hex(identity.id().key) ==
             "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
  const Signature signature = identity.sign(unhex("af82"));
  BOOST_TEST(to_hex(signature) ==
             "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
             "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
  BOOST_TEST(verify(identity.id(), unhex("af82"), signature));
}

BOOST_AUTO_TEST_CASE(generated_identities_differ_and_come_back_from_their_seed) {
  const auto a = Identity::generate(), b = Identity::generate();
  BOOST_TEST((a.id() != b.id()));
  BOOST_TEST((Identity::from_seed(a.seed()).id() == a.id()));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_message_signature_or_signer_is_noticed) {
  const auto identity = Identity::generate();
  const Bytes message = bytes("head");
  const Signature signature = identity.sign(message);
  BOOST_TEST(verify(identity.id(), message, signature));
  for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
    BOOST_TEST(!verify(identity.id(), with_bit_flipped(message, bit), signature));
  }
  for (std::size_t bit = 0; bit < 8 * signature.size(); ++bit) {
    Signature wrong = signature;
    wrong[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    BOOST_TEST(!verify(identity.id(), message, wrong), "bit " << bit);
  }
  for (std::size_t bit = 0; bit < 256; ++bit) {
    NodeId wrong = identity.id();
    wrong.key[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    BOOST_TEST(!verify(wrong, message, signature), "bit " << bit);
  }
  BOOST_TEST(!verify(identity.id(), {}, signature));
}

// With the neutral element as key, R = B and S = 1 would be a signature over every message.
BOOST_AUTO_TEST_CASE(a_signer_of_small_order_is_refused) {
  NodeId neutral;
  neutral.key[0] = std::byte{1};
  Signature signature{};
  std::ranges::copy(unhex("5866666666666666666666666666666666666666666666666666666666666666"),
                    signature.begin());
  signature[32] = std::byte{1};
  BOOST_TEST(!verify(neutral, as_byte_view("anything"), signature));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace identity_test
