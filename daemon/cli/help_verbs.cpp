#include "daemon/cli/help_pages.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/version.hpp"

#include <boost/algorithm/string/join.hpp>

#include <memory>
#include <string>
#include <vector>

namespace kith::daemon {
namespace {

/// The verb that these words name, one below the other.
const CLI::App& find(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* found = &app;
  for (const std::string& word : words) {
    try {
      found = found->get_subcommand(word);
    } catch (const CLI::OptionNotFound&) {
      throw Failure(EX_USAGE, "there is no verb \"" + boost::algorithm::join(words, " ") +
                                  "\"; kith help lists all");
    }
  }
  return *found;
}

}  // namespace

void add_help_verbs(CLI::App& app, Chosen& chosen) {
  const auto words = std::make_shared<std::vector<std::string>>();
  const auto manual = std::make_shared<bool>(false), bash = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("help", "show how a verb is used");
  verb->add_option("VERB", *words, "the verb; without it, all are listed");
  verb->add_flag("--man", *manual, "print the manual page of all verbs, for man");
  verb->add_flag("--bash", *bash, "print what lets bash complete verbs and options")->excludes("--man");
  verb->final_callback([&chosen, &app, words, manual, bash] {
    chosen = [&app, words, manual, bash] {
      if (*manual || *bash) {
        std::cout << (*manual ? manual_page(app, version()) : bash_completion(app));
        return EX_OK;
      }
      const CLI::App& found = find(app, *words);
      std::vector<std::string> above(words->begin(), words->empty() ? words->end() : words->end() - 1);
      above.insert(above.begin(), "kith");
      std::cout << found.help(words->empty() ? "" : boost::algorithm::join(above, " "));
      return EX_OK;
    };
  });
  verb = app.add_subcommand("version", "print the version");
  verb->final_callback([&chosen] {
    chosen = [] {
      std::cout << "kith " << version() << "\n";
      return EX_OK;
    };
  });
}

}  // namespace kith::daemon
