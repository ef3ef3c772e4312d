#include "daemon/cli/help_pages.hpp"

#include <boost/algorithm/string/join.hpp>

#include <utility>
#include <vector>

namespace kith::daemon {
namespace {

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* verb) { return !verb->get_name().empty(); });
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  const auto all = app.get_options();
  return {all.begin(), all.end()};
}

/// A verb with the words that name it, and those below it.
void list(const CLI::App& app, const std::string& words,
          std::vector<std::pair<std::string, const CLI::App*>>& all) {
  for (const CLI::App* verb : verbs_of(app)) {
    const std::string named = (words.empty() ? "" : words + " ") + verb->get_name();
    all.emplace_back(named, verb);
    list(*verb, named, all);
  }
}

/// Text as roff takes it.
std::string roff(const std::string& text) {
  std::string made;
  for (const char c : text) {
    if (c == '\\') made += "\\e";
    if (c == '-') made += "\\-";
    if (c == '\n') made += ' ';
    if (c != '\\' && c != '-' && c != '\n') made += c;
  }
  if (made.starts_with('.') || made.starts_with('\'')) made.insert(0, "\\&");
  return made;
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

void describe_options(const CLI::App& verb, std::string& page) {
  for (const CLI::Option* option : options_of(verb)) {
    if (!option->get_positional()) continue;
    page +=
        ".TP\n.I " + roff(option->get_name(true)) + "\n" + roff(option->get_description()) + "\n";
  }
  for (const CLI::Option* option : options_of(verb)) {
    const auto names = names_of(*option);
    if (names.empty() || option->get_lnames() == std::vector<std::string>{"help"}) continue;
    const std::string value =
        takes_value(*option)
            ? " \\fI" + roff(option->get_type_name().empty() ? "VALUE" : option->get_type_name()) +
                  "\\fR"
            : "";
    page +=
        ".TP\n\\fB" + roff(boost::algorithm::join(names, ", ")) + "\\fR" + value + "\n" +
        roff(option->get_description()) +
        (option->get_default_str().empty() ? ""
                                           : " (or else " + roff(option->get_default_str()) + ")") +
        "\n";
  }
}

}  // namespace

std::string manual_page(const CLI::App& app, const std::string& version) {
  std::string page = ".TH KITH 1 \"\" \"kith " + roff(version) + "\" \"Kith\"\n";
  page += ".SH NAME\nkith \\- personalised federated learning, peer to peer\n";
  page += ".SH SYNOPSIS\n.B kith\n.I VERB\n[\\fIOPTIONS\\fR]\n";
  page += ".SH DESCRIPTION\n" + roff(app.get_description()) +
          "\n.PP\nA node is a folder, which holds its keys, its configuration \\fIkith.toml\\fR "
          "and its state. "
          "\\fBkith run\\fR runs it; the other verbs ask the running node, or work on the files if "
          "none runs. "
          "\\fBkith doctor\\fR says what is wrong with it.\n";
  page += ".SH VERBS\n";
  std::vector<std::pair<std::string, const CLI::App*>> all;
  list(app, "", all);
  for (const auto& [words, verb] : all) {
    page += ".SS kith " + roff(words) + "\n" + roff(verb->get_description()) + ".\n";
    if (verbs_of(*verb).empty()) describe_options(*verb, page);
  }
  page +=
      ".SH ENVIRONMENT\n.TP\n.B KITH_PASSPHRASE_FILE\nthe file whose first line is the passphrase "
      "of sealed keys\n";
  page +=
      ".SH EXIT STATUS\nThose of sysexits.h; 0 is success. docs/operations.md lists what each "
      "means.\n";
  page +=
      ".SH FILES\n.TP\n.I /var/lib/kith\nthe node that the service kith.service runs\n"
      ".TP\n.I /etc/kith/kith.env\nthe environment of that service\n";
  page += ".SH SEE ALSO\n/usr/share/doc/kith\n";
  return page;
}

std::string bash_completion(const CLI::App& app) {
  std::vector<std::pair<std::string, const CLI::App*>> all;
  list(app, "", all);
  const auto words_after = [](const CLI::App& verb) {
    std::vector<std::string> words;
    for (const CLI::App* below : verbs_of(verb)) words.push_back(below->get_name());
    for (const CLI::Option* option : options_of(verb)) {
      for (const auto& name : option->get_lnames()) words.push_back("--" + name);
    }
    return boost::algorithm::join(words, " ");
  };
  std::vector<std::string> patterns;
  for (const auto& [words, verb] : all) patterns.push_back("\"" + words + "\"");
  std::string text =
      "# Completion of kith in bash; made by: kith help --bash\n"
      "_kith() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} verb= word next words=\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    next=\"${verb:+$verb }$word\"\n"
      "    case $next in\n      " +
      boost::algorithm::join(patterns, "|") +
      ") verb=$next ;;\n    esac\n  done\n  case $verb in\n    \"\") words=\"" + words_after(app) +
      "\" ;;\n";
  for (const auto& [words, verb] : all)
    text += "    \"" + words + "\") words=\"" + words_after(*verb) + "\" ;;\n";
  return text +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _kith kith\n";
}

}  // namespace kith::daemon
