#include "daemon/api/ask.hpp"
#include "daemon/api/control.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/config/config.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/state/history.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/membership/typed_id.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/export/model_card.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/version.hpp"
#include "model/snapshot.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kModelCardSize = 4 << 20;
constexpr std::size_t kModelSize = std::size_t{16} << 30;
constexpr int kUnanchored = 1;  // exit status
constexpr int kTries = 20;  // a running node may finish a round between our two looks

struct ExportOptions {
  Place place;
  fs::path model, card, charter;
  std::string fingerprint;
  bool as_json = false;
};

fs::path card_of(fs::path model) { return model.replace_extension(".card"); }

/// What the node noted of the model that it serves; null if it has finished no round.
json served_by(const Config& config) {
  try {
    return ask_node(config, "GET", "/v1/served");
  } catch (const NoNodeRuns&) {
  }
  if (!fs::exists(config.node.state)) return nullptr;
  return json::parse(Store(config.node.state).text("served").value_or("null"));
}

/// The served model alone, out of a checkpoint of this round; nullopt if it is of another.
std::optional<Bytes> served_model(const fs::path& checkpoint, std::uint64_t round) {
  const auto bytes = read_whole(checkpoint, kModelSize);
  if (!bytes) throw Failure(EX_NOINPUT, "there is no " + checkpoint.string());
  const auto parsed = model::read_snapshot(*bytes);
  if (const auto* error = std::get_if<model::SnapshotError>(&parsed)) {
    throw Failure(EX_DATAERR, checkpoint.string() + " is damaged: " + error->what);
  }
  const auto& whole = std::get<model::Snapshot>(parsed);
  const auto found = whole.metadata.find("round");
  if (found == whole.metadata.end() || found->second != std::to_string(round)) return std::nullopt;
  constexpr std::string_view kServed = "served.";
  model::Schema schema;
  std::vector<float> values;
  const std::vector<float> all = whole.copy_values();
  auto from = all.begin();
  for (const model::TensorSpec& tensor : whole.schema.tensors) {
    const auto size = static_cast<std::ptrdiff_t>(model::Schema{{tensor}}.parameters());
    if (tensor.name.starts_with(kServed)) {
      schema.tensors.push_back({tensor.name.substr(kServed.size()), tensor.shape});
      values.insert(values.end(), from, from + size);
    }
    from += size;
  }
  return model::write_snapshot(schema, values);
}

/// The card that says that the channel key is this node's.  Throws Failure.
net::Card load_own_card(const Config& config, const NodeKeys& keys) {
  const auto card = load_card(config.node.card);
  if (card && card->channel == keys.channel.public_key()) return *card;
  throw Failure(EX_CONFIG, config.node.card.string() +
                               " does not name this node's channel key; kith key card makes it anew");
}

Answer export_model(const ExportOptions& options) {
  const Config config = load_config(options.place.config());
  const NodeKeys keys = load_channel_keys(config.node.channel_key);
  const auto own = net::to_text(load_own_card(config, keys));
  const fs::path card_file = card_of(options.model);
  if (card_file == options.model) {
    throw Failure(EX_USAGE, "name the model's file like model.safetensors; its card is model.card");
  }
  for (const fs::path& file : {options.model, card_file}) {
    if (fs::exists(file)) throw Failure(EX_CANTCREAT, file.string() + " exists already");
  }
  std::optional<Bytes> model;
  json body;
  for (int i = 0; i < kTries && !model; ++i) {
    body = served_by(config);
    if (body.is_null()) {
      throw Failure(EX_NOINPUT, "this node has finished no round yet: start it with kith run");
    }
    model = served_model(config.node.state / kCheckpoint, body.at("round"));
  }
  if (!model) {
    throw Failure(EX_TEMPFAIL, "the node finishes a round at every look; try again, or stop it");
  }
  const auto audited = verify_audit_log(config.node.state / kAuditLog);
  json audit = nullptr;
  if (const auto* log = std::get_if<AuditSummary>(&audited)) {
    audit = {{"entries", log->entries}, {"last", crypto::to_hex(log->last)}};
  }
  body["made"] = seconds_of(std::chrono::system_clock::now());
  body["node"] = {{"name", config.node.name}, {"id", to_string(keys.id)}, {"card", own}};
  body["program"] = "kith " + version();
  body["model"] = {{"file", options.model.filename().string()},
                   {"bytes", model->size()},
                   {"hash", crypto::to_hex(crypto::hash(*model))}};
  body["audit"] = audit;
  // An average that is not served is not in the model.
  if (body.at("served") != "averaged") body["averaged"] = json::array();
  write_whole(options.model, *model);
  write_whole(card_file, as_byte_view(make_model_card(body, keys.channel)));
  Answer answer{body, {}};
  answer.value["card"] = card_file.string();
  answer.lines = {
      "Wrote " + options.model.string() + ", the model that this node serves since round " +
          std::to_string(body.at("round").get<std::uint64_t>()) + " (" +
          body.at("served").get<std::string>() + "),",
      "and " + card_file.string() + ", where it comes from.  Whoever gets both checks them with",
      "  kith verify " + card_file.filename().string()};
  return answer;
}

/// Which of the charter's two fingerprints somebody has read to us: of its first version, or of its
/// newest.  Throws Failure if it is neither.
const char* anchor_of(const net::CharterChain& chain, const std::string& typed) {
  const auto given = crypto::parse_node_id(typed);
  if (given && given->key == chain.founded()) return "founding";
  check_typed(crypto::NodeId{chain.newest().id}, typed);
  return "newest";
}

Answer verify(const ExportOptions& options) {
  auto parsed = parse_model_card(read_text(options.card, kModelCardSize));
  if (const auto* why = std::get_if<std::string>(&parsed)) {
    throw Failure(EX_DATAERR, options.card.string() + " " + *why);
  }
  const ModelCard& card = std::get<ModelCard>(parsed);
  fs::path model_file = options.model;
  if (model_file.empty()) (model_file = options.card).replace_extension(".safetensors");
  const auto model = read_whole(model_file, kModelSize);
  if (!model) {
    throw Failure(EX_NOINPUT,
                  "there is no " + model_file.string() + "; name the model with --model");
  }
  std::optional<net::CharterChain> charter;
  if (!options.charter.empty()) charter = load_record(options.charter).chain;
  const auto checks = check_model_card(card, *model, charter ? &*charter : nullptr);
  const std::string made = date(card.body.value("made", std::uint64_t{0}));
  Answer answer{{{"node", to_string(card.node.node)}, {"made", made}, {"checks", json::array()}},
                {"The card is signed by " + to_string(card.node.node) + ", on " + made +
                 " by its clock."}};
  for (const auto& [holds, what] : checks) {
    answer.value["checks"].push_back({{"holds", holds}, {"what", what}});
    answer.lines.push_back((holds ? "  yes  " : "  NO   ") + what);
  }
  const bool good = std::ranges::all_of(checks, &CardCheck::holds);
  answer.value["good"] = good;
  json anchor = nullptr;
  if (charter) {
    const auto& newest = charter->newest();
    answer.value["founded"] = fingerprint(charter->founded());
    answer.value["newest"] = {{"number", newest.charter.number},
                              {"fingerprint", fingerprint(newest.id)}};
    answer.lines.insert(
        answer.lines.end(),
        {"The consortium \"" + newest.charter.consortium + "\" was founded as",
         "  " + fingerprint(charter->founded()),
         "and version " + std::to_string(newest.charter.number) + ", the newest in this file, is",
         "  " + fingerprint(newest.id)});
    if (!options.fingerprint.empty()) anchor = anchor_of(*charter, options.fingerprint);
  }
  answer.value["anchor"] = anchor;
  if (!good) {
    answer.lines.emplace_back("Do not trust it.");
    answer.code = EX_DATAERR;
  } else if (anchor.is_null()) {
    answer.code = kUnanchored;
    answer.lines.emplace_back(
        charter ? "NOBODY VOUCHES FOR THAT CHARTER YET: have a member whom you know read you one of "
                  "the two fingerprints, and give it with --fingerprint."
                : "NOBODY VOUCHES FOR THE SIGNERS: anybody can make up a consortium.  Give its "
                  "charter with --charter FILE, and with --fingerprint what a member whom you know "
                  "reads to you.");
  } else {
    answer.lines.emplace_back("The weights of the average and how good it is are the node's word.");
  }
  return answer;
}

}  // namespace

void add_export_verbs(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<ExportOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const ExportOptions&)) {
    CLI::App* const verb = app.add_subcommand(name, help);
    on_parsed(*verb, chosen, options, run);
    return verb;
  };
  CLI::App* verb = add("export",
                       "write the model that this node serves, for others, with a card of where it "
                       "comes from",
                       export_model);
  verb->add_option("FILE", options->model, "where to write it, like model.safetensors")->required();
  options->place.add_to(*verb);
  verb = add("verify", "check an exported model against its signed model card (offline)", verify);
  verb->add_option("CARD", options->card, "the card that kith export wrote")->required();
  verb->add_option("--model", options->model, "the model, if it does not lie beside it");
  verb->add_option("--charter", options->charter, "the consortium's charter, to check the members");
  verb->add_option("--fingerprint", options->fingerprint,
                   "of the charter's first or newest version, as a member has read it to you");
}

}  // namespace kith::daemon
