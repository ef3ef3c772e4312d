#include "model/torch/network.hpp"
#include "model/torch/worker.hpp"

#include "model/pipe/memfd.hpp"
#include "tests/model/worker/worker_process.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <thread>

namespace denormals_test {

using namespace kith;
using namespace std::chrono_literals;

/// A table of two numbers and a label, the least that anything learns from.
model::Task task() {
  model::Task task;
  task.name = "least";
  task.model = "mlp";
  task.sizes = {4};
  using Kind = model::Column::Kind;
  task.columns = {{.name = "a", .kind = Kind::number, .high = 1},
                  {.name = "b", .kind = Kind::number, .high = 1},
                  {.name = "c", .kind = Kind::category, .target = true, .values = {{"x"}, {"y"}}}};
  task.classes = 2;
  return task;
}

pipe::Open open_in(const std::filesystem::path& folder) {
  std::ofstream data(folder / "data.csv");
  for (int i = 0; i < 80; ++i) data << (i % 7) / 7.0 << "," << (i % 5) / 5.0 << (i % 2 ? ",x\n" : ",y\n");
  data.close();
  pipe::Open open;
  open.task = task();
  open.data.train = {folder / "data.csv"};
  open.state = folder.string();
  return open;
}

BOOST_AUTO_TEST_SUITE(denormals_tests)

BOOST_AUTO_TEST_CASE(products_too_small_for_a_normal_number_are_zero_on_every_thread) {
  BOOST_TEST(worker::flushes_denormals());
  bool held = false;
  std::thread later([&] { held = worker::flushes_denormals(); });
  later.join();
  BOOST_TEST(held);
}

BOOST_AUTO_TEST_CASE(denormal_weights_of_a_peer_are_loaded_as_zero) {
  const test::TemporaryDirectory folder;
  test::WorkerProcess worker;
  const auto opened = worker.ask(open_in(folder.path()));
  const auto read = model::read_snapshot(worker.last_file());
  const auto& schema = std::get<model::Snapshot>(read).schema;
  const auto load = [&](const std::string& name, float value) {
    const std::vector<float> weights(opened.parameters, value);
    worker.ask(pipe::Load{name}, pipe::sealed_memfd("snapshot", model::write_snapshot(schema, weights)));
  };
  load("zero", 0);
  load("tiny", 1e-40F);
  load("small", std::numeric_limits<float>::min());
  const auto far = worker.ask(pipe::Distance{"zero", {"tiny", "small"}}).values;
  BOOST_TEST(far[0] == 0);
  BOOST_TEST(far[1] > 0);
}

BOOST_AUTO_TEST_CASE(worker_gives_signs_of_life_while_it_trains_scores_and_measures) {
  const test::TemporaryDirectory folder;
  auto [ours, theirs] = pipe::make_pipe();
  std::thread other([end = std::move(theirs)]() mutable {
    worker::Worker(pipe::Pipe(std::move(end)), {}, 0ms).run();
  });
  pipe::Pipe pipe(std::move(ours));
  std::uint64_t id = 0;
  /// How many signs of life with that phase come before the reply.
  const auto signs = [&](pipe::Operation operation, const std::string& phase) {
    BOOST_TEST_REQUIRE(pipe.send({pipe::encode(pipe::Request{++id, std::move(operation)}), {}}));
    for (int count = 0;; ++count) {
      const auto message = pipe.receive();
      BOOST_TEST_REQUIRE(message.has_value());
      if (message->text.find("\"progress\"") == std::string::npos) {
        BOOST_TEST(message->text.find("\"ok\":true") != std::string::npos, message->text);
        return count;
      }
      BOOST_TEST(message->text.find("\"phase\":\"" + phase + "\"") != std::string::npos, message->text);
    }
  };
  signs(open_in(folder.path()), "");
  BOOST_TEST(signs(pipe::Train{1, 2, false}, "partial") > 2);  // more than one for each epoch
  BOOST_TEST(signs(pipe::Score{}, "scoring") == 2);
  BOOST_TEST(signs(pipe::Measure{{"averaged", "self"}, pipe::Split::train}, "measuring") == 2);
  BOOST_TEST(signs(pipe::Evaluate{pipe::ModelName::served, pipe::Split::validation}, "evaluating") == 1);
  pipe = pipe::Pipe(pipe::Fd());
  other.join();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace denormals_test
