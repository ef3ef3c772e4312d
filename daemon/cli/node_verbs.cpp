#include "daemon/api/ask.hpp"
#include "daemon/cli/class_views.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/cli/views.hpp"
#include "daemon/learning/round_report.hpp"
#include "daemon/system/failure.hpp"

#include <chrono>
#include <memory>

namespace kith::daemon {
namespace {

using nlohmann::json;

struct NodeOptions {
  Place place;
  std::string peer;
  unsigned rounds = 20;
  bool as_json = false;

  [[nodiscard]] json ask(const std::string& target) const {
    return ask_node(load_config(place.config()), "GET", target);
  }
  [[nodiscard]] json change(const std::string& target) const {
    return ask_membership(load_config(place.config()), "POST", target, {{"who", peer}});
  }
};

Answer status(const NodeOptions& options) {
  const json status = options.ask("/v1/status");
  return {status, status_lines(status)};
}

Answer peers(const NodeOptions& options) {
  const json peers = options.ask("/v1/peers");
  return {peers, peers_lines(peers, std::chrono::system_clock::now())};
}

Answer why(const NodeOptions& options) {
  const json last = options.ask("/v1/rounds?last=" + std::to_string(options.rounds));
  const json why = explain_peer(options.ask("/v1/peers"), last, options.peer);
  return {why, why_lines(why)};
}

Answer classes(const NodeOptions& options) {
  const model::Task task = load_config(options.place.config()).task;
  const json last = options.ask("/v1/status").at("last_round");
  if (last.is_null()) throw Failure(EX_TEMPFAIL, "no round is done yet; ask again later");
  const std::string served = last.at("served");
  const json& judged = last.at("models").at(served);
  const std::string split = told_split(judged);
  const auto confusion =
      judged.at(split).value("confusion", json::array()).get<std::vector<std::uint64_t>>();
  if (confusion.size() != std::size_t{task.classes} * task.classes || confusion.empty()) {
    throw Failure(EX_UNAVAILABLE,
                  "this task has no table of classes: it predicts numbers or words, or more than " +
                      std::to_string(pipe::kMaxConfusion) + " classes");
  }
  const json explained = explain_classes(confusion, class_names(task));
  Answer answer{{{"model", served},
                 {"split", split},
                 {"round", last.at("round")},
                 {"classes", explained},
                 {"confusion", confusion}},
                class_lines(explained, confusion)};
  answer.lines.insert(answer.lines.begin(),
                      {"What is served after round " + last.at("round").dump() + ", on " +
                           judged.at(split).at("examples").dump() + " " + split + " examples",
                       ""});
  return answer;
}

Answer deny(const NodeOptions& options) {
  const json done = options.change("/v1/deny");
  const std::string name = done.at("name");
  if (done.contains("refused")) return {done, {"Refused " + name + "."}};
  if (done.contains("withdrawn")) return {done, {"Withdrew the invitation of " + name + "."}};
  return {done, {"Denied " + name + "  " + done.at("id").get<std::string>() +
                 "; kith allow undoes it."}};
}

Answer allow(const NodeOptions& options) {
  const json done = options.change("/v1/allow");
  return {done, {"Allowed " + done.at("name").get<std::string>() + "  " +
                 done.at("id").get<std::string>() + "."}};
}

}  // namespace

void add_node_verbs(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<NodeOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const NodeOptions&)) {
    CLI::App* const verb = app.add_subcommand(name, help);
    options->place.add_to(*verb);
    on_parsed(*verb, chosen, options, run);
    return verb;
  };
  const auto add_peer = [&](CLI::App* verb) {
    verb->add_option("PEER", options->peer, "its name, or its node id or the beginning of it")
        ->required();
    return verb;
  };
  add("status", "show accuracy against the local-only baseline, cluster, round and alarms", status);
  add("peers", "list every peer: connection, score with its interval, and reasons", peers);
  add_peer(add("why", "show the numbers behind one peer being averaged with or not", why))
      ->add_option("--rounds", options->rounds, "how many of the newest rounds to show")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add("classes", "show how good the served model is at each class, and what it mistakes for what",
      classes);
  add_peer(add("deny", "block a peer or refuse an application; overrides the charter", deny));
  add_peer(add("allow", "undo deny", allow));
}

}  // namespace kith::daemon
