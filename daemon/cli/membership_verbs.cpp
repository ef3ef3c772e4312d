#include "daemon/cli/membership_verbs.hpp"

#include "crypto/secret.hpp"
#include "daemon/cli/answer.hpp"
#include "daemon/membership/charter_file.hpp"
#include "daemon/cli/charter_verbs.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/invites.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/qr_code.hpp"
#include "daemon/membership/renewals.hpp"
#include "daemon/membership/typed_id.hpp"
#include "net/asio/applicant.hpp"
#include "net/endpoint.hpp"
#include "net/member_card.hpp"

#include <algorithm>
#include <memory>
#include <thread>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::system_clock;

constexpr std::size_t kInviteSize = 16 << 10;
constexpr auto kAskAgain = 3s;  // whether the operator has approved

// --- A new node's folder -----------------------------------------------------------------------

/// What `init` and `join` are told of it.
struct NewNode {
  Place place;
  std::string name = "node", listen = "0.0.0.0:7700", address;
  std::vector<std::string> train, test;

  void add_to(CLI::App& verb) {
    place.add_to(verb);
    verb.add_option("--name", name, "the node's name, for people")->capture_default_str();
    verb.add_option("--listen", listen, "host:port to listen on")->capture_default_str();
    verb.add_option("--address", address,
                    "host:port at which the others reach it, if not the same");
    verb.add_option("--train", train, "this node's data: the files of data.train");
    verb.add_option("--test", test, "held-out data: the files of data.test");
  }

  [[nodiscard]] fs::path file() const { return place.config(); }
  [[nodiscard]] fs::path folder() const { return file().parent_path(); }
  /// For commands that people copy.
  [[nodiscard]] std::string dir() const { return folder().empty() ? "." : folder().string(); }

  /// With what is not said as it is by default.
  [[nodiscard]] Config config(const std::string& consortium) const {
    Config made;
    made.node.name = name;
    made.node.listen = {listen};
    made.consortium.id = consortium;
    made.consortium.charter = "charter.kith";
    made.task.name = "my-task";
    made.data.train = train.empty() ? std::vector<fs::path>{"train-images.idx", "train-labels.idx"}
                                    : absolute(train);
    made.data.test = absolute(test);
    return made;
  }

  /// Its keys, which are made if there are none.
  [[nodiscard]] crypto::NodeKeys keys() const {
    if (!folder().empty()) on_disk("create", [&] { fs::create_directories(folder()); });
    const fs::path found = folder() / Config().node.keys;
    return fs::exists(found) ? load_keys(found) : crypto::create_key_file(found);
  }

  /// Throws Failure(EX_USAGE).
  void check(const std::string& consortium) const {
    if (!net::is_label(name) || !net::is_label(consortium)) {
      throw Failure(EX_USAGE, "--name and --consortium are 1 to 64 printable characters");
    }
    if (!net::parse_endpoint(listen)) {
      throw Failure(EX_USAGE, "--listen is like \"0.0.0.0:7700\", not \"" + listen + "\"");
    }
    if (!net::are_addresses(addresses())) {
      throw Failure(EX_USAGE, "--address is like \"host:7700\", not \"" + address + "\"");
    }
    const auto check_files = [](const char* option, const std::vector<std::string>& files) {
      for (const std::string& given : files) {
        if (!fs::exists(given)) {
          throw Failure(EX_NOINPUT, std::string(option) + ": there is no file " + given);
        }
      }
    };
    check_files("--train", train);
    check_files("--test", test);
  }

  [[nodiscard]] net::Member member(const crypto::NodeKeys& keys) const {
    return {keys.identity.id(), keys.channel.public_key(), name, addresses()};
  }

  /// What is not said now is as it was said before.
  [[nodiscard]] json to_json() const {
    return {{"name", name},
            {"listen", listen},
            {"address", address},
            {"train", texts(absolute(train))},
            {"test", texts(absolute(test))}};
  }
  void fill(const json& before) {
    const NewNode untold;
    if (name == untold.name) name = before.at("name");
    if (listen == untold.listen) listen = before.at("listen");
    if (address.empty()) address = before.at("address");
    if (train.empty()) train = before.at("train").get<std::vector<std::string>>();
    if (test.empty()) test = before.at("test").get<std::vector<std::string>>();
  }

  /// What is left to be done by hand; empty if nothing is.
  [[nodiscard]] std::string data_hint() const {
    return train.empty() ? "Set [data] in " + file().string() + ": the files to learn from." : "";
  }

 private:
  [[nodiscard]] std::vector<std::string> addresses() const {
    if (!address.empty()) return {address};
    const auto endpoint = net::parse_endpoint(listen);
    const bool everywhere = endpoint && (endpoint->host == "0.0.0.0" || endpoint->host == "::");
    return everywhere ? std::vector<std::string>{} : std::vector{listen};
  }
  static std::vector<std::string> texts(const std::vector<fs::path>& files) {
    return {files.begin(), files.end()};
  }
  static std::vector<fs::path> absolute(const std::vector<std::string>& files) {
    std::vector<fs::path> all;
    for (const std::string& file : files) all.push_back(fs::absolute(file).lexically_normal());
    return all;
  }
};

std::string unreachable_hint(const net::Member& self) {
  return self.addresses.empty()
             ? "No --address was given, so nobody can dial this node: it dials the others."
             : "";
}

// --- init --------------------------------------------------------------------------------------

struct Init {
  NewNode node;
  std::string consortium = "my-consortium";
  fs::path task;
  bool join = false;

  void run() const {
    const fs::path file = node.file(), folder = node.folder();
    if (fs::exists(file)) {
      throw Failure(EX_CANTCREAT,
                    file.string() + " exists already; name another folder with --dir");
    }
    if (fs::exists(folder / "join.json") && !join) {
      throw Failure(EX_CANTCREAT,
                    "this node waits to be taken into a consortium; kith join --dir " + node.dir() +
                        " goes on.  To found another, name another folder with --dir");
    }
    Config config = node.config(consortium);
    if (!task.empty()) config.task = parse_task(read_text(task, kSettingsFile), task.string());
    const fs::path charter = folder / config.consortium.charter;
    if (fs::exists(charter) && !join) {
      throw Failure(EX_CANTCREAT, charter.string() +
                                      " exists already; to join that consortium, "
                                      "give --join");
    }
    node.check(consortium);
    const auto keys = node.keys();
    const net::Member self = node.member(keys);
    const fs::path card = folder / "node.card";
    if (join) {
      write_whole(card, as_byte_view(net::to_text(net::make_card(self, keys.identity))));
    } else {
      found_consortium(charter, consortium, self, keys.identity, folder / config.node.keys,
                       system_clock::now());
    }
    write_whole(file, as_byte_view(to_toml(config)));
    std::cout << "Made " << file.string() << " and keys for " << to_string(self.id) << ".\n\n";
    Lines steps;
    if (task.empty()) steps.push_back("Edit [task] in it: what is learnt.");
    if (node.train.empty()) steps.push_back(node.data_hint());
    if (join) {
      steps.push_back("Send " + card.string() + " to a steward of \"" + consortium +
                      "\", and read him the id above on the telephone.");
      steps.push_back("Take the charter that he sends back: kith charter merge --dir " +
                      node.dir() + " FILE");
    }
    steps.push_back("Start the node: kith run --dir " + node.dir());
    if (!join) {
      steps.push_back("Invite others, one line for each: kith invite --dir " + node.dir());
    }
    for (std::size_t i = 0; i < steps.size(); ++i) std::cout << i + 1 << ". " << steps[i] << "\n";
    if (!join) {
      std::cout << "\nIt is the first member, and the only steward, of \"" << consortium << "\".\n";
    }
    if (const auto hint = unreachable_hint(self); !hint.empty()) std::cout << "\n" << hint << "\n";
  }

 private:
  using Lines = std::vector<std::string>;
};

// --- invite, pending, approve ------------------------------------------------------------------

/// The newest version that this node follows.  Throws Failure.
net::CharterChain charter_of(const Config& config) {
  if (config.consortium.charter.empty()) {
    throw Failure(
        EX_USAGE,
        "this node has no charter, but a list of members in its configuration: add others "
        "there, at every node");
  }
  net::CharterChain chain = load_charter(config.consortium.charter);
  check_pin(config.consortium.charter, chain);
  return chain;
}

struct Inviting {
  Place place;
  std::string label, address;
  fs::path out;
  unsigned days = 7;
  bool qr = false;

  [[nodiscard]] Answer run() const {
    const Config config = load_config(place.config());
    const net::CharterChain chain = charter_of(config);
    const auto id = load_keys(config.node.keys).identity.id();
    const auto members = renewed_members(config.consortium.charter, chain.newest().charter);
    const auto self = std::ranges::find(members, id, &net::Member::id);
    if (self == members.end()) {
      throw Failure(EX_NOPERM, "this node is no member of \"" + config.consortium.id +
                                   "\", so it cannot invite anybody");
    }
    net::Member inviter = *self;
    if (!address.empty()) inviter.addresses = {address};
    if (inviter.addresses.empty()) {
      throw Failure(EX_USAGE,
                    "the charter names no address of this node: give the host:port at which who is "
                    "invited reaches it with --address");
    }
    if (!net::are_addresses(inviter.addresses)) {
      throw Failure(EX_USAGE, "--address is like \"host:7700\"");
    }
    if (!label.empty() && !net::is_label(label)) {
      throw Failure(EX_USAGE, "--for is 1 to 64 printable characters");
    }
    const auto now = system_clock::now();
    net::Invite invite{.consortium = chain.newest().charter.consortium,
                       .founded = chain.versions().front().id,
                       .inviter = inviter,
                       .expires = seconds_of(now + std::chrono::hours(24) * days)};
    const auto token = crypto::Secret<std::tuple_size_v<net::Token>>::random();
    std::ranges::copy(token.data(), invite.token.begin());
    const OpenInvite opened{.label = label,
                            .token = net::token_hash(invite.token),
                            .made = seconds_of(now),
                            .charter = chain.newest().charter.number,
                            .expires = invite.expires};
    Invites invites(config.consortium.charter);
    const auto others = invites.pending(chain, now);
    invites.keep(opened, now);
    const std::string line = net::to_text(invite);
    Answer answer{{{"invite", line},
                   {"number", opened.number()},
                   {"for", label},
                   {"consortium", invite.consortium},
                   {"expires", invite.expires}},
                  {}};
    if (!out.empty()) {
      write_whole(out, as_byte_view(line + "\n"));
      answer.value["file"] = out.string();
      answer.lines = {"Wrote " + out.string() + "."};
    } else {
      answer.lines = {line};
    }
    if (qr) {
      const auto code = qr_code(line);
      if (!code)
        throw Failure(EX_USAGE, "the invitation is too long for a QR code; leave out --qr");
      answer.lines.insert(answer.lines.end(), code->begin(), code->end());
    }
    answer.lines.insert(
        answer.lines.end(),
        {"",
         "Give it, in secret, to the one it is for: it works once, until " + date(invite.expires) +
             ". There:",
         "  kith join " +
             (out.empty() ? "'" + line.substr(0, 20) + "...'" : out.filename().string()) +
             " --dir NODE --name NAME --address HOST:PORT --train FILES",
         "Then here, while this node runs: kith pending, and kith approve NAME."});
    for (const OpenInvite& other : others) {
      if (label.empty() || other.name() != label) continue;
      answer.lines.push_back("There is one for " + label + " already; kith deny " + other.number() +
                             " withdraws that.");
    }
    return answer;
  }
};

Answer show_pending(const Place& place) {
  const Config config = load_config(place.config());
  const net::CharterChain chain = charter_of(config);
  const auto pending = Invites(config.consortium.charter).pending(chain, system_clock::now());
  using enum Table::Align;
  Table table({left, left, left, left, left, left, left});
  table.add({"", "number", "name", "for", "id", "address", "until"});
  Answer answer{json::array(), {}};
  for (const OpenInvite& invite : pending) {
    const char* const state = invite.refused ? "refused" : invite.applicant ? "applied" : "invited";
    const std::string id = invite.applicant ? to_string(invite.applicant->member.id) : "";
    const std::string name = invite.applicant ? invite.applicant->member.name : "";
    const auto addresses =
        invite.applicant ? invite.applicant->member.addresses : std::vector<std::string>();
    table.add({state, invite.number(), name, invite.label, id,
               addresses.empty() ? "" : addresses.front(), date(invite.expires)});
    answer.value.push_back(
        {{"state", state},
         {"number", invite.number()},
         {"for", invite.label},
         {"name", invite.applicant ? json(invite.applicant->member.name) : json()},
         {"id", invite.applicant ? json(id) : json()},
         {"addresses", addresses},
         {"made", invite.made},
         {"applied", invite.applied},
         {"expires", invite.expires}});
  }
  answer.lines = table.lines();
  if (answer.value.empty()) answer.lines = {"Nobody is invited; kith invite does that."};
  if (std::ranges::any_of(answer.value,
                          [](const json& one) { return one["state"] == "applied"; })) {
    answer.lines.insert(answer.lines.end(),
                        {"",
                         "Compare the id of who has applied, on the telephone; then kith "
                         "approve NAME, or kith deny NAME."});
  }
  return answer;
}

Answer approve(const Place& place, const std::string& who, const std::string& id) {
  const fs::path file = place.config();
  const Config config = load_config(file);
  const net::CharterChain chain = charter_of(config);
  Invites invites(config.consortium.charter);
  const auto& members = chain.newest().charter.members;
  OpenInvite invite = invites.find(who, Invites::Which::applied, chain, system_clock::now());
  const net::Member& member = invite.applicant->member;
  if (!id.empty()) check_typed(member.id, id);
  for (const net::Member& other : members) {
    if (other.name == member.name && other.id != member.id) {
      throw Failure(EX_USAGE, "there is a member \"" + member.name +
                                  "\" already; let the applicant stop its kith join, and go on "
                                  "with kith join --name ANOTHER");
    }
  }
  Answer answer = admit(file, member);
  answer.value["name"] = member.name;
  answer.value["id"] = to_string(member.id);
  if (answer.value.at("admitted").get<bool>()) {
    if (std::exchange(invite.refused, false)) invites.keep(invite, system_clock::now());
    answer.lines = {member.name + "  " + to_string(member.id),
                    "is a member from version " +
                        std::to_string(answer.value.at("number").get<std::uint64_t>()) +
                        " of the charter on, and will be told as soon as it asks again."};
  }
  for (const net::Member& other : members) {
    for (const std::string& address : member.addresses) {
      if (std::ranges::find(other.addresses, address) == other.addresses.end()) continue;
      answer.lines.push_back("Mind that " + other.name + " has the address " + address +
                             " as well: one of the two is wrong.");
    }
  }
  return answer;
}

// --- join --------------------------------------------------------------------------------------

struct Join {
  NewNode node;
  std::string invitation;
  bool once = false, as_json = false;

  [[nodiscard]] Answer run() {
    const auto config =
        fs::exists(node.file()) ? std::optional(load_config(node.file())) : std::nullopt;
    const fs::path charter =
        config ? config->consortium.charter : node.folder() / node.config("").consortium.charter;
    if (fs::exists(charter)) {
      throw Failure(EX_USAGE, charter.string() +
                                  " is there already: this node was taken in; start it with kith "
                                  "run --dir " +
                                  node.dir());
    }
    const fs::path kept = node.folder() / "join.json";
    const net::Invite invite = read_invite(kept);
    if (config) check_fits(*config, invite);
    if (config)
      node.fill({{"name", config->node.name},
                 {"listen", config->node.listen.front()},
                 {"address", ""},
                 {"train", json::array()},
                 {"test", json::array()}});
    const Config settings = config ? *config : node.config(invite.consortium);
    node.check(invite.consortium);
    const auto keys = config ? load_keys(config->node.keys) : node.keys();
    const net::Member self = node.member(keys);
    json remembered = node.to_json();
    remembered["invitation"] = net::to_text(invite);
    write_whole(kept, as_byte_view(remembered.dump(2) + "\n"));
    std::ostream& out = as_json ? std::cerr : std::cout;
    out << "This node is " << to_string(self.id) << ".\nIt applies to \"" << invite.consortium
        << "\", through " << invite.inviter.name << ": read him this id on the telephone."
        << std::endl;
    const net::Application taken = wait(invite, net::make_card(self, keys.identity), keys, out);
    return settle(settings, config.has_value(), charter, self, taken, kept);
  }

 private:
  /// The one that is given, as a line or a file, or the one of the last time; and what was said
  /// then of the node.
  [[nodiscard]] net::Invite read_invite(const fs::path& kept) {
    std::string text = invitation;
    if (fs::exists(kept)) {
      const json before = json::parse(read_text(kept, kInviteSize), nullptr, false);
      try {
        if (text.empty()) text = before.at("invitation");
        node.fill(before);
      } catch (const json::exception&) {
        throw Failure(EX_DATAERR,
                      kept.string() + " is damaged; remove it, and give the invitation again");
      }
    }
    if (text.empty()) {
      throw Failure(EX_USAGE, "give the invitation: the line, or the file, that kith invite made");
    }
    std::error_code not_a_path;  // a line may be longer than a path
    if (fs::exists(text, not_a_path)) text = read_text(text, kInviteSize);
    // A mail, or all that kith invite printed: the line ends before an empty one.
    if (const auto start = text.find("kith-invite-"); start != std::string::npos) {
      text = text.substr(start, text.find("\n\n", start) - start);
    }
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

  /// Throws Failure if the node that is here already cannot use the invitation.
  void check_fits(const Config& config, const net::Invite& invite) const {
    if (config.consortium.id != invite.consortium) {
      throw Failure(EX_USAGE, "the invitation is for \"" + invite.consortium + "\", but " +
                                  node.file().string() + " is a node of \"" + config.consortium.id +
                                  "\"; name another folder with --dir");
    }
    if (config.consortium.charter.empty()) {
      throw Failure(EX_USAGE, node.file().string() +
                                  " has a list of members in place of a charter; name another "
                                  "folder with --dir");
    }
  }

  /// Asks until there is a decision.  Throws Failure.
  [[nodiscard]] net::Application wait(const net::Invite& invite, const net::Card& card,
                                      const crypto::NodeKeys& keys, std::ostream& out) const {
    std::string told;
    for (;;) {
      const net::Application last = ask(invite, card, keys);
      using State = net::Admission::State;
      const bool answered = last.trouble.empty();
      if (answered && last.admission.state == State::admitted) return last;
      if (answered && last.admission.state == State::refused) {
        throw Failure(EX_NOPERM, invite.inviter.name + " does not take this node in: " +
                                     printable(last.admission.why));
      }
      if (last.sent_away) {
        throw Failure(EX_NOPERM, invite.inviter.name +
                                     " expects nobody: the invitation has expired, or was "
                                     "withdrawn; ask for another");
      }
      const std::string why =
          answered
              ? "Applied. Waiting for " + invite.inviter.name + ": " + printable(last.admission.why)
              : invite.inviter.name + " does not answer yet (" + last.trouble + ")";
      if (once) throw Failure(EX_TEMPFAIL, why + "; ask again with kith join --dir " + node.dir());
      if (why != told) {
        out << why
            << (told.empty()
                    ? "\n(Ctrl-C stops waiting; kith join --dir " + node.dir() + " goes on.)"
                    : "")
            << std::endl;
      }
      told = why;
      std::this_thread::sleep_for(kAskAgain);
    }
  }

  static net::Application ask(const net::Invite& invite, const net::Card& card,
                              const crypto::NodeKeys& keys) {
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

  /// Writes down what came of it.
  [[nodiscard]] Answer settle(Config settings, bool had_config, const fs::path& charter,
                              const net::Member& self, const net::Application& taken,
                              const fs::path& kept) const {
    const auto& newest = taken.charter->newest();
    const auto& members = newest.charter.members;
    const auto here = std::ranges::find(members, self.id, &net::Member::id);
    if (newest.charter.consortium != settings.consortium.id || here == members.end() ||
        here->channel != self.channel) {
      throw Failure(EX_DATAERR, "the charter that came is not the one of \"" +
                                    settings.consortium.id + "\", or does not name this node");
    }
    const model::Task task = parse_task(taken.admission.task, "the task of the consortium");
    const std::string theirs = task_toml(task);
    if (!had_config) settings.task = task;
    const bool renamed = settings.node.name != here->name;
    if (!had_config) settings.node.name = here->name;
    // The charter last: where it is, this node was taken in.
    if (!had_config) write_whole(node.file(), as_byte_view(to_toml(settings)));
    follow_charter(charter, *taken.charter);
    on_disk("remove", [&] { fs::remove(kept); });
    Answer answer{
        {{"consortium", newest.charter.consortium},
         {"id", to_string(self.id)},
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
    if (!task.vocabulary.empty()) {
      say("Put the vocabulary of the task beside it, as " +
          (node.folder() / task.vocabulary).string() + ": ask the inviter for the file.");
    }
    if (!had_config) say(node.data_hint());
    say(unreachable_hint(self));
    say("Start the node: kith run --dir " + node.dir());
    return answer;
  }

  /// What a stranger sent, as one harmless line.
  static std::string printable(std::string text) {
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    return text;
  }
};

}  // namespace

bool deny_applicant(const fs::path& config_file, const std::string& who) {
  const Config config = load_config(config_file);
  if (config.consortium.charter.empty()) return false;
  const auto now = system_clock::now();
  Invites invites(config.consortium.charter);
  if (invites.open(now).empty()) return false;
  const net::CharterChain chain = charter_of(config);
  const auto& members = chain.newest().charter.members;
  const auto pending = invites.pending(chain, now);
  const bool is_name = std::ranges::find(members, who, &net::Member::name) != members.end() ||
                       std::ranges::find(pending, who, &OpenInvite::name) != pending.end();
  const auto is_member = [&](const net::Member& member) {
    return member.name == who || (!is_name && to_string(member.id).starts_with(who));
  };
  const bool by_number = std::ranges::find(pending, who, &OpenInvite::number) != pending.end();
  if (!by_number && std::ranges::any_of(members, is_member)) {
    const auto namesake = std::ranges::find(pending, who, &OpenInvite::name);
    if (namesake == pending.end()) return false;
    throw Failure(EX_USAGE,
                  "\"" + who +
                      "\" is a member, and there is an invitation of that name: "
                      "give the beginning of the member's id, or the invitation's number, " +
                      namesake->number());
  }
  OpenInvite invite = invites.find(who, Invites::Which::all, chain, now);
  if (!invite.applicant) {
    invites.remove(invite);
  } else {
    invite.refused = true;
    invites.keep(invite, now);
  }
  std::cout << (invite.applicant ? "Refused " : "Withdrew the invitation of ") << who << ".\n";
  return true;
}

// --- The command line --------------------------------------------------------------------------

void add_membership_verbs(CLI::App& app, std::function<int()>& chosen) {
  const auto add = [&](const std::string& name, const std::string& help,
                       std::function<int()> action) {
    CLI::App* const verb = app.add_subcommand(name, help);
    verb->final_callback([&chosen, action = std::move(action)] { chosen = action; });
    return verb;
  };

  const auto init = std::make_shared<Init>();
  CLI::App* verb =
      add("init", "found a consortium: a node's folder with keys, a commented kith.toml, a charter",
          [init] {
            init->run();
            return EX_OK;
          });
  init->node.add_to(*verb);
  verb->add_option("--consortium", init->consortium, "the consortium's id, the same on all nodes")
      ->capture_default_str();
  verb->add_option("--task", init->task, "a TOML file with the section [task]: what is learnt");
  verb->add_flag("--join", init->join,
                 "no charter, but a card for a steward: to join by files alone; see kith join");

  const auto join = std::make_shared<Join>();
  verb = add("join", "join a consortium with an invitation: makes the node's folder, and waits",
             [join] { return give(join->run(), join->as_json); });
  verb->add_option("INVITATION", join->invitation,
                   "the line, or the file, that kith invite made; without it, that of last time");
  join->node.add_to(*verb);
  verb->add_flag("--once", join->once, "ask once, and do not wait: status 75 if not yet decided");
  verb->add_flag("--json", join->as_json, "print JSON");

  const auto as_json = std::make_shared<bool>(false);
  const auto inviting = std::make_shared<Inviting>();
  verb = add("invite", "one line that lets somebody apply to this node's consortium",
             [inviting, as_json] { return give(inviting->run(), *as_json); });
  inviting->place.add_to(*verb);
  verb->add_option("--for", inviting->label, "whom it is for, to know it again");
  verb->add_option("--days", inviting->days, "how long it works")
      ->check(CLI::Range(1U, 90U))
      ->capture_default_str();
  verb->add_option("--address", inviting->address,
                   "host:port at which this node is reached, if not the charter's");
  verb->add_option("--out", inviting->out, "write it to this file");
  verb->add_flag("--qr", inviting->qr, "show it as a QR code, too");
  verb->add_flag("--json", *as_json, "print JSON");

  const auto place = std::make_shared<Place>();
  verb = add("pending", "who is invited, and who has applied",
             [place, as_json] { return give(show_pending(*place), *as_json); });
  place->add_to(*verb);
  verb->add_flag("--json", *as_json, "print JSON");

  const auto who = std::make_shared<std::string>(), id = std::make_shared<std::string>();
  verb = add("approve", "take in who has applied: a new version of the charter",
             [place, who, id, as_json] { return give(approve(*place, *who, *id), *as_json); });
  verb->add_option("NAME", *who, "its name, or its node id or the beginning of it")->required();
  verb->add_option("--id", *id,
                   "its id as you heard it on the telephone: it is approved only if that is right");
  place->add_to(*verb);
  verb->add_flag("--json", *as_json, "print JSON");
}

}  // namespace kith::daemon
