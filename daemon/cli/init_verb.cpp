#include "daemon/cli/new_node.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/membership/proposal.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "net/label.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::system_clock;

struct InitOptions {
  NewNode node;
  std::string consortium = "my-consortium";
  fs::path task, join;
  bool as_json = false;
};

void check_is_new(const InitOptions& options) {
  const NewNode& node = options.node;
  const auto refuse = [](const std::string& why) { throw Failure(EX_CANTCREAT, why); };
  if (fs::exists(node.file())) {
    refuse(node.file().string() + " exists already; name another folder with --dir");
  }
  if (fs::exists(node.folder() / "join.json")) {
    refuse("this node waits to be taken into a consortium; kith join --dir " + node.dir() +
           " goes on.  To found another, name another folder with --dir");
  }
  if (fs::exists(node.charter())) {
    refuse(node.charter().string() + " exists already; name another folder with --dir");
  }
}

/// The first member, and the only steward.
net::MembershipRecord found(const InitOptions& options, const crypto::Identity& identity) {
  const NewNode& node = options.node;
  const auto now = system_clock::now();
  net::MembershipRecord record;
  net::SignedCharter first = net::unsigned_charter(
      founding_version(options.consortium, {identity.id(), node.name}, now));
  sign_once(first, record.chain, identity, node.key_files().node, node.charter());
  (void)record.chain.append(std::move(first));
  record.cards.push_back(
      write_card(node.key_files(), identity, node.draft(), record.chain.founded(), now));
  return record;
}

/// Throws Failure(EX_DATAERR) if `kith run` would refuse the data: then there is no node yet, and
/// the same line makes it once they are mended.
FirstLook look_first(const InitOptions& options, const Config& config,
                     const crypto::Identity& identity) {
  const NewNode& node = options.node;
  if (options.task.empty() || node.train.empty()) return {};
  // As the file will be read, with the split that the node will have.
  Config as_read = parse_config(to_toml(config), node.file());
  if (as_read.data.split_key.empty()) as_read.data.split_key = to_string(identity.id());
  FirstLook look = first_look(as_read, node.dir());
  if (look.refused.empty()) return look;
  throw Failure(EX_DATAERR, "no node was made, since kith run would refuse its data: " +
                                look.refused + ".  To look again: kith data check --task " +
                                options.task.string() + " --train " + node.train.front() + " ...");
}

Answer init(const InitOptions& options) {
  const NewNode& node = options.node;
  check_is_new(options);
  Config config = node.config();
  if (!options.task.empty()) config.task = load_task(options.task);
  node.check();
  if (!net::is_label(options.consortium)) {
    throw Failure(EX_USAGE, "--consortium is 1 to 64 printable characters");
  }
  const bool joins = !options.join.empty();
  net::MembershipRecord record;
  if (joins) record = load_record(options.join);
  const auto identity = node.make();
  const KeyFiles keys = node.key_files();
  const FirstLook look = look_first(options, config, identity);
  if (joins) {
    (void)write_card(keys, identity, node.draft(), record.chain.founded(), system_clock::now());
  } else {
    record = found(options, identity);
  }
  write_whole(node.charter(), net::encode_record(record));
  write_whole(node.file(), as_byte_view(to_toml(config)));

  const std::string id = to_string(identity.id()), consortium = record.chain.newest().charter.consortium;
  std::vector<std::string> steps;
  if (options.task.empty()) steps.emplace_back("Edit [task] in it: what is learnt.");
  if (node.train.empty()) steps.push_back(node.data_hint());
  if (joins) {
    steps.push_back("Send " + keys.card.string() + " to a steward of \"" + consortium +
                    "\", and read the id above to the steward on the telephone.");
    steps.push_back("Take the charter that comes back: kith charter merge --dir " + node.dir() +
                    " FILE");
  }
  steps.push_back("Start the node: kith run --dir " + node.dir());
  if (!joins) {
    steps.push_back("Invite others, one line for each: kith invite --dir " + node.dir());
  }
  Answer answer{{{"config", node.file().string()},
                 {"id", id},
                 {"consortium", consortium},
                 {"founded", fingerprint(record.chain.founded())}},
                {"Made " + node.file().string() + " and keys for " + id + ".", ""}};
  if (!look.lines.empty()) {
    answer.value["data"] = look.lines;
    answer.lines.insert(answer.lines.end(), look.lines.begin(), look.lines.end());
    answer.lines.emplace_back();
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    answer.lines.push_back(std::to_string(i + 1) + ". " + steps[i]);
  }
  answer.lines.insert(answer.lines.end(),
                      {"", joins ? "Compare with the steward: \"" + consortium + "\" was founded as " +
                                       fingerprint(record.chain.founded())
                                 : "It is the first member, and the only steward, of \"" +
                                       consortium + "\"."});
  if (const auto hint = node.unreachable_hint(); !hint.empty()) {
    answer.lines.insert(answer.lines.end(), {"", hint});
  }
  return answer;
}

}  // namespace

void add_init_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<InitOptions>();
  CLI::App* const verb = app.add_subcommand(
      "init", "found a consortium: make a node's folder with keys, kith.toml and a charter");
  options->node.add_to(*verb);
  verb->add_option("--consortium", options->consortium, "the consortium's name")
      ->capture_default_str();
  verb->add_option("--task", options->task, "a TOML file with the section [task]: what is learnt");
  verb->add_option("--join", options->join,
                   "the charter file of a consortium to join by files alone, in place of a new one; "
                   "with an invitation: kith join");
  on_parsed(*verb, chosen, options, init);
}

}  // namespace kith::daemon
