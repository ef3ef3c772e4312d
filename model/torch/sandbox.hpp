#pragma once

#include "model/pipe/messages.hpp"

#include <string>
#include <vector>

// The worker is treated as if LibTorch had been taken over already: by a peer's weights, or by
// whoever made it.  Then it must not reach the node's keys, the network, another process or a file.
//
// Whatever cannot be had on this machine is said, not passed over: each step returns what it keeps
// this process from, and whether that holds.
namespace kith::worker {

using Guards = std::vector<pipe::Guard>;

/// Closes every file descriptor but standard input, output and error and `keep`.
void close_inherited(int keep);

enum class Calls {
  needed,         ///< only what computing needs
  not_forbidden,  ///< all but the network and other programs: a GPU's driver needs unforeseen ones
};

/// Takes from this process, for good and for all its threads, the system calls that it does not
/// need: no socket, no program, no process, no signal to others, no file made, changed or removed.
/// What is open already, the pipe, goes on working.  Such calls fail with EPERM rather than end the
/// process, since libraries probe for them.
///
/// Throws std::runtime_error if the kernel refuses.
[[nodiscard]] Guards enter_sandbox(Calls calls = Calls::needed);

/// From now on no thread can open another file than these, what is in these folders, and what the
/// system and its libraries consist of: whatever is asked of this process, and whatever its data are
/// made to do to their reader.  In vain on kernels without Landlock; then close_files() will say so.
void close_other_files(const std::vector<std::string>& files);
/// From now on no thread can open a file, to read it either: once the data have been read.  In
/// vain on kernels without Landlock; the guard says so.
[[nodiscard]] Guards close_files();
/// What Calls::not_forbidden comes to in place of that.
[[nodiscard]] Guards leave_files_open();

/// What --no-sandbox leaves: nothing.
[[nodiscard]] Guards no_guards();

/// Ends this process when the other end of `pipe` is closed, whatever it is doing then: a long
/// round has nobody left to finish for, and its files are written by others.
void end_with(int pipe);

}  // namespace kith::worker
