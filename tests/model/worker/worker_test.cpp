#include "crypto/hash.hpp"
#include "model/data/images.hpp"
#include "model/data/partition.hpp"
#include "model/influence.hpp"
#include "model/score.hpp"
#include "model/pipe/memfd.hpp"
#include "model/privacy.hpp"
#include "model/snapshot.hpp"
#include "tests/model/worker/worker_process.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>

namespace worker_test {

using namespace kith;
using namespace std::chrono_literals;
using pipe::FailureKind;
using pipe::ModelName;
using pipe::Split;
using test::TemporaryDirectory;
using test::WorkerProcess;
namespace utf = boost::unit_test;

const std::filesystem::path kFashion = "/usr/share/datasets/fashion-mnist";

boost::test_tools::assertion_result data_set_is_installed(utf::test_unit_id) {
  boost::test_tools::assertion_result installed(std::filesystem::exists(kFashion));
  installed.message() << "skipped: install the Debian package dataset-fashion-mnist";
  return installed;
}

/// Two nodes' data, made once: 200 training and 200 test images each, the second node's turned.
struct Nodes {
  Nodes() {
    data::PartitionPlan plan;
    plan.source = kFashion;
    plan.nodes = plan.groups = 2;
    plan.train_per_node = plan.test_per_node = 200;
    for (const auto& node : data::write_partition(plan, directory.path()).nodes) {
      files.push_back({.train = node.train, .test = node.test, .split_key = "node 1"});
    }
  }
  TemporaryDirectory directory;
  std::vector<pipe::DataFiles> files;
};

const Nodes& nodes() {
  static const Nodes made;
  return made;
}

model::Task small_task(const std::string& kind = "cnn") {
  model::Task task;
  task.name = "coats";
  task.model = kind;
  task.sizes = {4, 8};
  if (kind == "mlp") task.sizes = {16};
  if (kind == "resnet") task.sizes = {8, 16};
  task.seed = 5;
  task.learning_rate = kind == "resnet" ? 0.1 : 0.02;
  task.batch = 20;
  return task;
}

/// A worker with a task open and a state directory of its own.
struct Site {
  explicit Site(std::size_t node = 0, const model::Task& its_task = small_task(),
                const std::optional<pipe::Privacy>& its_privacy = {})
      : task(its_task), privacy(its_privacy) {
    opened = open(node);
    initial = worker->last_file();
  }
  pipe::Open request(std::size_t node) const {
    return {
        task,   nodes().files[node], state.path().string(), 1, 100 + node, 32, test::test_device(),
        privacy};
  }
  pipe::Opened open(std::size_t node) { return worker->ask(request(node)); }
  void restart() {
    worker->kill();
    worker = std::make_unique<WorkerProcess>();
  }
  Bytes train(std::uint64_t round, std::uint64_t epochs = 2) {
    trained = worker->ask(pipe::Train{round, epochs, true});
    return worker->last_file();
  }

  model::Task task;
  std::optional<pipe::Privacy> privacy;
  TemporaryDirectory state;
  std::unique_ptr<WorkerProcess> worker = std::make_unique<WorkerProcess>();
  pipe::Opened opened;
  Bytes initial;
  pipe::Trained trained;
};

std::vector<float> values(const Bytes& snapshot) {
  const auto read = model::read_snapshot(snapshot);
  return std::get<model::Snapshot>(read).copy_values();
}

model::Schema schema(const Bytes& snapshot) {
  const auto read = model::read_snapshot(snapshot);
  return std::get<model::Snapshot>(read).schema;
}

void load(WorkerProcess& worker, const std::string& peer, const Bytes& snapshot) {
  worker.ask(pipe::Load{peer}, pipe::sealed_memfd("snapshot", snapshot));
}

/// The one row of an average that is tried.
std::vector<float> tried_losses(WorkerProcess& worker, const pipe::Mixture& mixture) {
  const auto tried = worker.ask(pipe::Try{mixture});
  const Bytes& file = worker.last_file();
  BOOST_REQUIRE(file.size() == tried.examples * sizeof(float));
  std::vector<float> row(tried.examples);
  std::memcpy(row.data(), file.data(), file.size());
  return row;
}

/// The rows of a score file.
std::vector<std::vector<float>> scores(WorkerProcess& worker, std::vector<std::string> peers) {
  const auto scored = worker.ask(pipe::Score{std::move(peers)});
  const Bytes file = worker.last_file();
  std::vector<std::vector<float>> rows(file.size() / sizeof(float) / scored.examples);
  BOOST_REQUIRE(rows.size() * scored.examples * sizeof(float) == file.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].resize(scored.examples);
    std::memcpy(rows[i].data(), file.data() + i * scored.examples * sizeof(float),
                scored.examples * sizeof(float));
  }
  return rows;
}

double mean(const std::vector<float>& row) {
  double sum = 0;
  for (const float value : row) sum += static_cast<double>(value);
  return sum / static_cast<double>(row.size());
}

pipe::Average mixture(std::vector<std::string> members, std::vector<double> weights) {
  pipe::Average average;
  average.members = std::move(members);
  average.weights = std::move(weights);
  return average;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string kModels[] = {"mlp", "cnn", "resnet"};

BOOST_AUTO_TEST_SUITE(worker_tests, *utf::precondition(data_set_is_installed))

BOOST_AUTO_TEST_CASE(open_reports_what_it_found) {
  Site site;
  BOOST_TEST(site.opened.train + site.opened.validation == 200U);
  BOOST_TEST(site.opened.validation > 30U);
  BOOST_TEST(site.opened.validation < 70U);
  BOOST_TEST(site.opened.scored == 32U);
  BOOST_TEST(site.opened.test == 200U);
  BOOST_TEST(site.opened.classes == 10U);
  BOOST_TEST(site.opened.round == 0U);
  BOOST_TEST(!site.opened.resumed);
  // conv 1 -> 4, conv 4 -> 8, 8 planes of 7 x 7 -> 10
  BOOST_TEST(site.opened.parameters == 40U + 296U + 3930U);
  BOOST_TEST(values(site.initial).size() == site.opened.parameters);
}

BOOST_AUTO_TEST_CASE(test_files_are_optional) {
  Site site;
  site.restart();
  pipe::Open request = site.request(0);
  request.data.test.clear();
  BOOST_TEST(site.worker->ask(request).test == 0U);
  site.train(1);
  BOOST_TEST(site.trained.validation.examples == site.opened.validation);
}

BOOST_DATA_TEST_CASE(training_lowers_the_loss_and_reports_every_epoch, kModels, kind) {
  Site site(0, small_task(kind));
  const double before = site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss;
  auto answer = site.worker->try_ask(pipe::Train{1, 8, true});
  const auto& trained = std::get<pipe::Trained>(answer.content);
  const auto after = site.worker->ask(pipe::Evaluate{ModelName::partial, Split::test});
  BOOST_TEST(after.loss < 0.8 * before);
  BOOST_TEST(after.metric("accuracy") > 0.2);
  BOOST_TEST(after.examples == 200U);
  BOOST_TEST(trained.validation.examples == site.opened.validation);
  // The baseline begins from M0, too, and is the partial.
  BOOST_REQUIRE(answer.progress.size() == 8U);
  BOOST_TEST(answer.progress[7].train_loss < answer.progress[0].train_loss);
  BOOST_TEST(answer.progress[7].phase == "partial");
  BOOST_TEST(trained.baseline.value().loss == trained.validation.loss);

  double best = answer.progress[0].validation.loss;
  for (std::size_t i = 0; i < 8; ++i) best = std::min(best, answer.progress[i].validation.loss);
  BOOST_TEST(trained.validation.loss == best);
  BOOST_TEST(answer.progress[trained.best_epoch - 1].validation.loss == best);
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::partial, Split::validation}).loss == best);
}

BOOST_AUTO_TEST_CASE(every_node_of_a_task_starts_from_the_same_model) {
  Site one(0);
  Site other(1);
  BOOST_TEST((one.initial == other.initial));
  model::Task reseeded = small_task();
  reseeded.seed = 6;
  BOOST_TEST((Site(0, reseeded).initial != one.initial));
}

BOOST_AUTO_TEST_CASE(equal_seeds_give_bit_identical_partials) {
  Site one;
  Site same;
  const Bytes partial = one.train(1);
  BOOST_TEST((partial == same.train(1)));
  BOOST_TEST((partial != one.initial));
  BOOST_TEST((partial != same.train(2)));  // same start, another order of minibatches
  BOOST_TEST((partial == same.train(1)));
}

BOOST_AUTO_TEST_CASE(before_any_average_the_baseline_is_the_partial) {
  Site site;
  site.train(1);
  BOOST_TEST(site.trained.baseline.value().loss == site.trained.validation.loss);
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::baseline, Split::test}).loss ==
             site.worker->ask(pipe::Evaluate{ModelName::partial, Split::test}).loss);
}

BOOST_AUTO_TEST_CASE(without_a_baseline_none_is_trained) {
  Site site;
  const double before = site.worker->ask(pipe::Evaluate{ModelName::baseline, Split::test}).loss;
  BOOST_TEST(!site.worker->ask(pipe::Train{1, 1, false}).baseline.has_value());
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::baseline, Split::test}).loss == before);
}

BOOST_AUTO_TEST_CASE(killed_and_resumed_is_as_good_as_never_interrupted) {
  const auto first_round = [](Site& site, const Bytes& peer) {
    site.train(1);
    load(*site.worker, "peer", peer);
    site.worker->ask(mixture({"self", "peer"}, {2, 1}));
    site.worker->ask(pipe::Serve{{{"averaged"}, {1}}});
  };
  const Bytes peer = Site(1).train(1);
  Site whole;
  Site broken;
  first_round(whole, peer);
  first_round(broken, peer);
  const auto bytes = broken.worker->ask(pipe::Checkpoint{1}).bytes;
  BOOST_TEST(bytes == std::filesystem::file_size(broken.state / "checkpoint.safetensors"));
  const double served = whole.worker->ask(pipe::Evaluate{ModelName::served, Split::test}).loss;

  broken.restart();
  const pipe::Opened again = broken.open(0);
  BOOST_TEST(again.resumed);
  BOOST_TEST(again.round == 1U);
  BOOST_TEST((broken.worker->last_file() == whole.initial));  // M0 stays M0
  BOOST_TEST(broken.worker->ask(pipe::Evaluate{ModelName::served, Split::test}).loss == served);
  BOOST_TEST((broken.train(2) == whole.train(2)));
  BOOST_TEST(broken.trained.baseline.value().loss == whole.trained.baseline.value().loss);
}

BOOST_AUTO_TEST_CASE(pictures_that_come_and_go_move_no_other_to_the_other_side) {
  const TemporaryDirectory folder;
  const auto& source = nodes().files[0].train;
  const data::Examples all = data::read_examples(source[0], source[1]);
  const auto write = [&](std::size_t from, std::size_t until) {
    std::vector<std::size_t> some(until - from);
    std::iota(some.rbegin(), some.rend(), from);
    data::write_examples(data::select(all, some), folder / "x.idx", folder / "y.idx");
  };
  write(0, 150);
  pipe::Open question{small_task(), nodes().files[0], folder.path().string()};
  question.data.train = {folder / "x.idx", folder / "y.idx"};
  question.device = test::test_device();
  WorkerProcess first;
  BOOST_TEST(first.ask(question).remarks.empty());
  first.ask(pipe::Train{1, 2, true});
  first.ask(mixture({"self"}, {1}));
  first.ask(pipe::Checkpoint{1});
  data::write_file(folder / "checkpoint.safetensors", first.last_file());

  // M0's losses tell the examples apart.
  const auto validated = [&](const pipe::Open& its_question) {
    WorkerProcess worker;
    worker.ask(its_question);
    worker.ask(pipe::Train{1, 1, false});
    const std::vector<float> row = scores(worker, {})[0];
    return std::set<float>(row.begin(), row.end());
  };
  question.score_examples = 1000;
  const auto before = validated(question);
  write(0, 200);
  question.seed = 99;
  const auto after = validated(question);
  BOOST_TEST(std::ranges::includes(after, before));
  BOOST_TEST(after.size() > before.size());

  WorkerProcess grown;
  const pipe::Opened opened = grown.ask(question);
  BOOST_REQUIRE(opened.remarks.size() == 1U);
  BOOST_TEST(contains(opened.remarks[0], "150 examples then, 200 now"));
}

BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_is_refused_and_left_alone) {
  Site site;
  site.train(1);
  site.worker->ask(pipe::Checkpoint{1});
  const auto path = site.state / "checkpoint.safetensors";
  const std::string good = read_file(path);
  for (const std::size_t at : {std::size_t{0}, std::size_t{30}, std::size_t{100}, std::size_t{300},
                               good.size() / 2, good.size() - 1}) {
    std::string bad = good;
    bad[at] ^= 0x10;
    std::ofstream(path, std::ios::binary) << bad;
    site.restart();
    const pipe::Failure failure = site.worker->failure_of(site.request(0));
    BOOST_TEST((failure.kind == FailureKind::data));
    BOOST_TEST(contains(failure.error, path.string()), failure.error);
    BOOST_TEST(contains(failure.error, "move it away"));
    BOOST_TEST(read_file(path) == bad);
  }
  std::ofstream(path, std::ios::binary) << good.substr(0, good.size() - 4);
  BOOST_TEST((site.worker->failure_of(site.request(0)).kind == FailureKind::data));
  std::ofstream(path, std::ios::binary) << good;
  BOOST_TEST(site.open(0).resumed);  // the refusals have left the worker usable
}

BOOST_AUTO_TEST_CASE(a_checkpoint_of_another_task_is_refused) {
  Site site;
  site.worker->ask(pipe::Checkpoint{1});
  site.restart();
  for (const auto change : {+[](model::Task& task) { task.seed = 6; },
                            +[](model::Task& task) { task.learning_rate = 0.01; },
                            +[](model::Task& task) {
                              task.sizes = {4, 4};
                            }}) {
    pipe::Open request = site.request(0);
    change(request.task);
    const pipe::Failure failure = site.worker->failure_of(request);
    BOOST_TEST((failure.kind == FailureKind::config));
    BOOST_TEST(contains(failure.error, "another task"), failure.error);
  }
}

BOOST_AUTO_TEST_CASE(
    what_cannot_be_read_for_want_of_permission_or_of_a_disk_is_not_called_damaged) {
  Site site;
  site.worker->ask(pipe::Checkpoint{1});
  site.restart();
  const auto path = site.state / "checkpoint.safetensors";
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);  // which open() takes and read() does not
  pipe::Failure failure = site.worker->failure_of(site.request(0));
  BOOST_TEST((failure.kind == FailureKind::disk));
  BOOST_TEST(contains(failure.error, path.string()), failure.error);
  BOOST_TEST(!contains(failure.error, "move it away"));

  if (geteuid() != 0) return;  // to become somebody who may not
  std::filesystem::remove(path);
  std::ofstream(path) << "secret";
  std::filesystem::permissions(path, std::filesystem::perms::none);
  std::filesystem::permissions(site.state.path(), std::filesystem::perms::all);
  for (const auto& file : nodes().files[0].train) {
    std::filesystem::permissions(file, std::filesystem::perms::all);
  }
  site.worker = std::make_unique<WorkerProcess>(std::vector<std::string>{}, test::As::nobody);
  failure = site.worker->failure_of(site.request(0));
  BOOST_TEST((failure.kind == FailureKind::permission), failure.error);
  BOOST_TEST(contains(failure.error, "Permission denied"), failure.error);
}

BOOST_AUTO_TEST_CASE(checkpoint_is_handed_over_and_the_worker_itself_writes_nothing) {
  Site site;
  const auto answer = site.worker->try_ask(pipe::Checkpoint{3});
  const auto map = pipe::SealedMap::open(answer.file, 1 << 28);
  BOOST_TEST_REQUIRE(std::holds_alternative<pipe::SealedMap>(map));
  const auto size = std::get<pipe::Checkpointed>(answer.content).bytes;
  BOOST_TEST(std::get<pipe::SealedMap>(map).bytes().size() == size);
  site.restart();
  BOOST_TEST(site.open(0).round == 3U);
}

BOOST_AUTO_TEST_CASE(a_bad_snapshot_is_refused_and_changes_nothing) {
  Site site;
  const Bytes good = site.train(1);
  load(*site.worker, "peer", good);
  const double before = site.worker->ask(mixture({"peer"}, {1})).loss;
  const auto refusal = [&](const Bytes& snapshot) {
    const auto failure =
        site.worker->failure_of(pipe::Load{"peer"}, pipe::sealed_memfd("bad", snapshot));
    BOOST_TEST((failure.kind == FailureKind::data), failure.error);
    BOOST_TEST(site.worker->ask(mixture({"peer"}, {1})).loss == before);
    return failure.error;
  };
  for (const float odd :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto numbers = values(good);
    numbers[17] = odd;
    refusal(model::write_snapshot(schema(good), numbers));
  }
  model::Schema other = schema(good);
  std::swap(other.tensors[1].shape[0], other.tensors[1].shape[1]);
  refusal(model::write_snapshot(other, values(good)));
  refusal(model::write_snapshot(schema(good), values(good), {{"note", "x"}}));
  Bytes longer = good;
  longer.push_back(std::byte{0});
  refusal(longer);
  auto huge = values(good);
  for (float& value : huge) value *= 1e4F;
  BOOST_TEST(contains(refusal(model::write_snapshot(schema(good), huge)), "norm"));
  refusal(Bytes(good.begin(), good.end() - 4));
  refusal(Bytes(good.size(), std::byte{0xff}));
}

BOOST_AUTO_TEST_CASE(a_snapshot_without_a_sealed_file_is_refused) {
  Site site;
  BOOST_TEST(contains(site.worker->failure_of(pipe::Load{"peer"}).error, "file"));
  const auto open = [] { return pipe::Fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)); };
  BOOST_TEST((site.worker->failure_of(pipe::Load{"peer"}, open()).kind == FailureKind::data));
}

BOOST_AUTO_TEST_CASE(an_average_that_is_tried_is_scored_like_a_peer_and_changes_nothing) {
  Site site;
  const Bytes own = site.train(1);
  load(*site.worker, "peer", Site(1).train(1));
  const auto row = [&](const pipe::Mixture& tried) { return tried_losses(*site.worker, tried); };
  const auto rows = scores(*site.worker, {"peer"});
  const double theta = site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss;
  BOOST_TEST((row(mixture({"self"}, {2})) == rows[1]));
  BOOST_TEST((row(mixture({"self", "peer"}, {0, 1})) == rows[2]));
  const auto half = row(mixture({"self", "peer"}, {1, 1}));
  BOOST_TEST((half != rows[1]));
  BOOST_TEST((half != rows[2]));
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss == theta);
}

BOOST_AUTO_TEST_CASE(an_average_is_exact) {
  Site site;
  const Bytes own = site.train(1);
  const Bytes peer = Site(1).train(1);
  load(*site.worker, "peer", peer);
  const double untouched = site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss;
  const auto averaged = site.worker->ask(mixture({"peer", "self"}, {3, 1}));
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::validation}).loss ==
             averaged.loss);
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss != untouched);

  // What the average should be, and what the worker wrote down.
  site.worker->ask(pipe::Checkpoint{1});
  const std::string file = read_file(site.state / "checkpoint.safetensors");
  const auto read = model::read_snapshot(as_byte_view(file));
  const auto written = std::get<model::Snapshot>(read).copy_values();
  const auto a = values(peer);
  const auto b = values(own);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double mean = 0.75 * static_cast<double>(a[i]) + 0.25 * static_cast<double>(b[i]);
    wrong += written[i] != static_cast<float>(mean);
  }
  BOOST_TEST(wrong == 0U);
}

BOOST_AUTO_TEST_CASE(the_next_round_starts_from_the_average) {
  Site site;
  site.train(1);
  load(*site.worker, "start", site.initial);
  const Bytes from_initial = site.train(2);
  site.worker->ask(mixture({"self"}, {1}));
  const Bytes from_partial = site.train(2);
  BOOST_TEST((from_partial != from_initial));
  site.worker->ask(mixture({"start"}, {1}));
  BOOST_TEST((site.train(2) == from_initial));
}

BOOST_AUTO_TEST_CASE(senseless_averages_are_refused) {
  Site site;
  const auto refuses = [&](const pipe::Average& average) {
    return !site.worker->failure_of(average).error.empty();
  };
  BOOST_TEST(contains(site.worker->failure_of(mixture({"self"}, {1})).error, "train first"));
  site.train(1);
  BOOST_TEST(refuses(mixture({}, {})));
  BOOST_TEST(refuses(mixture({"self"}, {1, 1})));
  BOOST_TEST(refuses(mixture({"self"}, {0})));
  BOOST_TEST(refuses(mixture({"self"}, {-1})));
  BOOST_TEST(refuses(mixture({"self", "stranger"}, {1, 1})));
  site.worker->ask(mixture({"self"}, {1}));
}

BOOST_AUTO_TEST_CASE(scores_begin_with_the_initial_model_and_none_exceeds_the_worst) {
  Site site;
  const Bytes own = site.train(1, 8);
  load(*site.worker, "start", site.initial);
  load(*site.worker, "twin", own);
  auto opposite = values(own);
  for (float& value : opposite) value *= -2;
  load(*site.worker, "opposite", model::write_snapshot(schema(own), opposite));
  const auto rows = scores(*site.worker, {"start", "opposite", "twin"});
  BOOST_REQUIRE(rows.size() == 5U);
  BOOST_TEST(rows[0].size() == 32U);
  BOOST_TEST((rows[0] == rows[2]));  // row 0 is M0
  BOOST_TEST((rows[1] == rows[4]));  // row 1 is the own partial
  BOOST_TEST((rows[0] != rows[1]));
  const auto worst = static_cast<float>(model::worst_score(10));
  for (const auto& row : rows) {
    for (const float loss : row) BOOST_TEST((loss >= 0 && loss <= worst));
  }
  BOOST_TEST(mean(rows[1]) < 0.8 * mean(rows[0]));
  BOOST_TEST(*std::ranges::max_element(rows[3]) > 0.9F * worst);
  BOOST_TEST((scores(*site.worker, {"twin"})[2] == rows[1]));
  BOOST_TEST((scores(*site.worker, {"averaged"})[2] == rows[0]));  // theta is still M0
  BOOST_TEST((scores(*site.worker, {"baseline"})[2] == rows[1]));  // trained just like the partial
  BOOST_TEST(contains(site.worker->failure_of(pipe::Load{"averaged"}).error, "not a peer"));
}

BOOST_AUTO_TEST_CASE(scores_of_all_validation_examples_follow_from_their_losses) {
  Site site;
  site.restart();
  pipe::Open request = site.request(0);
  request.score_examples = 1000;
  BOOST_TEST(site.worker->ask(request).scored == site.opened.validation);
  site.train(1);
  const auto rows = scores(*site.worker, {});
  double loss = 0;  // of those scores: the inverse of model::score()
  const double worst = model::worst_score(10);
  for (const float score : rows[1]) loss += std::log(std::expm1(worst) / std::expm1(worst - score));
  BOOST_TEST(loss / static_cast<double>(rows[1].size()) == site.trained.validation.loss, boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(measured_losses_are_those_of_an_evaluation_on_the_same_split) {
  Site site;
  const auto measured = [&](std::vector<std::string> members, Split split) {
    return site.worker->ask(pipe::Measure{std::move(members), split}).values;
  };
  const auto evaluated = [&](ModelName model, Split split) {
    return site.worker->ask(pipe::Evaluate{model, split}).loss;
  };
  // Before the first training there is a theta to measure already.
  BOOST_TEST(
      measured({"averaged"}, Split::train)[0] == evaluated(ModelName::averaged, Split::train),
      boost::test_tools::tolerance(1e-9));
  site.train(1, 8);
  load(*site.worker, "start", site.initial);
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    const auto losses = measured({"self", "start", "averaged"}, split);
    BOOST_REQUIRE(losses.size() == 3U);
    BOOST_TEST(losses[0] == evaluated(ModelName::partial, split),
               boost::test_tools::tolerance(1e-9));
    BOOST_TEST(losses[1] == losses[2]);  // theta is still M0
    BOOST_TEST(losses[0] < losses[1]);
  }
  BOOST_TEST(measured({"self"}, Split::train)[0] != measured({"self"}, Split::validation)[0]);
  BOOST_TEST(measured({}, Split::train).empty());
  BOOST_TEST(contains(site.worker->failure_of(pipe::Measure{{"stranger"}, Split::train}).error,
                      "no snapshot of stranger"));
}

BOOST_AUTO_TEST_CASE(measured_losses_are_not_cut) {
  Site site;
  const Bytes own = site.train(1, 8);
  site.worker->ask(mixture({"self"}, {1}));  // so that twice its norm is within bounds
  auto opposite = values(own);
  for (float& value : opposite) value *= -2;
  load(*site.worker, "opposite", model::write_snapshot(schema(own), opposite));
  const auto losses = site.worker->ask(pipe::Measure{{"opposite"}, Split::validation}).values;
  BOOST_TEST(losses[0] > 5 * model::worst_score(10));
}

BOOST_AUTO_TEST_CASE(distances_are_euclidean) {
  Site site;
  const Bytes own = site.train(1);
  auto shifted = values(own);
  shifted[0] += 3;
  shifted[100] -= 4;
  load(*site.worker, "shifted", model::write_snapshot(schema(own), shifted));
  const auto far = site.worker->ask(pipe::Distance{"self", {"self", "shifted", "averaged"}}).values;
  BOOST_REQUIRE(far.size() == 3U);
  BOOST_TEST(far[0] == 0.0);
  BOOST_TEST(far[1] == 5.0, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(far[2] > 0.0);
  BOOST_TEST(site.worker->ask(pipe::Distance{"averaged", {"self"}}).values[0] == far[2]);
  BOOST_TEST(contains(site.worker->failure_of(pipe::Distance{"stranger", {"self"}}).error,
                      "no snapshot of stranger"));
}

// One peer that had scaled up a good model, and looked useful since losses are cut, ruined an
// average.
BOOST_AUTO_TEST_CASE(a_peer_longer_than_twice_what_is_known_is_taken_at_that_length) {
  Site site;
  const auto times = [&](float factor) {
    auto scaled = values(site.initial);
    for (float& value : scaled) value *= factor;
    return model::write_snapshot(schema(site.initial), scaled);
  };
  load(*site.worker, "nine times", times(9));
  load(*site.worker, "twice", times(2));
  const double length =
      site.worker->ask(pipe::Distance{"averaged", {"twice"}}).values[0];  // that of M0
  BOOST_TEST(site.worker->ask(pipe::Distance{"twice", {"nine times"}}).values[0] < 1e-5 * length);
}

BOOST_AUTO_TEST_CASE(a_kept_average_stays_as_it_was_until_forgotten) {
  Site site;
  const Bytes own = site.train(1);
  const Bytes peer = Site(1).train(1);
  load(*site.worker, "peer", peer);
  site.worker->ask(pipe::Keep{mixture({"self", "peer"}, {1, 1}), "half"});
  const auto half = tried_losses(*site.worker, mixture({"self", "peer"}, {1, 1}));
  load(*site.worker, "peer", own);
  BOOST_TEST((scores(*site.worker, {"half"})[2] == half));
  BOOST_TEST((tried_losses(*site.worker, mixture({"half"}, {1})) == half));
  site.worker->ask(pipe::Forget{"half"});
  BOOST_TEST(contains(site.worker->failure_of(pipe::Score{{"half"}}).error, "no snapshot of half"));
  for (const std::string name : {"self", "averaged", "baseline"}) {
    const pipe::Keep keep{mixture({"peer"}, {1}), name};
    BOOST_TEST(contains(site.worker->failure_of(keep).error, "model of our own"));
    BOOST_TEST(contains(site.worker->failure_of(pipe::Initial{name, 1}).error, "model of our own"));
  }
}

BOOST_AUTO_TEST_CASE(theta_is_a_member_and_an_average_of_it_alone_changes_nothing) {
  Site site;
  site.train(1);
  const double before = site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss;
  site.worker->ask(mixture({"self", "averaged"}, {0, 1}));
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss == before);
  site.worker->ask(mixture({"self", "averaged"}, {1, 1}));
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::test}).loss != before);
}

double distance(WorkerProcess& worker, const std::string& from, const std::string& to) {
  return worker.ask(pipe::Distance{from, {to}}).values[0];
}

BOOST_AUTO_TEST_CASE(a_refined_model_is_what_training_makes_of_it_and_nothing_else_changes) {
  Site site;
  site.train(1);
  const auto refined = site.worker->ask(pipe::Refine{"refined", "averaged", 1, 2});
  BOOST_TEST(refined.validation.loss == site.trained.validation.loss);
  BOOST_TEST(distance(*site.worker, "self", "refined") == 0.0);
  BOOST_TEST(!refined.baseline.has_value());
  // In place, and on: the second time begins where the first ended.
  site.worker->ask(pipe::Refine{"refined", "refined", 2, 1});
  BOOST_TEST(distance(*site.worker, "self", "refined") > 0.0);
  load(*site.worker, "start", site.initial);
  BOOST_TEST(distance(*site.worker, "start", "averaged") == 0.0);
  const auto refused = [&](const pipe::Refine& refine, const std::string& why) {
    return contains(site.worker->failure_of(refine).error, why);
  };
  BOOST_TEST(refused({"self", "averaged", 1, 2}, "model of our own"));
  BOOST_TEST(refused({"new", "stranger", 1, 2}, "no snapshot of stranger"));
  BOOST_TEST(refused({"new", "self", 1, 0}, "epochs"));
  BOOST_TEST(refused({"new", "self", 1, 1, 0}, "share"));
  const pipe::Pull away{"averaged", -1};
  BOOST_TEST(refused({"new", "self", 1, 1, 1, pipe::Layers::all, away}, "below 0"));
  BOOST_TEST(refused({"new", "self", 1, 1, 1, pipe::Layers::all, pipe::Pull{"who", 1}}, "of who"));
  BOOST_TEST(refused({"new", "self", 1, 1, 1, pipe::Layers::all, pipe::Pull{"new", 1}}, "of new"));
}

BOOST_AUTO_TEST_CASE(the_stronger_the_pull_the_nearer_the_model_stays) {
  Site site;
  site.train(1);
  const auto far = [&](double strength) {
    const pipe::Pull pull{"averaged", strength};
    site.worker->ask(pipe::Refine{"pulled", "self", 2, 2, 1, pipe::Layers::all, pull});
    return distance(*site.worker, "averaged", "pulled");
  };
  site.worker->ask(pipe::Refine{"free", "self", 2, 2});
  const double weak = far(0);
  BOOST_TEST(weak == distance(*site.worker, "averaged", "free"));
  const double some = far(1);
  const double strong = far(10);
  BOOST_TEST(some < weak);
  BOOST_TEST(strong < some);
  // And so does a partial.
  const double partial = distance(*site.worker, "averaged", "self");
  site.worker->ask(pipe::Train{1, 2, false, pipe::Pull{"averaged", 10}});
  BOOST_TEST(distance(*site.worker, "averaged", "self") < partial);
}

// One step of all examples is plain: start - rate * (gradient + strength * (start - there)).
BOOST_AUTO_TEST_CASE(a_pulled_step_is_the_gradient_and_the_way_back) {
  model::Task task = small_task("mlp");
  task.batch = 1000;
  task.weight_decay = 0;
  Site site(0, task);
  const auto start = values(site.train(1, 4));
  const auto there = values(site.initial);
  const auto sloped = site.worker->ask(pipe::Gradient{"self", 1, 0, 1000});
  const auto gradient = values(site.worker->last_file());
  BOOST_TEST(sloped.examples == site.opened.train);
  constexpr double kStrength = 3;
  auto stepped = start;
  for (std::size_t i = 0; i < stepped.size(); ++i) {
    const double way = static_cast<double>(start[i]) - static_cast<double>(there[i]);
    const double slope = static_cast<double>(gradient[i]) + kStrength * way;
    stepped[i] -= static_cast<float>(task.learning_rate * slope);
  }
  load(*site.worker, "stepped", model::write_snapshot(schema(site.initial), stepped));
  const pipe::Pull pull{"averaged", kStrength};
  site.worker->ask(pipe::Refine{"pulled", "self", 2, 1, 1, pipe::Layers::all, pull});
  BOOST_TEST(distance(*site.worker, "stepped", "pulled") <
             1e-4 * distance(*site.worker, "self", "pulled"));
}

BOOST_AUTO_TEST_CASE(gradients_of_parts_add_up_to_that_of_all) {
  Site site;
  site.train(1);
  const auto slope = [&](std::uint64_t first, std::uint64_t count) {
    const auto sloped = site.worker->ask(pipe::Gradient{"self", 7, first, count});
    return std::pair(sloped, values(site.worker->last_file()));
  };
  const std::uint64_t all = site.opened.train;
  const auto [whole, gradient] = slope(0, all);
  const auto [first, of_first] = slope(0, 50);
  const auto [rest, of_rest] = slope(50, 1000);
  BOOST_TEST(first.examples == 50U);
  BOOST_TEST(rest.examples == all - 50);
  const double share = 50 / static_cast<double>(all);
  BOOST_TEST(share * first.loss + (1 - share) * rest.loss == whole.loss,
             boost::test_tools::tolerance(1e-5));
  double wrong = 0, length = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const auto value = static_cast<double>(gradient[i]);
    const double sum =
        share * static_cast<double>(of_first[i]) + (1 - share) * static_cast<double>(of_rest[i]);
    wrong += (sum - value) * (sum - value);
    length += value * value;
  }
  BOOST_TEST(wrong < 1e-8 * length);
  BOOST_TEST(slope(all, 10).first.examples == 0U);
}

BOOST_AUTO_TEST_CASE(only_the_layers_that_are_named_change) {
  Site site;
  site.train(1);
  const auto refine = [&](pipe::Layers layers) {
    site.worker->ask(pipe::Refine{"refined", "self", 2, 1, 1, layers});
  };
  // What is left of the difference once these layers are as they were.
  const auto left = [&](pipe::Layers layers) {
    site.worker->ask(pipe::Graft{"grafted", "self", "refined", layers});
    return distance(*site.worker, "self", "grafted");
  };
  refine(pipe::Layers::last);
  BOOST_TEST(left(pipe::Layers::last) == 0.0);
  BOOST_TEST(left(pipe::Layers::others) > 0.0);
  refine(pipe::Layers::others);
  BOOST_TEST(left(pipe::Layers::others) == 0.0);
  BOOST_TEST(left(pipe::Layers::last) > 0.0);
  refine(pipe::Layers::all);
  BOOST_TEST(left(pipe::Layers::last) > 0.0);
  BOOST_TEST(left(pipe::Layers::all) == 0.0);
  // And so of a partial.
  site.worker->ask(pipe::Train{2, 1, false, {}, pipe::Layers::last});
  site.worker->ask(pipe::Graft{"grafted", "averaged", "self", pipe::Layers::last});
  BOOST_TEST(distance(*site.worker, "averaged", "grafted") == 0.0);
  BOOST_TEST(distance(*site.worker, "averaged", "self") > 0.0);
}

BOOST_AUTO_TEST_CASE(an_epoch_of_a_share_goes_part_of_the_way) {
  Site site;
  site.train(1);
  const auto far = [&](double share) {
    site.worker->ask(pipe::Refine{"refined", "averaged", 1, 1, share});
    return distance(*site.worker, "averaged", "refined");
  };
  const double least = far(1e-9);  // one example
  BOOST_TEST(least > 0.0);
  BOOST_TEST(least < far(0.3));
  BOOST_TEST(far(0.3) < far(1));
  BOOST_TEST(far(1) == far(2));
}

BOOST_AUTO_TEST_CASE(outcomes_are_the_evaluation_example_by_example) {
  Site site;
  site.train(1);
  for (const Split split : {Split::validation, Split::test}) {
    const auto whole = site.worker->ask(pipe::Evaluate{ModelName::partial, split});
    const auto found = site.worker->ask(pipe::Outcomes{"self", split});
    BOOST_TEST(found.examples == whole.examples);
    const Bytes& file = site.worker->last_file();
    BOOST_REQUIRE(file.size() == 2 * found.examples * sizeof(float));
    std::vector<float> losses(found.examples), correct(found.examples);
    std::memcpy(losses.data(), file.data(), file.size() / 2);
    std::memcpy(correct.data(), file.data() + file.size() / 2, file.size() / 2);
    BOOST_TEST(mean(losses) == whole.loss, boost::test_tools::tolerance(1e-5));
    BOOST_TEST(mean(correct) == whole.metric("accuracy"), boost::test_tools::tolerance(1e-6));
  }
}

BOOST_AUTO_TEST_CASE(what_is_served_may_be_an_average) {
  Site site;
  site.train(1);
  const auto half = site.worker->ask(mixture({"self", "averaged"}, {1, 1}));
  site.worker->ask(pipe::Refine{"later", "self", 2, 2});
  site.worker->ask(mixture({"later"}, {1}));
  site.worker->ask(pipe::Serve{mixture({"self", "baseline"}, {1, 1})});
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::served, Split::validation}).loss !=
             half.loss);
  site.worker->ask(pipe::Keep{mixture({"self"}, {1}), "kept"});
  site.worker->ask(pipe::Serve{mixture({"kept"}, {1})});
  BOOST_TEST(distance(*site.worker, "self", "served") == 0.0);
}

BOOST_AUTO_TEST_CASE(another_initial_model_is_drawn_as_m0_is) {
  Site site;
  site.worker->ask(pipe::Initial{"same", site.task.seed});
  site.worker->ask(pipe::Initial{"other", site.task.seed + 1});
  const auto far = site.worker->ask(pipe::Distance{"averaged", {"same", "other"}}).values;
  BOOST_TEST(far[0] == 0.0);  // theta is M0 until the first average
  BOOST_TEST(far[1] > 0.1);
  site.worker->ask(mixture({"other"}, {1}));  // and training can start from it
  BOOST_TEST(site.worker->ask(pipe::Distance{"averaged", {"other"}}).values[0] == 0.0);
}

BOOST_AUTO_TEST_CASE(a_new_snapshot_of_a_peer_replaces_the_old_one_and_its_scores) {
  Site site;
  const Bytes own = site.train(1);
  load(*site.worker, "peer", site.initial);
  const auto before = scores(*site.worker, {"peer"});
  load(*site.worker, "peer", own);
  const auto after = scores(*site.worker, {"peer"});
  BOOST_TEST((before[2] == before[0]));
  BOOST_TEST((after[2] == after[1]));
  site.worker->ask(pipe::Forget{"peer"});
  BOOST_TEST(contains(site.worker->failure_of(pipe::Score{{"peer"}}).error, "no snapshot of peer"));
}

BOOST_AUTO_TEST_CASE(what_is_served_changes_only_when_told) {
  Site site;
  const auto served = [&] {
    return site.worker->ask(pipe::Evaluate{ModelName::served, Split::test}).loss;
  };
  const double initial = served();
  site.train(1);
  BOOST_TEST(served() == initial);
  site.worker->ask(pipe::Serve{{{"self"}, {1}}});
  const double partial = served();
  BOOST_TEST(partial != initial);
  site.train(2);
  BOOST_TEST(served() == partial);
}

BOOST_AUTO_TEST_CASE(a_diverging_task_is_told_to_lower_its_learning_rate) {
  model::Task task = small_task();
  task.learning_rate = 1e30;
  Site site(0, task);
  const pipe::Failure failure = site.worker->failure_of(pipe::Train{1, 3, true});
  BOOST_TEST((failure.kind == FailureKind::diverged));
  BOOST_TEST(contains(failure.error, "learning_rate"));
  BOOST_TEST(site.worker->ask(mixture({"served"}, {1})).loss < 1e10);  // the way back
  BOOST_TEST(contains(site.worker->failure_of(pipe::Score{}).error, "train first"));
}

BOOST_AUTO_TEST_CASE(data_that_does_not_fit_is_explained) {
  const TemporaryDirectory directory;
  const pipe::DataFiles good = nodes().files[0];
  const auto complaint = [&](const pipe::DataFiles& files, const model::Task& task) {
    WorkerProcess worker;
    pipe::Open request{task, files, directory.path().string(), 1, 1, 32, test::test_device()};
    const pipe::Failure failure = worker.failure_of(request);
    BOOST_TEST((failure.kind == FailureKind::data), failure.error);
    return failure.error;
  };
  pipe::DataFiles files = good;
  files.test[1] = "/nowhere/labels";
  BOOST_TEST(contains(complaint(files, small_task()), "/nowhere/labels"));

  data::write_idx(directory / "few", {{3}, {0, 1, 2}});
  files = good;
  files.train[1] = directory / "few";
  BOOST_TEST(contains(complaint(files, small_task()), "200 images but"));

  model::Task task = small_task();
  task.input = {1, 32, 32};
  BOOST_TEST(contains(complaint(good, task), "1 x 28 x 28 but the task wants 1 x 32 x 32"));

  task = small_task();
  task.classes = 9;
  BOOST_TEST(contains(complaint(good, task), "label 9"));

  data::Examples three;
  three.images = {3, 1, 28, 28, std::vector<std::uint8_t>(3 * 28 * 28)};
  three.labels = {0, 1, 2};
  files = good;
  files.train = {directory / "three", directory / "three-labels"};
  data::write_examples(three, files.train[0], files.train[1]);
  BOOST_TEST(contains(complaint(files, small_task()), "too few"));

  files = good;
  files.validation = 1;
  BOOST_TEST(contains(complaint(files, small_task()), "fraction"));

  files = good;
  files.min_validation = 150;
  BOOST_TEST(contains(complaint(files, small_task()), "150 are needed"));

  files.train.pop_back();
  BOOST_TEST(contains(complaint(files, small_task()), "images and labels in this order"));
}

BOOST_AUTO_TEST_CASE(settings_that_make_no_sense_are_explained) {
  const TemporaryDirectory state;
  const pipe::Open good{small_task(), nodes().files[0],   state.path().string(), 1, 1,
                        32,           test::test_device()};
  WorkerProcess worker;
  const auto complaint = [&](auto change) {
    pipe::Open request = good;
    change(request);
    const pipe::Failure failure = worker.failure_of(request);
    BOOST_TEST((failure.kind == FailureKind::config), failure.error);
    return failure.error;
  };
  BOOST_TEST(contains(complaint([](auto& r) { r.task.model = "oracle"; }), "model"));
  BOOST_TEST(contains(complaint([](auto& r) { r.task.model = "worker"; }), "worker.command"));
  BOOST_TEST(contains(complaint([](auto& r) { r.threads = 0; }), "threads"));
  BOOST_TEST(contains(complaint([](auto& r) { r.score_examples = 0; }), "score_examples"));
  BOOST_TEST(contains(complaint([](auto& r) { r.device = "abacus"; }), "abacus"));
  BOOST_TEST(contains(complaint([](auto& r) { r.state = "/nowhere"; }), "/nowhere"));
  worker.ask(good);
  BOOST_TEST(contains(worker.failure_of(good).error, "open already"));
  BOOST_TEST(contains(worker.failure_of(pipe::Train{1, 0, true}).error, "epochs"));
}

BOOST_AUTO_TEST_CASE(requests_out_of_order_or_out_of_protocol_are_answered) {
  WorkerProcess worker;
  BOOST_TEST(contains(worker.failure_of(pipe::Train{1, 1, true}).error, "send open first"));
  worker.send({"nonsense"});
  const auto reply = pipe::parse_reply<pipe::Done>(worker.receive().text);
  const auto& failure = std::get<pipe::Failure>(std::get<pipe::Reply<pipe::Done>>(reply).content);
  BOOST_TEST((failure.kind == FailureKind::software));
  BOOST_TEST(contains(worker.failure_of(pipe::Score{}).error, "send open first"));
}

BOOST_AUTO_TEST_CASE(an_endless_name_in_a_request_does_not_make_an_endless_reply) {
  Site site;
  const pipe::Failure failure = site.worker->failure_of(pipe::Score{{std::string(30'000, '"')}});
  BOOST_TEST(contains(failure.error, "train first"));
  site.train(1);
  BOOST_TEST(site.worker->failure_of(pipe::Score{{std::string(30'000, '"')}}).error.size() < 5000U);
}

BOOST_AUTO_TEST_CASE(a_busy_worker_too_ends_within_a_second_when_its_pipe_closes) {
  Site site;
  site.worker->send({pipe::encode({99, pipe::Train{1, 1'000'000, false}})});
  BOOST_TEST(contains(site.worker->receive().text, "progress"));
  site.worker->hang_up();
  BOOST_TEST((site.worker->exit_status(1s) == 0));
}

BOOST_AUTO_TEST_CASE(a_peer_of_ones_own_kind_is_more_influential_than_one_of_another) {
  const auto partial_of = [](std::size_t node, std::uint64_t seed) {
    Site site(node);
    site.restart();
    pipe::Open request = site.request(node);
    request.seed = seed;
    site.worker->ask(request);
    return site.train(1, 10);
  };
  Site site;
  site.train(1, 10);
  load(*site.worker, "same", partial_of(0, 7));
  load(*site.worker, "turned", partial_of(1, 7));
  const auto rows = scores(*site.worker, {"same", "turned"});
  const double own = model::lazy_influence(rows[0], rows[1]).mean;
  BOOST_TEST(model::lazy_influence(rows[0], rows[2]).mean / own > 0.5);
  BOOST_TEST(model::lazy_influence(rows[0], rows[3]).mean / own < 0.4);
}

// ---- Privacy ----

BOOST_AUTO_TEST_CASE(private_partials_cost_what_the_accountant_says_and_the_baseline_is_as_ever) {
  Site plain;
  Site hidden(0, small_task(), pipe::Privacy{.noise = 1.5});
  plain.train(1);
  BOOST_TEST(!plain.trained.privacy.has_value());
  hidden.train(1);
  BOOST_TEST(hidden.trained.best_epoch == 2U);
  BOOST_TEST(hidden.trained.baseline.value().loss == plain.trained.baseline.value().loss);
  BOOST_TEST(hidden.trained.validation.loss != plain.trained.validation.loss);
  BOOST_TEST(hidden.trained.privacy.value().publish);
  // Batches of 20, two epochs.
  const std::uint64_t steps_of_epoch = (hidden.opened.train + 19) / 20;
  model::PrivateSteps steps{{20.0 / static_cast<double>(hidden.opened.train), 1.5},
                            2 * steps_of_epoch};
  BOOST_TEST(hidden.trained.privacy->epsilon == model::epsilon(std::span(&steps, 1), 1e-5));
  hidden.train(2);
  steps.count *= 2;
  BOOST_TEST(hidden.trained.privacy->epsilon == model::epsilon(std::span(&steps, 1), 1e-5));
}

BOOST_AUTO_TEST_CASE(noise_is_never_the_same_twice_unless_a_seed_is_given) {
  const auto partial = [](std::optional<std::uint64_t> seed) {
    return Site(0, small_task(), pipe::Privacy{.seed = seed}).train(1);
  };
  BOOST_TEST((partial({}) != partial({})));
  BOOST_TEST((partial(7) == partial(7)));
  BOOST_TEST((partial(7) != partial(8)));
}

BOOST_AUTO_TEST_CASE(partial_beyond_the_budget_is_trained_and_used_but_not_handed_over) {
  Site site(0, small_task(), pipe::Privacy{.noise = 2});
  site.train(1);
  const double first = site.trained.privacy.value().epsilon;
  site.worker->ask(mixture({"self"}, {1}));
  site.worker->ask(pipe::Checkpoint{1});
  site.restart();
  site.privacy->epsilon = 1.01 * first;
  site.open(0);
  const auto answer = site.worker->try_ask(pipe::Train{2, 2, true});
  const auto& trained = std::get<pipe::Trained>(answer.content);
  BOOST_TEST(!trained.privacy.value().publish);
  BOOST_TEST(trained.privacy->epsilon == first);
  BOOST_TEST(!answer.file);
  const auto before = site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::train});
  site.worker->ask(mixture({"self"}, {1}));
  BOOST_TEST(site.worker->ask(pipe::Evaluate{ModelName::averaged, Split::train}).loss !=
             before.loss);
}

BOOST_AUTO_TEST_CASE(worker_killed_amid_a_round_has_counted_it) {
  Site site(0, small_task(), pipe::Privacy{.noise = 1.5});
  site.worker->ask(pipe::Spend{1, 1000});
  site.worker->send({pipe::encode({99, pipe::Train{1, 1000, false}})});
  BOOST_TEST(contains(site.worker->receive().text, "progress"));
  site.restart();
  BOOST_TEST(site.open(0).round == 0U);
  site.train(1);
  const model::PrivateSteps steps{{20.0 / static_cast<double>(site.opened.train), 1.5},
                                  (site.opened.train + 19) / 20 * 1002};
  BOOST_TEST(site.trained.privacy.value().epsilon == model::epsilon(std::span(&steps, 1), 1e-5));
}

BOOST_AUTO_TEST_CASE(private_training_that_was_not_counted_is_refused) {
  Site site(0, small_task(), pipe::Privacy{});
  site.train(1);
  const auto refused = [&](const pipe::Train& train) {
    site.worker->send({pipe::encode({99, train})});
    return contains(site.worker->receive().text, "send spend first");
  };
  BOOST_TEST(refused({1, 2, false}));  // once is for one training
  site.worker->ask(pipe::Spend{2, 1});
  BOOST_TEST(refused({2, 2, false}));
}

BOOST_AUTO_TEST_CASE(where_training_is_private_nothing_is_refined_without_noise) {
  Site site(0, small_task(), pipe::Privacy{});
  site.train(1);
  BOOST_TEST(contains(site.worker->failure_of(pipe::Refine{"r", "self", 2, 1}).error, "private"));
  BOOST_TEST(contains(site.worker->failure_of(pipe::Gradient{"self", 1, 0, 9}).error, "private"));
}

BOOST_AUTO_TEST_CASE(model_trained_without_noise_is_not_published_with_it_nor_the_other_way_round) {
  Site plain;
  plain.worker->ask(pipe::Checkpoint{1});
  plain.restart();
  plain.privacy = pipe::Privacy{};
  pipe::Failure failure = plain.worker->failure_of(plain.request(0));
  BOOST_TEST((failure.kind == FailureKind::config));
  BOOST_TEST(contains(failure.error, "trained without noise"), failure.error);

  Site hidden(0, small_task(), pipe::Privacy{});
  hidden.train(1);
  hidden.restart();
  hidden.privacy.reset();
  failure = hidden.worker->failure_of(hidden.request(0));
  BOOST_TEST((failure.kind == FailureKind::config));
  BOOST_TEST(contains(failure.error, "trained with noise"), failure.error);

  hidden.privacy = pipe::Privacy{};
  hidden.open(0);
  hidden.worker->ask(pipe::Checkpoint{1});
  std::filesystem::remove(hidden.state / "privacy.ledger");
  hidden.restart();
  failure = hidden.worker->failure_of(hidden.request(0));
  BOOST_TEST((failure.kind == FailureKind::config));
}

BOOST_AUTO_TEST_CASE(privacy_that_makes_no_sense_is_refused_by_its_key) {
  const TemporaryDirectory state;
  const pipe::Open good{small_task(), nodes().files[0],   state.path().string(), 1, 1,
                        32,           test::test_device()};
  WorkerProcess worker;
  const auto complaint = [&](const pipe::Privacy& privacy) {
    pipe::Open request = good;
    request.privacy = privacy;
    const pipe::Failure failure = worker.failure_of(request);
    BOOST_TEST((failure.kind == FailureKind::config), failure.error);
    return failure.error;
  };
  BOOST_TEST(contains(complaint({.noise = 0}), "privacy.noise"));
  BOOST_TEST(contains(complaint({.noise = -1}), "privacy.noise"));
  BOOST_TEST(contains(complaint({.clip = 0}), "privacy.clip"));
  BOOST_TEST(contains(complaint({.delta = 0}), "privacy.delta"));
  BOOST_TEST(contains(complaint({.delta = 1}), "privacy.delta"));
  BOOST_TEST(contains(complaint({.epsilon = -1}), "privacy.epsilon"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace worker_test
