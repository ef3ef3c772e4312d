#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <sysexits.h>
#include <vector>

namespace kith::daemon {

/// What a verb says: to programs, and to people.
struct Answer {
  nlohmann::json value{};
  std::vector<std::string> lines{};
  int code = EX_OK;  ///< exit status
};

/// Prints it; the exit status.
inline int give(const Answer& answer, bool as_json) {
  constexpr auto kLenient = nlohmann::json::error_handler_t::replace;  // for names in others' files
  if (as_json) std::cout << answer.value.dump(2, ' ', false, kLenient) << "\n";
  if (!as_json) {
    for (const std::string& line : answer.lines) std::cout << line << "\n";
  }
  return answer.code;
}

/// What runs the verb that the command line asks for, and gives the exit status.
using Chosen = std::function<int()>;

/// If `verb` is what the command line asks for, `chosen` becomes what runs it and prints its
/// answer; as JSON if options->as_json, a flag that this adds.
template <class Options>
void on_parsed(CLI::App& verb, Chosen& chosen, std::shared_ptr<Options> options,
               Answer (*run)(const Options&)) {
  verb.add_flag("--json", options->as_json, "print JSON");
  verb.final_callback([&chosen, options, run] {
    chosen = [options, run] { return give(run(*options), options->as_json); };
  });
}

}  // namespace kith::daemon
