#include "model/torch/network.hpp"

#include "model/data/inputs.hpp"
#include "model/data/sampling.hpp"
#include "model/data/text.hpp"
#include "model/torch/error.hpp"
#include "model/torch/module.hpp"
#include "model/torch/noise.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <chrono>
#include <cmath>
#include <dlfcn.h>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

namespace kith::worker {
namespace {

namespace nn = torch::nn;
using pipe::FailureKind;

/// The one place where LibTorch's exceptions become ours.
template <class Body>
auto guarded(Body body) {
  try {
    return body();
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    // The allocators' words, of 1.13 and of 2.x, on a processor and on a GPU.
    for (const char* const words :
         {"can't allocate memory", "not enough memory", "out of memory"}) {
      if (what.find(words) == std::string::npos) continue;
      throw WorkerError(FailureKind::memory, kNoMemory);
    }
    throw WorkerError(FailureKind::software, "LibTorch failed: " + what.substr(0, what.find('\n')));
  }
}

#ifdef __SSE2__
/// A thread has the flags of the one that starts it, and OpenBLAS starts its own before main() and
/// before any constructor of ours: only this runs earlier.
void flush_from_the_beginning(int, char**, char**) { _mm_setcsr(_mm_getcsr() | 0x8040U); }
[[gnu::section(".preinit_array"), gnu::used]] auto* const kFirst = &flush_from_the_beginning;
#endif

/// Two normal floats whose product is none; volatile, since a compiler computes without the flag.
bool product_is_zero() {
  volatile float small = 1e-30F;
  volatile float factor = 1e-10F;
  volatile float product = small * factor;
  volatile float denormal = std::bit_cast<float>(std::uint32_t{1} << 22);
  volatile float sum = denormal + denormal;
  return product == 0 && sum == 0;
}

void use_threads(std::uint64_t threads) {
  at::set_num_threads(static_cast<int>(threads));
  static const bool once = (at::set_num_interop_threads(1), true);  // LibTorch allows one call
  static_cast<void>(once);
  // OpenBLAS built on plain threads has a pool of its own, which LibTorch's setting misses.
  if (void* const set = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
    reinterpret_cast<void (*)(int)>(set)(static_cast<int>(threads));
  }
  torch::manual_seed(0);  // LibTorch opens /dev/urandom at the first use, and later nothing opens
  flush_denormals();
}

torch::Device device_called(const std::string& name) {
  if (name == "cpu") return torch::kCPU;  // without asking for a driver
  const bool gpu = torch::cuda::is_available();
  if (name == "auto" && !gpu) return torch::kCPU;
  if (name != "cuda" && name != "auto") {
    throw WorkerError(FailureKind::config,
                      "the device \"" + name + "\" is not known; use cpu, cuda or auto");
  }
  if (!gpu) {
    throw WorkerError(FailureKind::config,
                      "this LibTorch finds no CUDA device; set device to cpu or auto");
  }
  return torch::kCUDA;
}

constexpr double kHuber = 0.2;  // a tenth of the target's range, which is -1 to 1

/// Examples as the network takes them.
struct Tensors {
  torch::Tensor inputs;   ///< examples, then the shape of one; large ones on the CPU
  torch::Tensor targets;  ///< examples, width
};

constexpr std::size_t kMostOnGpu = std::size_t{4} << 30;  // bytes of inputs

/// They borrow from `samples`.
Tensors tensors_of(const Samples& samples, torch::Device device) {
  const auto count = static_cast<std::int64_t>(samples.count());
  // from_blob() wants a mutable pointer, but nothing is written through it.
  const std::vector<std::int64_t> size{count, static_cast<std::int64_t>(samples.width)};
  const auto targets =
      samples.values.empty()
          ? torch::from_blob(const_cast<std::int64_t*>(samples.targets.data()), size, torch::kInt64)
          : torch::from_blob(const_cast<float*>(samples.values.data()), size);
  if (samples.shape.empty()) {
    // What stands before each word, and before the first the boundary, which is token 0.
    const auto before = targets.roll(1, 1).clamp_min(0);
    before.select(1, 0).zero_();
    // To say that some unknown word follows is no prediction: it is neither trained nor scored.
    const auto known = targets.masked_fill(targets.eq(data::Vocabulary::kUnknown),
                                           Samples::kNoTarget);
    return {before.to(device), known.to(device)};
  }
  std::vector<std::int64_t> shape{count};
  shape.insert(shape.end(), samples.shape.begin(), samples.shape.end());
  const bool fits = samples.inputs.size() * sizeof(float) <= kMostOnGpu;
  const auto inputs = torch::from_blob(const_cast<float*>(samples.inputs.data()), shape);
  return {fits ? inputs.to(device) : inputs, targets.to(device)};
}

/// What the names of the last layer's tensors begin with: "output." in the zoo; in a model of one's
/// own what the last of its parameters belongs to, by name.
std::string last_layer_of(const model::Task& task, const std::vector<model::Tensor>& tensors) {
  if (task.model != "script") return "output.";
  std::string last;
  for (const auto& tensor : tensors) {
    if (tensor.parameter) last = tensor.spec.name;
  }
  return last.substr(0, last.rfind('.') + 1);
}

bool all_finite(const Params& params) {
  return std::ranges::all_of(params, [](float value) { return std::isfinite(value); });
}

}  // namespace

struct Network::Impl {
  Impl(const model::Task& its_task, Dataset its, torch::Device where)
      : task(its_task),
        device(where),
        dataset(std::move(its)),
        net(build_module(task, device)),
        named(net->tensors()),
        parts{tensors_of(dataset.train, device), tensors_of(dataset.validation, device),
              tensors_of(dataset.scored, device), tensors_of(dataset.test, device)} {
    if (!task.class_weights.empty()) {
      const auto weights = torch::tensor(c10::ArrayRef<double>(task.class_weights));
      class_weights = (weights / weights.mean()).to(torch::kFloat32).to(device);
    }
    for (const Module::Named& each : named) {
      const auto sizes = each.tensor.sizes();
      tensors.push_back({{each.name, {sizes.begin(), sizes.end()}}, each.parameter});
      schema.tensors.push_back(tensors.back().spec);
    }
    if (const auto wrong = model::assign_roles(task, tensors)) {
      throw WorkerError(FailureKind::config, *wrong);
    }
    last_layer = last_layer_of(task, tensors);
    for (std::size_t i = 0; i < named.size(); ++i) {
      if (tensors[i].role == model::Role::frozen) named[i].tensor.set_requires_grad(false);
    }
    if (task.model != "script") return;
    given = get();
    try_out();
    set(given);
  }

  void set(const Params& params) {
    assert(params.size() == schema.parameters());
    const torch::NoGradGuard no_grad;
    const auto flat = torch::from_blob(const_cast<float*>(params.data()),
                                       {static_cast<std::int64_t>(params.size())});
    std::int64_t at = 0;
    for (Module::Named& each : named) {
      each.tensor.copy_(flat.narrow(0, at, each.tensor.numel()).view(each.tensor.sizes()));
      at += each.tensor.numel();
    }
  }

  Params get() {
    return flat([](const torch::Tensor& tensor) { return tensor; });
  }
  /// Zero where there is none: a buffer, a frozen tensor, or one that nothing depends on.
  Params gradient() {
    return flat([](const torch::Tensor& tensor) {
      return tensor.grad().defined() ? tensor.grad() : torch::zeros_like(tensor);
    });
  }
  void forget_gradients() {
    for (Module::Named& each : named) each.tensor.mutable_grad().reset();
  }

  /// What `of` gives for each tensor, in schema order.
  template <class Of>
  Params flat(const Of& of) {
    const torch::NoGradGuard no_grad;
    Params values(schema.parameters());
    std::int64_t at = 0;
    const auto whole = torch::from_blob(values.data(), {static_cast<std::int64_t>(values.size())});
    for (const Module::Named& each : named) {
      const std::int64_t size = each.tensor.numel();
      whole.narrow(0, at, size).view(each.tensor.sizes()).copy_(of(each.tensor));
      at += size;
    }
    return values;
  }

  /// Some examples of a part; sentences only as long as the longest of them.
  struct Batch {
    torch::Tensor inputs, targets;
  };
  Batch batch(Part part, const torch::Tensor& indices) {
    const auto& [inputs, targets] = parts[static_cast<std::size_t>(part)];
    Batch some{inputs.index_select(0, indices.to(inputs.device())).to(device),
               targets.index_select(0, indices)};
    if (!is_text()) return some;
    if (!predicts_words()) {
      const auto longest = some.inputs.ge(0).sum(1).max().item<std::int64_t>();
      return {some.inputs.narrow(1, 0, longest), some.targets};
    }
    const auto longest = lengths(some.targets).max().item<std::int64_t>();
    return {some.inputs.narrow(1, 0, longest), some.targets.narrow(1, 0, longest)};
  }

  /// Of sentences, up to the last word that is to be predicted.
  static torch::Tensor lengths(const torch::Tensor& targets) {
    const auto places = torch::arange(1, targets.size(1) + 1, targets.options());
    return (targets.ge(0) * places).amax(1);
  }

  /// Whether a model of one's own does what the task wants of it, on two examples.
  void try_out() {
    const auto unusable = [this](const std::string& why) {
      throw WorkerError(FailureKind::config, task.script.string() + " " + why);
    };
    if (const auto wrong = model::problem(schema)) unusable("cannot travel: " + *wrong);
    const std::int64_t examples = std::min<std::int64_t>(2, parts[0].targets.size(0));
    const Batch some =
        examples > 0 ? batch(Part::train, torch::arange(examples, device)) : made_up(2);
    if (!torch::isfinite(forward(some, false)).all().item<bool>()) {
      unusable(
          "answers with numbers that are none (NaN or infinity) before it has learnt anything");
    }
    const auto loss = loss_of(some);
    if (!loss.requires_grad()) {
      unusable("cannot learn: its answer depends on none of the parameters that are trained");
    }
    loss.backward();  // if it cannot, better now than in the first round
    forget_gradients();
  }

  /// Of so many inputs; of sentences, as long as they can be.
  std::vector<std::int64_t> shape_of(std::int64_t examples) const {
    std::vector<std::int64_t> shape = data::shape_of(task);
    if (shape.empty()) shape = {static_cast<std::int64_t>(data::input_size(task))};
    shape.insert(shape.begin(), examples);
    return shape;
  }

  /// Examples of the task's shape that nobody has seen; texts as long as they can be.
  Batch made_up(std::int64_t examples) {
    const auto shape = shape_of(examples);
    const auto whole = torch::TensorOptions(torch::kInt64).device(device);
    const auto numbers = torch::TensorOptions(torch::kFloat32).device(device);
    const auto outputs = std::int64_t{model::outputs(task)};
    if (predicts_words()) {
      const auto targets = torch::randint(outputs, shape, whole);
      return {targets.roll(1, 1), targets};
    }
    Batch some;
    some.inputs = is_text() ? torch::randint(std::int64_t{task.words}, shape, numbers)
                            : torch::rand(shape, numbers) * 2 - 1;
    if (is_number()) {
      some.targets = torch::rand({examples, 1}, numbers) * 2 - 1;
    } else {
      some.targets = is_multi_label() ? torch::randint(2, {examples, outputs}, whole)
                                      : torch::randint(outputs, {examples, 1}, whole);
    }
    return some;
  }

  /// What predict() answers.
  torch::Tensor predictions(const torch::Tensor& inputs) {
    Batch some{inputs, torch::zeros({inputs.size(0), 1},
                                    torch::TensorOptions(torch::kInt64).device(inputs.device()))};
    if (!is_text()) return said(forward(some, false));
    const auto there = inputs.ge(0).sum(1).clamp_min(1);
    const auto longest = there.max().item<std::int64_t>();
    some.inputs = inputs.narrow(1, 0, longest);
    if (!predicts_words()) return said(forward(some, false));
    some.inputs = some.inputs.clamp_min(0).to(torch::kInt64);
    some.targets = torch::zeros_like(some.inputs);
    const auto last = torch::arange(inputs.size(0), there.options()) * longest + there - 1;
    return said(forward(some, false).index_select(0, last));
  }
  torch::Tensor said(const torch::Tensor& outputs) const {
    if (is_number()) return outputs;
    return is_multi_label() ? outputs.sigmoid() : outputs.softmax(1);
  }

  /// What the network says to some examples: a row for each, or for each of their words.
  torch::Tensor forward(const Batch& some, bool training) {
    net->train(training);
    auto answer = net->forward(some.inputs);
    const auto numbers = std::int64_t{model::outputs(task)};
    const auto rows = predicts_words() ? some.targets.numel() : some.targets.size(0);
    const bool fits = answer.numel() == rows * numbers && answer.size(0) == some.inputs.size(0) &&
                      (numbers == 1 || answer.size(-1) == numbers);
    if (!fits) {
      throw WorkerError(FailureKind::config,
                        "the model answers with " + c10::str(answer.sizes()) + " to a batch of " +
                            c10::str(some.inputs.sizes()) + ", and the task wants " +
                            std::to_string(numbers) + " numbers for each of " +
                            std::to_string(rows) + (predicts_words() ? " words" : " examples"));
    }
    return answer.reshape({rows, numbers}).to(torch::kFloat32);
  }

  struct Judged {
    torch::Tensor losses;   ///< of each target, not weighted; 0 where there is none
    torch::Tensor answers;  ///< of each target: a class, a number, or whether yes
    torch::Tensor scores;   ///< with two answers, by how much the second is the more likely
  };
  Judged judge(const Batch& some) {
    const auto wanted = some.targets.flatten();
    const auto outputs = forward(some, false);
    Judged judged;
    judged.losses = losses_of(outputs, wanted).view_as(some.targets);
    if (is_multi_label()) {
      judged.answers = outputs.gt(0).to(torch::kInt64);
      judged.scores = outputs.flatten();
      return judged;
    }
    judged.answers = (is_number() ? outputs.select(1, 0) : outputs.argmax(1)).view_as(some.targets);
    if (outputs.size(1) == 2) judged.scores = outputs.select(1, 1) - outputs.select(1, 0);
    return judged;
  }

  bool is_number() const { return model::is_regression(task); }
  bool is_multi_label() const { return model::is_multi_label(task); }

  /// What training makes small, of each target and not weighted; of labels that are smoothed, if it
  /// is for training.
  torch::Tensor losses_of(const torch::Tensor& outputs, const torch::Tensor& wanted,
                          double smoothing = 0) {
    namespace F = nn::functional;
    if (is_multi_label()) {
      auto truth = wanted.clamp_min(0).to(torch::kFloat32);
      if (smoothing > 0) truth = truth * (1 - smoothing) + smoothing / 2;
      const auto losses = F::binary_cross_entropy_with_logits(
          outputs.flatten(), truth,
          F::BinaryCrossEntropyWithLogitsFuncOptions().reduction(torch::kNone));
      return losses * wanted.ge(0);
    }
    if (!is_number()) {
      return F::cross_entropy(
          outputs, wanted,
          F::CrossEntropyFuncOptions().reduction(torch::kNone).label_smoothing(smoothing));
    }
    const auto said = outputs.select(1, 0);
    if (task.loss == "absolute") return (said - wanted).abs();
    if (task.loss == "huber") return torch::huber_loss(said, wanted, at::Reduction::None, kHuber);
    return (said - wanted).square();
  }

  /// The mean loss of a batch, as training sees it.
  torch::Tensor loss_of(const Batch& some) {
    const auto outputs = forward(some, true);
    const auto wanted = some.targets.flatten();
    const double smoothing = task.label_smoothing;
    if (is_multi_label()) return losses_of(outputs, wanted, smoothing).sum() / wanted.ge(0).sum();
    if (!is_number() && !class_weights.defined()) {
      return nn::functional::cross_entropy(
          outputs, wanted,
          nn::functional::CrossEntropyFuncOptions().label_smoothing(smoothing));
    }
    const auto losses = losses_of(outputs, wanted, smoothing);
    return (is_number() ? losses : losses * class_weights.index_select(0, wanted)).mean();
  }

  struct Outcome {
    torch::Tensor losses;   ///< of each example, the mean over its targets; on the CPU
    torch::Tensor targets;  ///< how many each example has; on the CPU
    torch::Tensor correct;  ///< how many of these are right; 0 of numbers; on the CPU
    Judged all;             ///< of all targets, flat; on the device
    torch::Tensor wanted;
  };
  Outcome judge(Part part) {
    return judge(part, 0, parts[static_cast<std::size_t>(part)].targets.size(0));
  }
  Outcome judge(Part part, std::int64_t first, std::int64_t end) {
    const std::int64_t at_once = this->at_once();
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> losses, targets, answers, scores, wanted, correct;
    for (std::int64_t from = first; from < end; from += at_once, after_batch()) {
      const auto some = batch(part, torch::arange(from, std::min(from + at_once, end), device));
      const Judged judged = judge(some);
      targets.push_back(is_number() ? torch::ones_like(some.targets, torch::kInt64).sum(1)
                                    : some.targets.ge(0).sum(1));
      losses.push_back(judged.losses.sum(1) / targets.back());
      correct.push_back(right(judged.answers, some.targets).sum(1));
      answers.push_back(judged.answers.flatten());
      wanted.push_back(some.targets.flatten());
      if (judged.scores.defined()) scores.push_back(judged.scores);
    }
    return {.losses = torch::cat(losses).to(torch::kCPU).contiguous(),
            .targets = torch::cat(targets).to(torch::kCPU).contiguous(),
            .correct = torch::cat(correct).to(torch::kCPU).contiguous(),
            .all = {.losses = {},
                    .answers = torch::cat(answers),
                    .scores = scores.empty() ? torch::Tensor() : torch::cat(scores)},
            .wanted = torch::cat(wanted)};
  }

  pipe::Evaluation evaluate(Part part) {
    const Outcome outcome = judge(part);
    auto weights = outcome.targets.to(torch::kFloat64);
    if (class_weights.defined()) {
      weights = class_weights.index_select(0, outcome.wanted).to(torch::kCPU, torch::kFloat64);
    }
    const auto sum = outcome.losses.to(torch::kFloat64).mul(weights).sum();
    pipe::Evaluation evaluation{.loss = (sum / weights.sum()).item<double>(),
                                .examples = static_cast<std::uint64_t>(outcome.losses.numel())};
    add_metrics(evaluation, outcome);
    return evaluation;
  }

  /// Which answers are right.
  torch::Tensor right(const torch::Tensor& answers, const torch::Tensor& wanted) {
    if (is_number()) return torch::zeros_like(wanted, torch::kBool);
    return answers.eq(wanted);
  }

  void add_metrics(pipe::Evaluation& evaluation, const Outcome& outcome) {
    if (predicts_words()) {
      const auto targets = outcome.targets.sum().item<double>();
      evaluation.metrics = {{"accuracy", outcome.correct.sum().item<double>() / targets},
                            {"perplexity", std::exp(evaluation.loss)}};
    } else if (is_number()) {
      const auto in_its_unit = [&](const torch::Tensor& scaled) {
        auto numbers = values<double>(scaled.to(torch::kFloat64));
        for (double& number : numbers) number = model::unscaled_target(task, number);
        return numbers;
      };
      evaluation.metrics =
          model::number_metrics(in_its_unit(outcome.wanted), in_its_unit(outcome.all.answers));
    } else if (is_multi_label()) {
      evaluation.metrics = model::multi_label_metrics(values<std::int64_t>(outcome.wanted),
                                                      values<float>(outcome.all.scores),
                                                      model::outputs(task));
    } else {
      const auto truth = values<std::int64_t>(outcome.wanted);
      const auto said = values<std::int64_t>(outcome.all.answers);
      evaluation.metrics = model::class_metrics(truth, said, task.classes);
      if (task.classes <= pipe::kMaxConfusion) {
        evaluation.confusion = model::confusion(truth, said, task.classes);
      }
      if (outcome.all.scores.defined()) {
        evaluation.metrics.merge(model::ranking_metrics(truth, values<float>(outcome.all.scores)));
      }
    }
    std::erase_if(evaluation.metrics,
                  [](const auto& metric) { return !std::isfinite(metric.second); });
  }

  /// A tensor's values in memory.
  template <class Number>
  static std::vector<Number> values(const torch::Tensor& tensor) {
    const auto flat = tensor.to(torch::kCPU).contiguous();
    return {flat.data_ptr<Number>(), flat.data_ptr<Number>() + flat.numel()};
  }

  /// A random order; among sentences, those of about the same length are together, so that little
  /// of a batch is padding.
  std::vector<std::int64_t> order(data::Random random) {
    const torch::Tensor targets = parts[static_cast<std::size_t>(Part::train)].targets;
    const auto count = static_cast<std::size_t>(targets.size(0));
    const auto sampled = data::sample(count, count, random);
    std::vector<std::int64_t> indices(sampled.begin(), sampled.end());
    if (!predicts_words()) return indices;
    constexpr std::size_t kSortedTogether = 16;  // batches
    const auto all = lengths(targets).to(torch::kCPU).contiguous();
    const std::int64_t* const length = all.data_ptr<std::int64_t>();
    for (std::size_t from = 0; from < count;) {
      const auto size = std::min(kSortedTogether * task.batch, count - from);
      std::ranges::stable_sort(std::span(indices).subspan(from, size), {},
                               [length](std::int64_t i) { return length[i]; });
      from += size;
    }
    return indices;
  }

  bool is_in(pipe::Layers layers, std::string_view tensor) const {
    if (layers == pipe::Layers::all) return true;
    return tensor.starts_with(last_layer) == (layers == pipe::Layers::last);
  }
  /// The parameters of these layers that are trained, in schema order.
  std::vector<torch::Tensor> parameters_of(pipe::Layers layers) {
    std::vector<torch::Tensor> some;
    for (std::size_t i = 0; i < named.size(); ++i) {
      const bool trained = named[i].parameter && tensors[i].role != model::Role::frozen;
      if (trained && is_in(layers, named[i].name)) some.push_back(named[i].tensor);
    }
    return some;
  }

  /// What parameters_of() are pulled towards.
  struct Pull {
    std::vector<torch::Tensor> towards;
    double strength = 0;
  };
  /// Leaves those of `towards` in the network.
  Pull pull_towards(const Params& towards, pipe::Layers layers, double strength) {
    set(towards);
    const torch::NoGradGuard no_grad;
    Pull pull{{}, strength};
    for (const torch::Tensor& parameter : parameters_of(layers)) {
      pull.towards.push_back(parameter.detach().clone());
    }
    return pull;
  }
  /// Adds the gradient of the pull to that of the loss.
  static void add(const Pull& pull, const std::vector<torch::Tensor>& parameters) {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < pull.towards.size(); ++i) {
      if (!parameters[i].grad().defined()) continue;
      parameters[i].mutable_grad().add_(parameters[i] - pull.towards[i], pull.strength);
    }
  }

  /// What takes the steps of a round.
  class Steps {
   public:
    Steps(const model::Task& task, std::vector<torch::Tensor> parameters, std::uint64_t round,
          std::uint64_t epochs)
        : task_(task), parameters_(std::move(parameters)), round_(round), epochs_(epochs) {
      if (task.optimiser == "adamw") {
        constexpr double kSecondBeta = 0.999;
        optimiser_ = std::make_unique<torch::optim::AdamW>(
            parameters_, torch::optim::AdamWOptions(task.learning_rate)
                             .betas({task.momentum, kSecondBeta})
                             .weight_decay(task.weight_decay));
      } else {
        optimiser_ = std::make_unique<torch::optim::SGD>(
            parameters_, torch::optim::SGDOptions(task.learning_rate)
                             .momentum(task.momentum)
                             .weight_decay(task.weight_decay));
      }
    }
    [[nodiscard]] const std::vector<torch::Tensor>& parameters() const { return parameters_; }
    void forget_gradients() { optimiser_->zero_grad(); }
    /// A step of `of_epoch` in the epoch of this number, counted from 1; `step` is counted from 0.
    void take(std::uint64_t epoch, std::uint64_t step, std::uint64_t of_epoch) {
      const double in_epoch = static_cast<double>(step) / static_cast<double>(of_epoch);
      const double in_round =
          (static_cast<double>(epoch - 1) + in_epoch) / static_cast<double>(epochs_);
      const double before = static_cast<double>(round_ > 0 ? round_ - 1 : 0);
      for (auto& group : optimiser_->param_groups()) {
        group.options().set_lr(model::learning_rate_at(task_, before + in_round));
      }
      if (task_.gradient_clip > 0) clip_gradients();
      optimiser_->step();
    }

   private:
    void clip_gradients() {
      std::vector<torch::Tensor> there;
      for (const torch::Tensor& parameter : parameters_) {
        if (parameter.grad().defined()) there.push_back(parameter);
      }
      if (!there.empty()) nn::utils::clip_grad_norm_(there, task_.gradient_clip);
    }

    const model::Task& task_;
    std::vector<torch::Tensor> parameters_;
    std::uint64_t round_, epochs_;
    std::unique_ptr<torch::optim::Optimizer> optimiser_;
  };

  /// One pass over the training examples, or that share of them; returns the mean loss on the way.
  double one_epoch(Steps& steps, std::uint64_t epoch, data::Random random, double share,
                   const Pull& pull) {
    auto indices = order(random);
    const double wanted = std::ceil(share * static_cast<double>(indices.size()));
    indices.resize(std::min(indices.size(), static_cast<std::size_t>(std::max(wanted, 1.0))));
    torch::manual_seed(static_cast<std::uint64_t>(random()));  // of what drops out
    double sum = 0;
    for (std::size_t from = 0; from < indices.size(); from += task.batch) {
      const auto size = std::min<std::size_t>(task.batch, indices.size() - from);
      if (size == 1 && has_buffers() && from > 0) break;  // no batch to normalise
      const auto some =
          batch(Part::train,
                torch::tensor(c10::ArrayRef<std::int64_t>(indices.data() + from, size)).to(device));
      steps.forget_gradients();
      const auto loss = loss_of(some);
      loss.backward();
      add(pull, steps.parameters());
      steps.take(epoch, from / task.batch, (indices.size() + task.batch - 1) / task.batch);
      sum += loss.item<double>() * static_cast<double>(size);
      after_batch();
    }
    return sum / static_cast<double>(indices.size());
  }

  /// The chance of each example to be in a batch.
  double sampling() const {
    return std::min(1.0, static_cast<double>(task.batch) / static_cast<double>(train_examples()));
  }
  std::uint64_t steps_of_epoch() const { return (train_examples() + task.batch - 1) / task.batch; }

  struct Gradients {
    std::vector<torch::Tensor> sum;  ///< one a parameter
    double loss = 0;                 ///< sum over the examples
  };
  /// One example at a time: LibTorch has no gradients of each example of a batch.
  Gradients clipped_gradients(const std::vector<std::int64_t>& examples, double clip) {
    const auto parameters = parameters_of(pipe::Layers::all);
    Gradients gradients;
    for (const auto& parameter : parameters) {
      gradients.sum.push_back(torch::zeros_like(parameter));
    }
    for (const std::int64_t example : examples) {
      const auto loss = loss_of(batch(Part::train, torch::tensor({example}).to(device)));
      auto own = torch::autograd::grad({loss}, parameters, {}, {}, false, true);
      double squares = 0;
      for (std::size_t i = 0; i < own.size(); ++i) {
        if (!own[i].defined()) own[i] = torch::zeros_like(parameters[i]);
      }
      for (const auto& part : own) {
        squares += part.to(torch::kFloat64).square().sum().item<double>();
      }
      const double length = std::sqrt(squares);
      if (!std::isfinite(length)) continue;
      const double factor = length > clip ? clip / length : 1;
      for (std::size_t i = 0; i < own.size(); ++i) gradients.sum[i].add_(own[i], factor);
      gradients.loss += loss.item<double>();
    }
    return gradients;
  }

  /// As many private steps as one pass has; returns the mean loss on the way.
  double private_epoch(Steps& steps, std::uint64_t epoch, const Noise& noise, const Pull& pull) {
    const auto parameters = parameters_of(pipe::Layers::all);
    const double expected = sampling() * static_cast<double>(train_examples());
    double sum = 0;
    std::size_t seen = 0;
    for (std::uint64_t step = 0; step < steps_of_epoch(); ++step) {
      const auto drawn = poisson_sample(train_examples(), sampling(), *noise.random);
      auto gradients = clipped_gradients(drawn, noise.clip);
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        auto noisy = gradients.sum[i].to(torch::kCPU).contiguous();
        const auto size = static_cast<std::size_t>(noisy.numel());
        add_noise({noisy.data_ptr<float>(), size}, noise.multiplier * noise.clip, *noise.random);
        parameters[i].mutable_grad() =
            noisy.div_(expected).to(device).contiguous(parameters[i].suggest_memory_format());
      }
      add(pull, steps.parameters());
      steps.take(epoch, step, steps_of_epoch());
      after_batch();
      sum += gradients.loss;
      seen += drawn.size();
    }
    return seen == 0 ? 0 : sum / static_cast<double>(seen);
  }

  std::size_t train_examples() const {
    return static_cast<std::size_t>(parts[static_cast<std::size_t>(Part::train)].targets.size(0));
  }
  /// Of each example of a part, for its loss to be multiplied by; empty: all weigh the same.
  std::vector<float> weights(Part part) {
    if (!class_weights.defined()) return {};
    const auto& targets = parts[static_cast<std::size_t>(part)].targets;
    return values<float>(class_weights.index_select(0, targets.flatten()));
  }

  /// Examples that are judged together.  Bounds the memory for activations: of a sentence, above all
  /// an output a word of the vocabulary.
  std::int64_t at_once() const { return predicts_words() ? 64 : 512; }
  bool is_text() const { return model::data_kind(task) == model::DataKind::text; }
  bool predicts_words() const { return model::predicts_words(task); }

  bool has_buffers() const { return !std::ranges::all_of(tensors, &model::Tensor::parameter); }

  model::Task task;
  torch::Device device;
  Dataset dataset;  ///< from which the tensors borrow
  std::unique_ptr<Module> net;
  std::vector<Module::Named> named;    ///< its tensors, in schema order
  std::vector<model::Tensor> tensors;  ///< the same, with their roles
  model::Schema schema;
  Params given;            ///< what a model of one's own came with
  std::string last_layer;  ///< what the names of its tensors begin with
  torch::Tensor class_weights;   ///< their mean is 1; undefined: all weigh the same
  std::array<Tensors, 4> parts;  // by Part
  std::function<void()> after_batch = [] {};
};

void flush_denormals() {
  at::globalContext().setFlushDenormal(true);
  // LibTorch's threads that are there already.
  at::parallel_for(0, at::get_num_threads(), 1,
                   [](std::int64_t, std::int64_t) { at::globalContext().setFlushDenormal(true); });
}

bool flushes_denormals() {
  std::atomic<bool> all = product_is_zero();
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
    if (!product_is_zero()) all = false;
  });
  // A pool of its own, that of the matrix products.
  const torch::NoGradGuard no_grad;
  const auto small = torch::full({256, 256}, 1e-30F);
  const auto factor = torch::full({256, 256}, 1e-10F);
  return all && small.mm(factor).count_nonzero().item<std::int64_t>() == 0;
}

void start_gpu() {
  if (torch::cuda::is_available()) static_cast<void>(torch::zeros({1}, torch::kCUDA).sum().item());
}

Network::Network(const model::Task& task, Dataset dataset, const std::string& device,
                 std::uint64_t threads) {
  impl_ = guarded([&] {
    use_threads(threads);
    return std::make_unique<Impl>(task, std::move(dataset), device_called(device));
  });
}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const model::Schema& Network::schema() const { return impl_->schema; }
const std::vector<model::Tensor>& Network::tensors() const { return impl_->tensors; }
Params Network::own_values() const { return impl_->given; }

std::uint64_t Network::examples(Part part) const {
  return static_cast<std::uint64_t>(impl_->parts[static_cast<std::size_t>(part)].targets.size(0));
}

void Network::after_each_batch(std::function<void()> step) { impl_->after_batch = std::move(step); }

pipe::Evaluation Network::evaluate(const Params& params, Part part) {
  return guarded([&] {
    impl_->set(params);
    return impl_->evaluate(part);
  });
}

std::vector<float> Network::losses(const Params& params, Part part) {
  return losses(params, part, 0, examples(part));
}

std::vector<float> Network::losses(const Params& params, Part part, std::uint64_t from,
                                   std::uint64_t until) {
  assert(from < until && until <= examples(part));
  return guarded([&] {
    impl_->set(params);
    const torch::Tensor losses =
        impl_->judge(part, static_cast<std::int64_t>(from), static_cast<std::int64_t>(until))
            .losses;
    return std::vector<float>(losses.data_ptr<float>(), losses.data_ptr<float>() + losses.numel());
  });
}

std::size_t Network::input_size() const { return data::input_size(impl_->task); }

std::vector<float> Network::predict(const Params& params, std::span<const float> inputs,
                                    std::uint64_t count) {
  assert(inputs.size() == count * input_size());
  return guarded([&] {
    impl_->set(params);
    const torch::NoGradGuard no_grad;
    const auto shape = impl_->shape_of(static_cast<std::int64_t>(count));
    const auto all = torch::from_blob(const_cast<float*>(inputs.data()), shape);
    const std::int64_t at_once = impl_->at_once();
    std::vector<torch::Tensor> said;
    for (std::int64_t from = 0; from < shape[0]; from += at_once, impl_->after_batch()) {
      const auto some = all.narrow(0, from, std::min(at_once, shape[0] - from));
      said.push_back(impl_->predictions(some.to(impl_->device)).to(torch::kCPU));
    }
    return Impl::values<float>(torch::cat(said));
  });
}

std::vector<std::uint64_t> Network::batch_shape() const {
  const auto shape = impl_->shape_of(impl_->task.batch);
  return {shape.begin(), shape.end()};
}

double Network::time_batch(const Params& params, std::uint64_t batches) {
  assert(batches > 0);
  return guarded([&] {
    impl_->set(params);
    const auto some = impl_->made_up(impl_->task.batch);
    const auto once = [&] {
      impl_->forget_gradients();
      const auto loss = impl_->loss_of(some);
      loss.backward();
      static_cast<void>(loss.item<double>());
      impl_->after_batch();
    };
    once();  // what is made ready at the first time
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < batches; ++i) once();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    impl_->forget_gradients();
    return took.count() / static_cast<double>(batches);
  });
}

std::vector<float> Network::weights(Part part) const {
  return guarded([&] { return impl_->weights(part); });
}

Network::Training Network::train(const Params& start, const Plan& plan,
                                 const std::function<void(const Epoch&)>& after_each_epoch) {
  assert(plan.epochs > 0);
  return guarded([&] {
    Impl::Pull pull;
    if (plan.towards != nullptr) {
      pull = impl_->pull_towards(*plan.towards, plan.layers, plan.strength);
    }
    impl_->set(start);
    Impl::Steps steps(impl_->task, impl_->parameters_of(plan.layers), plan.round, plan.epochs);
    Training result;
    for (std::uint64_t number = 1; number <= plan.epochs; ++number) {
      result.last.number = number;
      result.last.train_loss =
          plan.noise
              ? impl_->private_epoch(steps, number, *plan.noise, pull)
              : impl_->one_epoch(steps, number, data::random_for({plan.seed, plan.round, number}),
                                 plan.share, pull);
      result.last.validation = impl_->evaluate(Part::validation);
      Params params = impl_->get();
      if (!std::isfinite(result.last.validation.loss) || !all_finite(params)) {
        throw WorkerError(FailureKind::diverged,
                          "training diverged in epoch " + std::to_string(number) +
                              "; lower the task's learning_rate" +
                              (plan.noise ? ", privacy.noise or privacy.clip" : ""));
      }
      if (plan.noise || number == 1 || result.last.validation.loss < result.best.validation.loss) {
        result.best = result.last;
        result.params = std::move(params);
      }
      after_each_epoch(result.last);
    }
    impl_->forget_gradients();  // as large as the model
    return result;
  });
}

std::vector<bool> Network::are_in(pipe::Layers layers) const {
  std::vector<bool> all;
  for (const Module::Named& each : impl_->named) {
    all.insert(all.end(), static_cast<std::size_t>(each.tensor.numel()),
               impl_->is_in(layers, each.name));
  }
  return all;
}

Network::Slope Network::slope(const Params& params, std::uint64_t seed, std::uint64_t first,
                              std::uint64_t count) {
  return guarded([&] {
    impl_->set(params);
    auto indices = impl_->order(data::random_for({seed}));
    first = std::min<std::uint64_t>(first, indices.size());
    count = std::min<std::uint64_t>(count, indices.size() - first);
    if (count == 0) return Slope{0, 0, Params(params.size())};
    const auto chosen = c10::ArrayRef<std::int64_t>(indices).slice(first, count);
    impl_->forget_gradients();
    const auto loss =
        impl_->loss_of(impl_->batch(Part::train, torch::tensor(chosen).to(impl_->device)));
    loss.backward();
    return Slope{loss.item<double>(), count, impl_->gradient()};
  });
}

Network::Outcomes Network::outcomes(const Params& params, Part part) {
  return guarded([&] {
    impl_->set(params);
    const auto outcome = impl_->judge(part);
    const auto values = [](const torch::Tensor& tensor) {
      const torch::Tensor floats = tensor.to(torch::kFloat32).contiguous();
      return std::vector<float>(floats.data_ptr<float>(),
                                floats.data_ptr<float>() + floats.numel());
    };
    if (!impl_->is_number()) {
      return Outcomes{values(outcome.losses), values(outcome.correct / outcome.targets)};
    }
    const auto wanted = outcome.wanted.to(torch::kCPU, torch::kFloat64).flatten();
    const auto answers = outcome.all.answers.to(torch::kCPU, torch::kFloat64).flatten();
    const auto variance = (wanted - wanted.mean()).square().mean().clamp_min(1e-12);
    return Outcomes{values(outcome.losses), values(1 - (answers - wanted).square() / variance)};
  });
}

model::PrivateSteps Network::private_steps(double multiplier, std::uint64_t epochs) const {
  return {{impl_->sampling(), multiplier}, epochs * impl_->steps_of_epoch()};
}

Params Network::clipped_gradients(const Params& params, const std::vector<std::int64_t>& examples,
                                  double clip) {
  return guarded([&] {
    impl_->set(params);
    const auto gradients = impl_->clipped_gradients(examples, clip);
    const auto parameters = impl_->parameters_of(pipe::Layers::all);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].mutable_grad() = gradients.sum[i];
    }
    return impl_->gradient();
  });
}

}  // namespace kith::worker
