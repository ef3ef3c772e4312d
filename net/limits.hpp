#pragma once

#include "net/time.hpp"

#include <cstddef>
#include <cstdint>

/// What one peer can cost us.  A promise to the operator: each limit is enforced at the earliest
/// byte that can break it, and each one has a test.
namespace kith::net::limits {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Before a connection is authenticated.
inline constexpr Duration kHandshake = seconds(10);  ///< from accept or connect to the peer's hello
inline constexpr std::size_t kUnauthenticated = 64;  ///< sockets in handshake at once
inline constexpr std::size_t kUnauthenticatedOfSubnet = 8;  ///< of these; a /24, in IPv6 a /48
inline constexpr std::size_t kHandshakeMessage = 256;       ///< bytes
inline constexpr Duration kStrangerEffort =
    milliseconds(20);  ///< a first message that leads nowhere: 50 a second
inline constexpr Duration kStrangerEffortAtOnce = seconds(1);
inline constexpr Duration kOffence = seconds(10);  ///< a subnet is an offender after such a message
inline constexpr std::size_t kOffenders = 1024;    ///< subnets remembered

// One connection.
inline constexpr Duration kIdle = seconds(120);   ///< without a record from the peer
inline constexpr Duration kPing = seconds(30);    ///< of our own silence before we send a ping
inline constexpr Duration kStall = seconds(60);   ///< without draining anything we queued
inline constexpr Duration kLifetime = hours(24);  ///< then a fresh handshake
inline constexpr std::size_t kControlMessage = 64 << 10;  ///< bytes
inline constexpr std::size_t kQueued =
    1 << 20;  ///< bytes waiting for a peer before we stop serving it
inline constexpr std::size_t kHopeless = 2 << 20;  ///< ... before we give it up
inline constexpr Duration kMessageEffort =
    std::chrono::microseconds(100);  ///< of any message: 10 000 a second
inline constexpr Duration kMessageEffortAtOnce = seconds(1);

// How many of them.
inline constexpr std::size_t kFullMesh = 9;  ///< nodes of a consortium in which all are connected
inline constexpr std::size_t kOutbound = 8;  ///< connections that we make in a larger one
inline constexpr std::size_t kPeers = 32;    ///< ... and have, with those that others make
inline constexpr std::size_t kFewConnections =
    2;  ///< who has fewer is let in where there is no room
inline constexpr Duration kConnect = seconds(3);  ///< for one address of a member
inline constexpr std::size_t kLookups = 16;       ///< names being looked up at once
inline constexpr Duration kFirstRedial = milliseconds(250);
inline constexpr Duration kLastRedial = seconds(30);  ///< the pause before it doubles up to this
inline constexpr Duration kRotation = std::chrono::minutes(30);  ///< then one we chose makes room

// All connections together.
inline constexpr std::size_t kQueuedByAll = kPeers * kHopeless;  ///< bytes, follows from the two
inline constexpr std::size_t kWaitingForDisk =
    16 << 20;  ///< bytes of verified chunks before we stop reading from everyone

// Snapshots.
inline constexpr std::size_t kChunk =
    512 << 10;  ///< bytes of every chunk but the last, before compression
inline constexpr std::size_t kChunksPerSnapshot = 8192;  ///< 4 GiB
inline constexpr std::size_t kMembers = 512;
inline constexpr std::size_t kNote = 40 << 10;  ///< bytes: a line of text for each member
inline constexpr std::size_t kSnapshotsPerOrigin = 2;
inline constexpr std::size_t kFetchesPerPeer = 16;  ///< asked of one peer, or by one peer, at once
inline constexpr std::size_t kHeadsPerMessage = 64;
inline constexpr Duration kFetch = seconds(10);      ///< at least; then a promise is broken
inline constexpr std::size_t kUploadsAtOnce = 2;     ///< pieces on their way, of different peers
inline constexpr Duration kUploadTurn = seconds(2);  ///< then a slow one no longer counts
inline constexpr std::size_t kRelaysAtOnce = 4;      ///< snapshots fetched for others only
inline constexpr unsigned kFetchesPerRound = 2;      ///< of one origin, in a round of ours
inline constexpr Duration kHeadPause = milliseconds(100);  ///< of one origin: one new head in that time
inline constexpr int kHeadsAtOnce = 30;                    ///< that may come sooner

// The charter.
inline constexpr std::size_t kLabel = 64;          ///< bytes of a name
inline constexpr std::size_t kAddresses = 4;       ///< of one member
inline constexpr std::size_t kAddress = 255;       ///< bytes
inline constexpr std::size_t kStewards = 64;       ///< of one version
inline constexpr std::size_t kCharter = 64 << 10;  ///< bytes of one version, without signatures
inline constexpr std::size_t kCharterVersions = 1024;
inline constexpr std::size_t kCharterFile = 32 << 20;     ///< bytes of all versions
inline constexpr hours kCharterWarning = hours(24 * 30);  ///< before it expires, we say so
inline constexpr hours kCharterGrace = hours(24 * 14);    ///< after it has, nodes still start

inline constexpr std::size_t kRivals = 16;                ///< versions that contradict it, kept

// Cards.
inline constexpr std::size_t kCardsPerMessage = 16;
inline constexpr Duration kCardList = std::chrono::minutes(10);  ///< until it is sent again
inline constexpr Duration kCardPause = seconds(60);  ///< of one member: one in that time ...
inline constexpr int kCardsAtOnce = 4;               ///< ... after so many more
inline constexpr hours kCardAhead = hours(24);  ///< of our date, that a card may be dated at most
inline constexpr hours kKeyOverlap = hours(24 * 14);  ///< the former key is still answered to

// Who wants to become a member.
inline constexpr std::size_t kInvites = 64;            ///< that wait for whom they were made
inline constexpr Duration kApplication = seconds(60);  ///< for one connection of an applicant
inline constexpr std::size_t kReason = 255;            ///< bytes of text for people
inline constexpr std::size_t kTaskText = 60 << 10;     ///< bytes

// What a member may make us compute beside moving snapshots, as a debt of effort that time pays off
// and a new connection does not.  Beyond it what it says of heads is not heard: anti-entropy brings
// that again.
inline constexpr Duration kEffortAtOnce = seconds(10);         ///< all heads of 512 members, twice
inline constexpr Duration kSignatureEffort = milliseconds(5);  ///< so 200 checks a second
inline constexpr Duration kSummaryEffort = milliseconds(100);  ///< to answer one
inline constexpr Duration kWantedEffort = milliseconds(5);     ///< to say what we hold of one
inline constexpr Duration kRelayEffort = seconds(1);           ///< to be asked to relay one
inline constexpr Duration kCharterEffort = milliseconds(5);    ///< to hand out a version
inline constexpr Duration kCardListEffort = milliseconds(100);  ///< to answer a list of cards
inline constexpr Duration kPursuitEffort = milliseconds(500);  ///< to go after a charter it tells of
inline constexpr Duration kAccusationEffort = seconds(1);      ///< to report one to the operator

}  // namespace kith::net::limits
