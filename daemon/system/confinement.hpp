#pragma once

#include <filesystem>
#include <string>
#include <vector>

// The process that hears the network is treated as if a peer had taken it over already.  It cannot
// be kept from its own keys and its own state; it can be kept from all else on the machine.
//
// Whatever cannot be had on this machine is said, not passed over: each step returns what it keeps
// this process from, and whether that holds.
namespace kith::daemon {

/// One thing that a process is kept from, if it `holds`; else `what` says why not.
struct Guard {
  std::string name;
  bool holds = false;
  std::string what;
  void fields(auto& field) const {
    field("name", name), field("holds", holds), field("what", what);
  }
};
using Guards = std::vector<Guard>;

/// Files and folders, with all that is in them.
struct Reach {
  std::vector<std::filesystem::path> read;
  std::vector<std::filesystem::path> write;  ///< to read, make, change and remove
};

/// From now on this thread, and those that it starts, open no other file than these, and execute
/// none.  What is open stays so, and what does not exist is passed over.  Call before there is a
/// second thread.  In vain on kernels without Landlock; the guard says so.
[[nodiscard]] Guard close_files(const Reach& reach);

/// Takes from this process, for good and for all its threads, what it does not need: to start
/// programs and processes, to signal or look into others, sockets that are not for TCP and names,
/// namespaces, mounts, modules and the rest of what reaches into the kernel.  Such calls fail with
/// EPERM.  In vain on kernels without seccomp; the guards say so.
[[nodiscard]] Guards close_calls();

}  // namespace kith::daemon
