#pragma once

#include "net/asio/asio.hpp"
#include "net/card.hpp"
#include "net/charter.hpp"
#include "net/invite.hpp"

#include <string>
#include <vector>

namespace kith::net {

/// What came of an application.
struct Application {
  std::string trouble{};                  ///< why there was no answer; empty if there was one
  bool sent_away = false;                 ///< ... because it expects nobody
  Admission admission{};     ///< the answer
  CharterChain charter{};    ///< if admitted: verified from the invite's first version on
  std::vector<Card> cards{};  ///< of the members, as the inviter told them; not verified
};

/// Applies to the inviter, once: at each of its addresses until one answers.  If it says that
/// `card`'s node is a member by now, fetches the charter and the members' cards.
///
/// `channel` is the key that the card names, and must outlive this.  Within about a minute for
/// each address.  Threads: the executor's.  Throws nothing of its own.
awaitable<Application> apply(asio::any_io_executor executor, const crypto::ChannelKey& channel,
                             Invite invite, Card card);

}  // namespace kith::net
