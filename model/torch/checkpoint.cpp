#include "model/torch/checkpoint.hpp"

#include "model/torch/error.hpp"
#include "model/torch/stored.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string>

namespace kith::worker {
namespace {

using pipe::FailureKind;

constexpr const char* kCheckpointFormat = "kith checkpoint 1";
constexpr std::array kPrefixes{"averaged.", "baseline.", "served."};  // sorted, as schemas are

std::array<const Params*, kPrefixes.size()> models(const State& state) {
  return {&state.averaged, &state.baseline, &state.served};
}

model::Schema three_times(const model::Schema& schema) {
  model::Schema all;
  for (const char* const prefix : kPrefixes) {
    for (const auto& [name, shape] : schema.tensors) all.tensors.push_back({prefix + name, shape});
  }
  return all;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw WorkerError(FailureKind::data, "the checkpoint " + path.string() + " " + why +
                                           "; move it away to start again from the initial model");
}

/// The text under `key`, or nothing.
std::string entry(const model::Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

/// Of everything in a checkpoint: whichever byte was damaged, it is called damaged.
std::string digest(const std::string& round, const std::string& task, const std::string& data,
                   const model::Schema& schema, ByteView values) {
  const std::string text = round + "\n" + task + "\n" + crypto::to_hex(schema.hash()) + "\n" +
                           crypto::to_hex(crypto::hash(values)) + (data.empty() ? "" : "\n" + data);
  return crypto::to_hex(crypto::hash(as_byte_view(text)));
}

}  // namespace

Bytes checkpoint_file(const State& state, const model::Schema& schema, const crypto::Hash& task) {
  Params values;
  for (const Params* const params : models(state)) {
    values.insert(values.end(), params->begin(), params->end());
  }
  const model::Schema whole = three_times(schema);
  const std::string round = std::to_string(state.round), task_text = crypto::to_hex(task);
  const model::Metadata metadata{
      {"format", kCheckpointFormat},
      {"round", round},
      {"task", task_text},
      {"data", state.data},
      {"digest", digest(round, task_text, state.data, whole, std::as_bytes(std::span(values)))}};
  return model::write_snapshot(whole, values, metadata);
}

std::optional<State> load_checkpoint(const std::filesystem::path& directory,
                                     const model::Schema& schema, const crypto::Hash& task) {
  const std::filesystem::path path = directory / pipe::kCheckpointFile;
  const auto file = read_stored(path);
  if (!file) return std::nullopt;
  const auto parsed = model::read_snapshot(*file);
  if (const auto* const error = std::get_if<model::SnapshotError>(&parsed)) {
    refuse(path, "is damaged (" + error->what + ")");
  }
  const auto& snapshot = std::get<model::Snapshot>(parsed);
  if (entry(snapshot.metadata, "format") != kCheckpointFormat)
    refuse(path, "is not of this version of kith");
  const std::string round = entry(snapshot.metadata, "round");
  const std::string its_task = entry(snapshot.metadata, "task");
  const std::string data = entry(snapshot.metadata, "data");
  if (entry(snapshot.metadata, "digest") !=
      digest(round, its_task, data, snapshot.schema, snapshot.values)) {
    refuse(path, "is damaged (its hash does not fit)");
  }
  if (its_task != crypto::to_hex(task) || snapshot.schema != three_times(schema)) {
    throw WorkerError(FailureKind::config,
                      directory.string() +
                          " holds the state of another task; restore the [task] section, or "
                          "begin with this one: kith task accept");
  }
  State state;
  state.data = data;
  if (std::from_chars(round.data(), round.data() + round.size(), state.round).ec != std::errc()) {
    refuse(path, "is damaged (its round is not a number)");
  }
  const Params values = snapshot.copy_values();
  const auto size = static_cast<std::ptrdiff_t>(schema.parameters());
  state.averaged.assign(values.begin(), values.begin() + size);
  state.baseline.assign(values.begin() + size, values.begin() + 2 * size);
  state.served.assign(values.begin() + 2 * size, values.end());
  return state;
}

}  // namespace kith::worker
