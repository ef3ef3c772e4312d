#include "daemon/cli/own_data.hpp"

#include "daemon/membership/keys.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/file.hpp"
#include "model/data/scratch.hpp"

#include <cerrno>
#include <new>
#include <system_error>

namespace kith::daemon {

std::vector<std::filesystem::path> absolute(const std::vector<std::string>& files) {
  std::vector<std::filesystem::path> all;
  for (const std::string& file : files) {
    all.push_back(std::filesystem::absolute(file).lexically_normal());
  }
  return all;
}

void split_as_when_running(Config& config) {
  const auto card = load_card(config.node.card);
  if (card && config.data.split_key.empty()) config.data.split_key = to_string(card->node);
}

namespace {

/// Where what is too much for memory may lie.
std::filesystem::path folder_for_scratch(const Config& config) {
  std::error_code unknown;
  const bool there = std::filesystem::is_directory(config.node.state, unknown);
  return there ? config.node.state : std::filesystem::path("/var/tmp");
}

}  // namespace

void with_own_data(const Config& config, const std::function<void()>& read) {
  // The process ends with this verb, and so does the file.
  data::use_scratch(data::open_scratch(folder_for_scratch(config)), data::memory_for_examples());
  try {
    read();
  } catch (const data::FileError& error) {
    const bool denied = error.error == EACCES || error.error == EPERM;
    throw Failure(denied ? EX_NOPERM : error.error == ENOENT ? EX_NOINPUT : EX_DATAERR,
                  error.what());
  } catch (const data::DataError& error) {
    throw Failure(EX_DATAERR, error.what());
  } catch (const std::bad_alloc&) {
    throw Failure(EX_OSERR, "there is not enough memory for these data; use fewer at a time");
  }
}

data::Dataset read_own_data(Config config) {
  split_as_when_running(config);
  data::Dataset dataset;
  with_own_data(config, [&] {
    dataset = data::read_dataset(config.data, config.task, config.learning.score_examples);
  });
  return dataset;
}

data::CheckReport check_own_data(const Config& config) {
  return data::check(read_own_data(config), config.task, config.data.split);
}

std::string counts_line(const data::CheckReport& report) {
  return data::counts_text(report) +
         (report.groups > 0 ? "; " + std::to_string(report.groups) + " groups" : "");
}

FirstLook first_look(const Config& config, const std::string& dir) {
  FirstLook look;
  try {
    const data::CheckReport report = check_own_data(config);
    look.lines.push_back("Data: " + counts_line(report) + (report.fine() ? "; fine." : "."));
    for (const std::string& sentence : report.to_mend) look.lines.push_back("  MEND: " + sentence);
    if (!report.notes.empty() || !report.fine()) {
      look.lines.push_back("  More: kith data check --dir " + dir);
    }
  } catch (const Failure& failure) {
    const bool refused = failure.code() == EX_DATAERR;
    if (refused) look.refused = failure.what();
    look.lines = {
        (refused ? "Data: REFUSED, and so kith run would not start: " : "Data: NOT READ: ") +
            std::string(failure.what()),
        "  Mend that, and look: kith data check --dir " + dir};
  }
  return look;
}

}  // namespace kith::daemon
