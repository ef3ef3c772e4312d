#pragma once

namespace kith::worker {

/// Closes every file descriptor but standard input, output and error and `keep`.
void close_inherited(int keep);

/// Takes the network and the means to regain it from this process, for good and for all its
/// threads: no socket can be made, connected, bound or accepted on, no program started, no other
/// process looked into.  What is open already, the pipe, goes on working.  Such calls fail with
/// EPERM rather than end the process, since libraries probe for them.
///
/// Throws std::runtime_error if the kernel refuses.
void enter_sandbox();

/// Ends this process when the other end of `pipe` is closed, whatever it is doing then: a long
/// round has nobody left to finish for, and checkpoints are replaced atomically.
void end_with(int pipe);

}  // namespace kith::worker
