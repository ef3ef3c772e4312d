#include "daemon/api/forget.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/system/report.hpp"

#include <boost/algorithm/string/join.hpp>

#include <memory>

namespace kith::daemon {
namespace {

struct ForgetOptions {
  Place place;
  ForgetRequest request;
  bool as_json = false;
};

std::string count_of(std::uint64_t rounds) {
  return std::to_string(rounds) + (rounds == 1 ? " round" : " rounds");
}

Answer forget_node(const ForgetOptions& options) {
  const Config config = load_config(options.place.config());
  Membership membership(config.consortium.charter);
  const crypto::NodeId self = load_channel_keys(config.node.channel_key).id;
  const Forgotten done = forget(config.node.state, membership, self, options.request);
  Answer answer{to_json(done), {}};
  if (done.found.count == 0) {
    answer.lines = {
        "No model of " + done.name + " was averaged into this node's" +
        (done.from > 1 ? " from round " + std::to_string(done.from) + " on" : "") +
        "; nothing is changed."};
  } else {
    answer.lines = {
        "Models of " + done.name + " were averaged into this node's in " +
            count_of(done.found.count) + ", " + std::to_string(done.found.first) + " to " +
            std::to_string(done.found.last) + ".",
        done.back_to > 0 ? "It has again the model that it had after round " +
                               std::to_string(done.back_to) + ", without them: " +
                               count_of(done.rounds_lost) + " are done anew."
                         : "No model from before them is kept, so it begins anew."};
  }
  answer.lines.emplace_back("What cannot be undone here:");
  if (!done.may_carry_it.empty()) {
    answer.lines.push_back("- Models of " + boost::algorithm::join(done.may_carry_it, ", ") +
                           " were averaged in what remains, and may have had " + done.name +
                           "'s in them.");
  }
  if (done.found.count > 0) {
    answer.lines.push_back("- Snapshots that this node published after round " +
                           std::to_string(done.back_to) + " may be with others, with " +
                           done.name + "'s models in them.");
  }
  answer.lines.push_back("- What " + done.name + " has of this node's snapshots, it keeps.");
  if (done.may_come_again) {
    answer.lines.push_back(done.name +
                           " is still a member and may be averaged with again; kith forget " +
                           done.name + " --deny prevents that.");
  }
  return answer;
}

}  // namespace

void add_forget_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<ForgetOptions>();
  CLI::App* const verb = app.add_subcommand(
      "forget", "take a node's models out of this node's, and say what cannot be undone");
  on_parsed(*verb, chosen, options, forget_node);
  ForgetRequest& request = options->request;
  verb->add_option("NODE", request.who, "its name, or its node id or the beginning of it")
      ->required();
  verb->add_option("--from", request.from, "only what was averaged in this round or later")
      ->capture_default_str();
  verb->add_flag("--deny", request.deny, "and have nothing to do with it from now on");
  options->place.add_to(*verb);
}

}  // namespace kith::daemon
