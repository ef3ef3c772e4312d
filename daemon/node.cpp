#include "daemon/node.hpp"

#include "daemon/failure.hpp"
#include "daemon/log.hpp"
#include "daemon/loss_rows.hpp"
#include "daemon/sealed_snapshot.hpp"
#include "daemon/version.hpp"
#include "model/pipe/memfd.hpp"
#include "model/task.hpp"

#include <algorithm>
#include <cassert>
#include <unistd.h>

namespace kith::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

crypto::NodeKeys load_keys(const Config& config) {
  try {
    return crypto::load_key_file(config.node.keys);
  } catch (const crypto::KeyFileDamaged& error) {
    throw Failure(EX_DATAERR, error.what());
  } catch (const crypto::KeyFileError& error) {
    throw Failure(std::filesystem::exists(config.node.keys) ? EX_NOPERM : EX_NOINPUT, error.what());
  }
}

net::Consortium make_consortium(const Config& config) {
  try {
    return {config.consortium.id, config.consortium.members};
  } catch (const std::invalid_argument& error) {
    throw Failure(EX_CONFIG, error.what());
  }
}

std::vector<std::string> ids_of(const Config& config, const std::vector<std::string>& names) {
  std::vector<std::string> ids;
  for (const net::Member& member : config.consortium.members) {
    if (std::ranges::find(names, member.name) != names.end()) ids.push_back(to_string(member.id));
  }
  return ids;
}

// The worker would miss them too, but not know which key to correct.
void check_data_files(const Config::Data& data) {
  const auto check = [](const char* key, const std::vector<std::filesystem::path>& files) {
    for (const auto& file : files) {
      if (std::filesystem::exists(file)) continue;
      throw Failure(EX_NOINPUT, "there is no file " + file.string() +
                                    "; put it there, or set data." + key + " to where it is");
    }
  };
  check("train", data.train);
  check("test", data.test);
}

std::filesystem::path worker_command(const Config& config) {
  if (!config.worker.command.empty()) return config.worker.command;
  std::error_code ec;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
  return self.parent_path() / "kith-worker";
}

int exit_code(pipe::FailureKind kind) {
  switch (kind) {
    case pipe::FailureKind::config:
      return EX_CONFIG;
    case pipe::FailureKind::data:
      return EX_DATAERR;
    case pipe::FailureKind::software:
      break;
  }
  return EX_SOFTWARE;
}

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

std::int64_t unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

json to_json(const pipe::Evaluation& evaluation) {
  return {{"loss", evaluation.loss},
          {"accuracy", evaluation.accuracy},
          {"examples", evaluation.examples}};
}

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? to_json(*value) : json(nullptr);
}

model::Served served_from(const std::string& name) {
  for (const auto served : {model::Served::baseline, model::Served::averaged}) {
    if (model::name(served) == name) return served;
  }
  return model::Served::partial;
}

pipe::ModelName model_name(model::Served served) {
  switch (served) {
    case model::Served::baseline:
      return pipe::ModelName::baseline;
    case model::Served::averaged:
      return pipe::ModelName::averaged;
    case model::Served::partial:
      break;
  }
  return pipe::ModelName::partial;
}

}  // namespace

std::string member_block(const Config& config, const crypto::NodeKeys& keys) {
  std::string addresses;
  for (const std::string& address : config.node.listen) {
    addresses += (addresses.empty() ? "\"" : ", \"") + address + "\"";
  }
  return "[[consortium.member]]\nname = \"" + config.node.name + "\"\nid = \"" +
         to_string(keys.identity.id()) + "\"\nchannel = \"" +
         crypto::to_hex(keys.channel.public_key()) + "\"\naddresses = [" + addresses + "]\n";
}

// --- Setting up --------------------------------------------------------------------------------

Node::Node(net::asio::io_context& io, Config config)
    : io_(io),
      config_(std::move(config)),
      keys_(load_keys(config_)),
      store_(config_.node.state),
      consortium_(make_consortium(config_)),
      strategy_(make_strategy(config_, ids_of(config_, config_.learning.oracle_group))),
      random_(config_.learning.seed),
      wake_(io) {
  const net::Member* self = consortium_.find(keys_.identity.id());
  if (!self || self->channel != keys_.channel.public_key()) {
    throw Failure(EX_CONFIG,
                  "this node is not on its own member list; add this to the configuration, "
                  "here and on the other nodes:\n\n" +
                      member_block(config_, keys_));
  }
  check_data_files(config_.data);
  local_ = {keys_.identity.id(), &keys_.channel, &consortium_, {}, "kith " + version()};
  if (const auto last = store_.rounds(1); !last.empty()) last_report_ = last.back();
  std::map<std::string, json> opinions;
  for (const auto& [peer, opinion] : store_.peers()) opinions.emplace(to_string(peer), opinion);
  strategy_->restore(opinions);
}

Node::~Node() {
  host_.reset();
  worker_.reset();
  disk_.join();
}

net::awaitable<void> Node::run() {
  unsigned restarts = 0;
  while (!stopping_) {
    std::string lost;
    const std::uint64_t before = finished_round_;
    try {
      co_await open_worker();
      co_await learn();
    } catch (const WorkerLost& error) {
      lost = error.what();
    } catch (const WorkerRefused& error) {
      throw Failure(exit_code(error.kind), error.what());
    }
    if (stopping_) co_return;
    if (lost.empty()) {
      phase_ = "finished";
      log::info("finished", {{"rounds", finished_round_}});
      while (!stopping_) co_await pause(24h);  // serving our last snapshot to the others
      co_return;
    }
    restarts = finished_round_ > before ? 1 : restarts + 1;
    if (restarts > config_.worker.restart_limit) {
      throw Failure(EX_SOFTWARE, "the worker was lost " + std::to_string(restarts) +
                                     " times in a row (" + lost + "); see its messages above");
    }
    log::warn("worker_lost", {{"why", lost}, {"restart", restarts}});
    worker_.reset();
    phase_ = "waiting to restart the worker";
    co_await pause(std::min<steady_clock::duration>(1s * (1 << std::min(restarts, 6U)), 60s));
  }
}

net::awaitable<void> Node::open_worker() {
  phase_ = "opening data";
  worker_ = std::make_unique<WorkerProcess>(io_, worker_command(config_));
  worker_->on_progress([this](const pipe::Progress& progress) { progress_ = progress; });
  pipe::Open question;
  question.task = config_.task;
  question.data = config_.data;
  question.state = config_.node.state;
  question.threads = config_.worker.threads;
  question.seed = config_.learning.seed;
  question.score_examples = config_.learning.score_examples;
  question.device = config_.worker.device;
  const auto answer = co_await worker_->call(question);
  opened_ = answer.result;
  round_ = finished_round_ = opened_.round;
  for (auto& [peer, arrival] : arrivals_) arrival.loaded = false;

  const auto initial = pipe::SealedMap::open(answer.file, std::size_t{4} << 30);
  if (const auto* problem = std::get_if<std::string>(&initial)) throw WorkerLost(*problem);
  const ByteView initial_bytes = std::get<pipe::SealedMap>(initial).bytes();
  snapshot_size_ = initial_bytes.size();
  const auto initial_hash = crypto::hash(initial_bytes);
  const auto task = model::task_hash(config_.task, initial_hash);
  log::info("opened", {{"worker", worker_->pid()},
                       {"parameters", opened_.parameters},
                       {"train", opened_.train},
                       {"validation", opened_.validation},
                       {"test", opened_.test},
                       {"round", opened_.round},
                       {"task", crypto::to_hex(task)}});
  check_task(task);
  if (!host_) join_network(task);
}

void Node::check_task(const crypto::Hash& task) {
  const std::string text = crypto::to_hex(task);
  const auto stored = store_.text("task");
  if (!stored) return store_.put_text("task", text);
  if (*stored != text) {
    throw Failure(EX_CONFIG,
                  config_.node.state.string() +
                      " holds the state of another task; set node.state to a new folder, "
                      "or restore the [task] section");
  }
}

void Node::join_network(const crypto::Hash& task) {
  local_.task = task;
  host_ = std::make_unique<net::Host>(io_, local_, *this, random_());
  for (const StoredHead& stored : store_.heads()) {
    const auto head = net::decode<net::SignedHead>(stored.head);
    const auto manifest = net::decode<net::Manifest>(stored.manifest);
    const auto have = [this](const net::Hash& chunk) { return store_.blobs().contains(chunk); };
    const bool known = stored.complete && head && manifest &&
                       std::ranges::all_of(manifest->chunks, have) &&
                       host_->gossip().restore(*head, *manifest, net::Clock::now());
    if (!known) {
      store_.drop_head(stored.origin, stored.position);
      continue;
    }
    const std::string peer = to_string(stored.origin);
    if (stored.origin == local_.id || arrivals_.contains(peer)) continue;  // latest comes first
    arrivals_[peer] = {head->id(), *net::parse_head(*head), stored.round};
  }
  forget_unknown_blobs();
  try {
    for (const std::string& address : config_.node.listen) host_->listen(address);
  } catch (const std::runtime_error& error) {
    throw Failure(EX_UNAVAILABLE, error.what());
  }
  host_->connect();
  serve_control();
  for (const std::string& address : host_->listening()) {
    log::info("listening", {{"address", address}, {"id", to_string(local_.id)}});
  }
}

// What an interrupted download, or a crash between two writes, left behind.
void Node::forget_unknown_blobs() {
  std::set<crypto::Hash> known;
  for (const StoredHead& stored : store_.heads()) {
    const auto manifest = net::decode<net::Manifest>(stored.manifest);
    if (manifest) known.insert(manifest->chunks.begin(), manifest->chunks.end());
  }
  for (const crypto::Hash& name : store_.blobs().names()) {
    if (!known.contains(name)) store_.blobs().remove(name);
  }
}

void Node::serve_control() {
  ControlRoutes routes;
  routes.add("GET", "/v1/status", [this](const ControlRequest&) { return status(); });
  routes.add("GET", "/v1/peers", [this](const ControlRequest&) { return peers(); });
  routes.add("GET", "/v1/rounds", [this](const ControlRequest& request) {
    const auto last = request.query.find("last");
    const std::size_t limit =
        last == request.query.end() ? 20 : std::strtoul(last->second.c_str(), nullptr, 10);
    return json(store_.rounds(limit));
  });
  routes.add("POST", "/v1/stop", [this](const ControlRequest&) {
    net::asio::post(io_, [this] { stop(); });
    return json{{"stopping", true}};
  });
  control_ =
      std::make_unique<ControlServer>(io_.get_executor(), config_.node.control, std::move(routes));
}

void Node::stop() {
  if (std::exchange(stopping_, true)) return;
  log::info("stopping");
  phase_ = "stopping";
  wake_.cancel();
  control_.reset();
  if (host_) host_->stop();
  if (worker_) worker_->hang_up();  // whoever waits for it, or asks it later, finds it lost
}

// --- The learning loop -------------------------------------------------------------------------

net::awaitable<void> Node::learn() {
  const std::uint64_t rounds = config_.learning.rounds;
  while (!stopping_ && (rounds == 0 || finished_round_ < rounds)) {
    const auto start = steady_clock::now();
    co_await do_round(finished_round_ + 1);
    const auto rest = config_.learning.interval - (steady_clock::now() - start);
    if (rest > 0s && !stopping_) co_await pause(rest);
  }
}

net::awaitable<void> Node::do_round(std::uint64_t number) {
  Round round;
  round.number = round_ = number;
  choose_wants();

  pipe::Fd partial;
  co_await train(round, partial);
  if (strategy_->shares()) {
    co_await publish(round, std::move(partial));
    co_await gather(round);
  }
  std::vector<Candidate> candidates = co_await load_candidates(round);
  co_await average(round, std::move(candidates));
  co_await gate(round);

  const pipe::Checkpoint checkpoint{number};
  co_await worker_->call(checkpoint);
  report(round);
}

net::awaitable<void> Node::train(Round& round, pipe::Fd& partial) {
  phase_ = "training";
  const auto start = steady_clock::now();
  pipe::Train question;
  question.round = round.number;
  question.epochs = round.number == 1 ? config_.learning.warmup_epochs : config_.learning.epochs;
  question.baseline = config_.learning.baseline;
  auto answer = co_await worker_->call(question);
  progress_.reset();
  partial = std::move(answer.file);
  round.models["partial"].validation = answer.result.validation;
  if (answer.result.baseline) round.models["baseline"].validation = answer.result.baseline;
  round.seconds["train"] = seconds_since(start);
}

net::awaitable<void> Node::publish(const Round& round, pipe::Fd partial) {
  phase_ = "publishing";
  auto job = [this, file = std::move(partial)] {
    return seal_snapshot(file, consortium_, store_.blobs());
  };
  const SealedSnapshot sealed = co_await net::offload(disk_, std::move(job));
  if (stopping_) co_return;
  if (sealed.size != snapshot_size_) {
    throw WorkerLost("the worker handed over a snapshot of another size than the initial model");
  }
  const Bytes manifest = net::encode(sealed.manifest);
  net::Head head;
  head.origin = local_.id;
  head.position = store_.take_position();
  head.task = local_.task;
  head.round = static_cast<std::uint32_t>(round.number);
  head.examples = opened_.train;
  head.size = sealed.size;
  head.manifest_size = static_cast<std::uint32_t>(manifest.size());
  head.manifest = crypto::hash(manifest);
  if (const auto previous = crypto::from_hex(store_.text("published").value_or(""));
      previous && previous->size() == head.previous.size()) {
    std::ranges::copy(*previous, head.previous.begin());
  }
  const net::SignedHead signed_head = net::sign_head(head, keys_.identity, consortium_.id());
  store_.atomically([&] {
    store_.put_head(
        {local_.id, head.position, net::encode(signed_head), manifest, true, round.number});
    store_.put_text("published", crypto::to_hex(signed_head.id()));
  });
  host_->publish(signed_head, sealed.manifest);
  log::info("published", {{"round", round.number},
                          {"sequence", head.position.sequence},
                          {"snapshot", crypto::to_hex(signed_head.id()).substr(0, 16)},
                          {"bytes", sealed.size}});
}

// Peers work at their own pace and are not waited for.  This only gives those that are in step, and
// connected, a bounded moment, so that what they are about to publish need not wait for next round.
net::awaitable<void> Node::gather(const Round& round) {
  phase_ = "gathering";
  const auto start = steady_clock::now();
  const auto end = start + config_.learning.gather;
  while (!stopping_ && steady_clock::now() < end && worth_waiting(round.number)) {
    co_await wait_until(end);
  }
}

bool Node::worth_waiting(std::uint64_t round) const {
  const net::Gossip& gossip = host_->gossip();
  return std::ranges::any_of(consortium_.members(), [&](const net::Member& member) {
    if (!chosen_.contains(to_string(member.id)) || !host_->connected(member.id)) return false;
    const auto newest = gossip.newest(member.id);
    const auto head = newest ? gossip.head(*newest) : std::nullopt;
    const std::uint64_t announced = head ? head->round : 0;
    if (head && head->size != snapshot_size_) return false;
    if (head && announced >= round && gossip.complete(*newest)) return false;
    return announced + 1 >= round;  // in step, or about to be; one that lags comes when it comes
  });
}

net::awaitable<std::vector<Candidate>> Node::load_candidates(const Round& round) {
  phase_ = "loading";
  std::vector<Candidate> candidates;
  std::vector<std::string> peers;
  for (const auto& [peer, arrival] : arrivals_) peers.push_back(peer);
  for (const std::string& peer : peers) {
    const Arrival arrival = arrivals_.at(peer);  // may be replaced while we wait
    if (arrival.refused || host_->gossip().quarantined().contains(arrival.head.origin)) continue;
    if (!arrival.loaded) {
      const auto* manifest = host_->gossip().manifest(arrival.snapshot);
      if (!manifest) continue;
      auto job = [this, size = arrival.head.size, copy = *manifest] {
        return open_snapshot(copy, size, local_.id, keys_.channel, store_.blobs());
      };
      auto opened = co_await net::offload(disk_, std::move(job));
      if (stopping_) throw WorkerLost("stopping");
      std::string problem;
      if (auto* file = std::get_if<pipe::Fd>(&opened)) {
        const pipe::Load question{peer};
        try {
          co_await worker_->call(question, file);
        } catch (const WorkerRefused& error) {
          problem = error.what();
        }
      } else {
        const Unopened& failure = std::get<Unopened>(opened);
        problem = failure.why;
        if (failure.lost) lost(arrival.snapshot);
      }
      Arrival& now = arrivals_.at(peer);
      if (now.snapshot == arrival.snapshot) {
        now.loaded = problem.empty();
        now.refused = !problem.empty();
      }
      if (!problem.empty()) {
        log::warn("snapshot_refused", {{"peer", peer_name(peer)}, {"why", problem}});
        continue;
      }
    }
    candidates.push_back({peer, std::min(arrival.round, round.number)});
  }
  co_return candidates;
}

net::awaitable<void> Node::average(Round& round, std::vector<Candidate> candidates) {
  phase_ = "choosing";
  const auto start = steady_clock::now();
  Situation situation;
  situation.round = round.number;
  situation.candidates = std::move(candidates);
  situation.worker = worker_.get();
  round.choice = co_await strategy_->choose(situation);
    const pipe::Average question{round.choice.mixture};
  const auto averaged = co_await worker_->call(question);
  round.models["averaged"].validation = averaged.result;
  round.seconds["choose"] = seconds_since(start);
}

net::awaitable<void> Node::gate(Round& round) {
  phase_ = "evaluating";
  const auto start = steady_clock::now();
  const bool baseline = round.models.contains("baseline");
  pipe::Score question;
  question.peers = {"averaged"};
  if (baseline) question.peers.emplace_back("baseline");
  const auto answer = co_await worker_->call(question);
  const LossRows rows(answer.file, 2 + question.peers.size(), answer.result.examples);
  model::ServingLosses losses;
  losses.partial = rows[1];
  losses.averaged = rows[2];
  if (baseline) losses.baseline = rows[3];
  const auto decision = model::choose_served(losses, config_.learning.slack);
  const pipe::Serve serve{model_name(decision.served)};
  co_await worker_->call(serve);
  round.served = model::name(decision.served);
  round.served_reason = decision.reason;
  if (opened_.test == 0) co_return;
  for (auto& [name, evaluations] : round.models) {
    if (!evaluations.validation) continue;
    const pipe::Evaluate held_out{model_name(served_from(name)), pipe::Split::test};
    const auto tested = co_await worker_->call(held_out);
    evaluations.test = tested.result;
  }
  round.seconds["evaluate"] = seconds_since(start);
}

void Node::report(const Round& round) {
  json members = json::array();
  for (std::size_t i = 1; i < round.choice.mixture.members.size(); ++i) {
    members.push_back({{"id", round.choice.mixture.members[i]},
                       {"name", peer_name(round.choice.mixture.members[i])},
                       {"weight", round.choice.mixture.weights[i]}});
  }
  json models;
  for (const auto& [name, evaluations] : round.models) {
    models[name] = {{"validation", or_null(evaluations.validation)},
                    {"test", or_null(evaluations.test)}};
  }
  json opinions = json::object();
  for (const net::Member& member : consortium_.members()) {
    const json opinion = strategy_->opinion(to_string(member.id));
    if (!opinion.is_null()) opinions[member.name] = opinion;
  }
  const auto traffic = host_->traffic();
  last_report_ = {{"round", round.number},    {"models", models},
                  {"served", round.served},   {"served_reason", round.served_reason},
                  {"members", members},       {"opinions", opinions},
                  {"why", round.choice.why},  {"bytes_in", traffic.in},
                  {"bytes_out", traffic.out}, {"seconds", round.seconds}};
  store_.atomically([&] {
    store_.put_round(round.number, std::chrono::system_clock::now(), last_report_);
    for (const net::Member& member : consortium_.members()) {
      const json opinion = strategy_->opinion(to_string(member.id));
      if (!opinion.is_null()) store_.put_peer(member.id, opinion);
    }
  });
  finished_round_ = round.number;

  std::string cluster;
  for (const auto& member : members) {
    cluster += (cluster.empty() ? "" : ",") + member.at("name").get<std::string>();
  }
  const Evaluations& served = round.models.at(round.served);
  const double accuracy = (served.test ? *served.test : *served.validation).accuracy;
  log::info("round_finished", {{"round", round.number},
                               {"accuracy", accuracy},
                               {"served", round.served},
                               {"cluster", cluster},
                               {"train_seconds", round.seconds.at("train")},
                               {"choose_seconds", round.seconds.at("choose")}});
}

net::awaitable<void> Node::pause(steady_clock::duration time) {
  const auto end = steady_clock::now() + time;
  while (!stopping_ && steady_clock::now() < end) co_await wait_until(end);
}

net::awaitable<void> Node::wait_until(steady_clock::time_point end) {
  net::error_code ec;
  wake_.expires_at(end);
  co_await wake_.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
}

// --- Whose snapshots to fetch ------------------------------------------------------------------

void Node::choose_wants() {
  std::vector<std::string> peers;
  for (const net::Member& member : consortium_.members()) {
    if (member.id != local_.id) peers.push_back(to_string(member.id));
  }
  const auto pulls = strategy_->pulls(round_, peers, random_);
  chosen_ = {pulls.begin(), pulls.end()};
  quota_reported_ = false;
  for (const net::SnapshotId& snapshot : host_->gossip().newest()) {
    if (const auto head = host_->gossip().head(snapshot)) want_if_chosen(snapshot, *head);
  }
}

void Node::want_if_chosen(const net::SnapshotId& snapshot, const net::Head& head) {
  const std::string peer = to_string(head.origin);
  if (!chosen_.contains(peer) || host_->gossip().complete(snapshot)) return;
  if (head.size != snapshot_size_) {  // no model of this task: it is not even fetched
    if (misfits_.insert(peer).second) {
      log::warn("snapshot_of_wrong_size",
                {{"peer", peer_name(peer)}, {"bytes", head.size}, {"expected", snapshot_size_}});
    }
    return;
  }
  const std::uint64_t held = host_->gossip().held_bytes();
  if (held + head.size > config_.limits.disk.bytes) {
    if (!std::exchange(quota_reported_, true)) {
      log::warn("disk_quota", {{"stored", held}, {"limit", config_.limits.disk.bytes}});
    }
    return;
  }
  host_->want(snapshot);
}

// --- What the network asks of us ---------------------------------------------------------------

void Node::on_disk(std::function<void()> job) {
  net::asio::post(disk_, [this, job = std::move(job)] {
    try {
      job();
    } catch (...) {
      net::asio::post(io_, [error = std::current_exception()] { std::rethrow_exception(error); });
    }
  });
}

void Node::read_piece(const net::SnapshotId& snapshot, std::uint32_t piece, PieceRead done) {
  const auto* manifest = host_->gossip().manifest(snapshot);
  const bool exists = manifest && piece < manifest->chunks.size();
  on_disk([this, snapshot, done, name = exists ? manifest->chunks[piece] : crypto::Hash{}] {
    auto data = store_.blobs().read(name);
    // Damaged, by a power cut: passing it on would make a liar of us.
    if (data && crypto::hash(*data) != name) data.reset();
    net::asio::post(io_, [this, snapshot, done, data = std::move(data)] {
      if (!data) lost(snapshot);
      done(data);
    });
  });
}

void Node::write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data) {
  const auto* manifest = host_->gossip().manifest(snapshot);
  if (!manifest) return;
  on_disk([this, name = manifest->chunks[piece], data = std::move(data)] {
    store_.blobs().write(name, data, Blobs::Durability::refetchable);
  });
}

void Node::discovered(const net::SnapshotId& snapshot, const net::Head& head) {
  want_if_chosen(snapshot, head);
}

void Node::completed(const net::SnapshotId& snapshot, const net::Head& head) {
  // After all its pieces: the pool has one thread.
  on_disk([this, snapshot, head] {
    net::asio::post(io_, [this, snapshot, head] { arrived(snapshot, head); });
  });
}

void Node::arrived(const net::SnapshotId& snapshot, const net::Head& head) {
  const auto* signed_head = host_->gossip().signed_head(snapshot);
  const auto* manifest = host_->gossip().manifest(snapshot);
  if (stopping_ || !signed_head || !manifest) return;  // superseded meanwhile
  store_.put_head({head.origin, head.position, net::encode(*signed_head), net::encode(*manifest),
                   true, round_});
  if (head.origin == local_.id) return;  // ours, lost and got back
  Arrival& arrival = arrivals_[to_string(head.origin)];
  const bool found_again = arrival.snapshot == snapshot && arrival.refused;
  if (found_again || arrival.head.position < head.position) arrival = {snapshot, head, round_};
  log::debug("snapshot_arrived", {{"peer", peer_name(to_string(head.origin))},
                                  {"round", head.round},
                                  {"sequence", head.position.sequence}});
  wake_.cancel();
}

// A chunk of it is gone from our disk, or damaged: a power cut does that to what was not synced.
void Node::lost(const net::SnapshotId& snapshot) {
  const auto head = host_->gossip().head(snapshot);
  if (stopping_ || !head || !host_->gossip().complete(snapshot)) return;
  log::warn("snapshot_lost",
            {{"peer", peer_name(to_string(head->origin))}, {"sequence", head->position.sequence}});
  store_.drop_head(head->origin, head->position);
  host_->lost(snapshot);
}

void Node::dropped(const net::SnapshotId&, const net::Head& head,
                   const std::vector<net::Hash>& chunks) {
  store_.drop_head(head.origin, head.position);
  on_disk([this, chunks] {
    for (const net::Hash& chunk : chunks) store_.blobs().remove(chunk);
  });
}

void Node::peer_connected(const net::Member& peer) {
  log::info("peer_connected", {{"peer", peer.name}, {"id", to_string(peer.id)}});
}

void Node::peer_disconnected(const net::Member& peer, net::CloseReason reason, bool by_peer) {
  log::info("peer_disconnected", {{"peer", peer.name},
                                  {"reason", net::name(reason)},
                                  {"by_peer", by_peer},
                                  {"help", net::explain(reason)}});
  wake_.cancel();  // nobody waits for it any more
}

void Node::peer_failed(const net::Member* peer, const std::string& address, net::CloseReason reason,
                       bool by_peer) {
  if (!peer) {  // anyone may knock, but the log is not theirs to fill
    ++strangers_;
    if (steady_clock::now() < strangers_reported_ + 10s) return;
    strangers_reported_ = steady_clock::now();
  }
  log::warn("connection_failed", {{"peer", peer ? peer->name : "unknown"},
                                  {"times", peer ? 1 : std::exchange(strangers_, 0)},
                                  {"address", address},
                                  {"reason", net::name(reason)},
                                  {"by_peer", by_peer},
                                  {"help", net::explain(reason)}});
}

void Node::peer_accused(const net::Member& peer, const std::string& what) {
  log::warn("peer_accused", {{"peer", peer.name}, {"what", what}});
}

// --- What people ask of us ---------------------------------------------------------------------

std::string Node::peer_name(const std::string& id) const {
  const auto parsed = crypto::parse_node_id(id);
  const net::Member* member = parsed ? consortium_.find(*parsed) : nullptr;
  return member ? member->name : id;
}

json Node::status() const {
  json progress = nullptr;
  if (progress_) {
    progress = {{"phase", progress_->phase},
                {"epoch", progress_->epoch},
                {"epochs", progress_->epochs},
                {"train_loss", progress_->train_loss}};
  }
  const auto peers = host_->peers();
  const auto connected = std::ranges::count_if(peers, &net::Host::PeerStatus::connected);
  const auto traffic = host_->traffic();
  const bool isolated = !last_report_.is_null() && last_report_.at("members").empty();
  return {{"name", config_.node.name},
          {"id", to_string(local_.id)},
          {"version", version()},
          {"consortium", consortium_.id()},
          {"task", {{"name", config_.task.name}, {"hash", crypto::to_hex(local_.task)}}},
          {"strategy", name(config_.learning.strategy)},
          {"phase", phase_},
          {"progress", progress},
          {"round", round_},
          {"finished_round", finished_round_},
          {"rounds", config_.learning.rounds},
          {"parameters", opened_.parameters},
          {"examples",
           {{"train", opened_.train}, {"validation", opened_.validation}, {"test", opened_.test}}},
          {"isolated", isolated},
          {"last_round", last_report_},
          {"members", consortium_.members().size()},
          {"connected", connected},
          {"bytes_in", traffic.in},
          {"bytes_out", traffic.out},
          {"stored_bytes", host_->gossip().held_bytes()},
          {"listening", host_->listening()},
          {"pid", getpid()},
          {"worker_pid", worker_ ? json(worker_->pid()) : json(nullptr)},
          {"uptime_seconds", seconds_since(started_)}};
}

json Node::peers() const {
  std::set<std::string> averaged;
  if (!last_report_.is_null()) {
    for (const auto& member : last_report_.at("members")) averaged.insert(member.at("id"));
  }
  json all = json::array();
  for (const auto& peer : host_->peers()) {
    const std::string id = to_string(peer.member->id);
    const auto arrival = arrivals_.find(id);
    json snapshot = nullptr;
    if (arrival != arrivals_.end()) {
      snapshot = {{"round", arrival->second.head.round},
                  {"sequence", arrival->second.head.position.sequence},
                  {"arrived_in_round", arrival->second.round},
                  {"refused", arrival->second.refused}};
    }
    json trouble = nullptr;
    if (peer.last_failure) {
      trouble = {{"reason", net::name(*peer.last_failure)},
                 {"by_peer", peer.failed_by_peer},
                 {"help", net::explain(*peer.last_failure)}};
    }
    all.push_back({{"name", peer.member->name},
                   {"id", id},
                   {"connected", peer.connected},
                   {"since", unix_seconds(peer.since)},
                   {"trouble", trouble},
                   {"agent", peer.agent},
                   {"round_trip_ms",
                    peer.round_trip
                        ? json(std::chrono::duration<double, std::milli>(*peer.round_trip).count())
                        : json(nullptr)},
                   {"bytes_in", peer.bytes_in},
                   {"bytes_out", peer.bytes_out},
                   {"quarantined", host_->gossip().quarantined().contains(peer.member->id)},
                   {"averaged", averaged.contains(id)},
                   {"snapshot", snapshot},
                   {"opinion", strategy_->opinion(id)}});
  }
  return all;
}

}  // namespace kith::daemon
