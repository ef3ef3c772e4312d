#pragma once

#include "net/card.hpp"
#include "net/charter.hpp"
#include "net/close_reason.hpp"
#include "net/head.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace kith::net {

inline constexpr std::uint8_t kProtocolVersion = 4;  ///< spoken by this program
inline constexpr std::uint8_t kOldestVersion = 4;    ///< still understood by it

/// A bit of Hello::features: the sender has fewer than limits::kFewConnections.
inline constexpr std::uint64_t kNeedsCompany = 1;

/// The first message of each side, inside the encrypted channel; the responder's answers the
/// initiator's.
struct Hello {
  std::uint8_t version = kProtocolVersion;
  std::uint8_t oldest = kOldestVersion;
  std::uint64_t features = 0;  ///< bits; unknown ones are ignored
  NodeId from{};               ///< who speaks: a member whose card names the key that was proved
  NodeId to{};                 ///< whom it means to speak with
  Hash task{};
  std::string agent{};  ///< program and version, for people
  template <class Archive>
  void serialize(Archive& archive) {
    archive(version, oldest, features, from.key, to.key, task, at_most<64>(agent));
  }
};

/// The last message, if there is time for one.
struct Goodbye {
  CloseReason reason{};
  template <class Archive>
  void serialize(Archive& archive) {
    archive(reason);
  }
};

struct Ping {
  std::uint64_t token = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(token);
  }
};
struct Pong {
  std::uint64_t token = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(token);
  }
};

/// Snapshots that exist.  Floods.
struct Heads {
  std::vector<SignedHead> heads;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kHeadsPerMessage>(heads));
  }
};

/// Anti-entropy: every snapshot the sender knows of, and whether it holds all its chunks.
struct Summary {
  struct Entry {
    SnapshotId snapshot{};
    bool complete = false;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(snapshot, complete);
    }
  };
  std::vector<Entry> entries;
  bool answer = false;  ///< an answer is not answered
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kMembers * limits::kSnapshotsPerOrigin>(entries), answer);
  }
};

/// The sender now holds all chunks of this snapshot.
struct Holding {
  SnapshotId snapshot{};
  template <class Archive>
  void serialize(Archive& archive) {
    archive(snapshot);
  }
};

/// The piece of a snapshot that is its manifest, where a chunk index is expected.
inline constexpr std::uint32_t kManifestPiece = 0xffffffff;

/// Asks for one piece.
struct Fetch {
  SnapshotId snapshot{};
  std::uint32_t piece = 0;  ///< chunk index or kManifestPiece
  template <class Archive>
  void serialize(Archive& archive) {
    archive(snapshot, piece);
  }
};

/// Answers Fetch.
struct Piece {
  SnapshotId snapshot{};
  std::uint32_t piece = 0;
  Bytes data;  ///< a chunk's ciphertext, or an encoded Manifest
  static constexpr std::size_t kMaximum = limits::kChunk + 16;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(snapshot, piece, at_most<kMaximum>(data));
  }
};
static_assert(kManifestMaximum <= Piece::kMaximum);

/// Answers Fetch when the sender does not have the piece, or has too much to do.
struct Unavailable {
  SnapshotId snapshot{};
  std::uint32_t piece = 0;
  bool busy = false;  ///< ask again later; otherwise do not
  template <class Archive>
  void serialize(Archive& archive) {
    archive(snapshot, piece, busy);
  }
};

/// The sender holds these chunks of a snapshot, too.  Said to who said Wanted.
struct Have {
  SnapshotId snapshot{};
  std::vector<std::uint32_t> chunks;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(snapshot, at_most<limits::kChunksPerSnapshot>(chunks));
  }
};

/// The sender fetches this snapshot: tell it what you hold of it, now and from now on.
struct Wanted {
  SnapshotId snapshot{};
  bool relay = false;  ///< it finds nobody who holds it: please fetch it, too
  template <class Archive>
  void serialize(Archive& archive) {
    archive(snapshot, relay);
  }
};

/// Takes back a Fetch that is not answered yet.
struct Cancel {
  SnapshotId snapshot{};
  std::uint32_t piece = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(snapshot, piece);
  }
};

/// Two heads that their origin signed for one place in its log: it lies.  Proves itself.
struct Evidence {
  SignedHead first, second;  ///< the one with the lesser bytes is the first
  template <class Archive>
  void serialize(Archive& archive) {
    archive(first, second);
  }
};

/// One version of a charter.
struct CharterPlace {
  std::uint64_t number = 0;
  Hash version{};  ///< its hash
  bool operator==(const CharterPlace&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, version);
  }
};

/// The version that the sender follows.
struct CharterHead {
  CharterPlace place;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(place);
  }
};

/// Asks for the version of that number of the chain that the receiver follows.
struct CharterWanted {
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

/// Answers CharterWanted.
struct CharterVersion {
  SignedCharter charter;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(charter);
  }
};

/// What an invitation gives whoever holds it: the right to apply.
using Token = std::array<std::byte, 16>;

/// In place of Hello, from who wants to become a member: the only message of who is none.
struct Apply {
  Token token{};  ///< of its invitation
  Card card;
  bool operator==(const Apply&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(token, card);
  }
};

/// Answers Apply.
struct Admission {
  enum class State : std::uint8_t { waiting, admitted, refused };
  State state{};
  std::string why{};     ///< for people: of what it waits, or why it was refused
  CharterPlace place{};  ///< if admitted: the newest version, to ask for with CharterWanted
  std::string task{};    ///< if admitted: what is learnt, as a section of a configuration
  bool operator==(const Admission&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(state, at_most<limits::kReason>(why), place, at_most<limits::kTaskText>(task));
  }
};
inline constexpr std::uint8_t kLastAdmissionState = 2;

/// What the sender learns, to a member whose Hello names another task, before they part.
struct TaskManifest {
  std::string text;  ///< what Hello::task is the hash of
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kTaskText>(text));
  }
};

/// The cards that the sender has: the first thing said of them on a connection.
struct CardList {
  std::vector<Hash> cards;  ///< Card::id()
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kMembers>(cards));
  }
};

/// Cards that the receiver lacks.  Before Hello, from who has dialled: its own.
struct Cards {
  std::vector<Card> cards;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kCardsPerMessage>(cards));
  }
};

/// Everything two nodes say to each other.  The index is the type byte on the wire: append only.
using Message =
    std::variant<Hello, Goodbye, Ping, Pong, Heads, Summary, Holding, Fetch, Piece, Unavailable,
                 Have, Wanted, Cancel, Evidence, CharterHead, CharterWanted, CharterVersion, Apply,
                 Admission, TaskManifest, CardList, Cards>;

/// Bytes of the largest encoding of any message: what a session will wait for.
inline constexpr std::size_t kLargestMessage = 1 + 32 + 4 + 4 + Piece::kMaximum;

/// Type byte and body.
[[nodiscard]] Bytes encode_message(const Message& message);
/// nullopt if `bytes` are not exactly one message, or are a control message over its limit.
[[nodiscard]] std::optional<Message> decode_message(ByteView bytes);

}  // namespace kith::net
