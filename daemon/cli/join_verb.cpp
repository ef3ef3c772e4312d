#include "daemon/cli/new_node.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "net/asio/applicant.hpp"
#include "net/label.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <thread>
#include <unistd.h>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::system_clock;

constexpr std::size_t kInviteSize = 16 << 10;
constexpr auto kAskAgain = 3s;  // whether the operator has approved

struct JoinOptions {
  NewNode node;
  std::string invitation;
  bool once = false, as_json = false;
};

/// What a stranger sent, as one harmless line.
std::string printable(const std::string& text) {
  return text.size() <= net::limits::kReason && std::ranges::all_of(text, [](unsigned char c) {
    return c >= 0x20 && c < 0x7f;
  })
             ? text
             : "(an answer with characters that are not shown)";
}

/// The line, from a file, a pipe or what was printed around it.
std::string invitation_text(const std::string& given) {
  std::string text;
  if (given == "-") {
    for (std::string line; std::getline(std::cin, line) && text.size() < kInviteSize;) {
      text += line + "\n";
    }
  } else if (given.starts_with("kith-invite-")) {
    throw Failure(EX_USAGE,
                  "other users of this machine see what is on a command line: put the invitation "
                  "into a file, and name that; or give - and paste it");
  } else {
    text = daemon::read_text(given, kInviteSize, "name the file that holds the invitation");
  }
  // A mail, or all that kith invite printed: the line ends before an empty one.
  if (const auto start = text.find("kith-invite-"); start != std::string::npos) {
    text = text.substr(start, text.find("\n\n", start) - start);
  }
  return text;
}

net::Invite parse(const std::string& text) {
  const auto parsed = net::parse_invite(text);
  if (const auto* fault = std::get_if<net::InviteFault>(&parsed)) {
    throw Failure(EX_DATAERR, std::string(explain(*fault)));
  }
  const auto& invite = std::get<net::Invite>(parsed);
  const auto now = system_clock::now();
  if (invite.expires <= seconds_of(now)) {
    throw Failure(EX_DATAERR, "this invitation expired on " + date(invite.expires) +
                                  " (this machine's clock says " + date(seconds_of(now)) +
                                  "); ask for another");
  }
  return invite;
}

/// The invitation that is given, or that of the last time; and what was said then of the node.
net::Invite read_invite(JoinOptions& options, const fs::path& kept) {
  std::string text = options.invitation;
  if (fs::exists(kept)) {
    const json before = json::parse(read_text(kept, kInviteSize), nullptr, false);
    try {
      if (text.empty()) text = before.at("invitation");
      options.node.fill(before);
    } catch (const json::exception&) {
      throw Failure(EX_DATAERR,
                    kept.string() + " is damaged; remove it, and give the invitation again");
    }
  }
  if (text.empty()) {
    throw Failure(EX_USAGE,
                  "give the invitation: the file that kith invite made, or - to paste the line");
  }
  return parse(options.invitation.empty() ? text : invitation_text(text));
}

net::Application ask(const net::Invite& invite, const net::Card& card, const NodeKeys& keys) {
  net::asio::io_context io(1);
  net::Application result;
  std::exception_ptr failed;
  net::asio::any_io_executor executor = io.get_executor();
  net::asio::co_spawn(io, net::apply(executor, keys.channel, invite, card),
                      [&](std::exception_ptr error, net::Application application) {
                        failed = error;
                        result = std::move(application);
                      });
  io.run();
  if (failed) std::rethrow_exception(failed);
  return result;
}

/// Asks until there is a decision.  Throws Failure.
net::Application wait(const JoinOptions& options, const net::Invite& invite, const net::Card& card,
                      const NodeKeys& keys, std::ostream& out) {
  std::string told;
  for (;;) {
    net::Application last = ask(invite, card, keys);
    using State = net::Admission::State;
    const bool answered = last.trouble.empty();
    if (answered && last.admission.state == State::admitted) return last;
    if (answered && last.admission.state == State::refused) {
      throw Failure(EX_NOPERM, invite.name + " does not take this node in: " +
                                   printable(last.admission.why));
    }
    if (last.sent_away) {
      throw Failure(EX_NOPERM, invite.name +
                                   " expects nobody: the invitation has expired, or was "
                                   "withdrawn; ask for another");
    }
    const std::string why =
        answered ? "Applied. Waiting for " + invite.name + ": " + printable(last.admission.why)
                 : invite.name + " does not answer yet (" + last.trouble + ")";
    const std::string again = "kith join --dir " + options.node.dir();
    if (options.once) throw Failure(EX_TEMPFAIL, why + "; ask again with " + again);
    if (why != told) {
      out << why;
      if (told.empty()) out << "\n(Ctrl-C stops waiting; " << again << " goes on.)";
      out << std::endl;
    }
    told = why;
    std::this_thread::sleep_for(kAskAgain);
  }
}

/// A file or a vocabulary that is not there yet is no reason to be anything but a member.
FirstLook look_once(const NewNode& node) {
  try {
    return first_look(load_config(node.file()), node.dir());
  } catch (const Failure& failure) {
    return {{std::string("Data: NOT READ: ") + failure.what(),
             "  Mend that, and look: kith data check --dir " + node.dir()},
            ""};
  }
}

/// Writes down what came of it.
Answer settle(const NewNode& node, const net::Application& taken, const net::Card& card,
              const fs::path& kept) {
  const auto& newest = taken.charter.newest();
  const auto& members = newest.charter.members;
  const auto here = std::ranges::find(members, card.node, &net::Member::id);
  if (here == members.end()) {
    throw Failure(EX_DATAERR, "the charter that came does not name this node");
  }
  const bool had_config = fs::exists(node.file());
  Config settings = had_config ? load_config(node.file()) : node.config();
  const model::Task task = parse_task(taken.admission.task, "the task of the consortium");
  const std::string theirs = task_toml(task);
  const bool renamed = settings.node.name != here->name;
  if (!had_config) {
    settings.task = task;
    settings.node.name = here->name;
    write_whole(node.file(), as_byte_view(to_toml(settings)));
  }
  net::MembershipRecord record;
  record.chain = taken.charter;
  constexpr auto kAhead = std::chrono::duration_cast<std::chrono::seconds>(net::limits::kCardAhead);
  const auto latest = seconds_of(system_clock::now() + kAhead);
  for (const net::Card& each : taken.cards) {
    const bool ours = net::is_sound(each) && each.founded == record.chain.founded();
    if (ours && each.issued <= latest) record.cards.push_back(each);
  }
  // The charter last: where it is, this node was taken in.
  write_whole(node.charter(), net::encode_record(record));
  on_disk("remove", [&] { fs::remove(kept); });
  Answer answer{
      {{"consortium", newest.charter.consortium},
       {"id", to_string(card.node)},
       {"number", newest.charter.number},
       {"fingerprint", fingerprint(newest.id)},
       {"members", members.size()},
       {"task", task.name},
       {"config", node.file().string()}},
      {"Taken in: version " + std::to_string(newest.charter.number) + " of \"" +
           newest.charter.consortium + "\" has " + std::to_string(members.size()) + " members.",
       "  fingerprint  " + fingerprint(newest.id)}};
  const auto say = [&](const std::string& line) {
    if (!line.empty()) answer.lines.push_back(line);
  };
  if (had_config && task_toml(settings.task) != theirs) {
    say("[task] in " + node.file().string() + " is another than the consortium's, which is:\n" +
        theirs);
  }
  if (renamed) say("It is called " + here->name + " in the charter.");
  for (const auto& [what, file] :
       {std::pair("vocabulary", task.vocabulary), std::pair("model", task.script)}) {
    if (file.empty()) continue;
    say(std::string("Put the ") + what + " of the task beside it, as " +
        (node.folder() / file).string() + ": ask the inviter for the file.");
  }
  if (!had_config) say(node.data_hint());
  std::string refused;
  if (had_config || !node.train.empty()) {
    const FirstLook look = look_once(node);
    refused = look.refused;
    answer.value["data"] = look.lines;
    for (const std::string& line : look.lines) say(line);
  }
  answer.value["data_refused"] = !refused.empty();
  say(node.unreachable_hint());
  say((refused.empty() ? "Start the node: kith run --dir "
                       : "Then start the node: kith run --dir ") +
      node.dir());
  return answer;
}

Answer join(const JoinOptions& given) {
  JoinOptions options = given;
  NewNode& node = options.node;
  if (fs::exists(node.charter())) {
    throw Failure(EX_USAGE, node.charter().string() +
                                " is there already: this node was taken in; start it with kith "
                                "run --dir " +
                                node.dir());
  }
  const fs::path kept = node.folder() / "join.json";
  const net::Invite invite = read_invite(options, kept);
  if (const auto config = node.place.load()) {  // written by hand
    const auto& listen = config->node.listen;
    node.fill({{"name", config->node.name},
               {"listen", listen.empty() ? node.listen : listen.front()},
               {"address", ""},
               {"train", json::array()},
               {"validation", json::array()},
               {"test", json::array()}});
  }
  node.check();
  const auto identity = node.make();
  const NodeKeys keys = load_channel_keys(node.key_files().channel);
  json remembered = node.to_json();
  remembered["invitation"] = net::to_text(invite);
  write_whole(kept, as_byte_view(remembered.dump(2) + "\n"));
  const net::Card card =
      write_card(node.key_files(), identity, node.draft(), invite.founded, system_clock::now());
  std::ostream& out = options.as_json ? std::cerr : std::cout;
  out << "This node is " << to_string(card.node) << ".\nIt applies to \"" << invite.consortium
      << "\", through " << invite.name << ": read this id to its operator on the telephone."
      << std::endl;
  return settle(node, wait(options, invite, card, keys, out), card, kept);
}

}  // namespace

void add_join_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<JoinOptions>();
  CLI::App* const verb = app.add_subcommand(
      "join", "join a consortium with an invitation: make the node's folder, apply, and wait");
  verb->add_option("INVITATION", options->invitation,
                   "the file that kith invite made, or - to paste its line (other users of this "
                   "machine see command lines); without it, that of last time");
  options->node.add_to(*verb);
  verb->add_flag("--once", options->once,
                 "ask once, and do not wait: status 75 if not yet decided");
  on_parsed(*verb, chosen, options, join);
}

}  // namespace kith::daemon
