#include "daemon/membership/membership.hpp"

#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <memory>

namespace membership_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
using std::chrono::system_clock;
namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A node of the study, whose charter has three stewards, two of whom must sign.
struct Study : CryptoReady {
  test::TemporaryDirectory folder;
  fs::path file = folder.path() / "charter.kith";
  system_clock::time_point now = system_clock::time_point(std::chrono::seconds(test::kIssued));
  net::CharterChain first = test::study();
  std::unique_ptr<Membership> membership;

  Study() {
    write(first);
    open();
  }
  void write(const net::CharterChain& chain) {
    net::MembershipRecord record;
    record.chain = chain;
    write_whole(file, net::encode_record(record));
  }
  void open() {
    membership.reset();
    membership = std::make_unique<Membership>(file);
  }
  Membership::Merged merge(const net::CharterChain& chain, std::vector<net::Card> cards = {}) {
    net::MembershipRecord record;
    record.chain = chain;
    record.cards = std::move(cards);
    return membership->merge({{"theirs.kith", record}}, now);
  }
  static net::CharterChain extended(net::CharterChain chain, std::uint64_t expires,
                                    const std::vector<int>& stewards) {
    test::extend(chain, expires, stewards);
    return chain;
  }
  [[nodiscard]] std::uint64_t number() const {
    return membership->chain().newest().charter.number;
  }
};

BOOST_FIXTURE_TEST_SUITE(membership_tests, Study)

BOOST_AUTO_TEST_CASE(newer_versions_and_cards_are_taken_and_found_again) {
  const auto second = extended(first, test::kExpires + 1, {1, 2});
  const auto merged = merge(second, {test::card(1, first.founded()), test::card(2, first.founded())});
  BOOST_TEST(merged.changed);
  BOOST_TEST(merged.cards == 2U);
  BOOST_TEST(merged.rivals.empty());
  open();
  BOOST_TEST(number() == 2U);
  BOOST_TEST(membership->record().cards.size() == 2U);
  const auto again = merge(first, {test::card(1, first.founded())});
  BOOST_TEST(!again.changed);
  BOOST_TEST(again.cards == 0U);
  BOOST_TEST(number() == 2U);
}

BOOST_AUTO_TEST_CASE(cards_of_strangers_of_other_consortia_and_of_the_future_are_left_out) {
  const std::uint64_t ahead = test::kIssued + 2 * 24 * 60 * 60;
  const auto merged = merge(first, {test::card(9, first.founded()), test::card(1, net::Hash{}),
                                    test::card(2, first.founded(), ahead)});
  BOOST_TEST(merged.cards == 0U);
  BOOST_TEST(membership->record().cards.empty());
}

BOOST_AUTO_TEST_CASE(rival_is_kept_as_evidence_and_changes_nothing) {
  merge(extended(first, test::kExpires + 1, {1, 2}));
  const auto ours = membership->chain().newest().id;
  const auto merged = merge(extended(first, test::kExpires + 2, {2, 3}));
  BOOST_TEST(!merged.changed);
  BOOST_TEST(merged.rivals.size() == 1U);
  BOOST_TEST((membership->chain().newest().id == ours));
  open();
  BOOST_TEST(membership->record().rivals.size() == 1U);
  BOOST_TEST(merge(extended(first, test::kExpires + 2, {2, 3})).rivals.empty());  // known
}

BOOST_AUTO_TEST_CASE(longer_rival_signed_by_our_own_stewards_is_followed) {
  merge(extended(first, test::kExpires + 1, {1, 2}));
  auto other = extended(first, test::kExpires + 2, {2, 3});
  test::extend(other, test::kExpires + 3, {1, 3});
  const auto merged = merge(other);
  BOOST_TEST(merged.changed);
  BOOST_TEST(number() == 3U);
  BOOST_TEST(membership->record().rivals.size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_an_operator_adopts_is_followed_and_rivals_up_to_it_are_no_news) {
  auto ours = extended(first, test::kExpires + 1, {1, 2});
  test::extend(ours, test::kExpires + 5, {1, 2});
  merge(ours);
  const auto other = extended(first, test::kExpires + 2, {2, 3});
  net::MembershipRecord record;
  record.chain = other;
  membership->adopt(record);
  BOOST_TEST((membership->chain().newest().id == other.newest().id));
  BOOST_TEST(membership->record().settled == 3U);
  open();
  BOOST_TEST(number() == 2U);
  const auto merged = merge(ours);  // it was left on purpose
  BOOST_TEST(!merged.changed);
  BOOST_TEST(merged.rivals.empty());
  auto later = ours;
  test::extend(later, test::kExpires + 6, {1, 2});
  BOOST_TEST(merge(later).changed);  // but the stewards have gone on with it
}

BOOST_AUTO_TEST_CASE(charter_of_another_consortium_is_adopted_only_and_the_old_one_put_aside) {
  net::CharterChain another;
  net::Charter charter = test::first_version({1}, 1);
  charter.consortium = "another";
  BOOST_TEST_REQUIRE(!another.append(test::signed_by(charter, {1})));
  BOOST_CHECK_EXCEPTION(merge(another), Failure, [](const Failure& failure) {
    return contains(failure.what(), "another consortium") &&
           contains(failure.what(), "kith charter adopt");
  });
  (void)membership->deny(test::identity(3).id());
  net::MembershipRecord record;
  record.chain = another;
  membership->adopt(record);
  BOOST_TEST(membership->chain().newest().charter.consortium == "another");
  const fs::path aside =
      folder.path() / ("charter-" + crypto::to_hex(first.founded()).substr(0, 8) + ".kith");
  BOOST_TEST((load_record(aside).chain.founded() == first.founded()));
  BOOST_TEST(membership->denied().size() == 1U);
}

BOOST_AUTO_TEST_CASE(proposals_collect_signatures_and_then_become_the_newest_version) {
  const net::Charter charter =
      next_version(first, {.add = {test::member(7)}}, now);
  const auto card = test::card(7, first.founded());
  Proposal by_one{test::signed_by(charter, {1}), {card}}, by_other{test::signed_by(charter, {3})};
  const Bytes one = encode_proposal(by_one), other = encode_proposal(by_other);
  const auto waits = membership->merge({parse_offered(one, "one")}, now);
  BOOST_TEST(!waits.changed);
  BOOST_TEST(!waits.tally->enough());
  BOOST_TEST_REQUIRE(waits.unfinished.has_value());
  BOOST_TEST(waits.unfinished->name == "one");
  BOOST_TEST((encode_proposal(waits.unfinished->proposal) == one));
  const auto done = membership->merge({parse_offered(one, "one"), parse_offered(other, "other")}, now);
  BOOST_TEST(!done.unfinished.has_value());
  BOOST_TEST(done.changed);
  BOOST_TEST(done.cards == 1U);
  BOOST_TEST(membership->is_member(card.node));
  BOOST_TEST((membership->record().cards.front() == card));
}

BOOST_AUTO_TEST_CASE(applicants_card_counts_as_soon_as_it_is_a_member) {
  merge(first, {test::card(1, first.founded())});
  const auto invite = membership->invite(membership->record().cards.front(), "seven", 24h, "", now);
  BOOST_TEST((invite.founded == first.founded()));
  BOOST_TEST((invite.known.version == first.newest().id));
  const auto card = test::card(7, first.founded());
  const auto answer = membership->consider({invite.token, card}, now);
  BOOST_TEST((answer.admission.state == net::Admission::State::waiting));
  open();
  BOOST_TEST(membership->invitations().pending(membership->chain(), now).front().name() == "m7");
  const net::Charter charter = next_version(first, {.add = {{card.node, card.name}}}, now);
  net::CharterChain longer = first;
  BOOST_TEST_REQUIRE(!longer.append(test::signed_by(charter, {1, 2})));
  BOOST_TEST(merge(longer).cards == 1U);
  membership->used(invite.token);
  open();
  BOOST_TEST(membership->invitations().open(now).empty());
}

BOOST_AUTO_TEST_CASE(operators_changes_are_told_after_they_are_on_the_disk) {
  int told = 0;
  membership->on_change([&](Membership::By by) {
    BOOST_TEST((by == Membership::By::operators));
    BOOST_TEST(load_record(file).chain.versions().size() == 2U);
    ++told;
  });
  merge(extended(first, test::kExpires + 1, {1, 2}));
  BOOST_TEST(told == 1);
  merge(first);
  BOOST_TEST(told == 1);
}

BOOST_AUTO_TEST_CASE(disk_that_refuses_a_change_leaves_all_as_it_was) {
  membership->write_with([](const fs::path&, Bytes) { throw Failure(EX_IOERR, "full"); });
  BOOST_CHECK_THROW(merge(extended(first, test::kExpires + 1, {1, 2})), Failure);
  BOOST_TEST(number() == 1U);
  BOOST_CHECK_THROW((void)membership->deny(test::identity(3).id()), Failure);
  BOOST_TEST(membership->denied().empty());
}

BOOST_AUTO_TEST_CASE(two_processes_do_not_have_one_charter_at_once) {
  BOOST_CHECK_EXCEPTION(Membership{file}, Failure, [](const Failure& failure) {
    return failure.code() == EX_TEMPFAIL;
  });
}

BOOST_AUTO_TEST_CASE(damaged_charter_is_set_aside_for_the_one_before_it) {
  merge(extended(first, test::kExpires + 1, {1, 2}));
  membership.reset();
  Bytes bytes = read_whole(file, 1 << 20).value();
  bytes[60] ^= std::byte{1};
  write_whole(file, bytes);
  open();
  BOOST_TEST(number() == 1U);
  BOOST_TEST(load_record(file).chain.versions().size() == 1U);
  fs::path aside = file;
  BOOST_TEST((read_whole(aside += ".damaged", 1 << 20) == bytes));
}

BOOST_AUTO_TEST_CASE(damaged_list_of_invitations_ends_no_node) {
  const fs::path others = folder.path() / "membership.json";
  for (const char* text : {"{", "[]", "{\"format\": 1, \"denied\": [7]}", "{\"format\": 9}"}) {
    membership.reset();
    write_whole(others, as_byte_view(text));
    open();
    BOOST_TEST(membership->denied().empty());
    BOOST_TEST(!fs::exists(others));
  }
}

BOOST_AUTO_TEST_CASE(what_is_missing_old_or_cut_is_refused_in_one_sentence) {
  const auto refusal = [&](const Bytes& bytes) {
    try {
      (void)parse_offered(bytes, "given.kith");
      return std::string();
    } catch (const Failure& failure) {
      BOOST_TEST(failure.code() == EX_DATAERR);
      return std::string(failure.what());
    }
  };
  const Bytes whole = read_whole(file, 1 << 20).value();
  BOOST_TEST(refusal(whole) == "");
  Bytes cut = whole;
  cut.resize(70);
  BOOST_TEST(contains(refusal(cut), "version 1"));
  const ByteView old = as_byte_view("kith charter file 1\nand more");
  BOOST_TEST(contains(refusal(Bytes(old.begin(), old.end())), "0.1"));
  const ByteView old_proposal = as_byte_view("kith charter proposal 1\nand more");
  BOOST_TEST(contains(refusal(Bytes(old_proposal.begin(), old_proposal.end())), "0.1"));
  BOOST_TEST(!refusal(Bytes(1 << 20)).empty());
  BOOST_CHECK_EXCEPTION((void)load_record(folder.path() / "none"), Failure,
                        [](const Failure& failure) {
                          return failure.code() == EX_NOINPUT &&
                                 contains(failure.what(), "kith charter merge FILE");
                        });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace membership_test
