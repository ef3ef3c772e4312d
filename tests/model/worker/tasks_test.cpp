#include "crypto/hash.hpp"
#include "model/data/partition.hpp"
#include "model/data/text.hpp"
#include "tests/model/worker/worker_process.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace tasks_test {

using namespace kith;
using data::PartitionKind;
using pipe::FailureKind;
using pipe::ModelName;
using pipe::Split;
using test::TemporaryDirectory;
using test::WorkerProcess;
namespace fs = std::filesystem;
namespace utf = boost::unit_test;

/// Data sets that are not Debian packages: the environment variable KITH_DATA names their folder.
fs::path data_folder() {
  const char* const named = std::getenv("KITH_DATA");
  return named != nullptr ? named : KITH_DATA_DEFAULT;
}

/// Skips a test without that data set.
struct Needs {
  std::string set;
  boost::test_tools::assertion_result operator()(utf::test_unit_id) const {
    boost::test_tools::assertion_result there(fs::exists(data_folder() / set));
    there.message() << "skipped: " << (data_folder() / set).string()
                    << " is not there; set KITH_DATA to a folder with it";
    return there;
  }
};

struct Learnt {
  pipe::Opened opened;
  pipe::Evaluation before, after;
  Bytes partial;
};

Learnt learn(const model::Task& task, const pipe::DataFiles& files, std::uint64_t epochs) {
  const TemporaryDirectory state;
  WorkerProcess worker;
  Learnt learnt;
  learnt.opened = worker.ask(test::question(task, files, state.path()));
  learnt.before = worker.ask(pipe::Evaluate{ModelName::averaged, Split::test});
  worker.ask(pipe::Train{1, epochs, false});
  learnt.partial = worker.last_file();
  learnt.after = worker.ask(pipe::Evaluate{ModelName::partial, Split::test});
  return learnt;
}

/// A partition of one node and the files of it.
struct Cut {
  Cut(PartitionKind kind, const std::string& set, std::size_t train) {
    data::PartitionPlan plan;
    plan.kind = kind;
    plan.source = data_folder() / set;
    plan.nodes = plan.groups = 4;
    plan.train_per_node = train;
    plan.test_per_node = 200;
    plan.vocabulary = 500;
    made = data::write_partition(plan, folder.path());
  }
  pipe::DataFiles files(std::size_t node) const {
    return {made.nodes[node].train, made.nodes[node].test};
  }
  TemporaryDirectory folder;
  data::Partition made;
};

/// A text of two sorts of sentences, in which the first word decides the second.
struct Sentences {
  Sentences() {
    std::string text;
    for (int i = 0; i < 60; ++i) text += i % 2 == 0 ? "the cat purrs\n" : "a dog , which barks !\n";
    data::write_file(folder / "train", as_byte_view(text));
    data::write_vocabulary(folder / "words", words);
    task.name = "words";
    task.model = "gru-lm";
    task.sizes = {8, 12};
    task.vocabulary = folder / "words";
    task.vocabulary_hash = crypto::to_hex(words.hash());
    task.classes = static_cast<unsigned>(words.size());
    task.learning_rate = 0.5;
    task.batch = 8;
  }
  pipe::DataFiles files(const std::string& test) const {
    data::write_file(folder / "test", as_byte_view(test));
    return {{folder / "train"}, {folder / "test"}};
  }
  TemporaryDirectory folder;
  data::Vocabulary words{
      {"the", "cat", "purrs", "a", "dog", ",", "which", "barks"}};  // but not "!"
  model::Task task;
};

std::string complaint(const model::Task& task, const pipe::DataFiles& files,
                      FailureKind kind = FailureKind::data) {
  const TemporaryDirectory state;
  WorkerProcess worker;
  const pipe::Failure failure = worker.failure_of(test::question(task, files, state.path()));
  BOOST_TEST((failure.kind == kind), failure.error);
  return failure.error;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(tasks_tests)

BOOST_AUTO_TEST_CASE(a_residual_network_learns_colour_pictures,
                     *utf::precondition(Needs{"cifar100"})) {
  const Cut cut(PartitionKind::superclass, "cifar100", 500);
  model::Task task = cut.made.task;
  task.sizes = {8, 16};
  const Learnt learnt = learn(task, cut.files(1), 8);
  BOOST_TEST(learnt.opened.classes == 100U);
  BOOST_TEST(learnt.opened.train + learnt.opened.validation == 500U);
  BOOST_TEST(learnt.after.loss < 0.85 * learnt.before.loss);
  BOOST_TEST(learnt.after.metric("accuracy") > 0.08);  // guessing one of the group's 25 labels: 0.04
  BOOST_TEST((learn(task, cut.files(1), 8).partial == learnt.partial));
}

BOOST_AUTO_TEST_CASE(a_recurrent_network_learns_the_next_word,
                     *utf::precondition(Needs{"nordic"})) {
  const Cut cut(PartitionKind::language, "nordic", 600);
  const Learnt learnt = learn(cut.made.task, cut.files(0), 4);
  BOOST_TEST(learnt.opened.classes == 502U);
  BOOST_TEST(learnt.opened.train + learnt.opened.validation >= 600U);  // long ones are divided
  BOOST_TEST(learnt.before.loss > 5);  // ln(502) = 6.2
  BOOST_TEST(learnt.after.loss < 0.75 * learnt.before.loss);
  BOOST_TEST(learnt.after.metric("accuracy") > 0.05);
  BOOST_TEST((learn(cut.made.task, cut.files(0), 4).partial == learnt.partial));
}

BOOST_AUTO_TEST_CASE(a_perceptron_learns_a_table_with_missing_values,
                     *utf::precondition(Needs{"heart"})) {
  const Cut cut(PartitionKind::hospital, "heart", 1000);
  for (const std::size_t hospital : {0U, 1U}) {
    const Learnt learnt = learn(cut.made.task, cut.files(hospital), 15);
    BOOST_TEST(learnt.opened.classes == 2U);
    BOOST_TEST(learnt.after.loss < 0.6);  // ln(2) = 0.69
    BOOST_TEST(learnt.after.metric("accuracy") > 0.7);
    BOOST_TEST((learn(cut.made.task, cut.files(hospital), 15).partial == learnt.partial));
  }
}

BOOST_AUTO_TEST_CASE(a_grammar_is_learnt_but_no_unknown_word_is_ever_right) {
  const Sentences text;
  const Learnt learnt = learn(text.task, text.files("the cat purrs\na dog , which barks !\n"), 40);
  // 10 words and ends are to be predicted, '!' is unknown; how a sentence begins is a toss.
  BOOST_TEST(learnt.after.metric("accuracy") >= 7.5 / 10);
  BOOST_TEST(learnt.after.metric("accuracy") <= 9.5 / 10);
  BOOST_TEST(learnt.after.examples == 2U);
  BOOST_TEST(learnt.after.loss < 0.4);
}

BOOST_AUTO_TEST_CASE(the_loss_of_a_text_is_the_mean_over_its_words_whatever_they_are_padded_with) {
  const Sentences text;
  const auto loss = [&](const std::string& test) {
    return learn(text.task, text.files(test), 1).after.loss;
  };
  const double one = loss("the cat\n");                      // 3 to be predicted, with the end
  const double other = loss("a dog , which barks a lot\n");  // 7, since "lot" is unknown
  BOOST_TEST(std::abs(one - other) > 0.01);
  BOOST_TEST(std::abs(loss("the cat\na dog , which barks a lot\n") - (3 * one + 7 * other) / 10) <
             1e-6);
}

BOOST_AUTO_TEST_CASE(a_text_of_unknown_words_is_no_good_text) {
  Sentences text;
  std::string mixed;
  for (int i = 0; i < 60; ++i) mixed += "the " + std::string(static_cast<std::size_t>(i) % 3 + 1, 'x') + " yy zz the\n";
  data::write_file(text.folder / "train", as_byte_view(mixed));
  const Learnt learnt = learn(text.task, text.files("xx cat dog zz\n"), 20);
  // Only "the" was seen: it knows nothing of the others.
  BOOST_TEST(learnt.after.metric("perplexity") > 10);
  BOOST_REQUIRE(learnt.opened.remarks.size() == 1U);
  BOOST_TEST(learnt.opened.remarks[0] ==
             "180 of 300 words are not in the vocabulary; kith data check has more");
}

BOOST_AUTO_TEST_CASE(texts_are_told_apart) {
  Sentences text;
  text.task.model = "text-classifier";
  text.task.labels = {"cats", "dogs"};
  text.task.words = text.task.classes;
  text.task.classes = 2;
  std::string train = "text,label\n", test = train;
  for (int i = 0; i < 80; ++i) {
    const bool cat = i % 2 == 0;
    const std::string noise = std::string(static_cast<std::size_t>(i) % 5 + 1, 'z') + " the a ";
    train += noise + (cat ? "cat purrs,cats\n" : "dog barks,dogs\n");
    test += noise + (cat ? "purrs,cats\n" : "barks,dogs\n");
  }
  data::write_file(text.folder / "train.csv", as_byte_view(train));
  data::write_file(text.folder / "test.csv", as_byte_view(test));
  const pipe::DataFiles files{{text.folder / "train.csv"}, {text.folder / "test.csv"}};
  const Learnt learnt = learn(text.task, files, 20);
  BOOST_TEST(learnt.after.metric("accuracy") > 0.95);
  BOOST_TEST(learnt.after.examples == 80U);
  BOOST_TEST((learn(text.task, files, 20).partial == learnt.partial));
}

BOOST_AUTO_TEST_CASE(a_wearers_windows_are_learnt_by_a_convolution_along_time,
                     *utf::precondition(Needs{"har"})) {
  model::Task task;
  task.name = "steps";
  task.model = "cnn1d";
  task.sizes = {16, 16};
  task.input = {50, 6};
  task.classes = 5;
  task.learning_rate = 0.02;
  pipe::DataFiles files{{data_folder() / "har" / "s02_sp.npz"}, {}};
  files.split = model::SplitBy::time;  // neighbours overlap
  const TemporaryDirectory state;
  WorkerProcess worker;
  worker.ask(test::question(task, files, state.path()));
  worker.ask(pipe::Train{1, 20, false});
  const auto judged = worker.ask(pipe::Evaluate{ModelName::partial, Split::validation});
  BOOST_TEST(judged.metric("accuracy") > 0.6);  // the most frequent activity: under a half
  BOOST_TEST(judged.metric("macro_f1") > 0.4);
}

BOOST_AUTO_TEST_CASE(several_columns_are_answered_at_once) {
  const TemporaryDirectory folder;
  model::Task task;
  task.name = "signs";
  using Kind = model::Column::Kind;
  task.columns = {{.name = "x", .kind = Kind::number, .low = 0, .high = 99},
                  {.name = "high", .kind = Kind::yes_no, .target = true},
                  {.name = "odd", .kind = Kind::yes_no, .target = true}};
  task.classes = 2;
  task.sizes = {16};
  std::string rows = "x,odd,high\n";
  for (int i = 0; i < 100; ++i) {
    rows += std::to_string(i) + (i % 10 == 0 ? ",," : i < 30 ? ",yes," : ",no,") +
            (i == 50 ? "" : i > 49 ? "yes" : "no") + "\n";
  }
  data::write_file(folder / "train.csv", as_byte_view(rows));
  const pipe::DataFiles files{{folder / "train.csv"}, {folder / "train.csv"}};
  const Learnt learnt = learn(task, files, 60);
  BOOST_TEST(learnt.opened.train + learnt.opened.validation == 99U);  // of one neither is known
  BOOST_TEST(learnt.after.metric("auroc") > 0.95);
  task.classes = 3;
  BOOST_TEST(contains(complaint(task, files, FailureKind::config), "classes must be 2"));
  task.columns[2] = {.name = "odd", .kind = Kind::number, .target = true, .low = 0, .high = 1};
  BOOST_TEST(contains(complaint(task, files, FailureKind::config), "or several that are all yes-no"));
}

BOOST_AUTO_TEST_CASE(text_that_does_not_fit_is_explained) {
  const Sentences text;
  pipe::DataFiles files = text.files("the cat\n");
  data::write_file(text.folder / "test", as_byte_view("good\nsm\xf8r\n"));  // not UTF-8, and read
  BOOST_TEST(contains(complaint(text.task, files), "test has no word that is in"));
  data::write_file(text.folder / "test", as_byte_view("\n \n"));
  BOOST_TEST(contains(complaint(text.task, files), "test holds no sentence"));
  data::write_file(text.folder / "train", as_byte_view("the cat\nthe dog\n"));
  BOOST_TEST(contains(complaint(text.task, files), "10 are needed"));
  data::write_vocabulary(text.folder / "words", data::Vocabulary({"changed"}));
  BOOST_TEST(contains(complaint(text.task, files), "words has changed since"));
  model::Task task = text.task;
  task.vocabulary.clear();
  BOOST_TEST(contains(complaint(task, files, FailureKind::config), "vocabulary must name"));
}

BOOST_AUTO_TEST_CASE(tables_that_do_not_fit_are_explained) {
  const TemporaryDirectory folder;
  model::Task task;
  task.name = "hearts";
  using Kind = model::Column::Kind;
  task.columns = {
      {.name = "age", .kind = Kind::number, .low = 20, .high = 80},
      {.name = "sick", .kind = Kind::category, .target = true, .values = {{"0"}, {"1"}}}};
  task.classes = 2;
  const pipe::DataFiles files{{folder / "train.csv"}, {}};
  data::write_file(folder / "train.csv", as_byte_view("age,sick\n50,0\n50,7\n"));
  BOOST_TEST(contains(complaint(task, files), "train.csv: line 3 has \"7\" in the column sick"));
  data::write_file(folder / "train.csv", as_byte_view("age,sick\n"));
  BOOST_TEST(contains(complaint(task, files), "train.csv holds no row"));
}

BOOST_AUTO_TEST_CASE(cifar_files_need_one_of_their_numbers_of_classes) {
  const TemporaryDirectory folder;
  std::string records;
  for (int i = 0; i < 80; ++i) {
    records += static_cast<char>(i % 20);
    records += static_cast<char>(i % 100);
    records += std::string(3072, static_cast<char>(i));
  }
  data::write_file(folder / "a.bin", as_byte_view(records));
  const pipe::DataFiles files{{folder / "a.bin", folder / "a.bin"}, {}};
  model::Task task;
  task.name = "cifar";
  task.input = {3, 32, 32};
  task.classes = 30;
  BOOST_TEST(contains(complaint(task, files), "correct task.classes"));
  task.classes = 10;
  BOOST_TEST(contains(complaint(task, files), "a.bin is not made of records of 3073 bytes"));
  task.classes = 20;
  const TemporaryDirectory state;
  WorkerProcess worker;
  const auto opened = worker.ask(test::question(task, files, state.path()));
  BOOST_TEST(opened.train + opened.validation == 160U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tasks_test
