#include "model/pipe/messages.hpp"

#include "model/pipe/pipe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace kith::pipe {
namespace {

using Json = nlohmann::json;

// ---- The one list of each message's fields, for reading and for writing ----

template <class T, class Message>
concept Is = std::same_as<std::remove_const_t<T>, Message>;

template <Is<Evaluation> T>
void fields(auto& field, T& m) {
  field("loss", m.loss), field("examples", m.examples);
  field.optional("metrics", m.metrics), field.optional("confusion", m.confusion);
}
template <Is<Guard> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("holds", m.holds), field("what", m.what);
}
template <Is<Opened> T>
void fields(auto& field, T& m) {
  field("parameters", m.parameters), field("classes", m.classes), field("train", m.train);
  field("validation", m.validation), field("test", m.test), field("scored", m.scored);
  field.optional("round", m.round), field.optional("resumed", m.resumed);
  field.optional("guards", m.guards), field.optional("remarks", m.remarks);
  field.optional("unknowable", m.unknowable), field.optional("frozen", m.frozen);
}
template <Is<Spent> T>
void fields(auto& field, T& m) {
  field("epsilon", m.epsilon), field("publish", m.publish);
}
template <Is<Trained> T>
void fields(auto& field, T& m) {
  field("best_epoch", m.best_epoch), field("train_loss", m.train_loss);
  field("validation", m.validation), field.optional("baseline", m.baseline);
  field.optional("seconds", m.seconds), field.optional("privacy", m.privacy);
}
template <Is<Scored> T>
void fields(auto& field, T& m) {
  field("examples", m.examples), field.optional("seconds", m.seconds);
}
template <Is<Measured> T>
void fields(auto& field, T& m) {
  field("values", m.values);
}
template <Is<Sloped> T>
void fields(auto& field, T& m) {
  field("loss", m.loss), field("examples", m.examples);
}
template <Is<Checkpointed> T>
void fields(auto& field, T& m) {
  field("bytes", m.bytes);
}
template <Is<Predicted> T>
void fields(auto& field, T& m) {
  field("examples", m.examples), field("numbers", m.numbers);
  field.optional("seconds", m.seconds);
}
template <Is<TensorReport> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("shape", m.shape);
  field.optional("parameter", m.parameter), field.optional("role", m.role);
}
template <Is<Inspected> T>
void fields(auto& field, T& m) {
  field("tensors", m.tensors), field("all", m.all), field("batch", m.batch);
  field.optional("seconds", m.seconds);
}
template <Is<Done> T>
void fields(auto&, T&) {}
template <Is<Progress> T>
void fields(auto& field, T& m) {
  field("phase", m.phase), field("epoch", m.epoch), field("epochs", m.epochs);
  field.optional("train_loss", m.train_loss), field.optional("validation", m.validation);
}
template <Is<Failure> T>
void fields(auto& field, T& m) {
  field("kind", m.kind), field("error", m.error);
}
template <Is<DataFiles> T>
void fields(auto& field, T& m) {
  field("train", m.train), field("test", m.test), field("validation_files", m.validation_files);
  field("validation", m.validation), field("split", m.split);
  field("min_validation", m.min_validation), field("split_key", m.split_key);
  field("group_pattern", m.group_pattern);
}
/// A task may have many columns: what is as in Column() is left out.
template <Is<model::Column> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("kind", m.kind);
  field("target", m.target, false), field("group", m.group, false), field("time", m.time, false);
  field("low", m.low, 0.0), field("high", m.high, 0.0);
  field("scale", m.scale, model::Column::Scale::linear);
  field("values", m.values, {}), field("missing", m.missing, {});
  field("unknown", m.unknown, model::Column::Unknown::refused);
}
template <Is<model::Task> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("model", m.model), field("sizes", m.sizes);
  field("input", m.input), field("labels", m.labels);
  field("columns", m.columns), field("vocabulary", m.vocabulary);
  field("vocabulary_hash", m.vocabulary_hash), field("words", m.words);
  field("classes", m.classes), field("script", m.script), field("share", m.share);
  field("freeze", m.freeze), field("share_buffers", m.share_buffers);
  field("seed", m.seed);
  field("learning_rate", m.learning_rate), field("momentum", m.momentum);
  field("weight_decay", m.weight_decay), field("batch", m.batch);
  field("optimiser", m.optimiser), field("gradient_clip", m.gradient_clip);
  field("schedule", m.schedule), field("schedule_rounds", m.schedule_rounds);
  field("warmup_rounds", m.warmup_rounds), field("label_smoothing", m.label_smoothing);
  field("loss", m.loss), field("metric", m.metric);
  field("class_weights", m.class_weights), field("target_range", m.target_range);
}
template <Is<Privacy> T>
void fields(auto& field, T& m) {
  field("noise", m.noise), field("clip", m.clip), field("delta", m.delta);
  field("epsilon", m.epsilon), field("seed", m.seed);
}
template <Is<Open> T>
void fields(auto& field, T& m) {
  field("task", m.task), field("data", m.data), field("state", m.state);
  field("threads", m.threads), field("seed", m.seed), field("score_examples", m.score_examples);
  field("device", m.device), field("privacy", m.privacy);
}
template <Is<Spend> T>
void fields(auto& field, T& m) {
  field("round", m.round), field("epochs", m.epochs);
}
template <Is<Pull> T>
void fields(auto& field, T& m) {
  field("towards", m.towards), field("strength", m.strength);
}
template <Is<Train> T>
void fields(auto& field, T& m) {
  field("round", m.round), field("epochs", m.epochs), field("baseline", m.baseline);
  field("pull", m.pull), field("layers", m.layers);
}
template <Is<Refine> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("start", m.start), field("round", m.round);
  field("epochs", m.epochs), field("share", m.share), field("layers", m.layers);
  field("pull", m.pull);
}
template <Is<Graft> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("from", m.from), field("onto", m.onto), field("layers", m.layers);
}
template <class T>
requires Is<T, Load> || Is<T, Forget>
void fields(auto& field, T& m) { field("peer", m.peer); }
template <Is<Score> T>
void fields(auto& field, T& m) {
  field("peers", m.peers), field("examples", m.examples);
}
template <class T>
requires Is<T, Try> || Is<T, Average> || Is<T, Serve>
void fields(auto& field, T& m) { field("members", m.members), field("weights", m.weights); }
template <Is<Keep> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("members", m.members), field("weights", m.weights);
}
template <Is<Initial> T>
void fields(auto& field, T& m) {
  field("name", m.name), field("seed", m.seed);
}
template <Is<Measure> T>
void fields(auto& field, T& m) {
  field("members", m.members), field("split", m.split);
}
template <Is<Distance> T>
void fields(auto& field, T& m) {
  field("from", m.from), field("members", m.members);
}
template <Is<Gradient> T>
void fields(auto& field, T& m) {
  field("member", m.member), field("seed", m.seed), field("first", m.first);
  field("count", m.count);
}
template <Is<Outcomes> T>
void fields(auto& field, T& m) {
  field("member", m.member), field("split", m.split);
}
template <Is<Evaluate> T>
void fields(auto& field, T& m) {
  field("model", m.model), field("split", m.split);
}
template <Is<Predict> T>
void fields(auto& field, T& m) {
  field("model", m.model), field("examples", m.examples);
}
template <Is<Inspect> T>
void fields(auto& field, T& m) {
  field("first", m.first), field("batches", m.batches);
}
template <Is<Checkpoint> T>
void fields(auto& field, T& m) {
  field("round", m.round);
}

// ---- Words ----

// In the order of Operation.
constexpr std::array kOperations{"open",     "spend",    "train",   "load",      "forget",
                                 "score",    "try",      "average", "keep",      "graft",
                                 "refine",   "initial",  "measure", "distance",  "gradient",
                                 "outcomes", "evaluate", "predict", "inspect",
                                 "serve",    "checkpoint"};
static_assert(kOperations.size() == std::variant_size_v<Operation>);

constexpr std::array kModels{"baseline", "averaged", "partial", "served"};
constexpr std::array kSplits{"validation", "test", "train"};
constexpr std::array kSplitBy{"content", "time"};
constexpr std::array kLayers{"all", "last", "others"};
constexpr std::array kFailures{"config",     "data",   "software", "disk",
                               "permission", "memory", "diverged"};

constexpr std::array kKinds{"ignored", "number", "category", "ordinal", "yes-no", "date"};
constexpr std::array kScales{"linear", "log"};
constexpr std::array kUnknowns{"refused", "missing"};
constexpr std::array kRoles{"shared", "kept", "frozen"};

constexpr const auto& words(model::Column::Kind) { return kKinds; }
constexpr const auto& words(model::Column::Scale) { return kScales; }
constexpr const auto& words(model::Column::Unknown) { return kUnknowns; }
constexpr const auto& words(model::Role) { return kRoles; }
constexpr const auto& words(ModelName) { return kModels; }
constexpr const auto& words(Split) { return kSplits; }
constexpr const auto& words(SplitBy) { return kSplitBy; }
constexpr const auto& words(Layers) { return kLayers; }
constexpr const auto& words(FailureKind) { return kFailures; }

// ---- Writing ----

class Writer {
 public:
  explicit Writer(Json& into) : into_(into) {}

  template <class T>
  void operator()(const char* name, const T& value) {
    into_[name] = json(value);
  }
  template <class T>
  void operator()(const char* name, const T& value, const std::type_identity_t<T>& usual) {
    if (value != usual) (*this)(name, value);
  }
  template <class T>
  void optional(const char* name, const T& value) {
    (*this)(name, value);
  }

 private:
  template <class T>
  static Json json(const std::optional<T>& value) {
    return value ? json(*value) : Json(nullptr);
  }
  template <class T>
  static Json json(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return words(value)[static_cast<std::size_t>(value)];
    } else if constexpr (requires(Writer & w) { fields(w, value); }) {
      Json object = Json::object();
      Writer writer(object);
      fields(writer, value);
      return object;
    } else if constexpr (std::same_as<T, std::vector<std::filesystem::path>>) {
      Json list = Json::array();
      for (const auto& path : value) list.push_back(json(path));
      return list;
    } else if constexpr (std::same_as<T, std::vector<Guard>> ||
                         std::same_as<T, std::vector<model::Column>> ||
                         std::same_as<T, std::vector<TensorReport>>) {
      Json list = Json::array();
      for (const auto& element : value) list.push_back(json(element));
      return list;
    } else if constexpr (std::same_as<T, std::filesystem::path>) {
      return value.string();
    } else {
      return value;
    }
  }
  Json& into_;
};

template <class T>
void write(Json& into, const T& message) {
  Writer writer(into);
  fields(writer, message);
}

std::string text_of(const Json& json) {
  // Bytes that are not UTF-8 (a path, a library's message) become U+FFFD rather than an exception.
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMaxMessage) {
    throw std::length_error("a message for the worker pipe has " + std::to_string(text.size()) +
                            " bytes, more than the " + std::to_string(kMaxMessage) + " allowed");
  }
  return text;
}

// ---- Reading ----

/// Fills a message from a JSON object; keeps the first thing that was wrong.
class Reader {
 public:
  explicit Reader(const Json& from) : from_(from) {}

  template <class T>
  void operator()(const char* name, T& value) {
    if (!error_.empty()) return;
    const auto found = from_.find(name);
    found_ += found != from_.end();
    if (found == from_.end()) {
      error_ = std::string("the field \"") + name + "\" is missing";
    } else if (const std::string problem = read(*found, value); !problem.empty()) {
      error_ = std::string("the field \"") + name + "\": " + problem;
    }
  }

  /// What need not be there; then nothing unknown may be there either, lest a slip go unseen.
  template <class T>
  void operator()(const char* name, T& value, const std::type_identity_t<T>& usual) {
    optional_ = true;
    if (from_.contains(name)) return (*this)(name, value);
    value = usual;
  }

  /// What a simple worker may leave out of its answers; it then stays as it was made.  A slip in
  /// such a name goes unseen here: `kith worker check` looks for them.
  template <class T>
  void optional(const char* name, T& value) {
    if (from_.contains(name)) (*this)(name, value);
  }

  /// Empty if all went well.
  [[nodiscard]] const std::string& error() const { return error_; }

  /// Each returns what is wrong, or nothing.
  static std::string read(const Json& json, std::string& value) {
    if (!json.is_string()) return "a string is wanted";
    value = json.get_ref<const std::string&>();
    return {};
  }
  static std::string read(const Json& json, std::filesystem::path& value) {
    if (!json.is_string()) return "a path is wanted";
    value = json.get_ref<const std::string&>();
    return {};
  }
  static std::string read(const Json& json, bool& value) {
    if (!json.is_boolean()) return "true or false is wanted";
    value = json.get<bool>();
    return {};
  }
  static std::string read(const Json& json, double& value) {
    if (!json.is_number() || !std::isfinite(json.get<double>())) return "a number is wanted";
    value = json.get<double>();
    return {};
  }
  static std::string read(const Json& json, std::uint64_t& value) {
    if (!json.is_number_unsigned()) return "a number without sign or fraction is wanted";
    value = json.get<std::uint64_t>();
    return {};
  }
  static std::string read(const Json& json, unsigned& value) {
    std::uint64_t wide = 0;
    if (std::string problem = read(json, wide); !problem.empty()) return problem;
    if (!std::in_range<unsigned>(wide)) return "a smaller number is wanted";
    value = static_cast<unsigned>(wide);
    return {};
  }
  template <class T, std::size_t size>
  static std::string read(const Json& json, std::array<T, size>& values) {
    std::vector<T> list;
    if (std::string problem = read(json, list); !problem.empty()) return problem;
    if (list.size() != size) return std::to_string(size) + " items are wanted";
    std::ranges::copy(list, values.begin());
    return {};
  }
  template <class T>
  static std::string read(const Json& json, std::vector<T>& values) {
    if (!json.is_array()) return "an array is wanted";
    values.resize(json.size());
    for (std::size_t i = 0; i < json.size(); ++i) {
      if (std::string problem = read(json[i], values[i]); !problem.empty()) return problem;
    }
    return {};
  }
  static std::string read(const Json& json, model::Metrics& values) {
    if (!json.is_object()) return "an object of numbers is wanted";
    for (const auto& [name, value] : json.items()) {
      if (std::string problem = read(value, values[name]); !problem.empty()) return problem;
    }
    return {};
  }
  template <class T>
  static std::string read(const Json& json, std::optional<T>& value) {
    if (json.is_null()) return {};
    return read(json, value.emplace());
  }
  template <class T>
  requires std::is_enum_v<T>
  static std::string read(const Json& json, T& value) {
    std::string known;
    for (std::size_t i = 0; i < words(value).size(); ++i) {
      if (json == words(value)[i]) {
        value = static_cast<T>(i);
        return {};
      }
      known += std::string(known.empty() ? "" : ", ") + words(value)[i];
    }
    return "one of " + known + " is wanted";
  }
  template <class T>
  requires requires(Reader& reader, T& value) { fields(reader, value); }
  static std::string read(const Json& json, T& value) {
    if (!json.is_object()) return "an object is wanted";
    Reader reader(json);
    fields(reader, value);
    if (reader.error_.empty() && reader.optional_ && reader.found_ < json.size()) {
      return "a field is not known";
    }
    return reader.error();
  }

 private:
  const Json& from_;
  std::string error_;
  bool optional_ = false;
  std::size_t found_ = 0;
};

/// An object, or null if the text is anything else or nests deeper than any message of ours, which
/// is a way to exhaust the stack of whoever copies or prints it.
Json object_of(std::string_view text) {
  constexpr int kMaxDepth = 8;
  if (text.size() > kMaxMessage) return nullptr;
  bool too_deep = false;
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json json = Json::parse(text.begin(), text.end(), shallow, false);
  if (too_deep || !json.is_object()) return nullptr;
  return json;
}

/// The operation of that index in Operation, without its fields.
template <std::size_t... I>
Operation operation_at(std::size_t index, std::index_sequence<I...>) {
  Operation operation;
  ((I == index ? void(operation.emplace<I>()) : void()), ...);
  return operation;
}

}  // namespace

std::string encode(const Request& request) {
  Json json{{"id", request.id}, {"op", kOperations[request.operation.index()]}};
  std::visit([&](const auto& operation) { write(json, operation); }, request.operation);
  return text_of(json);
}

template <class Result>
std::string encode(const Reply<Result>& reply) {
  Json json{{"id", reply.id}};
  if (const auto* const progress = std::get_if<Progress>(&reply.content)) {
    write(json["progress"], *progress);
  } else if (const auto* const failure = std::get_if<Failure>(&reply.content)) {
    json["ok"] = false;
    write(json, *failure);
  } else {
    json["ok"] = true;
    write(json, std::get<Result>(reply.content));
  }
  return text_of(json);
}

std::variant<Request, BadRequest> parse_request(std::string_view text) {
  const Json json = object_of(text);
  if (json.is_null()) return BadRequest{0, "a request is one JSON object of at most 64 KiB"};
  Reader envelope(json);
  Request request;
  envelope("id", request.id);
  std::string name;
  envelope("op", name);
  if (!envelope.error().empty()) return BadRequest{request.id, envelope.error()};
  for (std::size_t i = 0; i < kOperations.size(); ++i) {
    if (name != kOperations[i]) continue;
    request.operation = operation_at(i, std::make_index_sequence<std::variant_size_v<Operation>>());
    const std::string problem = std::visit(
        [&](auto& operation) { return Reader::read(json, operation); }, request.operation);
    if (!problem.empty()) return BadRequest{request.id, problem};
    return request;
  }
  return BadRequest{request.id, "the operation \"" + name.substr(0, 32) + "\" is not known"};
}

template <class Result>
std::variant<Reply<Result>, std::string> parse_reply(std::string_view text) {
  const Json json = object_of(text);
  if (json.is_null()) return "a reply is one JSON object of at most 64 KiB";
  Reader envelope(json);
  Reply<Result> reply;
  envelope("id", reply.id);
  if (json.contains("progress")) {
    envelope("progress", reply.content.template emplace<Progress>());
    if (!envelope.error().empty()) return envelope.error();
    return reply;
  }
  bool ok = false;
  envelope("ok", ok);
  if (!envelope.error().empty()) return envelope.error();
  const std::string problem = ok ? Reader::read(json, reply.content.template emplace<Result>())
                                 : Reader::read(json, reply.content.template emplace<Failure>());
  if (!problem.empty()) return problem;
  return reply;
}

#define KITH_REPLY(Result)                           \
  template std::string encode(const Reply<Result>&); \
  template std::variant<Reply<Result>, std::string> parse_reply(std::string_view)
KITH_REPLY(Opened);
KITH_REPLY(Spent);
KITH_REPLY(Trained);
KITH_REPLY(Scored);
KITH_REPLY(Evaluation);
KITH_REPLY(Measured);
KITH_REPLY(Sloped);
KITH_REPLY(Checkpointed);
KITH_REPLY(Predicted);
KITH_REPLY(Inspected);
KITH_REPLY(Done);
#undef KITH_REPLY

}  // namespace kith::pipe
