#pragma once

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kith::sim {

/// Tries everything that can happen, in every order, up to a number of actions.
///
/// `World` is deterministic, begins alike every time, and has
///
///     possible(action), perform(action)     what can happen, and that it happens
///     settle()                              what must come of it in the end is tried at the leaves
///     broken()                              what did not hold; empty if all did
///     fingerprint()                         alike for worlds that look alike
///
/// Depth first.  A world cannot be copied: it is built again by the actions that led to it.  What
/// looks like a world that was seen, with as many actions to come or more, is not looked at again.
/// Deeper and deeper, so that the first counterexample is a shortest one.
template <class World, class Action>
class ModelChecker {
 public:
  struct Result {
    std::string counterexample{};  ///< what did not hold and the actions that led there; or empty
    std::uint64_t states = 0;      ///< that look different, with the last number of actions
    std::uint64_t leaves = 0;      ///< of these, where it was seen what comes of it
    std::uint64_t actions = 0;     ///< performed
  };
  using Describe = std::string (*)(const Action&);

  /// `before` happens first, unless it is not possible, and then some of `alphabet`.
  ModelChecker(std::vector<Action> before, std::vector<Action> alphabet, Describe describe)
      : before_(std::move(before)), alphabet_(std::move(alphabet)), describe_(describe) {}

  Result run(std::size_t depth) {
    const OnAbort on_abort(*this);
    for (std::size_t most = 0; most <= depth && result_.counterexample.empty(); ++most) {
      seen_.clear();
      result_.leaves = 0;
      visit(replayed(), most);
      result_.states = seen_.size();
    }
    return result_;
  }

 private:
  using Hash = decltype(std::declval<const World&>().fingerprint());

  std::unique_ptr<World> replayed() {
    auto world = std::make_unique<World>();
    for (const auto* actions : {&before_, &trail_}) {
      for (const Action& action : *actions) perform(*world, action);
    }
    return world;
  }
  void perform(World& world, const Action& action) {
    ++result_.actions;
    contained([&] { world.perform(action); });
  }
  template <class Step>
  void contained(Step step) {
    try {
      step();
    } catch (const std::exception& error) {
      report(std::string("an exception ends a node: ") + error.what());
    }
  }
  void visit(std::unique_ptr<World> world, std::size_t left) {
    if (!world->broken().empty()) return report(world->broken());
    if (!result_.counterexample.empty()) return;
    const auto [known, is_new] = seen_.try_emplace(world->fingerprint(), left);
    if (!is_new && known->second >= left) return;
    known->second = left;
    if (left == 0) {
      ++result_.leaves;
      contained([&] { world->settle(); });
      if (!world->broken().empty()) report("in the end: " + world->broken());
      return;
    }
    std::vector<Action> next;
    std::ranges::copy_if(alphabet_, std::back_inserter(next),
                         [&](const Action& action) { return world->possible(action); });
    for (const Action& action : next) {
      if (!world) world = replayed();
      trail_.push_back(action);
      perform(*world, action);
      visit(std::move(world), left - 1);
      if (!result_.counterexample.empty()) return;
      trail_.pop_back();
    }
  }
  void report(const std::string& what) {
    if (result_.counterexample.empty()) result_.counterexample = what + story();
  }
  [[nodiscard]] std::string story() const {
    std::string text = "\nafter";
    for (const auto* actions : {&before_, &trail_}) {
      for (const Action& action : *actions) text += "\n  " + describe_(action);
    }
    return text;
  }

  /// A failed assertion says which actions led to it, too.
  class OnAbort {
   public:
    explicit OnAbort(const ModelChecker& checker) {
      running_ = &checker;
      former_ = std::signal(SIGABRT, [](int) {
        std::fputs(("an assertion failed" + running_->story() + "\n").c_str(), stderr);
        std::signal(SIGABRT, SIG_DFL);
        std::raise(SIGABRT);
      });
    }
    ~OnAbort() { std::signal(SIGABRT, former_); }
    OnAbort(const OnAbort&) = delete;
    OnAbort& operator=(const OnAbort&) = delete;

   private:
    static inline const ModelChecker* running_ = nullptr;
    void (*former_)(int) = nullptr;
  };

  std::vector<Action> before_, alphabet_, trail_;
  Describe describe_;
  std::map<Hash, std::size_t> seen_;
  Result result_;
};

}  // namespace kith::sim
