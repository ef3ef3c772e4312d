#include "daemon/node/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;
using enum MetricsText::Kind;

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto [end, ec] = std::to_chars(text, text + sizeof text, value);
  return {text, end};
}

double number_at(const json& object, const char* key) {
  const json value = object.is_object() ? object.value(key, json()) : json();
  return value.is_number() ? value.get<double>() : std::nan("");
}

void add_quality(MetricsText& out, const json& last) {
  const json models = last.value("models", json::object());
  const std::string metric = last.value("metric", "accuracy"), served = last.value("served", "");
  out.metric("kith_model_quality", gauge,
             "The task's metric of a model after the last round, on the examples of a split.");
  const auto add = [&](const char* role, const std::string& model) {
    if (!models.contains(model)) return;
    for (const char* split : {"test", "validation"}) {
      const double value = number_at(models.at(model).value(split, json()), metric.c_str());
      if (std::isnan(value)) continue;
      out.sample(value, {{"model", role}, {"split", split}, {"metric", metric}});
    }
  };
  add("served", served);
  add("alone", "baseline");
  const json privacy = last.value("privacy", json());
  if (!privacy.is_object()) return;
  out.metric("kith_privacy_epsilon", gauge, "Spent of the training examples' privacy.");
  out.sample(number_at(privacy, "epsilon"));
  if (!privacy.value("budget", json()).is_number()) return;
  out.metric("kith_privacy_epsilon_budget", gauge, "How much may be spent: privacy.epsilon.");
  out.sample(number_at(privacy, "budget"));
}

void add_learning(MetricsText& out, const NodeStatus& status) {
  out.metric("kith_rounds_total", counter, "Rounds finished since the process started.");
  out.sample(static_cast<double>(status.counters.rounds));
  out.metric("kith_round", gauge, "The last finished round, over all lives of the node.");
  out.sample(static_cast<double>(status.finished_round));
  out.metric("kith_rounds_diverged_total", counter, "Rounds given up, since training diverged.");
  out.sample(static_cast<double>(status.counters.diverged));
  out.metric("kith_round_phase_seconds_total", counter, "Time spent in rounds, by phase.");
  for (const auto& [phase, seconds] : status.counters.seconds) out.sample(seconds, {{"phase", phase}});
  out.metric("kith_worker_restarts_total", counter, "How often the worker was lost.");
  out.sample(static_cast<double>(status.counters.worker_restarts));
  out.metric("kith_cluster_size", gauge, "Members averaged with in the last round.");
  out.sample(status.last_round.is_object()
                 ? static_cast<double>(status.last_round.value("members", json::array()).size())
                 : 0);
  out.metric("kith_examples", gauge, "This node's examples, by what they are for.");
  out.sample(static_cast<double>(status.examples.train), {{"split", "train"}});
  out.sample(static_cast<double>(status.examples.validation), {{"split", "validation"}});
  out.sample(static_cast<double>(status.examples.test), {{"split", "test"}});
  if (status.last_round.is_object()) add_quality(out, status.last_round);
}

void add_network(MetricsText& out, const NodeStatus& status) {
  out.metric("kith_members", gauge, "Members by the charter, this node included.");
  out.sample(static_cast<double>(status.members));
  out.metric("kith_connected_peers", gauge, "Other members that are connected.");
  out.sample(static_cast<double>(status.connected));
  out.metric("kith_network_receive_bytes_total", counter, "Received from members.");
  out.sample(static_cast<double>(status.bytes_in));
  out.metric("kith_network_transmit_bytes_total", counter, "Sent to members.");
  out.sample(static_cast<double>(status.bytes_out));
  out.metric("kith_snapshots_published_total", counter,
             "Snapshots of this node's model, over all lives of the node.");
  out.sample(static_cast<double>(status.published));
  out.metric("kith_stored_bytes", gauge, "Snapshots on the disk, ours and others'.");
  out.sample(static_cast<double>(status.stored_bytes));
  out.metric("kith_fetching", gauge, "1 if snapshots are fetched, 0 if something forbids it.");
  out.sample(status.not_fetching.empty() ? 1 : 0);
  out.metric("kith_charter_version", gauge, "Number of the version of the charter that is followed.");
  out.sample(static_cast<double>(status.charter.number));
  out.metric("kith_applications", gauge, "Applications that wait for an answer.");
  out.sample(static_cast<double>(status.applications));
  out.metric("kith_alarm", gauge, "1 for each thing that somebody should look at.");
  for (const Alarm& alarm : status.alarms) {
    // Of one name there may be several: which, the status says.
    const bool repeated = &alarm != &*std::ranges::find(status.alarms, alarm.name, &Alarm::name);
    if (!repeated) out.sample(1, {{"name", alarm.name}, {"severity", alarm.severity}});
  }
}

void add_peers(MetricsText& out, const std::vector<MeasuredPeer>& peers) {
  const auto each = [&](std::string_view name, MetricsText::Kind kind, std::string_view help,
                        auto value) {
    out.metric(name, kind, help);
    for (const MeasuredPeer& peer : peers) {
      const double found = value(peer);
      if (!std::isnan(found)) out.sample(found, {{"peer", peer.report.name}});
    }
  };
  each("kith_peer_connected", gauge, "1 if the member is connected.",
       [](const MeasuredPeer& peer) { return peer.report.connected ? 1.0 : 0.0; });
  each("kith_peer_averaged", gauge, "1 if it was averaged with in the last round.",
       [](const MeasuredPeer& peer) { return peer.averaged ? 1.0 : 0.0; });
  each("kith_peer_influence", gauge,
       "How useful its models are to this node; 1: as its own training, below 0: harmful.",
       [](const MeasuredPeer& peer) { return number_at(peer.opinion, "rho"); });
  each("kith_peer_round_trip_seconds", gauge, "Round trip time to it.",
       [](const MeasuredPeer& peer) {
         return peer.report.round_trip_ms ? *peer.report.round_trip_ms / 1000 : std::nan("");
       });
  each("kith_peer_receive_bytes_total", counter, "Received from it.", [](const MeasuredPeer& peer) {
    return static_cast<double>(peer.report.bytes_in);
  });
  each("kith_peer_transmit_bytes_total", counter, "Sent to it.", [](const MeasuredPeer& peer) {
    return static_cast<double>(peer.report.bytes_out);
  });
}

}  // namespace

void MetricsText::metric(std::string_view name, Kind kind, std::string_view help) {
  name_ = name;
  text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ +
           (kind == Kind::counter ? " counter\n" : " gauge\n");
}

void MetricsText::sample(double value, const std::vector<Label>& labels) {
  text_ += name_;
  const char* before = "{";
  for (const Label& label : labels) {
    text_ += std::exchange(before, ",") + std::string(label.name) + "=\"";
    for (const char c : label.value) {
      if (c == '\n') {
        text_ += "\\n";
        continue;
      }
      if (c == '\\' || c == '"') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }
  text_ += std::string(labels.empty() ? "" : "}") + " " + number_text(value) + "\n";
}

std::string metrics_of(const NodeStatus& status, const std::vector<MeasuredPeer>& peers) {
  MetricsText out;
  out.metric("kith_build_info", MetricsText::Kind::gauge, "1, with what runs here.");
  out.sample(1, {{"version", status.version},
                 {"node", status.name},
                 {"consortium", status.consortium},
                 {"task", status.task.name}});
  out.metric("kith_uptime_seconds", MetricsText::Kind::gauge, "Since the process started.");
  out.sample(status.uptime_seconds);
  add_learning(out, status);
  add_network(out, status);
  add_peers(out, peers);
  return out.text();
}

}  // namespace kith::daemon
