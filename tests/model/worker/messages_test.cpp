#include "model/pipe/messages.hpp"

#include "model/pipe/pipe.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace messages_test {

using namespace kith;
using namespace kith::pipe;

std::string why_bad(const std::string& text) {
  const auto parsed = parse_request(text);
  const auto* const bad = std::get_if<BadRequest>(&parsed);
  return bad != nullptr ? bad->what : "";
}

template <class Result>
std::string why_no_reply(const std::string& text) {
  const auto parsed = parse_reply<Result>(text);
  const auto* const why = std::get_if<std::string>(&parsed);
  return why != nullptr ? *why : "";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

Open some_open() {
  Open open;
  open.task.name = "coats";
  open.task.model = "cnn";
  open.task.sizes = {8, 16};
  open.task.seed = ~0ULL;
  using Kind = model::Column::Kind;
  open.task.columns = {
      {.name = "age", .kind = Kind::number, .low = 20, .high = 80, .missing = {"-9"}},
      {.name = "sick", .kind = Kind::category, .target = true, .values = {{"0"}, {"1", "2"}}}};
  open.task.vocabulary = "words.txt";
  open.task.vocabulary_hash = "ab";
  open.data = {{"a", "b"}, {"c"}, {"d"}, 0.2, SplitBy::time, 5, "a node"};
  open.task.loss = "huber";
  open.task.optimiser = "adamw";
  open.task.gradient_clip = 1.5;
  open.task.schedule = "cosine";
  open.task.schedule_rounds = 20;
  open.task.warmup_rounds = 2;
  open.task.label_smoothing = 0.1;
  open.task.metric = "mae";
  open.task.class_weights = {1, 5};
  open.task.target_range = {0, 100};
  open.state = "/state";
  open.seed = 7;
  open.score_examples = 64;
  open.privacy = Privacy{1.5, 0.5, 1e-6, 8, 3};
  return open;
}

Try some_try() {
  Try mixture;
  mixture.members = {"self", "other"};
  mixture.weights = {1, 0.5};
  return mixture;
}

const std::vector<Request> kRequests{
    {1, some_open()},
    {2, Train{3, 5, true, Pull{"averaged", 0.5}}},
    {3, Load{"peer"}},
    {4, Forget{"peer"}},
    {5, Score{{"a", "b"}, 32}},
    {6, some_try()},
    {7, Average{{{"self"}, {1}}}},
    {8, Keep{{{"self"}, {1}}, "first"}},
    {9, Initial{"second", 7}},
    {10, Measure{{"a", "averaged"}, Split::train}},
    {11, Distance{"averaged", {"a"}}},
    {12, Evaluate{ModelName::partial, Split::validation}},
    {13, Serve{{{"self"}, {1}}}},
    {14, Checkpoint{4}},
    {15, Spend{3, 5}},
    {16, Graft{"both", "self", "a", Layers::last}},
    {17, Refine{"better", "averaged", 3, 5, 0.5, Layers::others, Pull{"averaged", 0.5}}},
    {18, Gradient{"self", 1, 32, 16}},
    {19, Outcomes{"served", Split::test}},
    {20, Predict{ModelName::served, 64}},
    {21, Inspect{64, 5}},
};

BOOST_AUTO_TEST_SUITE(messages_tests)

BOOST_AUTO_TEST_CASE(every_request_survives_the_pipe) {
  for (const Request& request : kRequests) {
    const std::string text = encode(request);
    const auto parsed = parse_request(text);
    BOOST_REQUIRE_MESSAGE(std::holds_alternative<Request>(parsed), why_bad(text));
    BOOST_TEST(std::get<Request>(parsed).id == request.id);
    BOOST_TEST(std::get<Request>(parsed).operation.index() == request.operation.index());
    BOOST_TEST(encode(std::get<Request>(parsed)) == text);
  }
  BOOST_TEST(kRequests.size() == std::variant_size_v<Operation>);
}

BOOST_AUTO_TEST_CASE(the_text_of_a_request_is_what_the_protocol_document_says) {
  BOOST_TEST(encode({2, Train{3, 5, true}}) ==
             R"({"baseline":true,"epochs":5,"id":2,"layers":"all","op":"train","pull":null,)"
             R"("round":3})");
  BOOST_TEST(encode({8, Evaluate{ModelName::served, Split::test}}) ==
             R"({"id":8,"model":"served","op":"evaluate","split":"test"})");
  BOOST_TEST(encode({9, Measure{{"a"}, Split::train}}) ==
             R"({"id":9,"members":["a"],"op":"measure","split":"train"})");
}

/// A row of a table of docs/worker-protocol.md that begins with this cell.
struct Row {
  std::vector<std::set<std::string>> names;  ///< in `...`, by column, without the first
};

std::optional<Row> documented(const std::string& first) {
  std::ifstream file(KITH_DOCS "/worker-protocol.md");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| " + first + " |")) continue;
    Row row;
    std::istringstream cells(line.substr(first.size() + 4));
    for (std::string cell; std::getline(cells, cell, '|');) {
      std::set<std::string>& names = row.names.emplace_back();
      for (std::size_t at = 0; (at = cell.find('`', at)) != std::string::npos;) {
        const std::size_t end = cell.find('`', at + 1);
        names.insert(cell.substr(at + 1, end - at - 1));
        at = end + 1;
      }
    }
    return row;
  }
  return std::nullopt;
}

std::set<std::string> keys(const nlohmann::json& object,
                           const std::set<std::string>& without = {}) {
  std::set<std::string> all;
  for (const auto& [key, value] : object.items()) {
    if (!without.contains(key)) all.insert(key);
  }
  return all;
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + " ";
  return text;
}

void check_documented(const std::string& row, std::size_t column,
                      const std::set<std::string>& names) {
  const auto found = documented(row);
  BOOST_TEST_REQUIRE(found.has_value(), row);
  BOOST_TEST_REQUIRE(found->names.size() > column, row);
  BOOST_TEST(listed(found->names[column]) == listed(names), row);
}

template <class Result>
nlohmann::json text_of(const Result& result) {
  return nlohmann::json::parse(encode(Reply<Result>{1, result}));
}

BOOST_AUTO_TEST_CASE(the_protocol_document_has_every_field_of_every_request_and_reply) {
  for (const Request& request : kRequests) {
    const auto json = nlohmann::json::parse(encode(request));
    const std::string row = "`" + json.at("op").get<std::string>() + "`";
    check_documented(row, 0, keys(json, {"id", "op"}));
    const auto reply = std::visit(
        [](const auto& operation) {
          return text_of(typename std::remove_cvref_t<decltype(operation)>::Result{});
        },
        request.operation);
    check_documented(row, 1, keys(reply, {"id", "ok"}));
  }
}

BOOST_AUTO_TEST_CASE(the_protocol_document_has_every_field_of_what_is_within) {
  const auto open = nlohmann::json::parse(encode({1, some_open()}));
  for (const char* const within : {"task", "data", "privacy"}) {
    check_documented("`" + std::string(within) + "` of open", 0, keys(open.at(within)));
  }
  Opened opened;
  opened.guards = {{"network", true, "it has none"}};
  check_documented("`guards` of open, each", 0, keys(text_of(opened).at("guards").at(0)));
  Trained trained;
  trained.privacy = Spent{};
  check_documented("`privacy` of train", 0, keys(text_of(trained).at("privacy")));
  const auto train = nlohmann::json::parse(encode({1, Train{3, 5, true, Pull{"averaged", 0.5}}}));
  check_documented("`pull`", 0, keys(train.at("pull")));
  check_documented("an evaluation", 0, keys(text_of(trained).at("validation")));
  const auto progress = nlohmann::json::parse(encode(Reply<Done>{1, Progress{}}));
  check_documented("`progress`", 0, keys(progress.at("progress")));
  const auto failure = nlohmann::json::parse(encode(Reply<Done>{1, Failure{}}));
  check_documented("a failure", 0, keys(failure, {"id", "ok"}));
}

BOOST_AUTO_TEST_CASE(the_protocol_document_has_every_kind_of_failure) {
  const std::string known = why_no_reply<Done>(R"({"id":1,"ok":false,"kind":"?","error":""})");
  std::size_t count = 0;
  for (const FailureKind kind :
       {FailureKind::config, FailureKind::data, FailureKind::software, FailureKind::disk,
        FailureKind::permission, FailureKind::memory, FailureKind::diverged}) {
    const auto json = nlohmann::json::parse(encode(Reply<Done>{1, Failure{kind, ""}}));
    BOOST_TEST(documented("`" + json.at("kind").get<std::string>() + "`").has_value());
    BOOST_TEST(contains(known, json.at("kind").get<std::string>().c_str()), known);
    ++count;
  }
  BOOST_TEST(static_cast<std::size_t>(std::ranges::count(known, ',')) + 1 == count, known);
}

BOOST_AUTO_TEST_CASE(the_task_arrives_as_it_was_sent) {
  const auto parsed = parse_request(encode({1, some_open()}));
  BOOST_TEST((std::get<Open>(std::get<Request>(parsed).operation).task == some_open().task));
}

BOOST_AUTO_TEST_CASE(the_text_of_a_reply_is_what_the_protocol_document_says) {
  BOOST_TEST(encode(Reply<Evaluation>{6, Evaluation{0.5, 40, {{"accuracy", 0.25}}, {}}}) ==
             R"({"confusion":[],"examples":40,"id":6,"loss":0.5,"metrics":{"accuracy":0.25},"ok":true})");
  BOOST_TEST(encode(Reply<Done>{3, Failure{FailureKind::data, "mend it"}}) ==
             R"({"error":"mend it","id":3,"kind":"data","ok":false})");
  BOOST_TEST(encode(Reply<Measured>{4, Measured{{0.5, 2}}}) ==
             R"({"id":4,"ok":true,"values":[0.5,2.0]})");
  BOOST_TEST(encode(Reply<Trained>{2, Progress{"partial", 1, 5, 2, {0.5, 40, {{"accuracy", 0.25}}, {}}}}) ==
             R"({"id":2,"progress":{"epoch":1,"epochs":5,"phase":"partial","train_loss":2.0,)"
             R"("validation":{"confusion":[],"examples":40,"loss":0.5,"metrics":{"accuracy":0.25}}}})");
}

BOOST_AUTO_TEST_CASE(replies_survive_the_pipe) {
  const Reply<Trained> sent{
      9, Trained{2, 0.5, {0.25, 40, {{"accuracy", 0.75}}, {1, 2}},
                 Evaluation{1, 40, {}, {}}, 3, Spent{2.5, false}}};
  const auto parsed = parse_reply<Trained>(encode(sent));
  const auto& trained = std::get<Trained>(std::get<Reply<Trained>>(parsed).content);
  BOOST_TEST(trained.best_epoch == 2U);
  BOOST_TEST(trained.validation.metric("accuracy") == 0.75);
  BOOST_TEST(trained.baseline.value().loss == 1.0);

  const auto alone = parse_reply<Trained>(encode(Reply<Trained>{9, Trained{}}));
  BOOST_TEST(!std::get<Trained>(std::get<Reply<Trained>>(alone).content).baseline.has_value());

  const auto refused =
      parse_reply<Trained>(encode(Reply<Trained>{9, Failure{FailureKind::config, "mend it"}}));
  const auto& failure = std::get<Failure>(std::get<Reply<Trained>>(refused).content);
  BOOST_TEST((failure.kind == FailureKind::config));
  BOOST_TEST(failure.error == "mend it");

  const auto progress =
      parse_reply<Trained>(encode(Reply<Trained>{9, Progress{"baseline", 1, 2, 3, {}}}));
  BOOST_TEST(std::get<Progress>(std::get<Reply<Trained>>(progress).content).epochs == 2U);
}

BOOST_AUTO_TEST_CASE(every_field_of_every_request_is_required_or_known) {
  for (const Request& request : kRequests) {
    const std::string text = encode(request);
    for (std::size_t at = text.find("\":"); at != std::string::npos;
         at = text.find("\":", at + 1)) {
      std::string other = text;
      other[at - 1] ^= 1;  // the last letter of a field's name
      const std::string why = why_bad(other);
      BOOST_TEST((contains(why, "is missing") || contains(why, "is not known")), other);
    }
  }
}

/// The paragraph of docs/worker-protocol.md that says what a reply may lack.
std::string may_be_left_out() {
  std::ifstream file(KITH_DOCS "/worker-protocol.md");
  std::string paragraph;
  for (std::string line; std::getline(file, line);) {
    if (!paragraph.empty() && line.empty()) break;
    if (!paragraph.empty() || contains(line, "may leave out of a")) paragraph += line + "\n";
  }
  return paragraph;
}

/// Whether a reply is one without this field of it, or of the object at `within`.
template <class Result>
bool is_reply_without(const nlohmann::json& whole, const std::string& within,
                      const std::string& field) {
  nlohmann::json other = whole;
  (within.empty() ? other : other.at(within)).erase(field);
  return why_no_reply<Result>(other.dump()).empty();
}

BOOST_AUTO_TEST_CASE(what_a_reply_may_lack_is_what_the_protocol_document_says) {
  const std::string paragraph = may_be_left_out();
  BOOST_TEST_REQUIRE(!paragraph.empty());
  const auto check = [&](const auto& result, const std::string& within = {}) {
    const auto whole = text_of(result);
    for (const auto& [field, value] : (within.empty() ? whole : whole.at(within)).items()) {
      if (field == "id" || field == "ok") continue;
      if (field == "train_loss" || field == "validation") continue;  // of progress only: below
      using Result = std::remove_cvref_t<decltype(result)>;
      BOOST_TEST(is_reply_without<Result>(whole, within, field) ==
                     contains(paragraph, ("`" + field + "`").c_str()),
                 within << " " << field);
    }
  };
  check(Opened{}), check(Spent{}), check(Trained{}), check(Scored{}), check(Evaluation{});
  check(Measured{}), check(Sloped{}), check(Checkpointed{}), check(Predicted{}), check(Inspected{});
  check(Trained{}, "validation");
  const Reply<Done> told{1, Progress{"partial", 1, 2, 0.5, {}}};
  const auto progress = nlohmann::json::parse(encode(told));
  for (const char* const field : {"phase", "epoch", "epochs"}) {
    BOOST_TEST(!is_reply_without<Done>(progress, "progress", field), field);
  }
  for (const char* const field : {"train_loss", "validation"}) {
    BOOST_TEST(is_reply_without<Done>(progress, "progress", field), field);
  }
}

BOOST_AUTO_TEST_CASE(what_a_reply_lacks_is_as_if_there_were_nothing) {
  const auto parsed = parse_reply<Opened>(
      R"({"id":1,"ok":true,"parameters":9,"classes":2,"train":3,"validation":2,"test":0,"scored":2})");
  const auto& opened = std::get<Opened>(std::get<Reply<Opened>>(parsed).content);
  BOOST_TEST(opened.parameters == 9U);
  BOOST_TEST((opened.round == 0 && !opened.resumed && opened.frozen.empty()));
  BOOST_TEST((opened.guards.empty() && opened.remarks.empty() && opened.unknowable.empty()));
  const auto judged = parse_reply<Evaluation>(R"({"id":1,"ok":true,"loss":0.5,"examples":4})");
  BOOST_TEST(std::get<Evaluation>(std::get<Reply<Evaluation>>(judged).content).metrics.empty());
  BOOST_TEST(contains(
      why_no_reply<Evaluation>(R"({"id":1,"ok":true,"loss":0.5,"examples":4,"metrics":[]})"),
      "\"metrics\": an object"));
}

BOOST_AUTO_TEST_CASE(the_longest_columns_that_a_task_may_have_fit_into_a_message) {
  using model::Column;
  Open open = some_open();
  open.task.model = "mlp";
  open.task.vocabulary.clear();
  open.task.vocabulary_hash.clear();
  open.task.classes = 2;
  open.task.loss.clear();
  open.task.metric = "average_precision";
  open.task.target_range = {-1, 1};
  const auto fits = [&] { return !model::problem(open.task); };
  for (const bool long_names : {false, true}) {
    open.task.columns = {some_open().task.columns[1]};
    for (unsigned i = 0;; ++i) {
      Column column{.name = std::to_string(i), .kind = Column::Kind::category};
      column.values = {{"a"}, {"b", "c\""}};
      column.missing = {"-9"};
      column.unknown = Column::Unknown::missing;
      if (long_names) column.name += std::string(200, '\\');
      open.task.columns.push_back(column);
      if (!fits()) break;
    }
    open.task.columns.pop_back();
    BOOST_TEST(fits());
    BOOST_TEST(open.task.columns.size() > 100U);
    const auto parsed = parse_request(encode(Request{1, open}));
    BOOST_TEST((std::get<Open>(std::get<Request>(parsed).operation).task == open.task));
  }
}

const std::pair<std::string, const char*> kBad[] = {
    {"", "one JSON object"},
    {"{", "one JSON object"},
    {"[1]", "one JSON object"},
    {"{}x", "one JSON object"},
    {R"({"op":"serve"})", "\"id\" is missing"},
    {R"({"id":-1,"op":"serve"})", "without sign"},
    {R"({"id":1.5,"op":"serve"})", "without sign"},
    {R"({"id":1,"op":7})", "a string"},
    {R"({"id":1,"op":"dance"})", "\"dance\" is not known"},
    {R"({"id":1,"op":"evaluate","model":"best"})", "one of baseline, averaged, partial, served"},
    {R"({"id":1,"op":"evaluate","model":1})", "one of baseline"},
    {R"({"id":1,"op":"train","round":1,"epochs":"5","baseline":true})", "\"epochs\""},
    {R"({"id":1,"op":"train","round":1,"epochs":5,"baseline":1})", "true or false"},
    {R"({"id":1,"op":"score","peers":"a"})", "an array"},
    {R"({"id":1,"op":"score","peers":["a",1]})", "a string"},
    {R"({"id":1,"op":"try","members":["self"],"weights":[null]})", "a number"},
    {R"({"id":1,"op":"try","members":["self"],"weights":[1e999]})", "one JSON object"},
};
BOOST_AUTO_TEST_CASE(a_bad_request_is_told_what_is_wrong) {
  for (const auto& [text, why] : kBad) {
    BOOST_TEST(contains(why_bad(text), why), text << " gave: " << why_bad(text));
  }
  BOOST_TEST(contains(why_bad(std::string(kMaxMessage + 1, ' ')), "64 KiB"));
}

BOOST_AUTO_TEST_CASE(a_bad_request_keeps_its_id_for_the_answer) {
  BOOST_TEST(std::get<BadRequest>(parse_request(R"({"id":77,"op":"dance"})")).id == 77U);
  BOOST_TEST(std::get<BadRequest>(parse_request("nonsense")).id == 0U);
}

BOOST_AUTO_TEST_CASE(numbers_that_do_not_fit_are_refused) {
  std::string text = encode({1, some_open()});
  text.replace(text.find("\"batch\":32"), 10, "\"batch\":4294967296");
  BOOST_TEST(contains(why_bad(text), "smaller"));
}

BOOST_AUTO_TEST_CASE(unknown_fields_are_left_for_newer_versions) {
  BOOST_TEST(why_bad(R"({"id":1,"op":"checkpoint","round":2,"colour":"red"})") == "");
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused_without_exhausting_the_stack) {
  for (const std::string open : {"[", R"({"a":)"}) {
    std::string deep = R"({"id":1,"op":"checkpoint","round":2,"extra":)";
    while (deep.size() + open.size() < kMaxMessage) deep += open;
    BOOST_TEST(contains(why_bad(deep), "one JSON object"));
  }
  const std::string closed = R"({"id":1,"op":"checkpoint","round":2,"extra":)" +
                             std::string(30'000, '[') + std::string(30'000, ']') + "}";
  BOOST_TEST(contains(why_bad(closed), "one JSON object"));
  BOOST_TEST(why_bad(R"({"id":1,"op":"checkpoint","round":2,"extra":[[[1]]]})") == "");
}

BOOST_AUTO_TEST_CASE(a_bad_reply_is_told_what_is_wrong) {
  BOOST_TEST(contains(why_no_reply<Done>("[]"), "one JSON object"));
  BOOST_TEST(contains(why_no_reply<Done>(R"({"id":1})"), "\"ok\" is missing"));
  BOOST_TEST(
      contains(why_no_reply<Done>(R"({"id":1,"ok":false,"kind":"odd","error":""})"), "kind"));
  BOOST_TEST(contains(why_no_reply<Evaluation>(R"({"id":1,"ok":true})"), "\"loss\" is missing"));
  BOOST_TEST(contains(why_no_reply<Done>(R"({"id":1,"progress":7})"), "an object"));
  BOOST_TEST(why_no_reply<Done>(R"({"id":1,"ok":true})") == "");
}

BOOST_AUTO_TEST_CASE(a_text_beyond_the_limit_is_an_error_where_it_is_written) {
  BOOST_CHECK_THROW(static_cast<void>(encode({1, Load{std::string(kMaxMessage, 'x')}})),
                    std::length_error);
}

BOOST_AUTO_TEST_CASE(words_of_the_system_that_are_not_utf8_do_no_harm) {
  const std::string text = encode(Reply<Done>{1, Failure{FailureKind::data, "caf\xe9"}});
  const auto parsed = parse_reply<Done>(text);
  BOOST_TEST(std::get<Failure>(std::get<Reply<Done>>(parsed).content).error == "caf\xef\xbf\xbd");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace messages_test
