#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/export/exported_model.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kModelCardSize = 4 << 20;
constexpr std::size_t kModelSize = std::size_t{16} << 30;
constexpr int kUnanchored = 1;  // exit status

struct ExportOptions {
  Place place;
  fs::path model, card, charter;
  std::string fingerprint;
  bool as_json = false;
};

fs::path card_of(fs::path model) { return model.replace_extension(".card"); }

Answer export_files(const ExportOptions& options) {
  const Config config = load_config(options.place.config());
  const fs::path card_file = card_of(options.model);
  if (card_file == options.model) {
    throw Failure(EX_USAGE, "name the model's file like model.safetensors; its card is model.card");
  }
  for (const fs::path& file : {options.model, card_file}) {
    if (fs::exists(file)) throw Failure(EX_CANTCREAT, file.string() + " exists already");
  }
  const ExportedModel made = export_model(config, options.model.filename().string());
  write_whole(options.model, made.model);
  write_whole(card_file, as_byte_view(made.card));
  Answer answer{made.body, {}};
  answer.value["card"] = card_file.string();
  answer.lines = {
      "Wrote " + options.model.string() + ", the model that this node serves since round " +
          made.body.at("round").dump() + " (" + made.body.at("served").get<std::string>() + "),",
      "and " + card_file.string() + ", where it comes from.  Whoever gets both checks them with",
      "  kith verify " + card_file.filename().string()};
  return answer;
}

Answer verify(const ExportOptions& options) {
  const std::string text = read_text(options.card, kModelCardSize);
  fs::path model_file = options.model;
  if (model_file.empty()) (model_file = options.card).replace_extension(".safetensors");
  const auto model = read_whole(model_file, kModelSize);
  if (!model) {
    throw Failure(EX_NOINPUT,
                  "there is no " + model_file.string() + "; name the model with --model");
  }
  std::optional<net::CharterChain> charter;
  if (!options.charter.empty()) charter = load_record(options.charter).chain;
  const ModelVerdict verdict = verify_model(text, options.card.string(), *model,
                                            charter ? &*charter : nullptr, options.fingerprint);
  const ModelCard& card = verdict.card;
  const std::string made = date(card.body.value("made", std::uint64_t{0}));
  Answer answer{{{"node", to_string(card.node.node)}, {"made", made}, {"checks", json::array()}},
                {"The card is signed by " + to_string(card.node.node) + ", on " + made +
                 " by its clock."}};
  for (const auto& [holds, what] : verdict.checks) {
    answer.value["checks"].push_back({{"holds", holds}, {"what", what}});
    answer.lines.push_back((holds ? "  yes  " : "  NO   ") + what);
  }
  answer.value["good"] = verdict.good();
  answer.value["anchor"] = verdict.anchor ? json(*verdict.anchor) : json(nullptr);
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
  }
  if (!verdict.good()) {
    answer.lines.emplace_back("Do not trust it.");
    answer.code = EX_DATAERR;
  } else if (!verdict.anchor) {
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
                       export_files);
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
