#include "daemon/export/exported_model.hpp"

#include "daemon/api/ask.hpp"
#include "daemon/api/control.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/typed_id.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/version.hpp"
#include "model/gate.hpp"
#include "model/snapshot.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kModelSize = std::size_t{16} << 30;
constexpr int kTries = 20;  // a running node may finish a round between our two looks

/// What the node noted of the model that it serves; null if it has finished no round.
json served_by(const Config& config) {
  try {
    return ask_node(config, "GET", "/v1/served");
  } catch (const NoNodeRuns&) {
  }
  if (!fs::exists(config.node.state)) return nullptr;
  return json::parse(Store(config.node.state).text("served").value_or("null"));
}

/// The card that says that the channel key is this node's.  Throws Failure.
net::Card load_own_card(const Config& config, const NodeKeys& keys) {
  const auto card = load_card(config.node.card);
  if (card && card->channel == keys.channel.public_key()) return *card;
  throw Failure(EX_CONFIG, config.node.card.string() +
                               " does not name this node's channel key; kith key card makes it anew");
}

/// The end of the node's audit log; null if there is none, or it is damaged.
json audit_of(const Config& config) {
  const auto audited = verify_audit_log(config.node.state / kAuditLog);
  const auto* const log = std::get_if<AuditSummary>(&audited);
  if (log == nullptr) return nullptr;
  return {{"entries", log->entries}, {"last", crypto::to_hex(log->last)}};
}

/// The model, and what the node noted of it.
std::pair<Bytes, json> model_and_note(const Config& config) {
  const fs::path checkpoint = config.node.state / kCheckpoint;
  for (int i = 0; i < kTries; ++i) {
    json note = served_by(config);
    if (note.is_null()) {
      throw Failure(EX_NOINPUT, "this node has finished no round yet: start it with kith run");
    }
    const auto bytes = read_whole(checkpoint, kModelSize);
    if (!bytes) throw Failure(EX_NOINPUT, "there is no " + checkpoint.string());
    auto model = served_model(*bytes, note.at("round"), checkpoint.string());
    if (model) return {*std::move(model), std::move(note)};
  }
  throw Failure(EX_TEMPFAIL, "the node finishes a round at every look; try again, or stop it");
}

/// Which of the charter's two fingerprints somebody has read.  Throws Failure if it is neither.
std::string anchor_of(const net::CharterChain& chain, const std::string& typed) {
  const auto given = crypto::parse_node_id(typed);
  if (given && given->key == chain.founded()) return "founding";
  check_typed(crypto::NodeId{chain.newest().id}, typed);
  return "newest";
}

}  // namespace

std::optional<Bytes> served_model(ByteView checkpoint, std::uint64_t round,
                                  const std::string& name) {
  const auto parsed = model::read_snapshot(checkpoint);
  if (const auto* error = std::get_if<model::SnapshotError>(&parsed)) {
    throw Failure(EX_DATAERR, name + " is damaged: " + error->what);
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

ExportedModel export_model(const Config& config, const std::string& file) {
  const NodeKeys keys = load_channel_keys(config.node.channel_key);
  const std::string own = net::to_text(load_own_card(config, keys));
  auto [model, body] = model_and_note(config);
  body["made"] = seconds_of(std::chrono::system_clock::now());
  body["node"] = {{"name", config.node.name}, {"id", to_string(keys.id)}, {"card", own}};
  body["program"] = "kith " + version();
  body["model"] = {{"file", file},
                   {"bytes", model.size()},
                   {"hash", crypto::to_hex(crypto::hash(model))}};
  body["audit"] = audit_of(config);
  // An average that is not served is not in the model.
  constexpr std::array kAverages{model::Served::averaged, model::Served::running,
                                 model::Served::best};
  const json& served = body.at("served");
  const auto is_served = [&](model::Served average) { return served == model::name(average); };
  if (std::ranges::none_of(kAverages, is_served)) body["averaged"] = json::array();
  std::string card = make_model_card(body, keys.channel);
  return {std::move(model), std::move(body), std::move(card)};
}

bool ModelVerdict::good() const { return std::ranges::all_of(checks, &CardCheck::holds); }

ModelVerdict verify_model(std::string_view card, const std::string& name, ByteView model,
                          const net::CharterChain* charter, const std::string& fingerprint) {
  auto parsed = parse_model_card(card);
  if (const auto* why = std::get_if<std::string>(&parsed)) {
    throw Failure(EX_DATAERR, name + " " + *why);
  }
  ModelVerdict verdict{.card = std::get<ModelCard>(std::move(parsed))};
  verdict.checks = check_model_card(verdict.card, model, charter);
  if (charter != nullptr && !fingerprint.empty()) verdict.anchor = anchor_of(*charter, fingerprint);
  return verdict;
}

}  // namespace kith::daemon
