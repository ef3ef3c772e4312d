#pragma once

#include "crypto/channel_key.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/state/store.hpp"
#include "net/head.hpp"
#include "net/message.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace kith::daemon {

// A snapshot file's values in encoded chunks, each encrypted under a key made for this snapshot,
// which is sealed to every member: whoever relays it can neither read nor alter it.

/// A member to whom a snapshot is sealed.
struct SnapshotReader {
  crypto::NodeId id;
  crypto::ChannelPublicKey channel;
};

/// Encodes and encrypts `file` chunk by chunk into `blobs`, durably, and names the result, which is
/// bound to `context`: net::seal_context().  Never holds more than a chunk in memory.  May block: not
/// for the io thread.  Throws Failure if the disk refuses or the form has too many chunks, WorkerLost
/// if the file has not that form.
[[nodiscard]] net::Manifest seal_snapshot(const pipe::Fd& file, const SnapshotForm& form,
                                          const std::vector<SnapshotReader>& readers,
                                          ByteView context, Blobs& blobs);

/// Why a snapshot could not be opened.
struct Unopened {
  std::string why;    ///< a sentence
  bool lost = false;  ///< a chunk is gone from our disk, or damaged there: fetch it again
};

/// The other way, into a sealed file in memory: of what is sealed to this node by its channel key,
/// or by its former one, in that context.  Checks every length and every chunk, not whether the
/// values are finite.  May block: not for the io thread.
[[nodiscard]] std::variant<pipe::Fd, Unopened> open_snapshot(const net::Manifest& manifest,
                                                             const SnapshotForm& form,
                                                             ByteView context,
                                                             const NodeKeys& self,
                                                             const Blobs& blobs);

}  // namespace kith::daemon
