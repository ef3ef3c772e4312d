#include "daemon/config/config.hpp"

#include "daemon/system/failure.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace config_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace data = boost::unit_test::data;

const std::string kLeast = R"([node]
name = "ward a"
[task]
name = "digits"
[data]
train = ["train-images.gz",
         "/data/labels"]
[consortium]
charter = "charter.kith"
)";

const std::string kTask = "[task]\nname = \"digits\"\n";  // in kLeast

Config parse(const std::string& text) { return parse_config(text, "dir/kith.toml"); }

/// What parsing `text` fails with; empty if it does not.
std::string error_of(const std::string& text) {
  try {
    parse(text);
    return "";
  } catch (const Failure& failure) {
    BOOST_TEST(failure.code() == EX_CONFIG);
    return failure.what();
  }
}

BOOST_AUTO_TEST_SUITE(config_tests)

BOOST_AUTO_TEST_CASE(what_is_left_out_has_its_default) {
  const Config config = parse(kLeast);
  BOOST_TEST(config.node.name == "ward a");
  BOOST_TEST(config.node.listen.at(0) == "127.0.0.1:7700");
  BOOST_TEST((config.learning.strategy == "lia"));
  BOOST_TEST((config.learning.gather == 2s));
  BOOST_TEST(config.learning.score_examples == 512U);
  BOOST_TEST((config.task.input == std::vector<unsigned>{1, 28, 28}));
  BOOST_TEST(config.limits.disk.bytes == 2ULL << 30);
}

BOOST_AUTO_TEST_CASE(relative_paths_start_at_the_files_folder) {
  const Config config = parse(kLeast);
  BOOST_TEST(config.data.train.at(0) == fs::path("dir/train-images.gz"));
  BOOST_TEST(config.data.train.at(1) == fs::path("/data/labels"));
  BOOST_TEST(config.node.key == fs::path("dir/node.key"));
  BOOST_TEST(config.node.channel_key == fs::path("dir/channel.key"));
  BOOST_TEST(config.consortium.charter == fs::path("dir/charter.kith"));
  BOOST_TEST(config.node.control == fs::path("dir/control.sock"));
  BOOST_TEST(config.data.test.empty());
  BOOST_TEST(config.worker.command.empty());
}

constexpr std::string_view kTable = R"([task]
name = "hearts"

[[task.column]]
name = "age"
kind = "number"
low = 20
high = 80
missing = ["-9"]

[[task.column]]
name = "since"
kind = "date"
low = 2001-02-03
high = "2024-01-31"

[[task.column]]
name = "ward"
group = true

[[task.column]]
name = "sick"
kind = "category"
target = true
values = ["0", ["1", "01", "1..2, a|b/c \""], "2"]
)";

std::string with_table(std::string_view table) {
  std::string text = kLeast;
  return text.replace(text.find(kTask), kTask.size(), table);
}

BOOST_AUTO_TEST_CASE(a_column_of_a_table_is_a_table_of_toml) {
  const auto task = parse(with_table(kTable)).task;
  using model::Column;
  BOOST_TEST_REQUIRE(task.columns.size() == 4U);
  BOOST_TEST(
      (task.columns[0] ==
       Column{
           .name = "age", .kind = Column::Kind::number, .low = 20, .high = 80, .missing = {"-9"}}));
  BOOST_TEST(model::date_text(task.columns[1].low) == "2001-02-03");
  BOOST_TEST(model::date_text(task.columns[1].high) == "2024-01-31");
  BOOST_TEST((task.columns[2] == Column{.name = "ward", .group = true}));
  BOOST_TEST(task.columns[3].values[1].size() == 3U);
  BOOST_TEST((parse_task(task_toml(task), "task") == task));
  Config config;
  config.node.name = "a";
  config.data.train = {"x"};
  config.task = task;
  BOOST_TEST((parse(to_toml(config)).task == task));
}

BOOST_AUTO_TEST_CASE(the_classes_of_a_table_follow_from_its_columns) {
  const std::string text = with_table(kTable);
  BOOST_TEST(parse(text).task.classes == 3U);
  std::string other = text;
  other.insert(other.find("[[task.column]]"), "classes = 2\n");
  BOOST_TEST(error_of(other).find("task.classes must be 3, as follows from task.column") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_column_is_said_with_its_line) {
  const std::pair<std::string_view, std::pair<std::string_view, std::string_view>> bad[] = {
      {"low = 20", {"low = 90", ": task.column \"age\" must have a low"}},
      {"low = 20", {"lwo = 20", ": task.unknown key column.lwo; there are \"name\""}},
      {"low = 20", {"low = \"x\"", ": task.column.low must be a number, or a date like"}},
      {"kind = \"date\"", {"kind = \"time\"", ": task.column.kind must be \"number\", \"cat"}},
      {"name = \"age\"\n", {"", ": task.column.name is missing; add name = ..."}},
      {"name = \"ward\"", {"name = \"age\"", ": task.column \"age\" is there twice"}},
      {"target = true\n", {"", ": task.column must have one with target = true"}},
      {"\"2\"]", {"2]", ": task.column.values must be a list of texts, or of lists"}},
  };
  for (const auto& [from, change] : bad) {
    std::string text = with_table(kTable);
    const std::string error = error_of(text.replace(text.find(from), from.size(), change.first));
    BOOST_TEST(error.find(change.second) != std::string::npos, error);
    BOOST_TEST(error.starts_with("dir/kith.toml:"), error);
  }
}

BOOST_AUTO_TEST_CASE(a_task_with_columns_is_replaced_and_all_else_is_as_it_was) {
  const std::string text = with_table(kTable);
  model::Task task = parse(text).task;
  task.columns[0].high = 90;
  const std::string replaced = replace_task(text, "dir/kith.toml", task);
  BOOST_TEST((parse(replaced).task == task));
  BOOST_TEST(replaced.find("[[task.column]]") == std::string::npos);
  task.columns.clear();
  task.classes = 10;
  BOOST_TEST((parse(replace_task(replaced, "dir/kith.toml", task)).task == task));
}

BOOST_AUTO_TEST_CASE(the_classes_of_a_text_follow_from_its_vocabulary) {
  const test::TemporaryDirectory folder;
  std::string text = kLeast;
  text.replace(text.find(kTask), kTask.size(), R"([task]
name = "words"
model = "gru-lm"
sizes = [8, 16]
vocabulary = "words.txt"
)");
  const auto error = [&] {
    try {
      static_cast<void>(parse_config(text, folder / "kith.toml"));
      return std::string();
    } catch (const Failure& failure) {
      BOOST_TEST(failure.code() == EX_CONFIG);
      return std::string(failure.what());
    }
  };
  BOOST_TEST(error().find("kith.toml:7:14: task.vocabulary: cannot open") != std::string::npos);
  std::ofstream(folder / "words.txt") << "the\ncat\nThe\n";
  BOOST_TEST(error().find("words.txt is no vocabulary: line 3") != std::string::npos);
  std::ofstream(folder / "words.txt") << "the\ncat\n";
  const Config config = parse_config(text, folder / "kith.toml");
  BOOST_TEST(config.task.classes == 4U);
  BOOST_TEST(config.task.vocabulary == folder / "words.txt");
  BOOST_TEST(config.task.vocabulary_hash.size() == 64U);
  const Config again = parse_config(to_toml(config), folder / "other.toml");
  BOOST_TEST((again.task == config.task));
  text.erase(text.find("vocabulary = "), 24);
  BOOST_TEST(error().find("task.vocabulary must name a file") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(data_are_lists_of_files) {
  const auto with = [](const std::string& train) {
    std::string text = kLeast;
    const auto at = text.find("train = ");
    return text.replace(at, text.find(']', at) + 1 - at, "train = " + train);
  };
  BOOST_TEST(error_of(with("[]")).find("data.train must be a list of paths") != std::string::npos);
  BOOST_TEST(error_of(with("[\"a\", \"\"]")).find("data.train") != std::string::npos);
  BOOST_TEST(error_of(with("\"a\"")).find("data.train") != std::string::npos);
  BOOST_TEST(error_of(with("[\"a\"]\nmin_validation = 0")).find("data.min_validation") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(every_type_of_value_is_read) {
  const Config config = parse(kLeast + R"(
[learning]
strategy = "fedavg"
gather = "1500ms"
interval = "2h"
baseline = false
admit = 1
seed = 9223372036854775807
[log]
level = "warn"
format = "json"
[limits]
disk = "64MiB"
)");
  BOOST_TEST(config.learning.strategy == "fedavg");
  BOOST_TEST((config.learning.gather == 1500ms));
  BOOST_TEST((config.learning.interval == 2h));
  BOOST_TEST(!config.learning.baseline);
  BOOST_TEST(config.learning.admit == 1.0);
  BOOST_TEST(config.learning.seed == 9223372036854775807U);
  BOOST_TEST((config.log.level == log::Level::warn));
  BOOST_TEST((config.log.format == log::Format::json));
  BOOST_TEST(config.limits.disk.bytes == 64ULL << 20);
}

struct Wrong {
  std::string text;   ///< follows kLeast, which has 9 lines
  std::string error;  ///< after "dir/kith.toml:"
};
std::ostream& operator<<(std::ostream& out, const Wrong& wrong) { return out << wrong.error; }
const std::vector<Wrong> kWrong{
    {"[learning]\nepoch = 3\n", "11:9: unknown key learning.epoch; did you mean learning.epochs?"},
    {"[log]\nepochs = 3\n", "11:10: unknown key log.epochs; did you mean learning.epochs?"},
    {"[lerning]\nepochs = 3\n", "10:1: unknown section lerning; did you mean learning?"},
    {"[learning.strategie]\n",
     "10:1: unknown section learning.strategie; did you mean learning.strategy?"},
    {"[log]\nzzzzzz = 3\n",
     "11:10: unknown key log.zzzzzz; docs/configuration.md lists what there is"},
    {"[[log]]\n", "10:1: log must be a section: [log]"},
    {"member = 3\n",
     "10:10: unknown key consortium.member; docs/configuration.md lists what there "
     "is"},
    {"[learning]\nepochs = \"3\"\n",
     "11:10: learning.epochs must be a whole number from 1 to 10000, not \"3\""},
    {"[learning]\nepochs = 0\n",
     "11:10: learning.epochs must be a whole number from 1 to 10000, not 0"},
    {"[learning]\nepochs = -1\n",
     "11:10: learning.epochs must be a whole number from 1 to 10000, not -1"},
    {"[learning]\nepochs = 4294967297\n",
     "11:10: learning.epochs must be a whole number from 1 to 10000, not 4294967297"},
    {"[learning]\nepochs = 1.5\n",
     "11:10: learning.epochs must be a whole number from 1 to 10000, not 1.5"},
    {"[learning]\nadmit = nan\n", "11:9: learning.admit must be a number from -2 to 2, not nan"},
    {"[learning]\nbaseline = 1\n", "11:12: learning.baseline must be true or false, not 1"},
    {"[learning]\nstrategy = \"oracle\"\n",
     "11:12: learning.strategy must be a text: \"lia\", \"lia-sign\", \"local\", \"fedavg\", "
     "\"fedavg-ft\", \"ditto\", \"fedper\", \"fedrep\", \"fedfomo\" or \"dpfl\", not \"oracle\""},
    {"[learning]\ngather = \"2 s\"\n",
     "11:10: learning.gather must be a duration like \"500ms\", \"2s\", \"10min\" or \"1h\" from "
     "\"0ms\" to \"24h\", not \"2 s\""},
    {"[learning]\ngather = \"99999999999999999999h\"\n",
     "11:10: learning.gather must be a duration like \"500ms\", \"2s\", \"10min\" or \"1h\" from "
     "\"0ms\" to \"24h\", not \"99999999999999999999h\""},
    {"[limits]\ndisk = \"9999999TiB\"\n",
     "11:8: limits.disk must be a size like \"64MiB\" or \"2GiB\" of at least 16MiB, not "
     "\"9999999TiB\""},
    {"[limits]\ndisk = \"15MiB\"\n",
     "11:8: limits.disk must be a size like \"64MiB\" or \"2GiB\" of at least 16MiB, not "
     "\"15MiB\""},
    {"[worker]\ndevice = \"tpu\"\n",
     "11:10: worker.device must be a text: \"cpu\", \"cuda\" or \"auto\", not \"tpu\""},
    {"[learning]\ndrop = 0.6\n",
     "11:8: learning.drop must be at most learning.admit; they are 0.6 and 0.5"},
    {"[learning]\nadmit = 0.3\n",
     "11:9: learning.drop must be at most learning.admit; they are 0.4 and 0.3"},
    {"[learning]\nconvenor = \"a\"\nstrategy = \"fedavg\"\n",
     "11:12: learning.convenor works with strategy \"lia\" only; remove it, or choose that one"},
    {"[learning\n", "10:10: not TOML: "},
    {"charter = \"again\"\n", "10:11: not TOML: "},
};
BOOST_DATA_TEST_CASE(what_is_wrong_is_said_with_its_place, data::make(kWrong), wrong) {
  const std::string error = error_of(kLeast + wrong.text);
  const std::string expected = "dir/kith.toml:" + wrong.error;
  BOOST_TEST((wrong.error.ends_with(": ") ? error.substr(0, expected.size()) : error) == expected);
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_named) {
  BOOST_TEST(error_of("") ==
             "dir/kith.toml: node.name is missing; add name = ... to the section [node]");
  BOOST_TEST(error_of("[node]\nkey = \"k\"\n") ==
             "dir/kith.toml:1:1: node.name is missing; add name = ... to the section [node]");
}

BOOST_AUTO_TEST_CASE(the_tasks_own_check_is_used) {
  std::string text = kLeast;
  text.replace(text.find("digits"), 6, "ward a");
  BOOST_TEST(error_of(text) ==
             "dir/kith.toml:4:8: task.name must be 1 to 64 letters, digits, dots, "
             "dashes or underscores");
}

BOOST_AUTO_TEST_CASE(a_missing_file_says_how_to_make_one) {
  try {
    std::ignore = load_config("/nowhere/kith.toml");
    BOOST_TEST(false);
  } catch (const Failure& failure) {
    BOOST_TEST(failure.code() == EX_NOINPUT);
    BOOST_TEST(
        failure.what() ==
        std::string("there is no /nowhere/kith.toml; create it with kith init --dir /nowhere"));
  }
}

BOOST_AUTO_TEST_CASE(the_file_that_is_written_reads_back_the_same) {
  const Config config = parse(kLeast +
                              "[learning]\nconvenor = \"Malmö \\\"x\\\"\"\nepochs = 7\n"
                              "gather = \"90s\"\nadmit = 0.987654321\n");
  const std::string text = to_toml(config);
  const Config again = parse_config(text, "kith.toml");  // its paths are relative no more
  BOOST_TEST(to_toml(again) == text);
  BOOST_TEST(again.learning.epochs == 7U);
  BOOST_TEST((again.learning.gather == 90s));
  BOOST_TEST(again.learning.admit == 0.987654321);
  BOOST_TEST(again.learning.convenor == "Malmö \"x\"");
}

BOOST_AUTO_TEST_CASE(another_task_takes_the_place_of_the_old_and_every_other_line_stays) {
  Config config = parse(kLeast + "[learning]\nepochs = 7\n");
  const std::string written = to_toml(config), around = "# mine\n" + written + "# at the end\n";
  model::Task task = config.task;
  task.name = "another";
  task.batch = 64;
  for (const std::string& text : {written, around}) {
    const std::string replaced = replace_task(text, "kith.toml", task);
    const Config after = parse_config(replaced, "kith.toml");
    BOOST_TEST((after.task == task));
    BOOST_TEST(replace_task(replaced, "kith.toml", config.task) == text);
  }
  const std::string by_hand = kLeast + "# of learning\n[learning] # here\nepochs = 7\n";
  const std::string replaced = replace_task(by_hand, "kith.toml", task);
  BOOST_TEST((parse_config(replaced, "kith.toml").task == task));
  BOOST_TEST(replaced.ends_with("\n# of learning\n[learning] # here\nepochs = 7\n"), replaced);
}

// It dropped [privacy] and said success: a node that was never started then published without
// noise.
BOOST_AUTO_TEST_CASE(accepted_task_never_touches_another_setting_however_the_file_is_written) {
  model::Task task = parse(kLeast).task;
  task.name = "another";
  const std::string dotted = "privacy.noise = 1\nprivacy.epsilon = 8\n" + kLeast;
  const std::string indented = kLeast + "  [privacy]\n  noise = 1\n  epsilon = 8\n";
  const std::string in_line = "privacy = { noise = 1, epsilon = 8 }\n" + kLeast;
  std::string within = kLeast;
  within.insert(within.find("[data]"), "  [privacy]\n  noise = 1\n  epsilon = 8\n");
  std::string dotted_task = kLeast + "[privacy]\nnoise = 1\nepsilon = 8\n";
  dotted_task.replace(dotted_task.find(kTask), kTask.size(), "");
  dotted_task = "task.name = \"digits\"\n" + dotted_task;
  for (const std::string& text : {dotted, indented, in_line, within, dotted_task}) {
    BOOST_TEST_REQUIRE(parse(text).privacy.on());
    try {
      const Config after = parse(replace_task(text, "dir/kith.toml", task));
      BOOST_TEST(after.task.name == "another");
      BOOST_TEST(after.privacy.noise == 1);
      BOOST_TEST(after.privacy.epsilon == 8);
    } catch (const Failure& failure) {
      BOOST_TEST(failure.code() == EX_CONFIG);
      BOOST_TEST(std::string(failure.what()).find("nothing is changed") != std::string::npos);
    }
  }
}

BOOST_AUTO_TEST_CASE(task_file_needs_no_classes_for_a_table_and_finds_its_words_beside_it) {
  const test::TemporaryDirectory folder;
  const fs::path file = folder.path() / "task.toml";
  std::ofstream(file) << "[task]\nname = \"hearts\"\nmodel = \"mlp\"\n"
                         "column = [{ name = \"age\", kind = \"number\", high = 80 },\n"
                         "{ name = \"sick\", kind = \"category\", target = true,"
                         " values = [\"0\", \"1\", \"2\"] }]\n";
  BOOST_TEST(load_task(file).classes == 3U);
  std::ofstream(folder.path() / "words.txt") << "the\ncat\n";
  std::ofstream(file) << "[task]\nname = \"words\"\nmodel = \"gru-lm\"\nsizes = [4, 4]\n"
                         "vocabulary = \"words.txt\"\n";
  const model::Task words = load_task(file);
  BOOST_TEST(words.vocabulary == fs::absolute(folder.path() / "words.txt"));
  BOOST_TEST(words.classes == 4U);
  std::ofstream(file) << "[task]\nname = \"words\"\nmodel = \"magic\"\n";
  BOOST_CHECK_EXCEPTION((void)load_task(file), Failure, [&](const Failure& failure) {
    BOOST_TEST_MESSAGE(failure.what());
    return std::string(failure.what()).starts_with(file.string() + ":3:9: task.model");
  });
}

BOOST_AUTO_TEST_CASE(defaults_are_written_as_comments_that_may_be_uncommented) {
  Config config;
  config.node.name = "a";
  config.task.name = "t";
  config.data.train = {"x", "y"};
  const std::string text = to_toml(config);
  BOOST_TEST(text.find("\nname = \"a\"\n") != std::string::npos);
  BOOST_TEST(text.find("\n#epochs = 5\n") != std::string::npos);
  std::string uncommented;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool key = text[i] == '#' && i > 0 && text[i - 1] == '\n' && text[i + 1] >= 'a';
    if (!key) uncommented += text[i];
  }
  BOOST_TEST(uncommented.find("\nepochs = 5\n") != std::string::npos);
  BOOST_TEST(to_toml(parse(uncommented)) == to_toml(parse(text)));
}

BOOST_AUTO_TEST_CASE(the_documentation_is_up_to_date) {
  const fs::path file = fs::path(KITH_DOCS) / "configuration.md";
  if (std::getenv("KITH_REFRESH") != nullptr) std::ofstream(file) << configuration_markdown();
  std::ifstream in(file);
  const std::string committed(std::istreambuf_iterator<char>(in), {});
  BOOST_TEST((committed == configuration_markdown()),
             "docs/configuration.md is out of date; KITH_REFRESH=1 "
                 << boost::unit_test::framework::master_test_suite().argv[0] << " refreshes it");
}

BOOST_AUTO_TEST_CASE(privacy_is_off_unless_noise_is_set) {
  BOOST_TEST(!parse(kLeast).privacy.on());
  const Config config = parse(kLeast + "[privacy]\nnoise = 1.1\nepsilon = 8\n");
  BOOST_TEST(config.privacy.on());
  BOOST_TEST(config.privacy.delta == 1e-5);
  BOOST_TEST(parse(to_toml(config)).privacy.epsilon == 8);
}

const std::pair<const char*, const char*> kBadPrivacy[] = {
    {"noise = -1", "privacy.noise"},  {"noise = nan", "privacy.noise"},
    {"noise = inf", "privacy.noise"}, {"clip = 0", "privacy.clip"},
    {"clip = -2.0", "privacy.clip"},  {"delta = 0", "privacy.delta"},
    {"delta = 1", "privacy.delta"},   {"delta = 1.5", "privacy.delta"},
    {"delta = nan", "privacy.delta"}, {"epsilon = -8", "privacy.epsilon"},
    {"seed = 1", "privacy.seed"},     {"noise_seed = 1", "privacy.noise_seed"},
};

BOOST_AUTO_TEST_CASE(privacy_that_makes_no_sense_is_refused_by_its_key) {
  for (const auto& [line, key] : kBadPrivacy) {
    const std::string error = error_of(kLeast + "[privacy]\n" + line + "\n");
    BOOST_TEST(error.find(key) != std::string::npos, line << ": " << error);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace config_test
