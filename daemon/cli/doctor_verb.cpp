#include "daemon/cli/own_data.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/doctor/doctor.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/report.hpp"

#include <memory>

namespace kith::daemon {
namespace {

struct DoctorOptions {
  Place place;
  bool as_json = false;
};

std::vector<std::string> diagnosis_lines(const doctor::Diagnosis& diagnosis,
                                         const Terminal& terminal) {
  std::vector<std::string> lines;
  for (const auto& item : diagnosis.checks) {
    const Style style = item.result == "FAIL"   ? Style::red
                        : item.result == "WARN" ? Style::yellow
                                                : Style::green;
    const std::string number = std::to_string(item.number);
    lines.push_back(terminal.paint(style, item.result) + std::string(4 - number.size(), ' ') +
                    number + "  " + item.name + ": " + item.what);
    if (!item.help.empty()) lines.push_back("          -> " + item.help);
  }
  lines.emplace_back();
  lines.push_back(std::to_string(diagnosis.passed) + " passed, " +
                  std::to_string(diagnosis.warned) + " to look at (WARN), " +
                  std::to_string(diagnosis.failed) + " to mend (FAIL).");
  return lines;
}

Answer examine_node(const DoctorOptions& options) {
  doctor::Examined node = doctor::examine(options.place.config());
  node.look_at_data = check_own_data;
  const doctor::Diagnosis diagnosis = doctor::diagnose(node);
  return {to_json(diagnosis), diagnosis_lines(diagnosis, Terminal::of_stdout()),
          diagnosis.failed == 0 ? EX_OK : 1};
}

}  // namespace

void add_doctor_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* const verb = app.add_subcommand(
      "doctor", "check machine, folder, network and running node, and say what mends each trouble");
  options->place.add_to(*verb);
  on_parsed(*verb, chosen, options, examine_node);
}

}  // namespace kith::daemon
