#pragma once

#include "daemon/config/config.hpp"
#include "model/data/check.hpp"
#include "model/data/dataset.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

/// For verbs that read a node's own data.
namespace kith::daemon {

/// Files as an operator names them, wherever the verb runs later.
[[nodiscard]] std::vector<std::filesystem::path> absolute(const std::vector<std::string>& files);

/// Puts the same examples on each side of the split as in the running node: without
/// data.split_key the sides follow from its id, which is in its card, if there is one.  Throws
/// Failure(EX_DATAERR) if the card is damaged.
void split_as_when_running(Config& config);

/// Runs `read`, which reads an operator's files into Inputs; what is too much for memory lies where
/// the node's state is.  Once only.  What `read` throws of files becomes a Failure: EX_NOINPUT,
/// EX_NOPERM, EX_DATAERR, or EX_OSERR if memory is short.
void with_own_data(const Config& config, const std::function<void()>& read);

/// Reads all of a node's examples, split as when running.  Throws Failure: EX_NOINPUT, EX_NOPERM,
/// EX_DATAERR, or EX_OSERR if memory is short.
[[nodiscard]] data::Dataset read_own_data(Config config);
/// Reads them, and looks at them.  Throws as above.
[[nodiscard]] data::CheckReport check_own_data(const Config& config);

/// The counts of a report, in a line.
[[nodiscard]] std::string counts_line(const data::CheckReport& report);

/// What `kith data check` would say of a new node's data, in short.
struct FirstLook {
  std::vector<std::string> lines;
  std::string refused;  ///< why `kith run` would refuse them, in a sentence without its end; empty
                        ///< if it would not
};
/// Reads all of them.  Data that cannot be read yet, for want of a permission, say, are not
/// refused: the lines say so.
[[nodiscard]] FirstLook first_look(const Config& config, const std::string& dir);

}  // namespace kith::daemon
