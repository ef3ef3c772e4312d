#pragma once

#include "model/snapshot.hpp"
#include "model/task.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Which tensors of a model travel, which stay at home, and which never change.
namespace kith::model {

/// What becomes of a tensor.
enum class Role {
  shared,  ///< trained, published and averaged
  kept,    ///< trained (or, as a running statistic, updated), and never leaves this node
  frozen,  ///< as M0 has it, at every node
};
[[nodiscard]] std::string_view name(Role role);

/// A tensor of a network.
struct Tensor {
  TensorSpec spec;
  bool parameter = true;  ///< false: a buffer, such as the running mean of batch normalisation
  Role role = Role::shared;
};

/// What is wrong with task.share or task.freeze, in one sentence that names the field.
[[nodiscard]] std::optional<std::string> pattern_problem(const Task& task);

/// The role of a tensor by task.freeze, task.share and task.share_buffers, in this order.
[[nodiscard]] Role role_of(const Task& task, std::string_view tensor, bool parameter);

/// Gives each of the network's tensors its role.  What is wrong, in one sentence: a pattern that no
/// tensor matches, or nothing that is shared.
[[nodiscard]] std::optional<std::string> assign_roles(const Task& task,
                                                      std::vector<Tensor>& tensors);

/// The tensors of a role, as in a snapshot of them alone.
[[nodiscard]] Schema schema_of(const std::vector<Tensor>& tensors, Role role);

/// Where the values of one role are in a model that has all tensors, in order.
class Slice {
 public:
  Slice(const std::vector<Tensor>& tensors, Role role);
  /// Whether it is all of them.
  [[nodiscard]] bool is_all() const { return ranges_.size() == 1 && ranges_.front().size == all_; }
  /// Its values, out of those of a whole model: where they lie, or, if they are not all of them,
  /// copied into `room`.
  [[nodiscard]] std::span<const float> view(const std::vector<float>& whole,
                                            std::vector<float>& room) const;
  /// The same, copied.
  [[nodiscard]] std::vector<float> from(const std::vector<float>& whole) const;
  /// Puts its values into a whole model.
  void into(std::vector<float>& whole, const std::vector<float>& values) const;

 private:
  struct Range {
    std::size_t begin = 0, size = 0;
  };
  std::vector<Range> ranges_;
  std::size_t all_ = 0;  ///< values of a whole model
};

}  // namespace kith::model
