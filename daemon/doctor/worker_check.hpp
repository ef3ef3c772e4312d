#pragma once

#include "daemon/config/config.hpp"
#include "daemon/doctor/doctor.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace kith::daemon::doctor {

/// A small table in `folder`, which exists, and a task that learns from it with this `model`: what
/// a worker is checked with if its author names nothing else.  Throws Failure.
[[nodiscard]] Config made_up_node(const std::filesystem::path& folder, const std::string& model);

/// The program that a command line names, as worker.command can name it: a file that is run.  A
/// word without a slash is looked up in PATH; of a command with arguments it is a script in
/// `folder`.  Throws Failure(EX_UNAVAILABLE) if there is no such program.
[[nodiscard]] std::filesystem::path program_of(const std::vector<std::string>& command,
                                               const std::filesystem::path& folder);

/// Puts a worker through docs/worker-protocol.md: starts it, several times, as kith does, with task
/// and data of `config`, and asks it all that kith asks, and what nobody should.  What each check
/// says is what the document says; its help, unless it passed, what the worker did in its place.
/// A WARN is for what a worker need not offer.
///
/// Works in `folder`, which exists.  `only` names the checks to do, empty: all.  `tell` hears each
/// result.  A worker that hangs is ended after a while.  Throws Failure if the program cannot be
/// started at all.
[[nodiscard]] Diagnosis check_worker(Config config, const std::filesystem::path& folder,
                                     const std::vector<std::string>& only,
                                     const std::function<void(const Diagnosis::Item&)>& tell);

}  // namespace kith::daemon::doctor
