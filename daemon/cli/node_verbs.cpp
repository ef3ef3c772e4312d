#include "daemon/api/ask.hpp"
#include "daemon/api/control.hpp"
#include "daemon/cli/class_views.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/cli/views.hpp"
#include "daemon/learning/round_report.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/interrupts.hpp"

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

namespace kith::daemon {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

struct NodeOptions {
  Place place;
  std::string peer;
  unsigned rounds = 20;
  bool as_json = false, watch = false;

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

/// Shows it again whenever something has changed, and every 2 s, until Ctrl-C; a node that stops is
/// waited for.
int watch_status(const NodeOptions& options) {
  constexpr std::chrono::milliseconds kAgain = 2s, kLook = 100ms;  // without events; at Ctrl-C
  using Clock = std::chrono::steady_clock;
  const std::filesystem::path socket = load_config(options.place.config()).node.control;
  const Terminal terminal = Terminal::of_stdout();
  Lines lines = status_lines(options.ask("/v1/status"));  // that no node runs ends it at first
  catch_interrupts();
  LiveBlock block(std::cout, terminal);
  std::optional<ControlEvents> events;
  while (!interrupted) {
    block.show(wrapped_lines(lines, terminal.interactive ? terminal.columns : 0), Clock::now());
    try {
      if (!events || !events->connected()) events.emplace(socket);
    } catch (const Failure&) {
      events.reset();
    }
    const auto end = Clock::now() + kAgain;
    bool news = false;
    while (!news && !interrupted && Clock::now() < end) {
      if (events && events->connected()) {
        news = events->wait(kLook);
      } else {
        std::this_thread::sleep_for(kLook);
      }
    }
    if (news) std::this_thread::sleep_for(kLook);  // what changes together is shown together
    try {
      lines = status_lines(options.ask("/v1/status"));
    } catch (const Failure& failure) {
      lines = {failure.what()};
    }
  }
  if (terminal.interactive) std::cout << std::endl;  // below what Ctrl-C has left on the line
  return EX_OK;
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
  CLI::App* const verb = add(
      "status", "show accuracy against the local-only baseline, cluster, round and alarms", status);
  verb->add_flag("--watch,-w", options->watch, "show it anew whenever it changes, until Ctrl-C")
      ->excludes("--json");
  verb->final_callback([&chosen, options] {
    chosen = [options] {
      return options->watch ? watch_status(*options) : give(status(*options), options->as_json);
    };
  });
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
