#include "net/message.hpp"

#include <boost/test/unit_test.hpp>

#include <vector>

namespace message_test {

using namespace kith;
using namespace kith::net;

std::vector<Message> one_of_each() {
  Heads heads;
  heads.heads.resize(2);
  Summary summary;
  summary.entries.resize(3);
  return {Hello{.agent = "kith 0.1"},
          Goodbye{CloseReason::idle},
          Ping{5},
          Pong{6},
          heads,
          summary,
          Holding{},
          Fetch{{}, 7},
          Piece{{}, 8, Bytes(100)},
          Unavailable{{}, 9, true},
          Have{{}, {1, 2, 3}},
          Wanted{{}, true},
          Cancel{{}, 10},
          Evidence{},
          CharterHead{{3, {}}},
          CharterWanted{},
          CharterVersion{{Bytes(50), {{}, {}}}},
          Apply{},
          Admission{Admission::State::admitted, "why", {4, {}}, "[task]"},
          TaskManifest{"a=1\n"},
          CardList{{{}, {}}},
          Cards{{Card(), Card()}}};
}

BOOST_AUTO_TEST_SUITE(message_tests)

BOOST_AUTO_TEST_CASE(every_message_survives_the_round_trip) {
  const auto all = one_of_each();
  BOOST_TEST_REQUIRE(all.size() == std::variant_size_v<Message>);
  for (const Message& message : all) {
    const Bytes bytes = encode_message(message);
    const auto read = decode_message(bytes);
    BOOST_TEST_REQUIRE(read.has_value());
    BOOST_TEST(read->index() == message.index());
    BOOST_TEST((encode_message(*read) == bytes));
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_is_refused) {
  for (const Message& message : one_of_each()) {
    const Bytes bytes = encode_message(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      BOOST_TEST(!decode_message(ByteView(bytes).first(size)).has_value());
    }
  }
}

BOOST_AUTO_TEST_CASE(unknown_type_is_refused) {
  const Bytes bytes{static_cast<std::byte>(std::variant_size_v<Message>)};
  BOOST_TEST(!decode_message(bytes).has_value());
}

BOOST_AUTO_TEST_CASE(unknown_close_reason_is_refused) {
  Bytes bytes = encode_message(Goodbye{});
  bytes[1] = std::byte{kLastCloseReason + 1};
  BOOST_TEST(!decode_message(bytes).has_value());
}

BOOST_AUTO_TEST_CASE(unknown_state_of_an_admission_is_refused) {
  Bytes bytes = encode_message(Admission{});
  bytes[1] = std::byte{kLastAdmissionState};
  BOOST_TEST(decode_message(bytes).has_value());
  bytes[1] = std::byte{kLastAdmissionState + 1};
  BOOST_TEST(!decode_message(bytes).has_value());
}

BOOST_AUTO_TEST_CASE(largest_piece_fits_and_one_more_byte_does_not) {
  Bytes bytes = encode_message(Piece{{}, 0, Bytes(Piece::kMaximum)});
  BOOST_TEST(bytes.size() == kLargestMessage);
  BOOST_TEST(decode_message(bytes).has_value());
  const auto longer = static_cast<std::uint32_t>(Piece::kMaximum + 1);
  std::memcpy(bytes.data() + 1 + 32 + 4, &longer, sizeof longer);
  bytes.push_back(std::byte{0});
  BOOST_TEST(!decode_message(bytes).has_value());
}

BOOST_AUTO_TEST_CASE(every_reason_has_a_name_and_a_sentence) {
  for (std::uint8_t reason = 0; reason <= kLastCloseReason; ++reason) {
    BOOST_TEST(!name(CloseReason(reason)).empty());
    BOOST_TEST(explain(CloseReason(reason)).back() == '.');
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace message_test
