#include "daemon/cli/class_views.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/cli/views.hpp"
#include "daemon/cli/worker_job.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/learning/round_report.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"

#include <memory>

namespace kith::daemon {
namespace {

using nlohmann::json;

struct EvaluateOptions {
  Place place;
  std::vector<std::string> files;
  bool as_json = false;
};

struct Evaluated {
  std::uint64_t round = 0;
  pipe::Evaluation served, alone;
};

net::awaitable<Evaluated> evaluated(net::asio::io_context& io, const Config& config) {
  WorkerProcess worker(io, worker_program(config));
  const pipe::Open open = opening(config);
  const auto opened = co_await open_worker(worker, open);
  if (!opened.result.resumed) refuse_without_round();
  Evaluated done;
  done.round = opened.result.round;
  const pipe::Evaluate served{pipe::ModelName::served, pipe::Split::test};
  done.served = (co_await worker.call(served)).result;
  const pipe::Evaluate alone{pipe::ModelName::baseline, pipe::Split::test};
  done.alone = (co_await worker.call(alone)).result;
  co_return done;
}

std::vector<std::string> metric_lines(const json& served, const json& alone) {
  using enum Table::Align;
  Table table({left, right, right});
  table.add({"", "served", "alone"});
  for (const auto& [metric, value] : served.items()) {
    if (!value.is_number() || metric == "examples" || metric == "loss") continue;
    table.add({metric_name(metric), metric_text(served, metric), metric_text(alone, metric)});
  }
  return table.lines();
}

Answer evaluate(const EvaluateOptions& options) {
  Config config = load_config(options.place.config());
  split_as_when_running(config);
  config.data.test = absolute(options.files);
  if (!std::filesystem::exists(config.node.state)) refuse_without_round();
  std::cerr << "reading data ..." << std::endl;
  net::asio::io_context io(1);
  Evaluated done;
  const auto job = [&]() -> net::awaitable<void> { done = co_await evaluated(io, config); };
  run_worker_job(io, job);
  const json served = to_json(Judged{.test = done.served}).at("test");
  const json alone = to_json(Judged{.test = done.alone}).at("test");
  Answer answer{{{"round", done.round}, {"served", served}, {"baseline", alone}}, {}};
  answer.lines = {"What is served after round " + std::to_string(done.round) + ", on " +
                      std::to_string(done.served.examples) + " examples",
                  ""};
  const auto say = [&](const std::vector<std::string>& lines) {
    answer.lines.insert(answer.lines.end(), lines.begin(), lines.end());
  };
  say(metric_lines(served, alone));
  if (!done.served.confusion.empty()) {
    const json classes = explain_classes(done.served.confusion, class_names(config.task));
    answer.value["classes"] = classes;
    answer.lines.emplace_back();
    say(class_lines(classes, done.served.confusion));
  }
  return answer;
}

}  // namespace

void add_evaluate_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App* const verb = app.add_subcommand(
      "evaluate",
      "judge the served model on files of examples, beside local-only training; whether "
      "the node runs or not");
  verb->add_option("FILES", options->files, "examples with their targets, as data.test names them")
      ->required();
  options->place.add_to(*verb);
  on_parsed(*verb, chosen, options, evaluate);
}

}  // namespace kith::daemon
