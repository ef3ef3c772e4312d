#include "daemon/node/node.hpp"

#include "daemon/api/membership_routes.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/state/departures.hpp"
#include "daemon/state/history.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "daemon/system/version.hpp"
#include "model/pipe/memfd.hpp"
#include "model/task.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <cassert>
#include <set>
#include <sstream>
#include <unistd.h>
#include <utility>

namespace kith::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr auto kTick = 1s;                 // between two looks at the clock
constexpr unsigned kEnoughDivergence = 3;  // rounds in a row whose training diverged

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
  check("validation_files", data.validation_files);
  check("test", data.test);
}

/// "reading: this kernel has no Landlock; ..."
template <class Guards>
std::string broken(const Guards& guards) {
  std::vector<std::string> all;
  for (const auto& guard : guards) {
    if (!guard.holds) all.push_back(guard.name + ": " + guard.what);
  }
  if (guards.empty()) all.push_back("it does not say what it is kept from");
  return boost::algorithm::join(all, "; ");
}

/// Tells what the worker is not kept from; a taken-over LibTorch would make use of it.
void tell_of_guards(const std::vector<pipe::Guard>& guards) {
  const std::string what = broken(guards);
  if (what.empty()) return;
  log::warn("worker_not_confined",
            {{"what", what},
             {"help",
              "a worker that was taken over could use that; see docs/threat-model.md for what "
              "each system can do"}});
}

/// Warns of what this process could do, in the hands of a peer that took it over.
void tell_of_own_guards(const Guards& guards) {
  const std::string what = broken(guards);
  if (what.empty()) return;
  log::warn("kith_not_confined",
            {{"what", what},
             {"help",
              "whoever took this process over could use that; see docs/threat-model.md for what "
              "each system can do"}});
}

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

bool was_member(const net::CharterChain& chain, const crypto::NodeId& id) {
  return std::ranges::any_of(chain.versions(), [&](const auto& version) {
    return std::ranges::binary_search(version.charter.members, id, {}, &net::Member::id);
  });
}

bool was_member(const net::CharterChain& chain, const std::string& name) {
  return std::ranges::any_of(chain.versions(), [&](const auto& version) {
    return version.charter.find_member(name) != nullptr;
  });
}

/// Throws Failure(EX_CONFIG) if the charter has expired.
void check_age(const net::Charter& charter, system_clock::time_point now) {
  const net::CharterAge age = net::age(charter, now);
  if (age == net::CharterAge::valid) return;
  const std::string what =
      std::string(age == net::CharterAge::expiring ? "the charter expires on "
                                                   : "the charter expired on ") +
      date(charter.expires) + " (this machine's clock says " + date(seconds_of(now)) + ")";
  const std::string help =
      "ask the stewards for a newer version, which kith charter propose --renew 365 begins; or set "
      "the clock";
  if (age == net::CharterAge::expired) throw Failure(EX_CONFIG, what + ": " + help);
  const auto grace = std::chrono::seconds(net::limits::kCharterGrace).count();
  log::warn("charter_expires",
            {{"what", what},
             {"help", help},
             {"not_after", date(charter.expires + static_cast<std::uint64_t>(grace))}});
}

/// The card that goes with these keys.  Throws Failure(EX_CONFIG).
net::Card card_for(const Config& config, const NodeKeys& keys, const net::CharterChain& chain) {
  const auto& file = config.node.card;
  const auto refuse = [&](const std::string& what) {
    throw Failure(EX_CONFIG, file.string() + " " + what +
                                 "; make another with kith key card, where the node key is");
  };
  const auto card = load_card(file);
  if (!card) refuse("is missing");
  if (card->node != keys.id) refuse("is of another node");
  if (card->founded != chain.founded()) refuse("is for another consortium than the charter");
  if (card->channel != keys.channel.public_key()) refuse("names another channel key");
  return *card;
}

/// Throws Failure if there is none yet.
const net::CharterChain& chain_of(const Membership& membership) {
  if (membership.chain().empty()) (void)load_record(membership.file());  // says how to get one
  return membership.chain();
}

Learner::Peer self_among(const net::CharterChain& chain, const Config& config,
                         const crypto::NodeId& id) {
  for (const net::Member& member : chain.newest().charter.members) {
    if (member.id == id) return {to_string(id), member.name};
  }
  return {to_string(id), config.node.name};
}

std::vector<Learner::Peer> peers_in(const net::CharterChain& chain, const crypto::NodeId& self) {
  std::vector<Learner::Peer> peers;
  const auto& members = chain.newest().charter.members;
  // Who is no member any more learns alone.
  if (!std::ranges::binary_search(members, self, {}, &net::Member::id)) return peers;
  for (const net::Member& member : members) {
    if (member.id != self) peers.push_back({to_string(member.id), member.name});
  }
  return peers;
}

/// What may change while a node runs.
void take_changeable(Config& config, const Config& from) {
  config.log.level = from.log.level;
  config.limits = from.limits;
  config.learning.rounds = from.learning.rounds;
  config.learning.interval = from.learning.interval;
  config.learning.gather = from.learning.gather;
  config.worker.restart_limit = from.worker.restart_limit;
}

/// The lines of a configuration file that are other ones.
std::string changed_lines(const Config& before, const Config& after) {
  std::istringstream ours(to_toml(before)), theirs(to_toml(after));
  std::vector<std::string> changed;
  for (std::string one, other; std::getline(ours, one) && std::getline(theirs, other);) {
    if (one != other) changed.push_back(other);
  }
  return boost::algorithm::join(changed, "; ");
}

// As many as fit into limits.disk; none rather than too little room for all else.
void keep_checkpoint(const Config& config, std::uint64_t round) {
  const std::filesystem::path checkpoint = config.node.state / kCheckpoint;
  std::error_code failed;
  const std::uint64_t size = std::filesystem::file_size(checkpoint, failed);
  if (failed) return;  // another worker may keep its own
  const std::uint64_t free = std::filesystem::space(config.node.state, failed).available;
  std::uint64_t most = std::min<std::uint64_t>(
      config.limits.history, config.limits.disk.bytes / std::max<std::uint64_t>(size, 1));
  const bool room = !failed && free >= config.limits.disk_free.bytes + 2 * size;
  if (most < 2 || !room) most = 0;
  History(config.node.state / kHistory).keep(round, checkpoint, most);
}

}  // namespace

// --- Setting up --------------------------------------------------------------------------------

Node::Node(net::asio::io_context& io, Config config, Prison prison)
    : io_(io),
      config_(std::move(config)),
      keys_(std::make_shared<const NodeKeys>(load_channel_keys(config_.node.channel_key))),
      store_(config_.node.state),
      audit_(config_.node.state / kAuditLog),
      membership_(config_.consortium.charter),
      disk_(io),
      files_disk_(io),
      files_(io, files_disk_),
      calendar_(system_clock::now(), steady_clock::now()),
      prison_(std::move(prison)),
      learner_(io, config_, self_among(chain_of(membership_), config_, keys_->id),
               peers_in(chain_of(membership_), keys_->id)),
      rest_(io),
      tick_(io) {
  const net::CharterChain& chain = membership_.chain();
  const auto& newest = chain.newest();
  check_age(newest.charter, system_clock::now());
  if (!was_member(chain, keys_->id)) {
    throw Failure(EX_CONFIG, "this node, " + to_string(keys_->id) +
                                 ", is not a member by any version of " +
                                 config_.consortium.charter.string() +
                                 ": give a steward what kith charter request prints");
  }
  card_ = card_for(config_, *keys_, chain);
  check_roles();
  check_data_files(config_.data);
  tell_charter();
  learner_.write_with([this](std::filesystem::path path,
                             std::shared_ptr<const pipe::Fd> content) -> net::awaitable<void> {
    auto write = [path, content] { copy_whole(path, content->get()); };
    co_await net::offload(disk_.pool(), std::move(write));
  });
  if (prison_.start_worker) learner_.start_workers_with(prison_.start_worker);
  membership_.write_with([this](const std::filesystem::path& file, Bytes bytes) {
    files_.put(file, std::move(bytes));
  });
  membership_.on_change([this](Membership::By by) { membership_changed(by); });
  if (const auto last = store_.rounds(1); !last.empty()) last_report_ = last.back();
  std::map<std::string, json> opinions;
  for (const auto& [peer, opinion] : store_.peers()) opinions.emplace(to_string(peer), opinion);
  learner_.strategy().restore(opinions);
}

Node::~Node() {
  *alive_ = false;
  disk_.end();
  files_disk_.end();
}

// Whoever the configuration names was a member at some time, or it is a mistake.
void Node::check_roles() const {
  const net::CharterChain& chain = membership_.chain();
  const auto check = [&](const std::string& key, const std::string& name) {
    if (chain.newest().charter.find_member(name) != nullptr) return;
    if (!was_member(chain, name)) {
      throw Failure(EX_CONFIG, key + " names \"" + name + "\", who is not a member by version " +
                                   std::to_string(chain.newest().charter.number) +
                                   " of the charter");
    }
    log::warn("member_gone", {{"name", name},
                              {"help", key + " names it, and it does not count any more; this node "
                                             "goes on without it"}});
  };
  const std::string& convenor = config_.learning.convenor;
  if (!convenor.empty()) check("learning.convenor", convenor);
}

net::awaitable<void> Node::run() {
  serve_control();
  if (prison_.close) {
    guards_ = prison_.close();
    tell_of_own_guards(guards_);
  }
  net::asio::co_spawn(io_, keep_time(alive_), net::rethrow);
  unsigned restarts = 0;
  while (!stopping_) {
    std::string lost;
    const std::uint64_t before = finished_round_;
    try {
      co_await open();
      co_await learn();
    } catch (const WorkerLost& error) {
      lost = error.what();
    } catch (const WorkerRefused& error) {
      throw Failure(exit_code(error.kind), error.what());
    }
    if (stopping_) co_return;
    if (lost.empty()) {
      resting_ = "finished";
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
    worker_trouble_ = lost;
    ++counters_.worker_restarts;
    learner_.drop_worker();
    resting_ = "waiting to restart the worker";
    co_await pause(std::min<steady_clock::duration>(1s * (1 << std::min(restarts, 6U)), 60s));
  }
}

net::awaitable<void> Node::open() {
  resting_.clear();
  const pipe::Fd file = co_await learner_.open(config_);
  const pipe::Opened& opened = learner_.opened();
  round_ = finished_round_ = opened.round;
  const auto initial = pipe::SealedMap::open(file, kLargestSnapshot);
  if (const auto* problem = std::get_if<std::string>(&initial)) throw WorkerLost(*problem);
  const ByteView initial_bytes = std::get<pipe::SealedMap>(initial).bytes();
  Subject subject;
  subject.manifest = model::manifest(config_.task, crypto::hash(initial_bytes), opened.frozen);
  subject.task = crypto::hash(as_byte_view(subject.manifest));
  subject.form = form_of(initial_bytes, config_.task.encoding);
  subject.examples = opened.train;
  log::info("opened", {{"worker", learner_.worker_pid().value_or(0)},
                       {"parameters", opened.parameters},
                       {"train", opened.train},
                       {"validation", opened.validation},
                       {"test", opened.test},
                       {"round", opened.round},
                       {"task", crypto::to_hex(subject.task)}});
  for (const std::string& remark : opened.remarks) log::warn("data_remark", {{"what", remark}});
  tell_of_guards(opened.guards);
  check_task(subject.task);
  const auto& [noise, clip, delta, epsilon, seed] = config_.privacy;
  if (noise > 0 && delta * static_cast<double>(opened.train) >= 1) {
    log::warn("delta_is_large", {{"delta", delta},
                                 {"train", opened.train},
                                 {"help",
                                  "a promise that may fail for one example in so many is none; set "
                                  "privacy.delta well below 1 / training examples"}});
  }
  if (!exchange_) co_await join(std::move(subject));
}

void Node::check_task(const crypto::Hash& task) {
  const auto stored = store_.text("task");
  if (!stored || *stored == crypto::to_hex(task)) return;
  throw Failure(EX_CONFIG,
                config_.node.state.string() +
                    " holds the state of another task; restore the [task] section, or begin with "
                    "this one: kith task accept");
}

net::awaitable<void> Node::join(Subject subject) {
  resting_ = "reading what is on the disk";
  const std::string task = crypto::to_hex(subject.task);
  const json started{{"version", version()},
                     {"id", to_string(keys_->id)},
                     {"consortium", membership_.chain().newest().charter.consortium}};
  // Until here the state is as it was, whatever was wrong.
  auto read = [this, task, started, manifest = subject.manifest] {
    store_.open_log();
    audit_.append("started", started);
    store_.put_text("task", task);
    if (store_.text("manifest") != manifest) store_.put_text("manifest", manifest);
    return read_shelf(store_);
  };
  const std::vector<ShelvedSnapshot> found = co_await net::offload(disk_.pool(), std::move(read));
  if (stopping_) throw WorkerLost("stopping");
  Shared shared{config_, membership_, store_, audit_, disk_, keys_, std::move(subject)};
  exchange_ =
      std::make_unique<NetworkExchange>(io_, std::move(shared), *card_, found, store_.evidence());
  learner_.join(*exchange_);
  exchange_->join();
  resting_.clear();
}

// --- What changes meanwhile --------------------------------------------------------------------

// Who belongs may have changed, by the operator or by what peers tell.
void Node::tell_charter() {
  const auto& [charter, signed_charter, id] = membership_.chain().newest();
  if (std::exchange(told_charter_, id) == id) return;
  log::info("charter", {{"consortium", charter.consortium},
                        {"number", charter.number},
                        {"members", charter.members.size()},
                        {"expires", date(charter.expires)},
                        {"fingerprint", fingerprint(id)}});
  if (membership_.is_member(keys_->id)) return;
  log::error("expelled", {{"number", charter.number},
                          {"help",
                           "the charter does not name this node any more: it learns alone; ask "
                           "a steward why"}});
}

void Node::membership_changed(Membership::By by) {
  tell_charter();
  if (exchange_ && by == Membership::By::operators) exchange_->follow_membership();
  learner_.set_peers(peers_in(membership_.chain(), keys_->id));
}

net::awaitable<json> Node::reload_keys() {
  auto load = [file = config_.node.channel_key] {
    return std::make_shared<const NodeKeys>(load_channel_keys(file));
  };
  auto keys = co_await net::offload(disk_.pool(), std::move(load));
  if (keys->id != keys_->id) {
    throw Failure(EX_CONFIG, config_.node.channel_key.string() + " is of another node");
  }
  card_ = card_for(config_, *keys, membership_.chain());
  keys_ = std::move(keys);
  if (exchange_) exchange_->set_keys(keys_, *card_);
  co_return json{{"channel", crypto::to_hex(card_->channel.key)}, {"issued", card_->issued}};
}

net::awaitable<void> Node::keep_time(std::shared_ptr<bool> alive) {
  steady_clock::time_point next_try;  // to be rid of the former key
  steady_clock::time_point next_warning = steady_clock::now() + 24h;
  net::CharterAge told = net::age(membership_.chain().newest().charter, system_clock::now());
  while (!stopping_) {
    net::error_code ec;
    tick_.expires_after(kTick);
    co_await tick_.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
    if (!*alive || stopping_) co_return;
    const auto wall = system_clock::now();
    const auto [now, jumped] = calendar_.look(wall, steady_clock::now());
    if (jumped) {
      log::warn("clock_jumped",
                {{"shows", log::time_text(wall)},
                 {"believed", log::time_text(now)},
                 {"help",
                  "the machine was asleep, or copied, or its clock was set: this node connects "
                  "anew. If the clock is wrong, set it; what expires does not for a day"}});
      if (exchange_) exchange_->begin_again();
    }
    if (exchange_) exchange_->set_date(seconds_of(wall));
    const net::Charter& charter = membership_.chain().newest().charter;
    const net::CharterAge age = net::age(charter, now);
    if (age != told || steady_clock::now() >= next_warning) {
      check_age(charter, now);
      next_warning = steady_clock::now() + 24h;
    }
    told = age;
    const bool over = keys_->former && now > overlap_end(former_key(config_.node.channel_key));
    if (!over || steady_clock::now() < next_try) continue;
    next_try = steady_clock::now() + 1h;
    try {
      co_await reload_keys();
    } catch (const Failure& failure) {  // sealed, and nobody there who knows the passphrase
      log::debug("former_key_stays", {{"what", failure.what()}});
    }
  }
}

void Node::reload(const Config& config) {
  Config changed = config_;
  take_changeable(changed, config);
  if (to_toml(changed) != to_toml(config)) {
    log::error("not_reloaded",
               {{"changed", changed_lines(changed, config)},
                {"help",
                 "that takes a restart; nothing was changed.  While a node runs, these may change: "
                 "log.level, limits, learning.rounds, learning.interval, learning.gather and "
                 "worker.restart_limit"}});
    return;
  }
  config_ = std::move(changed);
  log::set_level(config_.log.level);
  log::info("reloaded");
}

void Node::stop() {
  if (std::exchange(stopping_, true)) return;
  log::info("stopping");
  resting_ = "stopping";
  rest_.cancel();
  tick_.cancel();
  control_.reset();
  files_.stop();
  if (exchange_) exchange_->stop();
  learner_.hang_up();
}

// --- The learning loop -------------------------------------------------------------------------

net::awaitable<void> Node::learn() {
  while (!stopping_ &&
         (config_.learning.rounds == 0 || finished_round_ < config_.learning.rounds)) {
    const auto start = steady_clock::now();
    round_ = finished_round_ + 1;
    RoundReport report = co_await learner_.do_round(round_);
    const auto traffic = exchange_->host().traffic();
    report.bytes_in = traffic.in;
    report.bytes_out = traffic.out;
    co_await keep(report);
    finished_round_ = round_;
    worker_trouble_.clear();
    tell_of(report);
    last_report_ = to_json(report);
    if (learner_.diverged_in_a_row() >= kEnoughDivergence) co_await rest_for_a_person();
    const auto rest = config_.learning.interval - (steady_clock::now() - start);
    if (rest > 0s && !stopping_) {
      resting_ = "resting";
      co_await pause(rest);
      resting_.clear();
    }
  }
}

// What a third attempt did not mend, a fourth will not.
net::awaitable<void> Node::rest_for_a_person() {
  resting_ = "resting, since training diverged " + std::to_string(kEnoughDivergence) +
             " times in a row; somebody should look at it";
  log::error("learning_stopped",
             {{"why", last_report_.at("diverged").get<std::string>()},
              {"help",
               "the node goes on serving its best model and learns no more; see that the data are "
               "what they were, agree on a lower learning_rate, and start the node again"}});
  while (!stopping_) co_await pause(24h);
}

// Until it is on the disk, the round is not done.
net::awaitable<void> Node::keep(const RoundReport& report) {
  const auto now = system_clock::now();
  const std::string serving = served(report).dump();
  std::map<crypto::NodeId, json> opinions;
  for (const net::Member& member : membership_.chain().newest().charter.members) {
    json opinion = learner_.strategy().opinion(to_string(member.id));
    if (!opinion.is_null()) opinions.emplace(member.id, std::move(opinion));
  }
  json averaged = json::array();
  for (const RoundReport::Member& each : report.members) {
    const auto* const loaded = exchange_->inbox().loaded(each.id);
    json member = to_json(each);
    member["snapshot"] = loaded == nullptr ? json() : json(crypto::to_hex(loaded->head.id()));
    averaged.push_back(std::move(member));
  }
  const json entry{{"round", round_}, {"members", averaged}, {"served", report.served}};
  auto write = [this, now, kept = to_json(report), serving, opinions, entry, round = round_,
                config = config_] {
    store_.atomically([&] {
      store_.put_round(round, now, kept);
      store_.put_text("served", serving);
      for (const auto& [id, opinion] : opinions) store_.put_peer(id, opinion);
    });
    audit_.append("averaged", entry);
    keep_checkpoint(config, round);
  };
  co_await net::offload(disk_.pool(), std::move(write));
}

void Node::tell_of(const RoundReport& report) {
  ++counters_.rounds;
  for (const auto& [phase, seconds] : report.seconds) counters_.seconds[phase] += seconds;
  if (report.diverged) {
    ++counters_.diverged;
    log::warn("round_given_up", {{"round", round_},
                                 {"why", *report.diverged},
                                 {"in_a_row", learner_.diverged_in_a_row()},
                                 {"help", report.served_reason}});
  }
  if (report.privacy && !report.privacy->published) {
    log::warn(
        "privacy_budget_spent",
        {{"round", round_},
         {"epsilon", report.privacy->epsilon},
         {"budget", config_.privacy.epsilon},
         {"help", "nothing is published any more; the node goes on learning from its peers"}});
  }
  std::vector<std::string> cluster;
  for (const RoundReport::Member& member : report.members) cluster.push_back(member.name);
  log::info("round_finished",
            {{"round", round_},
             {report.metric, report.models.at(report.served).told().metric(report.metric)},
             {"served", report.served},
             {"cluster", boost::algorithm::join(cluster, ",")},
             {"train_seconds", report.seconds.at("train")},
             {"choose_seconds", report.seconds.at("choose")}});
}

// What kith export tells of the model.
json Node::served(const RoundReport& report) const {
  json averaged = json::array();
  for (const RoundReport::Member& each : report.members) {
    json& member = averaged.emplace_back(to_json(each));
    const auto* const loaded = exchange_->inbox().loaded(each.id);
    if (loaded == nullptr) continue;
    member["head"] = crypto::to_hex(net::encode(loaded->head));
    if (loaded->card) member["card"] = net::to_text(*loaded->card);
  }
  const json privacy = report.privacy ? to_json(*report.privacy) : json();
  const net::CharterChain& chain = membership_.chain();
  return {{"round", round_},
          {"task", exchange_->shared().subject.manifest},
          {"served", report.served},
          {"reason", report.served_reason},
          {"evaluations", to_json(report.models.at(report.served))},
          {"averaged", averaged},
          {"published", exchange_->outbox().published_head()},
          {"privacy", privacy},
          {"founded", crypto::to_hex(chain.founded())},
          {"charter",
           {{"number", chain.newest().charter.number},
            {"version", crypto::to_hex(chain.newest().id)}}}};
}

net::awaitable<void> Node::pause(steady_clock::duration time) {
  net::error_code ec;
  rest_.expires_after(time);
  co_await rest_.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
}

// --- What people ask of us ---------------------------------------------------------------------

void Node::serve_control() {
  ControlRoutes routes;
  routes.add("GET", "/v1/status", [this](const ControlRequest&) { return to_json(status()); });
  routes.add("GET", "/v1/peers", [this](const ControlRequest&) { return peers(); });
  routes.add("GET", "/v1/rounds", [this](const ControlRequest& request) {
    const auto last = request.query.find("last");
    const std::size_t limit =
        last == request.query.end() ? 20 : std::strtoul(last->second.c_str(), nullptr, 10);
    return json(store_.rounds(limit));
  });
  routes.add("GET", "/v1/served", [this](const ControlRequest&) {
    return json::parse(store_.text("served").value_or("null"));
  });
  routes.add_slow("POST", "/v1/keys/reload",
                  [this](ControlRequest) -> net::awaitable<json> { return reload_keys(); });
  routes.add("POST", "/v1/stop", [this](const ControlRequest&) {
    net::asio::post(io_, [this] { stop(); });
    return json{{"stopping", true}};
  });
  MembershipDesk desk;
  desk.membership = &membership_;
  desk.card = [this] { return card_; };
  desk.disk = &disk_.pool();
  desk.writer = &files_disk_.pool();
  desk.audit = [this](std::string_view event, json fields) {
    disk_.post([this, event = std::string(event), fields = std::move(fields)] {
      audit_.append(event, fields, Sync::yes);
    });
  };
  add_membership_routes(routes, std::move(desk));
  control_ =
      std::make_unique<ControlServer>(io_.get_executor(), config_.node.control, std::move(routes));
}

NodeStatus Node::status() const {
  NodeStatus status;
  status.name = config_.node.name;
  status.id = to_string(keys_->id);
  status.version = version();
  status.consortium = membership_.chain().newest().charter.consortium;
  status.task.name = config_.task.name;
  status.strategy = config_.learning.strategy;
  status.phase = resting_.empty() ? learner_.phase() : resting_;
  if (const auto& training = learner_.progress()) {
    status.progress = {training->phase, training->epoch, training->epochs, training->train_loss};
  }
  status.round = round_;
  status.finished_round = finished_round_;
  status.rounds = config_.learning.rounds;
  const pipe::Opened& opened = learner_.opened();
  status.parameters = opened.parameters;
  status.examples = {opened.train, opened.validation, opened.test};
  status.own_guards = guards_;
  for (const pipe::Guard& guard : opened.guards) {
    status.guards.push_back({guard.name, guard.holds, guard.what});
  }
  status.worker_trouble = worker_trouble_;
  status.isolated = !last_report_.is_null() && last_report_.at("members").empty();
  status.last_round = last_report_;
  status.members = membership_.chain().newest().charter.members.size();
  status.charter = report_of(membership_.record(), keys_->id, system_clock::now());
  status.expelled = departures(store_);
  status.pid = ::getpid();
  if (const auto worker = learner_.worker_pid()) status.worker_pid = *worker;
  status.uptime_seconds = seconds_since(started_);
  status.counters = counters_;
  if (!exchange_) return status;
  const net::Host& host = exchange_->host();
  status.task.hash = crypto::to_hex(exchange_->shared().subject.task);
  status.renewed_elsewhere = exchange_->membership().renewed_elsewhere_at();
  status.connected = exchange_->connected();
  status.refused_by = exchange_->refused_by();
  status.other_tasks = exchange_->other_tasks();
  status.bytes_in = host.traffic().in;
  status.bytes_out = host.traffic().out;
  status.stored_bytes = host.gossip().held_bytes();
  status.queued_bytes = host.queued();
  status.not_fetching = exchange_->inbox().not_fetching();
  status.listening = host.listening();
  return status;
}

json Node::peers() const {
  std::set<std::string> averaged;
  if (!last_report_.is_null()) {
    for (const auto& member : last_report_.at("members")) averaged.insert(member.at("id"));
  }
  json all = json::array();
  if (!exchange_) return all;
  for (const PeerReport& report : exchange_->peers()) {
    json peer = to_json(report);
    peer["averaged"] = averaged.contains(report.id);
    peer["opinion"] = learner_.strategy().opinion(report.id);
    all.push_back(std::move(peer));
  }
  return all;
}

}  // namespace kith::daemon
