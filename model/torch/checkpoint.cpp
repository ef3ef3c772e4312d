#include "model/torch/checkpoint.hpp"

#include "crypto/hasher.hpp"
#include "model/pipe/memfd.hpp"
#include "model/snapshot_header.hpp"
#include "model/torch/error.hpp"
#include "model/torch/stored.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>
#include <string>

namespace kith::worker {
namespace {

using pipe::FailureKind;

constexpr const char* kCheckpointFormat = "kith checkpoint 1";
constexpr std::array kPrefixes{"averaged.", "baseline.", "served."};  // sorted, as schemas are

std::array<const Params*, kPrefixes.size()> models(const State& state) {
  return {state.averaged.get(), state.baseline.get(), state.served.get()};
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
                   const model::Schema& schema, const crypto::Hash& values) {
  const std::string text = round + "\n" + task + "\n" + crypto::to_hex(schema.hash()) + "\n" +
                           crypto::to_hex(values) + (data.empty() ? "" : "\n" + data);
  return crypto::to_hex(crypto::hash(as_byte_view(text)));
}

}  // namespace

CheckpointFile checkpoint_file(const State& state, const model::Schema& schema,
                               const crypto::Hash& task) {
  crypto::Hasher values;
  for (const Params* const params : models(state)) values.append(std::as_bytes(std::span(*params)));
  const model::Schema whole = three_times(schema);
  const std::string round = std::to_string(state.round), task_text = crypto::to_hex(task);
  const model::Metadata metadata{
      {"format", kCheckpointFormat},
      {"round", round},
      {"task", task_text},
      {"data", state.data},
      {"digest", digest(round, task_text, state.data, whole, values.finish())}};
  const Bytes header = model::snapshot_header(whole, metadata);
  pipe::MemfdWriter file("checkpoint");
  file.append(header);
  for (const Params* const params : models(state)) file.append(std::as_bytes(std::span(*params)));
  return {file.seal(), header.size() + whole.parameters() * sizeof(float)};
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
      digest(round, its_task, data, snapshot.schema, crypto::hash(snapshot.values))) {
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
  const auto one = [&](std::size_t place) {
    Params params(schema.parameters());
    const std::size_t size = params.size() * sizeof(float);
    std::memcpy(params.data(), snapshot.values.data() + place * size, size);
    return as_model(std::move(params));
  };
  state.averaged = one(0);
  state.baseline = one(1);
  state.served = one(2);
  if (*state.served == *state.averaged) state.served = state.averaged;
  return state;
}

}  // namespace kith::worker
