#include "crypto/hash.hpp"
#include "model/data/file.hpp"
#include "model/snapshot.hpp"
#include "tests/model/worker/modules.hpp"
#include "tests/model/worker/worker_process.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace own_model_test {

using namespace kith;
using pipe::FailureKind;
using pipe::ModelName;
using pipe::Split;
using test::Modules;
using test::TemporaryDirectory;
using test::WorkerProcess;

/// A table of 200 rows in which ill follows from the sum of x and y, and a task with a model of
/// one's own.
struct Owner {
  Owner() {
    const auto table = [&](const char* name, int seed) {
      std::string text = "x,y,ill\n";
      for (int i = 0; i < 200; ++i) {
        const int x = (37 * i + seed) % 101 - 50, y = (53 * i + 3 * seed) % 97 - 48;
        text += std::to_string(x) + "," + std::to_string(y) + (x + y > 0 ? ",yes\n" : ",no\n");
      }
      data::write_file(folder / name, as_byte_view(text));
    };
    table("train.csv", 1), table("test.csv", 2);
    using enum model::Column::Kind;
    task.name = "own";
    task.model = "script";
    task.sizes = {};
    task.script = folder / "net.pt";
    task.columns = {{.name = "x", .kind = number, .low = -50, .high = 50},
                    {.name = "y", .kind = number, .low = -50, .high = 50},
                    {.name = "ill", .kind = yes_no, .target = true}};
    task.classes = 2;
    task.batch = 16;
    module.inputs = 0;
    for (const auto& column : task.columns)
      module.inputs += static_cast<std::int64_t>(features(column));
  }

  pipe::Opened open() {
    module.save(task.script);
    return reopen();
  }
  /// With the file and the state as they are.
  pipe::Opened reopen() {
    worker.emplace();
    const pipe::Opened opened = worker->ask(request());
    initial = worker->last_file();
    return opened;
  }
  std::string refusal() {
    worker.emplace();
    const pipe::Failure failure = worker->failure_of(request());
    BOOST_TEST((failure.kind == FailureKind::config), failure.error);
    return failure.error;
  }
  pipe::Open request() const {
    return test::question(task, {{folder / "train.csv"}, {folder / "test.csv"}}, state.path());
  }
  Bytes train(std::uint64_t round, std::uint64_t epochs = 6) {
    worker->ask(pipe::Train{round, epochs, false});
    return worker->last_file();
  }
  double loss(ModelName model) { return worker->ask(pipe::Evaluate{model, Split::test}).loss; }
  void average(const std::vector<std::string>& members) {
    worker->ask(pipe::Average{{members, std::vector<double>(members.size(), 1)}});
  }
  void load(const Bytes& snapshot) {
    worker->ask(pipe::Load{"peer"}, pipe::sealed_memfd("snapshot", snapshot));
  }
  std::vector<float> peer_scores() {
    const auto scored = worker->ask(pipe::Score{{"peer"}, 0});
    const Bytes rows = worker->last_file();
    std::vector<float> all(rows.size() / sizeof(float));
    std::memcpy(all.data(), rows.data(), rows.size());
    return {all.end() - static_cast<std::ptrdiff_t>(scored.examples), all.end()};
  }

  TemporaryDirectory folder, state;
  model::Task task;
  Modules module{.forward = test::kSound};
  Bytes initial;
  std::optional<WorkerProcess> worker;
};

std::vector<std::string> names(const Bytes& snapshot) {
  std::vector<std::string> all;
  const auto read = model::read_snapshot(snapshot);
  for (const auto& tensor : std::get<model::Snapshot>(read).schema.tensors)
    all.push_back(tensor.name);
  return all;
}
std::vector<float> values(const Bytes& snapshot) {
  const auto read = model::read_snapshot(snapshot);
  return std::get<model::Snapshot>(read).copy_values();
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
const std::vector<std::string> kParameters{"backbone.bias", "backbone.weight", "head.bias",
                                           "head.weight",   "norm.bias",       "norm.weight"};

BOOST_AUTO_TEST_SUITE(own_model)

BOOST_AUTO_TEST_CASE(it_starts_from_its_own_values_learns_and_sends_parameters_but_no_statistics) {
  Owner site;
  site.open();
  BOOST_TEST(names(site.initial) == kParameters, boost::test_tools::per_element());
  const double before = site.loss(ModelName::averaged);
  BOOST_TEST(names(site.train(1, 20)) == kParameters, boost::test_tools::per_element());
  BOOST_TEST(site.loss(ModelName::partial) < 0.6 * before);
}

BOOST_AUTO_TEST_CASE(
    what_drops_out_in_training_does_not_when_it_is_judged_and_a_round_repeats_itself) {
  Owner site;
  site.open();
  const Bytes partial = site.train(1);
  const double judged = site.loss(ModelName::partial);
  BOOST_TEST(site.loss(ModelName::partial) == judged);
  site.reopen();
  BOOST_TEST((site.train(1) == partial));
  BOOST_TEST(site.loss(ModelName::partial) == judged);
}

BOOST_AUTO_TEST_CASE(its_statistics_survive_a_restart) {
  Owner site;
  site.open();
  site.train(1);
  site.average({"self"});
  site.worker->ask(pipe::Serve{{{"self"}, {1}}});
  site.worker->ask(pipe::Checkpoint{1});
  const double loss = site.loss(ModelName::served);
  BOOST_TEST(site.reopen().resumed);
  BOOST_TEST(site.loss(ModelName::served) == loss);
}

BOOST_AUTO_TEST_CASE(statistics_travel_if_the_task_says_so) {
  Owner site;
  site.task.share_buffers = true;
  site.open();
  BOOST_TEST(names(site.train(1)).size() == kParameters.size() + 2);
}

BOOST_AUTO_TEST_CASE(a_private_head_stays_and_a_peer_is_scored_with_this_nodes_own) {
  Owner site, other;
  for (Owner* each : {&site, &other}) each->task.share = {"backbone.*", "norm.*"};
  other.module.seed = 1;
  site.open(), other.open();
  const Bytes theirs = other.train(1, 20);
  BOOST_TEST(names(theirs).size() == 4U);
  site.load(theirs);
  const Bytes own = site.train(1, 20);
  site.load(own);
  const auto same = site.peer_scores();  // its own body and its own head: the partial
  const auto rows = [&] {
    site.worker->ask(pipe::Score{{"peer"}, 0});
    return site.worker->last_file();
  }();
  const std::size_t row = same.size() * sizeof(float);
  BOOST_TEST(std::memcmp(rows.data() + row, rows.data() + 2 * row, row) == 0);
  const double partial = site.loss(ModelName::partial);
  site.average({"peer"});
  BOOST_TEST(site.loss(ModelName::averaged) == partial);
}

BOOST_AUTO_TEST_CASE(what_arrived_before_training_is_scored_with_the_head_of_after_it) {
  Owner site, other;
  for (Owner* each : {&site, &other}) each->task.share = {"backbone.*"};
  site.open(), other.open();
  const Bytes theirs = other.train(1);
  site.load(theirs);
  site.train(1);
  const auto early = site.peer_scores();
  site.load(theirs);
  BOOST_TEST(site.peer_scores() == early, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_frozen_neither_changes_nor_travels_but_all_must_have_the_same) {
  Owner site;
  site.task.freeze = {"backbone.*"};
  site.task.share = {"head.*"};
  const std::string frozen = site.open().frozen;
  BOOST_TEST(frozen.size() == 64U);
  BOOST_TEST(names(site.train(1)).size() == 2U);
  site.worker->ask(pipe::Serve{{{"self"}, {1}}});
  site.worker->ask(pipe::Checkpoint{1});
  const auto read = model::read_snapshot(site.worker->last_file());
  const auto& whole = std::get<model::Snapshot>(read);
  const auto all = whole.copy_values();
  std::size_t at = 0;
  std::vector<float> served, averaged;  // of the backbone; theta is M0 still
  for (const auto& [name, shape] : whole.schema.tensors) {
    std::size_t count = 1;
    for (const auto side : shape) count *= side;
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
    const auto take = [&](std::vector<float>& into) {
      into.insert(into.end(), first, first + static_cast<std::ptrdiff_t>(count));
    };
    if (name.starts_with("served.backbone")) take(served);
    if (name.starts_with("averaged.backbone")) take(averaged);
    at += count;
  }
  BOOST_REQUIRE(!served.empty());
  BOOST_TEST(served == averaged, boost::test_tools::per_element());
  Owner other;
  other.task = site.task;
  other.task.script = other.folder / "net.pt";
  other.module.seed = 2;
  BOOST_TEST(other.open().frozen != frozen);
}

BOOST_AUTO_TEST_CASE(two_files_that_compute_alike_with_the_same_values_are_the_same_task) {
  Owner site, other;
  other.module.forward = "    x = x * 1.0\n" + test::kSound;
  site.open(), other.open();
  BOOST_TEST((site.initial == other.initial));
  other.module.seed = 2;
  other.open();
  BOOST_TEST((site.initial != other.initial));
}

BOOST_AUTO_TEST_CASE(of_a_tuple_the_first_tensor_counts) {
  Owner site;
  site.module.forward =
      "    return torch.linear(x, self.backbone.weight, self.backbone.bias)[:, :2], x\n";
  BOOST_TEST(site.open().train > 0U);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_used_is_refused_with_the_reason) {
  Owner site;
  const auto refused = [&](const std::string& forward) {
    Modules{.forward = forward, .inputs = site.module.inputs}.save(site.task.script);
    return site.refusal();
  };
  const std::string body = "    h = torch.linear(x, self.backbone.weight, self.backbone.bias)\n";
  BOOST_TEST(contains(refused(body + "    return h\n"), "wants 2 numbers for each of 2 examples"));
  BOOST_TEST(contains(refused(body + "    return h[:, :2] / 0.0\n"), "numbers that are none"));
  BOOST_TEST(contains(refused("    return x[:, :2]\n"), "cannot learn"));
  BOOST_TEST(contains(refused(body + "    return [h]\n"), "wrap it in a module that does"));
  BOOST_TEST(contains(refused("    return torch.linear(x[:, :1], self.backbone.weight)\n"),
                      "the model fails on a batch of [2, "));
  Modules{.forward = test::kSound, .inputs = site.module.inputs, .half = true}.save(
      site.task.script);
  BOOST_TEST(contains(site.refusal(), "save the module with float32 parameters"));
  data::write_file(site.task.script, as_byte_view("PK\x03\x04 is no module"));
  BOOST_TEST(contains(site.refusal(), "is no TorchScript module"));
  std::filesystem::remove(site.task.script);
  BOOST_TEST(contains(site.refusal(), "task.script names the model's file"));
}

BOOST_AUTO_TEST_CASE(
    a_pattern_that_matches_nothing_and_statistics_in_private_training_are_refused) {
  Owner site;
  site.module.save(site.task.script);
  site.task.share = {"body.*"};
  BOOST_TEST(contains(site.refusal(), "no tensor of the model is called body.*"));
  site.task.share = {"*"};
  site.worker.emplace();
  pipe::Open request = site.request();
  request.privacy = pipe::Privacy{};
  BOOST_TEST(contains(site.worker->failure_of(request).error, "running statistics"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace own_model_test
