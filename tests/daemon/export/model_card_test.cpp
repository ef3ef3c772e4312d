#include "daemon/export/model_card.hpp"

#include "net/head.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace model_card_test {

using namespace kith;
using namespace kith::daemon;
using nlohmann::json;

/// A card of member 1 of the study, whose model averages a snapshot of member 2.
struct Exported : CryptoReady {
  net::CharterChain charter = test::study();
  Bytes model{std::byte{1}, std::byte{2}};
  std::string task = "kith task\nname=t\n";
  json body = {{"made", test::kIssued},
               {"node",
                {{"name", "m1"}, {"id", to_string(test::identity(1).id())}, {"card", card(1)}}},
               {"founded", crypto::to_hex(charter.founded())},
               {"charter", {{"number", 1}, {"version", crypto::to_hex(charter.newest().id)}}},
               {"model", {{"bytes", 2}, {"hash", crypto::to_hex(crypto::hash(model))}}},
               {"task", task},
               {"averaged", json::array({averaged(2)})},
               {"published", head(1)}};

  json head(int origin, std::string_view of_task = "kith task\nname=t\n") const {
    net::Head made;
    made.founded = charter.founded();
    made.origin = test::identity(origin).id();
    made.key = test::channel_key(origin).public_key();
    made.position = {1, 1};
    made.task = crypto::hash(as_byte_view(of_task));
    made.size = 4;
    made.manifest_size = 9;
    const auto signed_head = net::sign_head(made, test::channel_key(origin));
    return crypto::to_hex(net::encode(signed_head));
  }
  std::string card(int of) const { return net::to_text(test::card(of, charter.founded())); }
  json averaged(int origin) const {
    return {{"name", "m" + std::to_string(origin)},
            {"id", to_string(test::identity(origin).id())},
            {"weight", 0.5},
            {"head", head(origin)},
            {"card", card(origin)}};
  }
  std::string text() const { return make_model_card(body, test::channel_key(1)); }
  std::vector<CardCheck> checks(bool with_charter = true) const {
    const auto parsed = parse_model_card(text());
    BOOST_TEST_REQUIRE(std::holds_alternative<ModelCard>(parsed));
    return check_model_card(std::get<ModelCard>(parsed), model, with_charter ? &charter : nullptr);
  }
  /// What does not hold.
  std::string wrong(bool with_charter = true) const {
    std::string all;
    for (const auto& [holds, what] : checks(with_charter)) all += holds ? "" : what + "; ";
    return all;
  }
};

bool is_card(std::string_view text) {
  return std::holds_alternative<ModelCard>(parse_model_card(text));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_FIXTURE_TEST_SUITE(model_card_tests, Exported)

BOOST_AUTO_TEST_CASE(all_of_a_true_card_holds) {
  BOOST_TEST(wrong() == "");
  BOOST_TEST(checks().size() == 6U);
  BOOST_TEST(checks(false).size() == 3U);
}

BOOST_AUTO_TEST_CASE(whatever_is_altered_is_no_card_any_more) {
  const std::string good = text();
  const std::size_t signed_size = good.rfind("\nsignature ") + 1;
  for (std::size_t i = 0; i < signed_size; i += 7) {
    std::string altered = good;
    altered[i] = altered[i] == 'x' ? 'y' : 'x';
    BOOST_TEST(!is_card(altered), "byte " << i);
  }
  BOOST_TEST(!is_card(good.substr(0, signed_size)));
  BOOST_TEST(!is_card(""));
  BOOST_TEST(!is_card("kith model card 1\n\nsignature 00\n"));
  const std::string by_another = make_model_card(body, test::channel_key(3));
  BOOST_TEST(!is_card(by_another));
}

BOOST_AUTO_TEST_CASE(what_a_node_claims_without_the_others_signatures_does_not_hold) {
  body["averaged"][0]["id"] = to_string(test::identity(3).id());
  BOOST_TEST(contains(wrong(), "lacks something"));
  body["averaged"][0]["card"] = card(3);
  BOOST_TEST(contains(wrong(), "was not signed by"));
  body["averaged"][0] = averaged(2);
  body["averaged"][0]["head"] = "00";
  BOOST_TEST(contains(wrong(), "no head that can be read"));
  body["averaged"][0]["head"] = head(2, "another");
  BOOST_TEST(contains(wrong(), "is of another task"));
  body["averaged"][0]["head"] = head(2);
  body["founded"] = crypto::to_hex(crypto::hash({}));
  BOOST_TEST(contains(wrong(false), "was not signed by"));
  BOOST_TEST(contains(wrong(), "not of the consortium"));
}

BOOST_AUTO_TEST_CASE(another_model_and_those_who_were_no_members_are_named) {
  body["averaged"].push_back(averaged(7));
  BOOST_TEST(contains(wrong(), to_string(test::identity(7).id()) + " was not a member"));
  BOOST_TEST(wrong(false) == "");
  model.push_back(std::byte{3});
  BOOST_TEST(contains(wrong(), "the model is another"));
  body["charter"]["number"] = 2;
  BOOST_TEST(contains(wrong(), "is not in this file"));
}

BOOST_AUTO_TEST_CASE(who_has_left_since_is_named_with_the_version) {
  net::Charter next = test::next_version(charter);
  std::erase_if(next.members, [](const auto& member) { return member.name == "m2"; });
  BOOST_TEST_REQUIRE(!charter.append(test::signed_by(next, {1, 2})));
  BOOST_TEST(wrong() == "");
  BOOST_TEST(std::ranges::any_of(checks(), [](const CardCheck& check) {
    return contains(check.what, "m2; it left with version 2");
  }));
}

BOOST_AUTO_TEST_CASE(a_card_that_says_nonsense_does_not_hold) {
  for (const char* key : {"model", "task", "averaged", "published", "founded", "charter"}) {
    const json before = body;
    for (const json& nonsense : {json(7), json("x"), json::array({1}), json::object()}) {
      body[key] = nonsense;
      BOOST_TEST(wrong() != "", key << " " << nonsense);
    }
    body = before;
    body.erase(key);
    BOOST_TEST(wrong() != "", key);
    body = before;
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace model_card_test
