#include "daemon/node/node.hpp"

#include "daemon/membership/charter_file.hpp"
#include "daemon/state/departures.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/state/history.hpp"
#include "daemon/system/log.hpp"
#include "daemon/membership/renewals.hpp"
#include "daemon/system/version.hpp"
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

/// While rival charters contest who belongs, a node that only its own names stays up, with whoever
/// still talks to it: whoever makes a rival could stop every node else.
net::Consortium make_consortium(const Config& config, const net::NodeId& self,
                                const std::vector<net::Renewal>& renewals) {
  std::vector<net::Member> members = config.consortium.members;
  const auto& file = config.consortium.charter;
  if (!file.empty() && std::ranges::find(members, self, &net::Member::id) == members.end()) {
    const auto named = load_charter(file).newest().charter.members;
    const auto found = std::ranges::find(named, self, &net::Member::id);
    if (found != named.end()) members.push_back(*found);
  }
  try {
    net::Consortium consortium(config.consortium.id, std::move(members));
    for (const net::Renewal& renewal : renewals) {
      consortium.renew(renewal.member, renewal.channel, renewal.addresses);
    }
    return consortium;
  } catch (const std::invalid_argument& error) {
    throw Failure(EX_CONFIG, error.what());
  }
}

std::vector<Learner::Peer> others(const net::Consortium& consortium, const net::NodeId& self) {
  std::vector<Learner::Peer> peers;
  for (const net::Member& member : consortium.members()) {
    if (member.id != self) peers.push_back({to_string(member.id), member.name});
  }
  return peers;
}

Learner::Peer peer_of(const net::Consortium& consortium, const net::NodeId& id) {
  const net::Member* const member = consortium.find(id);
  return {to_string(id), member != nullptr ? member->name : ""};
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

Node::Node(net::asio::io_context& io, Config config, const crypto::NodeKeys& keys)
    : config_(std::move(config)),
      keys_(keys),
      store_(config_.node.state),
      audit_(config_.node.state / kAuditLog),
      renewals_(renew_node(config_, keys_, audit_, std::chrono::system_clock::now())),
      consortium_(make_consortium(config_, keys_.identity.id(), renewals_)),
      exchange_(io, config_, keys_, consortium_, renewals_, store_, audit_),
      learner_(io, config_, peer_of(consortium_, keys_.identity.id()),
               others(consortium_, keys_.identity.id()), exchange_),
      io_(io),
      rest_(io) {
  const net::Member* self = consortium_.find(keys_.identity.id());
  const bool listed = self != nullptr && self->channel == keys_.channel.public_key();
  if (!listed && !config_.consortium.charter.empty()) {
    throw Failure(EX_CONFIG, "this node, " + to_string(keys_.identity.id()) +
                                 ", is not a member by the newest version of " +
                                 config_.consortium.charter.string() +
                                 ": give a steward what kith charter request prints; if it was "
                                 "expelled, ask a steward why");
  }
  if (!listed) {
    throw Failure(EX_CONFIG,
                  "this node is not on its own member list; add this to the configuration, "
                  "here and on the other nodes:\n\n" +
                      member_block(config_, keys_));
  }
  check_data_files(config_.data);
  if (const auto last = store_.rounds(1); !last.empty()) last_report_ = last.back();
  std::map<std::string, json> opinions;
  for (const auto& [peer, opinion] : store_.peers()) opinions.emplace(to_string(peer), opinion);
  learner_.strategy().restore(opinions);
}

net::awaitable<void> Node::run() {
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
  const std::string manifest = model::manifest(config_.task, crypto::hash(initial_bytes));
  const crypto::Hash task = crypto::hash(as_byte_view(manifest));
  log::info("opened", {{"worker", learner_.worker_pid().value_or(0)},
                       {"parameters", opened.parameters},
                       {"train", opened.train},
                       {"validation", opened.validation},
                       {"test", opened.test},
                       {"round", opened.round},
                       {"task", crypto::to_hex(task)}});
  check_task(task);
  if (store_.text("manifest") != manifest) store_.put_text("manifest", manifest);
  const auto& [noise, clip, delta, epsilon, seed] = config_.privacy;
  if (noise > 0 && delta * static_cast<double>(opened.train) >= 1) {
    log::warn("delta_is_large", {{"delta", delta},
                                 {"train", opened.train},
                                 {"help",
                                  "a promise that may fail for one example in so many is none; set "
                                  "privacy.delta well below 1 / training examples"}});
  }
  if (exchange_.joined()) co_return;
  exchange_.join({manifest, form_of(initial_bytes, config_.task.encoding), opened.train});
  serve_control();
}

void Node::check_task(const crypto::Hash& task) {
  const std::string text = crypto::to_hex(task);
  const auto stored = store_.text("task");
  if (!stored) return store_.put_text("task", text);
  if (*stored != text) {
    throw Failure(EX_CONFIG,
                  config_.node.state.string() +
                      " holds the state of another task; restore the [task] section, or begin with "
                      "this one: kith task accept");
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
  routes.add("GET", "/v1/served", [this](const ControlRequest&) {
    return json::parse(store_.text("served").value_or("null"));
  });
  using Consent = NetworkExchange::Consent;
  const auto add_consent = [&](const char* path, Consent consent) {
    routes.add("POST", path, [this, consent](const ControlRequest& request) {
      const json id = request.body.is_object() ? request.body.value("id", json()) : json();
      if (!id.is_string()) throw Failure(EX_USAGE, "say whom: {\"id\": NODE ID}");
      exchange_.set_consent(id, consent);
      return json{{"id", id}, {"denied", consent == Consent::denied}};
    });
  };
  add_consent("/v1/deny", Consent::denied);
  add_consent("/v1/allow", Consent::allowed);
  routes.add("POST", "/v1/stop", [this](const ControlRequest&) {
    net::asio::post(io_, [this] { stop(); });
    return json{{"stopping", true}};
  });
  control_ =
      std::make_unique<ControlServer>(io_.get_executor(), config_.node.control, std::move(routes));
}

void Node::follow_charter() try { exchange_.follow_charter(); } catch (const Failure& failure) {
  log::warn("charter_refused", {{"what", failure.what()}});
}

void Node::stop() {
  if (std::exchange(stopping_, true)) return;
  log::info("stopping");
  resting_ = "stopping";
  rest_.cancel();
  control_.reset();
  exchange_.stop();
  learner_.hang_up();
}

// --- The learning loop -------------------------------------------------------------------------

net::awaitable<void> Node::learn() {
  const std::uint64_t rounds = config_.learning.rounds;
  while (!stopping_ && (rounds == 0 || finished_round_ < rounds)) {
    const auto start = steady_clock::now();
    round_ = finished_round_ + 1;
    keep(co_await learner_.do_round(round_));
    const auto rest = config_.learning.interval - (steady_clock::now() - start);
    if (rest > 0s && !stopping_) {
      resting_ = "resting";
      co_await pause(rest);
      resting_.clear();
    }
  }
}

void Node::keep(json report) {
  const auto traffic = exchange_.traffic();
  report["bytes_in"] = traffic.in;
  report["bytes_out"] = traffic.out;
  store_.atomically([&] {
    store_.put_round(round_, std::chrono::system_clock::now(), report);
    store_.put_text("served", served(report).dump());
    for (const net::Member& member : consortium_.members()) {
      const json opinion = learner_.strategy().opinion(to_string(member.id));
      if (!opinion.is_null()) store_.put_peer(member.id, opinion);
    }
  });
  finished_round_ = round_;
  keep_history();
  json averaged = report.at("members");
  for (json& member : averaged) member["snapshot"] = exchange_.loaded(member.at("id"));
  audit_.append("averaged",
                {{"round", round_}, {"members", averaged}, {"served", report.at("served")}});

  const json& privacy = report.at("privacy");
  if (!privacy.is_null() && !privacy.at("published").get<bool>()) {
    log::warn(
        "privacy_budget_spent",
        {{"round", round_},
         {"epsilon", privacy.at("epsilon").get<double>()},
         {"budget", config_.privacy.epsilon},
         {"help", "nothing is published any more; the node goes on learning from its peers"}});
  }

  std::string cluster;
  for (const auto& member : report.at("members")) {
    cluster += (cluster.empty() ? "" : ",") + member.at("name").get<std::string>();
  }
  const json& served = report.at("models").at(report.at("served").get<std::string>());
  const json& judged = served.at(served.at("test").is_null() ? "validation" : "test");
  log::info("round_finished",
            {{"round", round_},
             {"accuracy", judged.at("accuracy").get<double>()},
             {"served", report.at("served").get<std::string>()},
             {"cluster", cluster},
             {"train_seconds", report.at("seconds").at("train").get<double>()},
             {"choose_seconds", report.at("seconds").at("choose").get<double>()}});
  last_report_ = std::move(report);
}

// As many as fit into limits.disk; none rather than too little room for all else.
void Node::keep_history() {
  const std::filesystem::path checkpoint = config_.node.state / kCheckpoint;
  std::error_code failed;
  const std::uint64_t size = std::filesystem::file_size(checkpoint, failed);
  if (failed) return;  // another worker may keep its own
  const std::uint64_t free = std::filesystem::space(config_.node.state, failed).available;
  std::uint64_t most = std::min<std::uint64_t>(
      config_.limits.history, config_.limits.disk.bytes / std::max<std::uint64_t>(size, 1));
  const bool room = !failed && free >= config_.limits.disk_free.bytes + 2 * size;
  if (most < 2 || !room) most = 0;
  History(config_.node.state / kHistory).keep(round_, checkpoint, most);
}

// What kith export tells of the model.
json Node::served(const json& report) const {
  json averaged = report.at("members");
  for (json& member : averaged) member["head"] = exchange_.loaded_head(member.at("id"));
  return {{"round", round_},
          {"task", exchange_.manifest()},
          {"served", report.at("served")},
          {"reason", report.at("served_reason")},
          {"evaluations", report.at("models").at(report.at("served").get<std::string>())},
          {"averaged", averaged},
          {"published", exchange_.published_head()},
          {"privacy", report.at("privacy")},
          {"charter", exchange_.charter_version()}};
}

net::awaitable<void> Node::pause(steady_clock::duration time) {
  net::error_code ec;
  rest_.expires_after(time);
  co_await rest_.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
}

// --- What people ask of us ---------------------------------------------------------------------

json Node::status() const {
  json progress = nullptr;
  if (const auto& training = learner_.progress()) {
    progress = {{"phase", training->phase},
                {"epoch", training->epoch},
                {"epochs", training->epochs},
                {"train_loss", training->train_loss}};
  }
  const auto traffic = exchange_.traffic();
  const auto worker = learner_.worker_pid();
  const pipe::Opened& opened = learner_.opened();
  const bool isolated = !last_report_.is_null() && last_report_.at("members").empty();
  return {{"name", config_.node.name},
          {"id", to_string(keys_.identity.id())},
          {"version", version()},
          {"consortium", consortium_.id()},
          {"task", {{"name", config_.task.name}, {"hash", crypto::to_hex(exchange_.task())}}},
          {"strategy", name(config_.learning.strategy)},
          {"phase", resting_.empty() ? learner_.phase() : resting_},
          {"progress", progress},
          {"round", round_},
          {"finished_round", finished_round_},
          {"rounds", config_.learning.rounds},
          {"parameters", opened.parameters},
          {"examples",
           {{"train", opened.train}, {"validation", opened.validation}, {"test", opened.test}}},
          {"isolated", isolated},
          {"last_round", last_report_},
          {"members", consortium_.members().size()},
          {"charter", exchange_.charter()},
          {"expelled", departures(store_)},
          {"connected", exchange_.connected()},
          {"refused_by", exchange_.refused_by()},
          {"other_tasks", exchange_.other_tasks()},
          {"bytes_in", traffic.in},
          {"bytes_out", traffic.out},
          {"stored_bytes", exchange_.stored_bytes()},
          {"queued_bytes", exchange_.queued_bytes()},
          {"not_fetching", exchange_.not_fetching()},
          {"listening", exchange_.listening()},
          {"pid", getpid()},
          {"worker_pid", worker ? json(*worker) : json(nullptr)},
          {"uptime_seconds", seconds_since(started_)}};
}

json Node::peers() const {
  std::set<std::string> averaged;
  if (!last_report_.is_null()) {
    for (const auto& member : last_report_.at("members")) averaged.insert(member.at("id"));
  }
  json all = exchange_.peers();
  for (json& peer : all) {
    const std::string id = peer.at("id");
    peer["averaged"] = averaged.contains(id);
    peer["opinion"] = learner_.strategy().opinion(id);
  }
  return all;
}

}  // namespace kith::daemon
