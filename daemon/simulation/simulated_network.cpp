#include "daemon/simulation/simulated_network.hpp"

#include "crypto/seal.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/system/log.hpp"
#include "model/data/sampling.hpp"

#include <algorithm>
#include <cassert>
#include <deque>

namespace kith::daemon {

using nlohmann::json;

/// One node's end of the network.
class SimulatedNetwork::Port final : public Exchange {
 public:
  Port(SimulatedNetwork& network, std::size_t index, Node node, double slowness)
      : network_(network),
        index_(index),
        node_(std::move(node)),
        slowness_(slowness),
        random_(data::random_for({network.seed_, index})) {}

  void want(std::uint64_t, std::vector<std::string> peers) override {
    wanted_.clear();
    for (std::size_t i = 0; i < network_.ports_.size(); ++i) {
      if (std::ranges::find(peers, network_.ports_[i]->node_.name) == peers.end()) continue;
      wanted_.insert(i);
      network_.fetch(i, index_, now());
    }
    const auto epoch = std::chrono::duration<double, std::milli>(network_.conditions_.epoch);
    trained_ = now() + std::chrono::duration_cast<Time>(epochs_ * slowness_ * epoch);
    network_.clock_.work_until(index_, trained_);
  }

  net::awaitable<void> publish(std::uint64_t round, pipe::Fd partial, Note note) override {
    co_await network_.clock_.until(index_, trained_);
    auto file = std::make_shared<pipe::Fd>(std::move(partial));
    const std::shared_ptr<const pipe::Fd> learnt = file;
    if (!first_) first_ = file;
    if (node_.attack != AttackKind::none && round >= node_.attacks_from) {
      const AttackMaterial material{&initial_, first_.get(), free_ride(), honest(round)};
      const bool measures = !material.honest.empty() && worker_ != nullptr;
      const bool sybil = node_.attack == AttackKind::sybil;
      if ((sybil || node_.attack == AttackKind::interpolate) && measures) {
        auto mean = std::make_shared<pipe::Fd>(mean_of(material.honest));
        const std::shared_ptr<const pipe::Fd> target = sybil ? leader(round) : learnt;
        file = co_await interpolated(mean, target);
        if (sybil) file = std::make_shared<pipe::Fd>(altered(*file, random_));
      } else {
        file = std::make_shared<pipe::Fd>(attacked(node_.attack, *file, material, random_));
      }
    }
    before_ = std::move(newest_);
    newest_ = std::make_shared<Publication>(network_.encoded(*file));
    newest_->round = round;
    newest_->learnt = learnt;
    newest_->note = std::move(note);
    newest_loaded_ = false;
    for (const auto& port : network_.ports_) {
      if (port->wanted_.contains(index_)) network_.fetch(index_, port->index_, now());
    }
  }

  net::awaitable<void> gather(std::uint64_t round) override {
    const Time end = now() + std::chrono::duration_cast<Time>(network_.conditions_.gather);
    while (now() < end && worth_waiting(round)) {
      co_await network_.clock_.until_woken(index_, std::min(end, next_arrival()));
    }
  }

  net::awaitable<std::vector<Candidate>> load(std::uint64_t round, WorkerProcess& worker) override {
    worker_ = &worker;
    std::vector<Candidate> candidates;
    for (auto& [from, arrivals] : arrivals_) {
      // The newest that has come; older ones will never be used.
      const auto later = [this](const Arrival& arrival) { return arrival.time > now(); };
      const auto newest = std::find_if_not(arrivals.rbegin(), arrivals.rend(), later);
      if (newest == arrivals.rend()) continue;
      arrivals.erase(arrivals.begin(), newest.base() - 1);
      Arrival& arrival = arrivals.front();
      const std::string& peer = network_.ports_[from]->node_.name;
      if (!arrival.loaded && !arrival.refused) {
        bytes_received_ += arrival.first_used ? 0 : arrival.publication->size;
        const pipe::Load question{peer};
        try {
          co_await worker.call(question, arrival.publication->file.get());
          arrival.loaded = true;
        } catch (const WorkerRefused& error) {
          arrival.refused = true;
          log::debug("snapshot_refused", {{"peer", peer}, {"why", error.what()}});
        }
        if (!arrival.first_used) arrival.first_used = round;
      }
      if (arrival.refused) continue;
      const Note& note = arrival.publication->note;
      const bool readable = note.reader.empty() || note.reader == node_.name;
      candidates.push_back({peer, *arrival.first_used, readable ? note.text : json(nullptr),
                            arrival.publication->file});
    }
    co_return candidates;
  }

  net::awaitable<bool> load_published(WorkerProcess& worker) override {
    if (!newest_ || network_.form_.encoding == model::Encoding::fp32) co_return false;
    if (newest_loaded_) co_return true;
    const pipe::Load question{node_.name};
    try {
      co_await worker.call(question, newest_->file.get());
      newest_loaded_ = true;
    } catch (const WorkerRefused&) {
      // An attacker's, most likely.
    }
    co_return newest_loaded_;
  }

  void worker_replaced() override {
    newest_loaded_ = false;
    worker_ = nullptr;
    for (auto& [from, arrivals] : arrivals_) {
      for (Arrival& arrival : arrivals) arrival.loaded = false;
    }
  }

 private:
  friend class SimulatedNetwork;
  struct Arrival {
    std::shared_ptr<Publication> publication;
    Time time{0};
    std::optional<std::uint64_t> first_used{};
    bool loaded = false;
    bool refused = false;
  };

  [[nodiscard]] Time now() const { return network_.clock_.now(index_); }

  /// Of what is under way; what sets out later wakes us.
  [[nodiscard]] Time next_arrival() const {
    Time next = Time::max();
    for (const auto& [from, arrivals] : arrivals_) {
      for (const Arrival& arrival : arrivals) {
        if (arrival.time > now()) next = std::min(next, arrival.time);
      }
    }
    return next;
  }

  /// As a running node decides: somebody wanted is in step, and what it published, or is about to
  /// publish, is not here.
  [[nodiscard]] bool worth_waiting(std::uint64_t round) const {
    return std::ranges::any_of(wanted_, [&](std::size_t from) {
      const auto& announced = network_.ports_[from]->newest_;
      const std::uint64_t its_round = announced ? announced->round : 0;
      const auto arrivals = arrivals_.find(from);
      const bool here = arrivals != arrivals_.end() &&
                        std::ranges::any_of(arrivals->second, [&](const Arrival& arrival) {
                          return arrival.time <= now() && arrival.publication->round >= round;
                        });
      return !here && its_round + 1 >= round && !lost_.contains({from, round});
    });
  }

  [[nodiscard]] const pipe::Fd* free_ride() const {
    for (const auto& [from, arrivals] : arrivals_) {
      if (!arrivals.empty()) return arrivals.front().publication->file.get();
    }
    return nullptr;
  }

  /// What it published in an earlier round than `round`: not in this moment, since of two nodes
  /// that act in one moment either may be first.
  [[nodiscard]] const Publication* published_before(std::uint64_t round) const {
    for (const auto* publication : {newest_.get(), before_.get()}) {
      if (publication != nullptr && publication->round < round) return publication;
    }
    return nullptr;
  }

  [[nodiscard]] std::vector<const pipe::Fd*> honest(std::uint64_t round) const {
    std::vector<const pipe::Fd*> files;
    for (const auto& port : network_.ports_) {
      const bool alike = port->node_.attack == AttackKind::none && port->node_.group == node_.group;
      const Publication* const known = alike ? port->published_before(round) : nullptr;
      if (known != nullptr) files.push_back(known->file.get());
    }
    return files;
  }

  /// What the first of the attackers learnt.
  [[nodiscard]] std::shared_ptr<const pipe::Fd> leader(std::uint64_t round) const {
    for (const auto& port : network_.ports_) {
      const bool attacks = port->node_.attack != AttackKind::none;
      const Publication* const known = attacks ? port->published_before(round) : nullptr;
      if (known != nullptr) return known->learnt;
    }
    return first_;
  }

  /// As far from `mean` towards `target` as it stays nearly as good: a peer whose data are like its
  /// own will not tell.  By its held-out examples, whose labels are right.
  net::awaitable<std::shared_ptr<pipe::Fd>> interpolated(std::shared_ptr<pipe::Fd> mean,
                                                         std::shared_ptr<const pipe::Fd> target) {
    constexpr double kUnnoticed = 0.9;  // relative influence, 1 for the mean
    constexpr int kSteps = 10;
    const pipe::Load load_mean{"mean"}, load_initial{"initial"}, load_step{"step"};
    co_await worker_->call(load_mean, mean.get());
    co_await worker_->call(load_initial, &initial_);
    for (int step = kSteps; step > 0; --step) {
      auto file =
          std::make_shared<pipe::Fd>(between(*mean, *target, static_cast<float>(step) / kSteps));
      co_await worker_->call(load_step, file.get());
      const pipe::Measure question{{"initial", "mean", "step"}, pipe::Split::test};
      const auto answer = co_await worker_->call(question);
      const std::vector<double>& losses = answer.result.values;
      if (losses[0] - losses[2] >= kUnnoticed * (losses[0] - losses[1])) co_return file;
    }
    co_return mean;
  }

  SimulatedNetwork& network_;
  std::size_t index_;
  Node node_;
  double slowness_;
  std::mt19937_64 random_;
  unsigned epochs_ = 1;
  Time trained_{0};  ///< when this round's training is done
  pipe::Fd initial_;
  std::shared_ptr<pipe::Fd> first_;
  std::shared_ptr<Publication> newest_, before_;
  WorkerProcess* worker_ = nullptr;  // of the last load; an attacker measures with it
  bool newest_loaded_ = false;  // into our own worker
  std::set<std::size_t> wanted_;
  // By origin, oldest first.  A deque: others send while load() waits and has hold of one.
  std::map<std::size_t, std::deque<Arrival>> arrivals_;
  std::set<std::pair<std::size_t, std::uint64_t>> lost_;  // origin and round
  std::uint64_t bytes_received_ = 0;
};

SimulatedNetwork::SimulatedNetwork(VirtualClock& clock, NetworkConditions conditions,
                                   std::vector<Node> nodes, std::uint64_t seed)
    : clock_(clock), conditions_(conditions), seed_(seed) {
  const auto last = static_cast<double>(std::max<std::size_t>(nodes.size(), 2) - 1);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const double slowness = 1 + (conditions.slowest - 1) * static_cast<double>(i) / last;
    ports_.push_back(std::make_unique<Port>(*this, i, std::move(nodes[i]), slowness));
  }
}

SimulatedNetwork::~SimulatedNetwork() = default;

Exchange& SimulatedNetwork::exchange(std::size_t node) { return *ports_[node]; }
void SimulatedNetwork::set_initial(std::size_t node, pipe::Fd initial) {
  const auto map = pipe::SealedMap::open(initial, kLargestSnapshot);
  if (const auto* problem = std::get_if<std::string>(&map)) throw WorkerLost(*problem);
  form_ = form_of(std::get<pipe::SealedMap>(map).bytes(), conditions_.encoding);
  ports_[node]->initial_ = std::move(initial);
}
void SimulatedNetwork::set_epochs(std::size_t node, unsigned epochs) {
  ports_[node]->epochs_ = epochs;
}
std::uint64_t SimulatedNetwork::bytes_received(std::size_t node) const {
  return ports_[node]->bytes_received_;
}

// As over a network: rounded, compressed, encrypted.
SimulatedNetwork::Publication SimulatedNetwork::encoded(const pipe::Fd& file) const {
  Publication publication;
  SnapshotDecoder arrived(form_);
  encode_snapshot(file, form_, [&](ByteView chunk) {
    publication.size += chunk.size() + crypto::kChunkOverhead;
    [[maybe_unused]] const bool same = arrived.append(chunk);
    assert(same);
  });
  publication.file = std::make_shared<pipe::Fd>(arrived.seal());
  return publication;
}

// At `now` the newest of `from` sets out for `to`, unless it has before.  It arrives later, so that
// it does not matter who of two nodes acts first in one moment.
void SimulatedNetwork::fetch(std::size_t from, std::size_t to, Time now) {
  const auto& publication = ports_[from]->newest_;
  Port& port = *ports_[to];
  auto& arrivals = port.arrivals_[from];
  const bool known = !arrivals.empty() && arrivals.back().publication == publication;
  if (!publication || known || port.lost_.contains({from, publication->round})) return;
  auto chance = data::random_for({seed_, from, to, publication->round});
  if (static_cast<double>(chance() >> 11) * 0x1p-53 < conditions_.loss) {
    port.lost_.emplace(from, publication->round);
    return;
  }
  const Time way = std::chrono::duration_cast<Time>(conditions_.latency) +
                   Time(1 + publication->size * 1'000'000 / conditions_.bytes_per_second);
  arrivals.push_back({publication, now + way});
  clock_.wake(to, now + way);
}

}  // namespace kith::daemon
