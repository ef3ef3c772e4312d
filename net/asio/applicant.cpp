#include "net/asio/applicant.hpp"

#include "net/asio/dial.hpp"
#include "net/asio/link.hpp"
#include "net/charter_sync.hpp"
#include "net/conduct.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace kith::net {
namespace {

/// One connection to the inviter.
class Applicant : public std::enable_shared_from_this<Applicant> {
 public:
  Applicant(asio::any_io_executor executor, const crypto::ChannelKey& channel, const Invite& invite,
            const Card& card)
      : invite_(invite),
        directory_(invite.consortium, invite.founded),
        ended_(executor, Instant::max()) {
    local_.id = card.node;
    local_.channel = &channel;
    local_.directory = &directory_;
    charters_.await(invite.founded, invite.known);
  }

  static awaitable<Application> talk(std::shared_ptr<Applicant> self, tcp::socket socket,
                                     Card card) {
    Link::Callbacks callbacks{
        .established = [] {},
        .message = [self](Message message) { self->handle(std::move(message)); },
        .drained = [] {},
        .closed = [self](CloseReason reason) { self->closed(reason); },
    };
    const Callee inviter{self->invite_.inviter, self->invite_.channel.dh().value()};
    Apply application{self->invite_.token, std::move(card)};
    self->link_ = Link::start(std::move(socket), self->local_, inviter, std::move(callbacks), 0,
                              std::move(application));
    error_code ec;
    while (!self->done_) {
      co_await self->ended_.async_wait(asio::redirect_error(use_awaitable, ec));
    }
    const auto link = std::exchange(self->link_, nullptr);
    link->close(CloseReason::shutting_down);
    co_return std::move(self->result_);
  }

 private:
  void handle(Message message) {
    if (done_) return;
    const Instant now = Clock::now();
    const NodeId& inviter = invite_.inviter;
    if (auto* admission = std::get_if<Admission>(&message)) {
      if (answered_) return end("it answered twice");
      answered_ = true;
      result_.admission = std::move(*admission);
      if (result_.admission.state != Admission::State::admitted) return end("");
      charters_.handle_connected(now, inviter);
      charters_.handle(now, inviter, CharterHead{result_.admission.place});
    } else if (auto* cards = std::get_if<Cards>(&message)) {
      const bool too_many = result_.cards.size() + cards->cards.size() > limits::kMembers;
      if (too_many) return end("it sent more cards than there can be members");
      std::ranges::move(cards->cards, std::back_inserter(result_.cards));
    } else if (auto* version = std::get_if<CharterVersion>(&message)) {
      charters_.handle(now, inviter, *version);
    }
    while (auto event = charters_.poll_event()) carry_out(*event);
  }

  void carry_out(CharterSync::Event& event) {
    if (const auto* transmit = std::get_if<CharterSync::Transmit>(&event)) {
      if (std::holds_alternative<CharterWanted>(transmit->message)) link_->send(transmit->message);
    } else if (const auto* accused = std::get_if<CharterSync::Accused>(&event)) {
      end("its charter cannot be followed: it " + accused->what);
    } else if (std::holds_alternative<CharterSync::Grown>(event)) {
      result_.charter = charters_.chain();
      end("");
    }
  }

  void closed(CloseReason reason) {
    if (!done_) result_.sent_away = reason == CloseReason::not_a_member;
    end(std::string(explain(reason)));
  }

  void end(std::string trouble) {
    if (std::exchange(done_, true)) return;
    result_.trouble = std::move(trouble);
    ended_.cancel();
  }

  Invite invite_;
  Directory directory_;
  LocalNode local_;
  Conduct conduct_;
  CharterSync charters_{conduct_};
  std::shared_ptr<Link> link_;
  asio::steady_timer ended_;  // never expires; cancelled when it is done
  Application result_;
  bool answered_ = false, done_ = false;
};

}  // namespace

awaitable<Application> apply(asio::any_io_executor executor, const crypto::ChannelKey& channel,
                             Invite invite, Card card) {
  std::vector<std::string> addresses = invite.addresses;
  const std::vector<tcp::endpoint> endpoints = co_await resolve(executor, std::move(addresses));
  Application last{.trouble = "its addresses cannot be resolved"};
  for (const tcp::endpoint& endpoint : endpoints) {
    tcp::socket socket(executor);
    const error_code ec = co_await connect(socket, endpoint);
    if (ec) {
      last.trouble = text(endpoint) + ": " + ec.message();
      continue;
    }
    auto applicant = std::make_shared<Applicant>(executor, channel, invite, card);
    last = co_await Applicant::talk(std::move(applicant), std::move(socket), card);
    if (last.trouble.empty()) break;
    last.trouble = text(endpoint) + ": " + last.trouble;
  }
  co_return last;
}

}  // namespace kith::net
