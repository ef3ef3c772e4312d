#include "daemon/api/membership_routes.hpp"
#include "daemon/node/curve.hpp"
#include "daemon/node/metrics.hpp"
#include "daemon/node/node.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "daemon/system/version.hpp"
#include "daemon/web/dashboard.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <unistd.h>
#include <utility>

// What people and programs ask of a running node, and what it tells them of itself.
namespace kith::daemon {
namespace {

using nlohmann::json;
using std::chrono::system_clock;

constexpr std::size_t kMostRounds = 1000;  // in one answer
constexpr std::size_t kUsualRounds = 20, kUsualPoints = 300;

json one_of(const char* a, const char* b) { return {{"anyOf", {{{"type", a}}, {{"type", b}}}}}; }

json list_of(json schema) { return {{"type", "array"}, {"items", std::move(schema)}}; }

/// A report with more in it.
json with(json schema, const json& more) {
  for (const auto& [name, property] : more.items()) {
    schema["properties"][name] = property;
    schema["required"].push_back(name);
  }
  return schema;
}

/// A number in the query, from 1 to `most`.  Throws Failure(EX_USAGE).
std::size_t number_in(const ControlRequest& request, const std::string& key, std::size_t otherwise,
                      std::size_t most) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return otherwise;
  const std::string& text = found->second;
  std::size_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size() || number == 0 || number > most) {
    throw Failure(EX_USAGE, key + " must be a number from 1 to " + std::to_string(most));
  }
  return number;
}

}  // namespace

void Node::serve_control() {
  ControlRoutes routes = this->routes();
  ControlLimits limits;
  if (!config_.api.listen.empty()) {
    const ControlServer::Tcp tcp{config_.api.listen, "api.listen"};
    api_ = std::make_unique<ControlServer>(io_.get_executor(), tcp, routes, limits, api_gate());
    for (const std::string& address : api_->addresses()) {
      log::info("dashboard", {{"address", address},
                              {"help", "kith dashboard prints how to open it, with its token"}});
    }
  }
  control_ = std::make_unique<ControlServer>(io_.get_executor(), config_.node.control,
                                             std::move(routes), limits);
  if (!config_.metrics.listen.empty()) serve_metrics();
}

void Node::serve_metrics() {
  ControlRoutes routes;
  routes.add_text("/metrics", {MetricsText::kContentType, [this] { return measured(); }});
  // Prometheus calls this node by whatever name it is configured with.
  Gate anybody;
  anybody.hosts = std::nullopt;
  const ControlServer::Tcp tcp{config_.metrics.listen, "metrics.listen"};
  metrics_ = std::make_unique<ControlServer>(io_.get_executor(), tcp, std::move(routes),
                                             ControlLimits{}, std::move(anybody));
  for (const std::string& address : metrics_->addresses()) {
    log::info("metrics", {{"address", address}});
  }
}

Gate Node::api_gate() const {
  return {.hosts = config_.api.hosts,
          .tokens = load_or_make_tokens(config_.api.tokens).hashed()};
}

ControlRoutes Node::routes() {
  ControlRoutes routes;
  routes.add(
      "GET", "/v1/status", [this](const ControlRequest&) { return to_json(status()); },
      {"How the node is doing, and what is wrong with it", schema_of<NodeStatus>()});
  routes.add(
      "GET", "/v1/peers", [this](const ControlRequest&) { return peers(); },
      {"Every other member: connection, transfers, and what this node thinks of its models",
       list_of(with(schema_of<PeerReport>(),
                    {{"averaged", {{"type", "boolean"}}}, {"opinion", one_of("object", "null")}}))});
  routes.add(
      "GET", "/v1/rounds",
      [this](const ControlRequest& request) {
        return json(store_.rounds(number_in(request, "last", kUsualRounds, kMostRounds)));
      },
      {.summary = "The reports of the last rounds, the oldest first",
       .answer = list_of(with(schema_of<RoundReport>(), {{"time", {{"type", "integer"}}}})),
       .query = {{"last", "how many: from 1 to 1000, or else 20"}}});
  routes.add_slow(
      "GET", "/v1/history",
      [this](ControlRequest request) -> net::awaitable<json> { return history(request); },
      {.summary = "What was learnt in all rounds, thinned out, in columns",
       .answer = schema_of<LearningCurve>(),
       .query = {{"points", "how many rounds at most: from 1 to 1000, or else 300"}}});
  routes.add(
      "GET", "/v1/served",
      [this](const ControlRequest&) { return json::parse(store_.text("served").value_or("null")); },
      {"What the model is made of that the node serves; null if there is none",
       one_of("object", "null")});
  routes.add_events("/v1/events", feed_,
                    {"What changes: round, phase, peers, charter, applications, alarms"});
  routes.add_slow(
      "POST", "/v1/keys/reload",
      [this](ControlRequest) -> net::awaitable<json> { return reload_keys(); },
      {"Reads the channel key and the card again"});
  routes.add(
      "POST", "/v1/stop",
      [this](const ControlRequest&) {
        net::asio::post(io_, [this] { stop(); });
        return json{{"stopping", true}};
      },
      {"Stops the node"});
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
  add_dashboard(routes);
  routes.add("GET", "/v1/openapi.json", [this](const ControlRequest&) { return api_description_; },
             {"This description"});
  api_description_ = openapi(routes);
  return routes;
}

net::awaitable<json> Node::history(ControlRequest request) {
  const std::size_t points = number_in(request, "points", kUsualPoints, kMostRounds);
  auto read = [this, points] { return to_json(curve_of(store_.thinned_rounds(points))); };
  json curve = co_await net::offload(disk_.pool(), std::move(read));
  co_return curve;
}

// --- What changes ------------------------------------------------------------------------------

void Node::tell_changes() {
  if (!feed_.heard()) {
    told_ = {};  // who comes next asks for all of it anyway
    return;
  }
  const NodeStatus now = status();
  Told next;
  next.phase = {{"phase", now.phase}, {"round", now.round}};
  next.charter = {{"number", now.charter.number}, {"fingerprint", now.charter.fingerprint}};
  next.applications = {{"waiting", now.applications}};
  next.alarms = json::array();
  for (const Alarm& alarm : now.alarms) next.alarms.push_back(to_json(alarm));
  next.peers = json::array();
  if (exchange_) {
    for (const PeerReport& peer : exchange_->peers()) {
      if (peer.connected) next.peers.push_back(peer.name);
    }
  }
  const bool first = told_.phase.is_null();
  const Told before = std::exchange(told_, next);
  if (first) return;
  const auto tell = [&](const char* name, const json& was, const json& is) {
    if (was != is) feed_.publish(name, is);
  };
  tell("phase", before.phase, next.phase);
  tell("peers", before.peers, next.peers);
  tell("charter", before.charter, next.charter);
  tell("applications", before.applications, next.applications);
  tell("alarms", before.alarms, next.alarms);
}

// --- What it is like ---------------------------------------------------------------------------

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
  status.unknowable = opened.unknowable;
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
  status.published = store_.last_position().sequence;
  const auto pending = membership_.invitations().pending(membership_.chain(), system_clock::now());
  status.applications = static_cast<std::uint64_t>(std::ranges::count_if(
      pending, [](const Invitation& one) { return one.applicant && !one.refused; }));
  if (api_) status.dashboard = api_->addresses();
  status.pid = ::getpid();
  if (const auto worker = learner_.worker_pid()) status.worker_pid = *worker;
  status.uptime_seconds = seconds_since(started_);
  status.counters = counters_;
  if (exchange_) add_network(status);
  status.alarms = alarms_of(status);
  return status;
}

void Node::add_network(NodeStatus& status) const {
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
}

std::vector<MeasuredPeer> Node::measured_peers() const {
  std::set<std::string> averaged;
  if (!last_report_.is_null()) {
    for (const auto& member : last_report_.at("members")) averaged.insert(member.at("id"));
  }
  std::vector<MeasuredPeer> all;
  if (!exchange_) return all;
  for (PeerReport& report : exchange_->peers()) {
    const bool in = averaged.contains(report.id);
    json opinion = learner_.strategy().opinion(report.id);
    all.push_back({std::move(report), in, std::move(opinion)});
  }
  return all;
}

json Node::peers() const {
  json all = json::array();
  for (const MeasuredPeer& each : measured_peers()) {
    json peer = to_json(each.report);
    peer["averaged"] = each.averaged;
    peer["opinion"] = each.opinion;
    all.push_back(std::move(peer));
  }
  return all;
}

std::string Node::measured() const { return metrics_of(status(), measured_peers()); }

}  // namespace kith::daemon
