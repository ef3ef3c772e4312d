#include "daemon/cli/help_pages.hpp"

#include <boost/test/unit_test.hpp>

namespace help_pages_test {

using namespace kith::daemon;

struct Program {
  CLI::App app{"Kith: it learns.", "kith"};
  std::string folder;
  bool json = false;
  Program() {
    CLI::App* const run = app.add_subcommand("run", "run the node - until it is stopped");
    run->add_option("--dir,-d", folder, ".hidden folder");
    CLI::App* const charter = app.add_subcommand("charter", "who belongs");
    CLI::App* const show = charter->add_subcommand("show", "show it");
    show->add_flag("--json", json, "print JSON");
    show->add_option("FILE", folder, "another file");
  }
};

BOOST_AUTO_TEST_SUITE(help_pages_tests)

BOOST_AUTO_TEST_CASE(
    manual_page_has_every_verb_and_option_and_no_line_that_roff_takes_for_a_command) {
  const std::string page = manual_page(Program().app, "1.2-3");
  for (const char* part :
       {".TH KITH 1", "kith 1.2\\-3", ".SS kith run\n", ".SS kith charter show\n",
        "\\fB\\-d, \\-\\-dir\\fR \\fITEXT\\fR\n\\&.hidden folder", "\\fB\\-\\-json\\fR\n",
        ".I FILE\n", "node \\- until"}) {
    BOOST_TEST(page.find(part) != std::string::npos, part);
  }
  BOOST_TEST(page.find("\\-\\-help") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(completion_knows_verbs_below_verbs_and_their_options) {
  const std::string text = bash_completion(Program().app);
  for (const char* part :
       {"\"run\"|\"charter\"|\"charter show\") verb=$next", "\"charter\") words=\"show",
        "\"charter show\") words=\"--help --json\"", "\"run\") words=\"--help --dir\"",
        "complete -o default -F _kith kith"}) {
    BOOST_TEST(text.find(part) != std::string::npos, part);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace help_pages_test
