#include "daemon/cli/diagnosis_view.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/doctor/doctor.hpp"
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
    for (std::string& line : check_lines(item, terminal)) lines.push_back(std::move(line));
  }
  lines.emplace_back();
  lines.push_back(diagnosis_sum(diagnosis));
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
