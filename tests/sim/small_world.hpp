#pragma once

#include "crypto/init.hpp"
#include "crypto/noise.hpp"
#include "net/gossip.hpp"
#include "net/session.hpp"
#include "tests/charters.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Two honest nodes and two colluders, and nothing that is left to chance: whoever drives it chooses
/// what happens next.  For the model checker and the fuzz target of whole nodes.
namespace kith::sim::small {

/// The honest nodes are 0 and 1, the colluders 2 and 3.
using Node = std::uint8_t;
inline constexpr Node kHonest = 2, kNodes = 4;

[[nodiscard]] inline bool is_honest(Node node) { return node < kHonest; }
[[nodiscard]] inline std::string name_of(Node node) {
  return std::array<std::string, kNodes>{"alice", "bob", "mallory", "oscar"}.at(node);
}

inline constexpr std::uint64_t kToday = 20'000ULL * 24 * 60 * 60;  ///< seconds since 1970
/// When the cards of the beginning were made.
inline constexpr std::uint64_t kFirstCards = kToday - 1000;

/// What a colluder may say, by name.
struct Word {
  std::string text;
  net::Message message;
  std::vector<net::SignedCharter> shows{};  ///< from now on, to who asks for versions
};
/// As whom a colluder may call: the key that it proves, what it shows first, whom it says it is.
struct Guise {
  std::string text;
  int key = 0;
  std::optional<net::Card> card{};
  std::optional<int> hello_from{};  ///< none: it says nothing more for now
};

/// Keys, charters, cards, heads: everything that was signed before, made once.
///
/// Version 1 was made by one founder, whose key the colluders have.  Version 2 has three stewards, of
/// whom two must sign: the colluders have one of their keys.  Version 3 expels oscar.  All that the
/// colluders say is made with keys that are theirs.
struct Cast {
  static constexpr int kFounder = 21, kBadSteward = 22;
  static constexpr int number(Node node) { return node + 1; }
  /// Of that node, the first, second, ... that it takes.
  static constexpr int key(Node node, int generation) { return 10 * (node + 1) + generation; }
  static crypto::Identity identity(Node node) { return test::identity(number(node)); }

  Cast() {
    crypto::init();
    for (Node node = 0; node < kNodes; ++node) {
      ids.push_back(identity(node).id());
      auto& keys = channels.emplace_back();
      for (int generation = 0; generation < 4; ++generation) {
        keys.push_back(test::channel_key(key(node, generation)));
      }
    }
    make_charters();
    make_cards();
    make_words();
    make_guises();
  }

  [[nodiscard]] net::Card card(Node node, int generation, std::uint64_t issued,
                               Node address_of) const {
    return card_with(identity(node), channels[node][static_cast<std::size_t>(generation)], node,
                     issued, address_of);
  }
  [[nodiscard]] net::Card card_with(const crypto::Identity& signer, const crypto::ChannelKey& key,
                                    Node name, std::uint64_t issued, Node address_of) const {
    net::Card made;
    made.founded = founded;
    made.issued = issued;
    made.name = name_of(name);
    made.addresses = {"host:" + std::to_string(7000 + address_of)};
    return net::sign_card(std::move(made), signer, key);
  }

  std::vector<crypto::NodeId> ids;
  std::vector<std::vector<crypto::ChannelKey>> channels;
  std::vector<net::CharterChain> chains;  ///< with one version, two, three, four
  net::CharterChain deceived;             ///< whose third was signed by a steward that also signed ours
  net::Hash founded{};
  std::vector<net::Card> first_cards;  ///< of each
  std::vector<Word> words;
  std::vector<Guise> guises;

 private:
  static net::Charter without(net::Charter charter, int member) {
    std::erase_if(charter.members, [&](const auto& m) { return m.id == test::identity(member).id(); });
    return charter;
  }
  void make_charters() {
    net::Charter first = test::first_version({kFounder}, 1);
    first.members.clear();
    for (Node node = 0; node < kNodes; ++node) {
      first.members.push_back({ids[node], name_of(node)});
    }
    net::CharterChain chain;
    test::append(chain, test::signed_by(test::ordered(first), {kFounder}));
    founded = chain.founded();
    chains.push_back(chain);
    net::Charter second = test::next_version(chain);
    second.stewards = {test::steward(kBadSteward), test::steward(23), test::steward(24)};
    second.threshold = 2;
    test::append(chain, test::signed_by(test::ordered(second), {kFounder, 23, 24}));
    chains.push_back(chain);
    deceived = chain;
    // A steward was made to sign two: one expels oscar, the other bob.
    test::append(deceived, test::signed_by(without(test::next_version(chain), number(1)),
                                           {kBadSteward, 23}));
    test::append(chain, test::signed_by(without(test::next_version(chain), number(3)), {23, 24}));
    chains.push_back(chain);
    net::Charter fourth = test::next_version(chain);
    ++fourth.expires;
    test::append(chain, test::signed_by(fourth, {23, 24}));
    chains.push_back(chain);
  }
  void make_cards() {
    for (Node node = 0; node < kNodes; ++node) {
      first_cards.push_back(card(node, 0, kFirstCards, node));
    }
  }
  void tell(const std::string& text, net::Message message) {
    words.push_back({text, std::move(message)});
  }
  /// A version that is never valid for who knows the second: told of, and handed out.
  net::CharterChain forged(const net::CharterChain& after, int leaves_out,
                           const std::vector<int>& signers, const std::string& text,
                           bool stewards_stay) {
    net::Charter charter = without(test::next_version(after), leaves_out);
    ++charter.expires;
    if (!stewards_stay) {
      charter.stewards = {test::steward(kFounder)};
      charter.threshold = 1;
    }
    const auto version = test::signed_by(charter, signers);
    words.push_back({"charter head: " + text,
                     net::CharterHead{net::CharterPlace{charter.number, version.id()}}, {}});
    for (const auto& each : after.versions()) words.back().shows.push_back(each.signed_charter);
    words.back().shows.push_back(version);
    tell("charter version: " + text, net::CharterVersion{version});
    net::CharterChain chain = after;
    if (chain.append(version)) return after;
    return chain;
  }
  /// With its two keys, whatever the card names.
  [[nodiscard]] net::Card signed_by_mallory(net::Card card) const {
    const auto text = [&card](std::string_view context) {
      const ByteView start = as_byte_view(context);
      Bytes bytes(start.begin(), start.end());
      const Bytes body = net::encode(card);
      bytes.insert(bytes.end(), body.begin(), body.end() - 2 * sizeof(crypto::Signature));
      return bytes;
    };
    card.by_node = identity(2).sign(text("kith card 2 by node\n"));
    card.by_channel = channels[2][0].sign(text("kith card 2 by channel\n"));
    return card;
  }
  void make_words() {
    // Charters.
    const auto former2 = forged(chains[0], number(0), {kFounder},
                                "2, by the founder, leaves out alice", false);
    const auto former3 = forged(former2, number(1), {kFounder},
                                "3 after that, by the founder, leaves out bob", false);
    (void)forged(former3, number(1), {kFounder, kBadSteward}, "4 after that, by founder and steward",
                 true);
    (void)forged(chains[1], number(1), {kBadSteward}, "3, by one steward, leaves out bob", true);
    (void)forged(chains[1], number(1), {kFounder, kBadSteward},
                 "3, by the founder and one steward, leaves out bob", true);
    (void)forged(chains[2], number(1), {kFounder, kBadSteward}, "4, by the founder and one steward",
                 true);
    tell("charter version: 1", net::CharterVersion{chains[0].newest().signed_charter});
    tell("charter version: 3, which expels oscar",
         net::CharterVersion{chains[2].newest().signed_charter});
    tell("charter head: 3, which expels oscar", net::CharterHead{place(chains[2])});
    tell("charter version: 3, of a steward who signed two, leaves out bob",
         net::CharterVersion{deceived.newest().signed_charter});
    tell("charter head: 3, of a steward who signed two, leaves out bob",
         net::CharterHead{place(deceived)});
    tell("charter head: 9, of nothing", net::CharterHead{{9, task()}});
    tell("charter wanted: 2", net::CharterWanted{2});
    // Cards.
    const auto say_card = [&](const std::string& text, net::Card card) {
      tell("card: " + text, net::Cards{{std::move(card)}});
    };
    const crypto::Identity mallory = identity(2), oscar = identity(3);
    say_card("mallory's, older", card(2, 1, kFirstCards - 1, 2));
    say_card("mallory's, newer, another key", card(2, 1, kFirstCards + 1, 2));
    say_card("mallory's, oscar's key", card_with(mallory, channels[3][0], 2, kFirstCards + 2, 2));
    say_card("mallory's, at bob's address", card(2, 0, kFirstCards + 3, 1));
    say_card("mallory's, of tomorrow", card(2, 2, kToday + 12 * 3600, 2));
    say_card("mallory's, of next week", card(2, 3, kToday + 7 * 24 * 3600, 2));
    say_card("oscar's, mallory's key", card_with(oscar, channels[2][0], 3, kFirstCards + 2, 3));
    say_card("alice's, from before the first", card(0, 3, kFirstCards - 100, 0));
    say_card("bob's, from before the first", card(1, 3, kFirstCards - 100, 1));
    say_card("bob's, the first", first_cards[1]);
    for (const Node of : {Node{0}, Node{1}}) {
      net::Card claim = card(2, 0, kFirstCards + 5, 2);
      claim.channel = channels[of][0].public_key();
      say_card("mallory's, which claims the key of " + name_of(of), signed_by_mallory(claim));
      net::Card forgery = card(2, 0, kFirstCards + 5, 2);
      forgery.node = ids[of];
      say_card(name_of(of) + "'s, signed by mallory", signed_by_mallory(forgery));
    }
    // Heads.
    const auto say_head = [&](const std::string& text, Node origin, const crypto::ChannelKey& names,
                              const crypto::ChannelKey& signer, std::uint64_t examples) {
      net::Head head;
      head.founded = founded;
      head.origin = ids[origin];
      head.key = names.public_key();
      head.position = {1, 1};
      head.task = task();
      head.examples = examples;
      head.size = 1;
      head.manifest_size = 100;
      net::SignedHead made = net::sign_head(head, names);
      made.signature = signer.sign(made.bytes);
      tell("head: " + text, net::Heads{{made}});
    };
    say_head("mallory's", 2, channels[2][0], channels[2][0], 1);
    say_head("mallory's other", 2, channels[2][0], channels[2][0], 2);
    say_head("mallory's, under oscar's key", 2, channels[3][0], channels[3][0], 1);
    say_head("bob's, under mallory's key", 1, channels[2][0], channels[2][0], 1);
    say_head("bob's, signed by mallory", 1, channels[1][0], channels[2][0], 1);
    // Who it is.
    for (const Node from : {Node{0}, Node{1}, Node{2}, Node{3}}) {
      for (const Node to : {Node{0}, Node{1}}) {
        net::Hello hello;
        hello.from = ids[from];
        hello.to = ids[to];
        hello.task = task();
        tell("hello from " + name_of(from) + " to " + name_of(to), hello);
      }
    }
    tell("card list", net::CardList{});
    tell("summary", net::Summary{});
    tell("goodbye", net::Goodbye{net::CloseReason::not_a_member});
  }
  void make_guises() {
    const crypto::Identity mallory = identity(2);
    guises = {
        {"itself", key(2, 0), first_cards[2], number(2)},
        {"oscar", key(3, 0), first_cards[3], number(3)},
        {"bob, with mallory's key and card", key(2, 0), first_cards[2], number(1)},
        {"bob, with bob's card", key(2, 0), first_cards[1], number(1)},
        {"who says nothing yet", key(2, 0), std::nullopt, std::nullopt},
        {"mallory with a newer card", key(2, 1), card(2, 1, kFirstCards + 1, 2), number(2)},
        {"mallory with oscar's key", key(3, 0),
         card_with(mallory, channels[3][0], 2, kFirstCards + 2, 2), number(2)},
        {"mallory with an older card", key(2, 1), card(2, 1, kFirstCards - 1, 2), number(2)},
        {"oscar with mallory's key", key(2, 0),
         card_with(identity(3), channels[2][0], 3, kFirstCards + 2, 3), number(3)},
        {"alice, with mallory's key", key(2, 0), std::nullopt, number(0)},
    };
  }

 public:
  static net::Hash task() { return crypto::hash(as_byte_view("task")); }
  static net::CharterPlace place(const net::CharterChain& chain) {
    return {chain.newest().charter.number, chain.newest().id};
  }
};

inline const Cast& cast() {
  static const Cast made;
  return made;
}

/// The colluders' end of a connection: the secure channel, and no rule above it.
class RawEnd {
 public:
  /// Calls who answers as `callee` with `theirs`.
  RawEnd(const crypto::ChannelKey& own, const net::NodeId& callee,
         const crypto::DhPublicKey& theirs)
      : handshake_(crypto::Handshake::initiator(own.dh(), theirs,
                                                net::prologue(cast().founded, callee))) {
    write(handshake_->write({}));
  }
  /// Is called, by who takes it for `self`.
  explicit RawEnd(Node self) : self_(self) {}

  /// False if it has come to its end.
  bool handle_bytes(ByteView bytes) {
    input_.insert(input_.end(), bytes.begin(), bytes.end());
    while (input_.size() >= 2) {
      const std::size_t length =
          std::to_integer<std::size_t>(input_[0]) << 8 | std::to_integer<std::size_t>(input_[1]);
      if (input_.size() < 2 + length) break;
      const Bytes frame(input_.begin() + 2, input_.begin() + 2 + static_cast<std::ptrdiff_t>(length));
      input_.erase(input_.begin(), input_.begin() + 2 + static_cast<std::ptrdiff_t>(length));
      if (!transport_ && !shake_hands(frame)) return false;
    }
    return true;
  }
  [[nodiscard]] bool ready() const { return transport_.has_value(); }
  void say(const net::Message& message) {
    const Bytes body = net::encode_message(message);
    const auto length = static_cast<std::uint32_t>(body.size());
    Bytes text;
    for (const int shift : {0, 8, 16, 24}) text.push_back(static_cast<std::byte>(length >> shift));
    text.insert(text.end(), body.begin(), body.end());
    Bytes record;
    if (text.size() > crypto::Transport::kMaxPlaintext) return;
    transport_->seal(text, record);
    write(record);
  }
  [[nodiscard]] Bytes take_output() { return std::exchange(output_, {}); }

 private:
  bool shake_hands(const Bytes& frame) {
    if (!handshake_) {
      const Bytes called = net::prologue(cast().founded, cast().ids[self_]);
      for (Node owner = kHonest; owner < kNodes; ++owner) {
        for (const auto& key : cast().channels[owner]) {
          auto attempt = crypto::Handshake::responder(key.dh(), called);
          if (!handshake_ && attempt.read(frame)) handshake_ = std::move(attempt);
        }
      }
      if (!handshake_) return false;
    } else if (!handshake_->read(frame)) {
      return false;
    }
    if (handshake_->my_turn()) write(handshake_->write({}));
    if (handshake_->finished()) {
      transport_ = handshake_->split();
      handshake_.reset();
    }
    return true;
  }
  void write(ByteView frame) {
    output_.push_back(static_cast<std::byte>(frame.size() >> 8));
    output_.push_back(static_cast<std::byte>(frame.size()));
    output_.insert(output_.end(), frame.begin(), frame.end());
  }

  Node self_ = kNodes;
  std::optional<crypto::Handshake> handshake_;
  std::optional<crypto::Transport> transport_;
  Bytes input_, output_;
};

/// What can happen next.
struct Action {
  enum class Kind : std::uint8_t {
    deliver,  ///< all that is on its way from a to b arrives
    dial,     ///< a dials b by its card
    lose,     ///< the connections of a with b are gone, and a notices
    restart,  ///< the process of a ends, and another begins with its record; nobody notices
    call,     ///< the colluder a calls b in guise c
    say,      ///< the colluder a says word c on its last connection with b
    hang_up,  ///< the colluder a ends all its connections with b
    expel,    ///< the operator of a puts version 3 there
    deceive,  ///< the operator of a puts the other version 3 there
    renew,    ///< a takes another channel key
    pass,     ///< c seconds
  };
  Kind kind{};
  Node a = 0, b = 0;
  std::uint8_t c = 0;
};
inline constexpr int kKinds = 11;

[[nodiscard]] inline std::string describe(const Action& action) {
  using Kind = Action::Kind;
  const auto name = [](Node node) { return node < kNodes ? name_of(node) : "nobody"; };
  const std::string a = name(action.a), b = name(action.b);
  switch (action.kind) {
    case Kind::deliver:
      return "what is on its way from " + a + " to " + b + " arrives";
    case Kind::dial:
      return a + " dials " + b;
    case Kind::lose:
      return "connection lost; " + a + " notices, " + b + " does not";
    case Kind::restart:
      return a + " restarts";
    case Kind::call:
      return a + " calls " + b + " as " + cast().guises[action.c].text;
    case Kind::say:
      return a + " says to " + b + ": " + cast().words[action.c].text;
    case Kind::hang_up:
      return a + " hangs up on " + b;
    case Kind::expel:
      return a + " is given version 3, which expels oscar";
    case Kind::deceive:
      return a + " is given the version 3 that leaves out bob";
    case Kind::renew:
      return a + " takes another channel key";
    case Kind::pass:
      return std::to_string(action.c) + " s pass";
  }
  return "";
}

/// The honest connect with one another, and the colluders with them.
[[nodiscard]] inline std::vector<Action> connected() {
  using Kind = Action::Kind;
  std::vector<Action> made{{Kind::dial, 0, 1}};
  for (int i = 0; i < 4; ++i) {
    made.push_back({Kind::deliver, 0, 1});
    made.push_back({Kind::deliver, 1, 0});
  }
  return made;
}
[[nodiscard]] inline std::vector<Action> infiltrated() {
  using Kind = Action::Kind;  // the first two guises are themselves
  return {{Kind::call, 2, 0, 0}, {Kind::call, 2, 1, 0}, {Kind::call, 3, 1, 1}};
}

/// The nodes and what lies between them.  The shell around the protocol is that of net/asio/host.cpp.
class World {
 public:
  World() {
    for (Node node = 0; node < kHonest; ++node) {
      Honest& self = honest_[node];
      net::MembershipRecord record;
      record.chain = cast().chains[1];
      record.cards = cast().first_cards;
      std::ranges::sort(record.cards, {}, &net::Card::node);
      self.disk = net::encode_record(record);
      self.issued = {cast().first_cards[node]};
      start(node);
    }
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Whether it can happen now; perform() of another does nothing.
  [[nodiscard]] bool possible(const Action& action) const {
    using Kind = Action::Kind;
    const auto [kind, a, b, c] = action;
    if (a >= kNodes || b >= kNodes) return false;
    switch (kind) {
      case Kind::deliver:
        return is_honest(a) && is_honest(b) && a != b && on_way(a, b);
      case Kind::dial:
        return is_honest(a) && a != b && can_dial(a, b);
      case Kind::lose:
        return is_honest(a) && is_honest(b) && a != b && connected_at_all(a, b);
      case Kind::restart:
        return is_honest(a);
      case Kind::call:
        return !is_honest(a) && is_honest(b) && c < cast().guises.size() && calls(a, b) < 2;
      case Kind::say:
        return !is_honest(a) && is_honest(b) && c < cast().words.size() && voice(a, b) != nullptr;
      case Kind::hang_up:
        return !is_honest(a) && is_honest(b) && calls(a, b) > 0;
      case Kind::expel:
        return is_honest(a) && gossip(a).charters().chain().versions().size() == 2;
      case Kind::deceive:
        return a == 0 && gossip(a).charters().chain().versions().size() == 2;
      case Kind::renew:
        // Two who both do it twice before they hear of each other need a third, who is not here.
        return is_honest(a) && honest_[a].issued.size() < 2;
      case Kind::pass:
        return true;
    }
    return false;
  }
  void perform(const Action& action) {
    if (!possible(action)) return;
    using Kind = Action::Kind;
    const auto [kind, a, b, c] = action;
    switch (kind) {
      case Kind::deliver:
        deliver(a, b);
        break;
      case Kind::dial:
        dial(a, b);
        break;
      case Kind::lose:
        lose(a, b);
        break;
      case Kind::restart:
        restart(a);
        break;
      case Kind::call:
        call(a, b, cast().guises[c]);
        break;
      case Kind::say:
        if (!cast().words[c].shows.empty()) shown_[a] = &cast().words[c].shows;
        say(a, b, cast().words[c].message);
        break;
      case Kind::hang_up:
        hang_up(a, b);
        break;
      case Kind::expel:
        put(a, cast().chains[2]);
        break;
      case Kind::deceive:
        put(a, cast().deceived);
        break;
      case Kind::renew:
        renew(a);
        break;
      case Kind::pass:
        pass(std::chrono::seconds(c));
        break;
    }
    run();
    check();
  }
  /// The colluder says it on its last connection with that node, if it has one.
  void say(Node colluder, Node to, const net::Message& message) {
    Link* const link = voice(colluder, to);
    if (link == nullptr) return;
    link->raw->say(message);
    run();
    check();
  }

  /// What did not hold; empty if all did.
  [[nodiscard]] const std::string& broken() const { return broken_; }

  /// The colluders fall silent, and messages flow: what must come of it.
  void settle() {
    const net::Instant last = now_ + kSettled;
    do {
      // The next number that the stewards sign brings everybody together.
      if (forked() && gossip(0).charters().chain().versions().size() == 3) {
        put(0, cast().chains[3]);
        run();
      }
      for (int turn = 0; turn < 8 && broken_.empty() && !agreed().empty(); ++turn) {
        for (Node a = 0; a < kHonest; ++a) {
          const Node b = static_cast<Node>(1 - a);
          if (!mutual(a, b) && can_dial(a, b) && (turn + a) % 2 == 0) dial(a, b);
        }
        flow();
      }
      if (agreed().empty()) break;
      pass(std::chrono::seconds(10));
      flow();
    } while (now_ < last && broken_.empty());
    check();
    if (broken_.empty()) broken_ = agreed();
  }

  /// Alike for two worlds that nobody can tell apart by what is seen of them.
  [[nodiscard]] net::Hash fingerprint() const {
    Bytes text;
    net::Writer writer(text);
    const auto number = [&](auto value) { writer(static_cast<std::uint64_t>(value)); };
    const auto until = [&](net::Instant when) {
      number(when == net::Instant::max() ? -1 : (when - now_).count());
    };
    for (const Honest& self : honest_) {
      const Bytes record = net::encode_record(self.gossip->record());
      writer.raw(record.data(), record.size());
      until(self.gossip->next_timeout());
      number(self.gossip->snapshot_count());
      for (const auto& id : self.gossip->quarantined()) writer(id.key);
      for (const auto& id : cast().ids) {
        const auto place = self.gossip->charters().followed_by(id);
        number(place ? 1 + place->number : 0);
        if (place) writer(place->version);
      }
      writer(self.last_asked);
    }
    for (const auto& [node, versions] : shown_) writer(versions->back().id());
    for (const auto& link : links_) {
      number(link->nodes[0]);
      number(link->nodes[1]);
      number(link->cut ? 1 : 0);
      for (const std::size_t end : {0U, 1U}) {
        const auto& session = link->sessions[end];
        number(session ? 1 + (session->established() ? 1 : 0) : 0);
        if (session) {
          until(session->next_timeout());
          number(counted(*link, end) ? 1 : 0);
          if (session->peer()) writer(session->peer()->key);
          if (session->proved()) writer(*session->proved());
        }
        for (const Chunk& chunk : link->on_way[end]) {
          number(chunk.bytes.size());
          writer(chunk.said);
        }
      }
      number(link->raw && link->raw->ready() ? 1 : 0);
    }
    return crypto::hash(text);
  }

 private:
  static constexpr net::Duration kSettled = std::chrono::minutes(15);
  static constexpr net::Duration kSimultaneous = std::chrono::seconds(5);

  struct Chunk {
    Bytes bytes;      // none: the socket was closed
    net::Hash said{};  // what the owner gave to the session
  };
  struct Link {
    std::array<Node, 2> nodes{};  // the first has dialled
    std::array<std::unique_ptr<net::Session>, 2> sessions{};
    std::unique_ptr<RawEnd> raw{};  // a colluder's end
    std::array<std::deque<Chunk>, 2> on_way{};  // to that end
    std::array<net::Hash, 2> said{};
    std::array<bool, 2> announced{};
    std::array<net::Instant, 2> since{};
    bool cut = false;
    [[nodiscard]] bool over() const { return !sessions[0] && !sessions[1]; }
  };
  struct Honest {
    std::unique_ptr<net::Gossip> gossip;
    net::LocalNode local{};
    Bytes disk;
    std::vector<net::Card> issued{};  // by itself, the newest last
    std::map<net::NodeId, Link*> peers{};
    std::uint64_t version = 0;  // of the charter, the highest so far
    net::Hash last_asked{};
  };

  void claim(bool holds, const std::string& otherwise) {
    if (!holds && broken_.empty()) broken_ = otherwise;
  }
  [[nodiscard]] const net::Gossip& gossip(Node node) const { return *honest_[node].gossip; }
  [[nodiscard]] std::uint64_t date() const {
    return kToday + static_cast<std::uint64_t>(
                        std::chrono::duration_cast<std::chrono::seconds>(now_ - kBegin).count());
  }
  [[nodiscard]] static const crypto::ChannelKey& channel_of(Node node, std::size_t generation) {
    return cast().channels[node][generation];
  }
  [[nodiscard]] static Node node_of(const net::NodeId& id) {
    return static_cast<Node>(std::ranges::find(cast().ids, id) - cast().ids.begin());
  }

  // --- Processes ---------------------------------------------------------------------------------

  void start(Node node) {
    Honest& self = honest_[node];
    const net::MembershipRecord* const record = read(self.disk);
    if (record == nullptr) return claim(false, name_of(node) + " cannot read what it has written");
    const std::size_t generation = self.issued.size() - 1;
    self.gossip = std::make_unique<net::Gossip>(now_, date(), *record, cast().ids[node], Cast::task(),
                                                node);
    self.local.id = cast().ids[node];
    self.local.channel = &channel_of(node, generation);
    self.local.former_channel = generation > 0 ? &channel_of(node, generation - 1) : nullptr;
    self.local.directory = &self.gossip->directory();
    self.local.task = Cast::task();
    self.local.agent = "small";
    self.local.card = self.issued.back();
    self.local.take_card = [this, node](const net::Card& card) {
      honest_[node].gossip->take_card(now_, card);
    };
    self.gossip->set_own_card(self.issued.back());
  }
  /// What decode_record() makes of a file, which is always the same: it is asked once.
  static const net::MembershipRecord* read(const Bytes& file) {
    static std::map<net::Hash, std::optional<net::MembershipRecord>> known;
    if (known.size() > 1000) known.clear();
    const auto [found, is_new] = known.try_emplace(crypto::hash(file));
    if (is_new) {
      auto decoded = net::decode_record(file);
      auto* const record = std::get_if<net::MembershipRecord>(&decoded);
      if (record != nullptr && net::encode_record(*record) == file) {
        found->second = std::move(*record);
      }
    }
    return found->second ? &*found->second : nullptr;
  }
  void restart(Node node) {
    Honest& self = honest_[node];
    for (const auto& link : links_) {
      for (const std::size_t end : {0U, 1U}) {
        if (link->nodes[end] != node || !link->sessions[end]) continue;
        link->sessions[end].reset();
        cut(*link);
      }
    }
    self.peers.clear();
    self.last_asked = {};
    start(node);
  }
  void write_down(Node node) { honest_[node].disk = net::encode_record(gossip(node).record()); }
  void put(Node node, const net::CharterChain& chain) {
    Honest& self = honest_[node];
    net::MembershipRecord record = self.gossip->record();
    if (node == 0 && &chain == &cast().chains[3]) record.cards = cast().first_cards;
    record.chain = chain;
    self.gossip->follow(now_, std::move(record));
    write_down(node);
  }
  void renew(Node node) {
    Honest& self = honest_[node];
    const std::size_t generation = self.issued.size();
    self.issued.push_back(
        cast().card(node, static_cast<int>(generation), kFirstCards + 10 * generation, node));
    self.local.channel = &channel_of(node, generation);
    self.local.former_channel = &channel_of(node, generation - 1);
    self.local.card = self.issued.back();
    self.gossip->set_own_card(self.issued.back());
    write_down(node);
  }

  // --- Connections -------------------------------------------------------------------------------

  [[nodiscard]] static std::optional<Node> address_of(const net::Card& card) {
    for (const std::string& address : card.addresses) {
      for (Node node = 0; node < kNodes; ++node) {
        if (address == "host:" + std::to_string(7000 + node)) return node;
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] bool can_dial(Node a, Node b) const {
    const auto* const entry = gossip(a).directory().find(cast().ids[b]);
    if (entry == nullptr || !entry->card || !address_of(*entry->card)) return false;
    if (*address_of(*entry->card) == a || honest_[a].peers.contains(entry->id)) return false;
    return std::ranges::none_of(links_, [&](const auto& link) {
      const auto& session = link->sessions[0];
      return link->nodes[0] == a && session && session->peer() == entry->id;
    });
  }
  [[nodiscard]] bool connected_at_all(Node a, Node b) const {
    return std::ranges::any_of(links_, [&](const auto& link) {
      const auto& nodes = link->nodes;
      const bool these = (nodes[0] == a && nodes[1] == b) || (nodes[0] == b && nodes[1] == a);
      return these && link->sessions[nodes[0] == a ? 0 : 1];
    });
  }
  void dial(Node a, Node b) {
    const auto* const entry = gossip(a).directory().find(cast().ids[b]);
    const Node there = address_of(*entry->card).value();
    auto link = std::make_unique<Link>();
    link->nodes = {a, there};
    const net::Callee callee{entry->id, entry->dh};
    link->sessions[0] = std::make_unique<net::Session>(honest_[a].local, callee, now_);
    if (is_honest(there)) {
      link->sessions[1] = std::make_unique<net::Session>(honest_[there].local, std::nullopt, now_);
    } else {
      link->raw = std::make_unique<RawEnd>(b);
    }
    links_.push_back(std::move(link));
    run();
  }
  void call(Node a, Node b, const Guise& guise) {
    auto link = std::make_unique<Link>();
    link->nodes = {a, b};
    const auto key = crypto::ChannelKey(test::channel_key(guise.key));
    link->raw = std::make_unique<RawEnd>(key, cast().ids[b], honest_[b].local.channel->dh().public_key());
    link->sessions[1] = std::make_unique<net::Session>(honest_[b].local, std::nullopt, now_);
    Link& made = *link;
    links_.push_back(std::move(link));
    run();
    if (!made.raw->ready()) return;
    if (guise.card) made.raw->say(net::Cards{{*guise.card}});
    if (guise.hello_from) {
      net::Hello hello;
      hello.from = test::identity(*guise.hello_from).id();
      hello.to = cast().ids[b];
      hello.task = Cast::task();
      made.raw->say(hello);
    }
  }
  [[nodiscard]] static bool between(const Link& link, Node colluder, Node other) {
    return link.raw && ((link.nodes[0] == colluder && link.nodes[1] == other) ||
                        (link.nodes[1] == colluder && link.nodes[0] == other));
  }
  [[nodiscard]] int calls(Node colluder, Node other) const {
    return static_cast<int>(std::ranges::count_if(links_, [&](const auto& link) {
      return between(*link, colluder, other) && !link->over();
    }));
  }
  [[nodiscard]] Link* voice(Node colluder, Node other) const {
    Link* last = nullptr;
    for (const auto& link : links_) {
      if (between(*link, colluder, other) && !link->over() && link->raw->ready()) last = link.get();
    }
    return last;
  }
  void hang_up(Node colluder, Node other) {
    for (const auto& link : links_) {
      if (!between(*link, colluder, other)) continue;
      for (auto& session : link->sessions) {
        if (session) session->close(net::CloseReason::connection_lost);
      }
    }
  }
  static void cut(Link& link) {
    link.cut = true;
    for (auto& way : link.on_way) way.clear();
  }
  void lose(Node a, Node b) {
    for (const auto& link : links_) {
      for (const std::size_t end : {0U, 1U}) {
        if (link->nodes[end] != a || link->nodes[1 - end] != b || !link->sessions[end]) continue;
        cut(*link);
        link->sessions[end]->close(net::CloseReason::connection_lost);
      }
    }
  }

  // --- What a host does --------------------------------------------------------------------------

  [[nodiscard]] bool counted(const Link& link, std::size_t end) const {
    if (!is_honest(link.nodes[end])) return false;
    return std::ranges::any_of(honest_[link.nodes[end]].peers,
                               [&](const auto& peer) { return peer.second == &link; });
  }
  void established(Link& link, std::size_t end) {
    const Node node = link.nodes[end];
    Honest& self = honest_[node];
    net::Session& session = *link.sessions[end];
    const net::NodeId id = *session.peer();
    if (self.gossip->directory().find(id) == nullptr) {
      return session.close(net::CloseReason::not_a_member);
    }
    const auto known = self.peers.find(id);
    if (known != self.peers.end()) {
      Link& old = *known->second;
      const std::size_t old_end = old.nodes[0] == node ? 0 : 1;
      net::Session& other = *old.sessions[old_end];
      const bool ours_counts = self.local.id < id;
      const bool ours = session.role() == net::Session::Role::initiator;
      const bool simultaneous =
          now_ - old.since[old_end] < kSimultaneous && other.role() != session.role();
      if (simultaneous && ours != ours_counts) return session.close(net::CloseReason::duplicate);
      self.peers.erase(known);
      self.gossip->handle_disconnected(now_, id);
      other.close(net::CloseReason::duplicate);
    }
    self.peers[id] = &link;
    link.since[end] = now_;
    self.gossip->handle_connected(now_, id);
  }
  /// Everything that follows at once from what has just happened.
  void run() {
    bool more = true;
    for (int round = 0; more; ++round) {
      if (round > 1000) return claim(false, "one thing leads to another without end");
      more = false;
      for (std::size_t i = 0; i < links_.size(); ++i) {
        for (const std::size_t end : {0U, 1U}) more = run_end(*links_[i], end) || more;
      }
      for (Node node = 0; node < kHonest; ++node) {
        more = drain(node) || more;
      }
    }
    for (const auto& link : links_) {
      for (const std::size_t end : {0U, 1U}) flush(*link, end);
    }
    std::erase_if(links_, [](const auto& link) { return link->over(); });
  }
  /// Carries out what the gossip has come to want; whether that was anything.
  bool drain(Node node) {
    bool some = false;
    while (auto event = honest_[node].gossip->poll_event()) {
      carry_out(node, *event);
      some = true;
    }
    return some;
  }
  bool run_end(Link& link, std::size_t end) {
    bool more = false;
    if (link.raw && !is_honest(link.nodes[end])) {
      const Bytes bytes = link.raw->take_output();
      auto& session = link.sessions[1 - end];
      if (bytes.empty() || !session) return false;
      session->handle_bytes(now_, bytes);
      return true;
    }
    auto& session = link.sessions[end];
    if (!session) return false;
    const Node node = link.nodes[end];
    Honest& self = honest_[node];
    if (session->established() && !std::exchange(link.announced[end], true)) {
      established(link, end);
      more = true;
    }
    while (auto message = session->poll_message()) {
      const auto peer = session->peer();
      if (!peer || !counted(link, end)) continue;
      self.gossip->handle_message(now_, *peer, std::move(*message));
      (void)drain(node);
      more = true;
    }
    if (link.raw) {
      const Bytes bytes = session->take_output();
      session->handle_written(now_, 0);
      if (!bytes.empty()) {
        more = true;
        if (!link.raw->handle_bytes(bytes)) session->close(net::CloseReason::connection_lost);
      }
    }
    if (session->closed()) {
      flush(link, end);
      if (!link.cut && !link.raw) link.on_way[1 - end].push_back({});
      if (counted(link, end)) {
        const net::NodeId id = *session->peer();
        self.peers.erase(id);
        self.gossip->handle_disconnected(now_, id);
      }
      session.reset();
      more = true;
    }
    return more;
  }
  void flush(Link& link, std::size_t end) {
    auto& session = link.sessions[end];
    if (!session || link.raw) return;
    Bytes bytes = session->take_output();
    session->handle_written(now_, 0);
    const net::Hash said = std::exchange(link.said[end], {});
    if (!bytes.empty() && !link.cut) link.on_way[1 - end].push_back({std::move(bytes), said});
  }
  void carry_out(Node node, net::Gossip::Event& event) {
    using net::Gossip;
    Honest& self = honest_[node];
    if (const auto* out = std::get_if<Gossip::Transmit>(&event)) {
      transmit(node, *out);
    } else if (const auto* read = std::get_if<Gossip::ReadPiece>(&event)) {
      self.gossip->handle_piece_read(now_, read->for_peer, read->snapshot, read->piece, std::nullopt);
      self.gossip->handle_drained(now_, read->for_peer);
    } else if (const auto* found = std::get_if<Gossip::Discovered>(&event)) {
      self.gossip->want(now_, found->snapshot);
    } else if (const auto* accused = std::get_if<Gossip::Accused>(&event)) {
      claim(!is_honest(node_of(accused->peer)), name_of(node) + " accuses " +
                                                    name_of(node_of(accused->peer)) + ": " +
                                                    accused->what);
    } else if (const auto* changed = std::get_if<Gossip::CharterChanged>(&event)) {
      write_down(node);
      for (const net::Member& member : changed->removed) {
        const auto peer = self.peers.find(member.id);
        if (peer == self.peers.end()) continue;
        Link& link = *peer->second;
        self.peers.erase(peer);
        link.sessions[link.nodes[0] == node ? 0 : 1]->close(net::CloseReason::not_a_member);
      }
    } else if (const auto* renewed = std::get_if<Gossip::Renewed>(&event)) {
      write_down(node);
      const auto* const entry = self.gossip->directory().find(renewed->member);
      const auto peer = self.peers.find(renewed->member);
      if (entry == nullptr || peer == self.peers.end()) return;
      Link& link = *peer->second;
      net::Session& session = *link.sessions[link.nodes[0] == node ? 0 : 1];
      if (!entry->has_key(*session.proved())) session.close(net::CloseReason::outdated_key);
    } else if (std::holds_alternative<Gossip::Contradicted>(event)) {
      write_down(node);
    } else if (std::holds_alternative<Gossip::RenewedElsewhere>(event)) {
      claim(false, name_of(node) + " takes a card for its own that it did not sign");
    } else if (std::holds_alternative<Gossip::Outrun>(event)) {
      claim(false, name_of(node) + " takes a head for its own that it did not sign");
    }
  }
  void transmit(Node node, const net::Gossip::Transmit& out) {
    Honest& self = honest_[node];
    if (std::holds_alternative<net::CharterWanted>(out.message)) {
      self.last_asked = crypto::hash(net::encode_message(out.message));
    }
    const auto peer = self.peers.find(out.to);
    if (peer == self.peers.end()) return;
    // What was on its way to a member of before, and is no payload, may still leave.
    const bool serves = std::holds_alternative<net::Piece>(out.message);
    claim(!serves || self.gossip->directory().find(out.to) != nullptr,
          name_of(node) + " serves " + name_of(node_of(out.to)) + ", which is no member for it");
    Link& link = *peer->second;
    const std::size_t end = link.nodes[0] == node ? 0 : 1;
    if (link.raw) answer(link, link.nodes[1 - end], out.message);
    Bytes said(link.said[end].begin(), link.said[end].end());
    const Bytes body = net::encode_message(out.message);
    said.insert(said.end(), body.begin(), body.end());
    link.said[end] = crypto::hash(said);
    link.sessions[end]->send(now_, out.message);
  }

  /// A colluder hands out the chain of which it has told last.
  void answer(Link& link, Node colluder, const net::Message& question) {
    const auto* const wanted = std::get_if<net::CharterWanted>(&question);
    const auto shown = shown_.find(colluder);
    if (wanted == nullptr || shown == shown_.end()) return;
    if (wanted->number < 1 || wanted->number > shown->second->size()) return;
    link.raw->say(net::CharterVersion{(*shown->second)[wanted->number - 1]});
  }

  // --- Time and bytes ----------------------------------------------------------------------------

  [[nodiscard]] bool on_way(Node a, Node b) const {
    return std::ranges::any_of(links_, [&](const auto& link) {
      for (const std::size_t end : {0U, 1U}) {
        const bool there = link->nodes[end] == b && link->nodes[1 - end] == a;
        if (there && !link->on_way[end].empty()) return true;
      }
      return false;
    });
  }
  void deliver(Node a, Node b) {
    for (std::size_t i = 0; i < links_.size(); ++i) {
      Link& link = *links_[i];
      for (const std::size_t end : {0U, 1U}) {
        if (link.nodes[end] != b || link.nodes[1 - end] != a) continue;
        for (const Chunk& chunk : std::exchange(link.on_way[end], {})) {
          auto& session = link.sessions[end];
          if (!session) continue;
          if (chunk.bytes.empty()) {
            session->close(net::CloseReason::connection_lost);
          } else {
            session->handle_bytes(now_, chunk.bytes);
          }
        }
      }
    }
    run();
  }
  void flow() {
    for (int round = 0; round < 200; ++round) {
      bool more = false;
      for (const auto& [a, b] : {std::pair<Node, Node>{0, 1}, {1, 0}}) {
        if (!on_way(a, b)) continue;
        deliver(a, b);
        more = true;
      }
      if (!more) return;
    }
    claim(false, "two honest nodes talk without end");
  }
  void pass(net::Duration time) {
    const net::Instant end = now_ + time;
    for (int alarms = 0; alarms < 10'000; ++alarms) {
      net::Instant next = net::Instant::max();
      for (const Honest& self : honest_) next = std::min(next, self.gossip->next_timeout());
      for (const auto& link : links_) {
        for (const auto& session : link->sessions) {
          if (session) next = std::min(next, session->next_timeout());
        }
      }
      if (next > end) break;
      now_ = std::max(now_, next);
      for (Honest& self : honest_) {
        if (self.gossip->next_timeout() <= now_) self.gossip->handle_timeout(now_);
      }
      for (const auto& link : links_) {
        for (const auto& session : link->sessions) {
          if (session && session->next_timeout() <= now_) session->handle_timeout(now_);
        }
      }
      run();
      claim(alarms < 9'999, "timeouts without end");
    }
    now_ = end;
  }

  // --- What must hold ----------------------------------------------------------------------------

  void check() {
    for (Node node = 0; node < kHonest; ++node) {
      check_membership(node);
      check_cards(node);
      check_sessions(node);
    }
  }
  void check_membership(Node node) {
    Honest& self = honest_[node];
    const auto& newest = self.gossip->charters().chain().newest();
    const std::uint64_t number = newest.charter.number;
    const auto is_newest_of = [&](const auto& chain) { return chain.newest().id == newest.id; };
    const bool lawful = std::ranges::any_of(cast().chains, is_newest_of) ||
                        newest.id == cast().deceived.newest().id;
    claim(lawful, name_of(node) + " follows a charter that the stewards did not make");
    claim(number >= 2 && number >= self.version, name_of(node) + " follows an older version again");
    self.version = std::max(self.version, number);
    for (const auto& id : self.gossip->quarantined()) {
      claim(!is_honest(node_of(id)), name_of(node) + " has convicted an honest node");
    }
    const auto& members = newest.charter.members;
    const auto& directory = self.gossip->directory().members();
    claim(std::ranges::equal(members, directory, {}, &net::Member::id,
                             &net::Directory::Entry::id),
          name_of(node) + " has other members than its charter");
    claim(read(net::encode_record(self.gossip->record())) != nullptr,
          name_of(node) + " cannot read what it would write");
  }
  void check_cards(Node node) {
    const Honest& self = honest_[node];
    for (Node of = 0; of < kHonest; ++of) {
      const auto* const entry = self.gossip->directory().find(cast().ids[of]);
      if (entry == nullptr) continue;
      const auto& issued = honest_[of].issued;
      const bool known = entry->card && std::ranges::find(issued, *entry->card) != issued.end();
      claim(known || !entry->card,
            name_of(node) + " has a card of " + name_of(of) + " that it did not issue");
      claim(of != node || entry->card == issued.back(), name_of(node) + " has lost its own card");
    }
    for (const auto& entry : self.gossip->directory().members()) {
      if (entry.card) {
        claim(entry.card->node == entry.id && entry.card->channel.dh() == entry.dh,
              name_of(node) + " has the card of one under the name of another");
        const bool taken = std::ranges::any_of(honest_, [&](const Honest& other) {
          if (other.local.id == entry.id) return false;
          return std::ranges::any_of(other.issued, [&](const net::Card& card) {
            return card.channel == entry.card->channel;
          });
        });
        claim(!taken, name_of(node) + " takes another's key for that of " + name_of(node_of(entry.id)));
      }
    }
    claim(!self.gossip->cards().signed_elsewhere(), name_of(node) + " thinks that it was robbed");
  }
  void check_sessions(Node node) {
    const Honest& self = honest_[node];
    for (const auto& link : links_) {
      for (const std::size_t end : {0U, 1U}) {
        const auto& session = link->sessions[end];
        if (link->nodes[end] != node || !session || !session->established()) continue;
        const Node named = node_of(*session->peer()), there = link->nodes[1 - end];
        const bool right = is_honest(named) ? named == there : !is_honest(there);
        claim(right, name_of(node) + " takes " + name_of(there) + " for " + name_of(named));
      }
    }
    for (const auto& [id, link] : self.peers) {
      const auto* const entry = self.gossip->directory().find(id);
      claim(entry != nullptr,
            name_of(node) + " is connected with " + name_of(node_of(id)) + ", which is no member for it");
      const auto& session = link->sessions[link->nodes[0] == node ? 0 : 1];
      claim(session && session->peer() == id, name_of(node) + " books a connection on another");
      claim(entry == nullptr || !session || entry->has_key(*session->proved()),
            name_of(node) + " is connected with " + name_of(node_of(id)) + " by a key that is not in force");
    }
  }
  [[nodiscard]] bool mutual(Node a, Node b) const {
    const auto one = honest_[a].peers.find(cast().ids[b]), other = honest_[b].peers.find(cast().ids[a]);
    return one != honest_[a].peers.end() && other != honest_[b].peers.end() &&
           one->second == other->second && !one->second->cut;
  }
  /// Whether somebody follows the version that a steward signed beside ours.
  [[nodiscard]] bool forked() const {
    return std::ranges::any_of(honest_, [](const Honest& self) {
      return self.gossip->charters().chain().contains(3, cast().deceived.newest().id);
    });
  }
  /// What is still missing; empty if nothing is.
  [[nodiscard]] std::string agreed() const {
    if (!mutual(0, 1)) return "the honest are not connected";
    const auto& one = gossip(0).charters().chain().newest();
    const auto& other = gossip(1).charters().chain().newest();
    if (one.id != other.id) return "the honest follow two charters";
    for (Node node = 0; node < kHonest; ++node) {
      for (Node of = 0; of < kHonest; ++of) {
        const auto* const entry = gossip(node).directory().find(cast().ids[of]);
        if (entry == nullptr) return name_of(node) + " does not count " + name_of(of) + " as a member";
        if (entry->card != honest_[of].issued.back()) {
          return name_of(node) + " has not got the newest card of " + name_of(of);
        }
      }
    }
    return "";
  }

  static constexpr net::Instant kBegin{std::chrono::hours(1000)};
  net::Instant now_ = kBegin;
  std::array<Honest, kHonest> honest_;
  std::vector<std::unique_ptr<Link>> links_;
  std::map<Node, const std::vector<net::SignedCharter>*> shown_;  // by colluders
  std::string broken_;
};

}  // namespace kith::sim::small
