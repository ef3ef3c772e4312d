#pragma once

#include "crypto/bytes.hpp"
#include "net/card.hpp"
#include "net/charter.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace kith::net {

/// Who belongs, and how each is reached, as it is kept on a disk and handed from person to person:
/// a charter file.
struct MembershipRecord {
  CharterChain chain;
  std::vector<Card> cards{};            ///< of members; at most one each
  std::vector<SignedCharter> rivals{};  ///< versions that contradict the chain: evidence
  std::uint64_t settled = 0;            ///< rivals up to this number are no news
};

/// docs/protocol.md, "Charter file", has the bytes.
[[nodiscard]] Bytes encode_record(const MembershipRecord& record);

/// Why a file is refused: one sentence.
struct RecordRefusal {
  std::string why;
};
/// Every version, card and signature verified anew.  Cards of those who are no members are left
/// out, and so is what is no rival.
[[nodiscard]] std::variant<MembershipRecord, RecordRefusal> decode_record(ByteView file);
/// Whether it begins like a charter file, of whatever format.
[[nodiscard]] bool is_record(ByteView bytes);

}  // namespace kith::net
