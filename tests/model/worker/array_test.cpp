#include "model/data/array.hpp"

#include "model/data/dataset.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>

namespace array_test {

using namespace kith;
using namespace kith::data;
using namespace std::string_literals;
using Floats = std::vector<float>;
using test::TemporaryDirectory;

/// As numpy.save() writes it.
std::string npy(const std::string& type, const std::string& shape, const std::string& bytes,
                const std::string& fortran = "False") {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
  header.resize(117, ' ');
  return "\x93NUMPY\1\0\x76\0"s + header + "\n" + bytes;
}

template <class... T>
std::string bytes_of(T... values) {
  std::string bytes;
  const auto add = [&](auto value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  (add(values), ...);
  return bytes;
}

Floats numbers(const std::string& file) {
  const auto parsed = parse_npy(as_byte_view(file));
  const auto* const why = std::get_if<std::string>(&parsed);
  BOOST_REQUIRE_MESSAGE(why == nullptr, *why);
  return floats(std::get<Array>(parsed));
}

std::string refused(const std::string& file) {
  const auto parsed = parse_npy(as_byte_view(file));
  const auto* const why = std::get_if<std::string>(&parsed);
  return why != nullptr ? *why : "";
}

std::string tensors(const std::string& header, const std::string& values) {
  return bytes_of(std::uint64_t{header.size()}) + header + values;
}

std::string no_tensors(const std::string& file) {
  const auto parsed = parse_safetensors(as_byte_view(file));
  const auto* const why = std::get_if<std::string>(&parsed);
  return why != nullptr ? *why : "";
}

/// numpy.savez_compressed("...", x=[[1, 2], [3, 4]], y=[0, 1]), float32 and uint8.
std::string npz() {
  const std::string hex =
      "504b0304140000000800000021004efb2075530000009000000005000000782e6e70799bec17ea1b10c9c850c650"
      "ad9e"
      "925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a"
      "0a46"
      "9a3a0ab50a64032e0686067b060606072002e2060700504b030414000000080000002100996277df460000008200"
      "0000"
      "05000000792e6e70799bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e536aa8aea3a09e965f54529498179f"
      "5f94"
      "920a12774bcc294e058a17672416a402f91a463a9a3a0ab50a14002e064600504b01021403140000000800000021"
      "004e"
      "fb20755300000090000000050000000000000000000000800100000000782e6e7079504b01021403140000000800"
      "0000"
      "2100996277df4600000082000000050000000000000000000000800176000000792e6e7079504b05060000000002"
      "0002"
      "0066000000df0000000000";
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

struct Files {
  TemporaryDirectory folder;
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    write_file(folder / name, as_byte_view(bytes));
    return folder / name;
  }
};

model::Task task_of(std::vector<unsigned> input, unsigned classes = 2) {
  model::Task task;
  task.name = "arrays";
  task.input = std::move(input);
  task.classes = classes;
  return task;
}

/// What reading fails with.
std::string complaint(std::vector<std::filesystem::path> files, const model::Task& task) {
  model::DataFiles given;
  given.train = std::move(files);
  given.min_validation = 1;
  try {
    static_cast<void>(read_dataset(given, task, 10));
  } catch (const DataError& error) {
    return error.what();
  }
  return "none";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string kTwo = npy("<f4", "(2, 2)", bytes_of(1.F, 2.F, 3.F, 4.F));
const std::string kLabels = npy("|u1", "(2,)", "\0\1"s);

const std::vector<std::pair<std::string, std::string>> kBad{
    {"", "is no NPY file"},
    {npy("<f4", "(2, 2)", "123"), "announces 2 x 2 numbers of float32 and holds 3 bytes"},
    {npy("<f4", "(4611686018427387905, 4)", ""), "is cut short or too long"},
    {npy("|O", "(1,)", "\x80\4K*."), "holds Python objects, which are not unpickled"},
    {npy("<U4", "(1,)", std::string(16, 'a')), "holds values of type <U4; save numbers"},
    {npy("<f16", "(1,)", std::string(16, 'a')), "holds values of type <f16"},
    {npy("<f4", "(1)", "1234"), ""},
    {npy("<f4", "(-1,)", "1234"), "has a header that numpy.save() does not write"},
    {npy("<f4", "(1,), 'more': 1", "1234"), "has a header"},
    {npy("<f4", "(1,)", "1234", "None"), "has a header"},
    {"\x93NUMPY\1\0\xff\xff{}"s + std::string(20, ' '), "is cut short within its header"},
    {"\x93NUMPY\5\0\x10\0{}"s + std::string(20, ' '), "of version 5"},
};

BOOST_AUTO_TEST_SUITE(array_tests)

BOOST_AUTO_TEST_CASE(all_common_types_are_read) {
  const Floats wanted{1, 2};
  BOOST_TEST(numbers(npy("<f4", "(2,)", bytes_of(1.F, 2.F))) == wanted);
  BOOST_TEST(numbers(npy("<f8", "(2,)", bytes_of(1., 2.))) == wanted);
  BOOST_TEST(numbers(npy("<f2", "(2,)", "\x00\x3c\x00\x40"s)) == wanted);
  BOOST_TEST(numbers(npy(">f4", "(2,)", "\x3f\x80\0\0\x40\0\0\0"s)) == wanted);
  BOOST_TEST(numbers(npy("|i1", "(2,)", bytes_of(std::int8_t{1}, std::int8_t{2}))) == wanted);
  BOOST_TEST(numbers(npy("<i2", "(2,)", bytes_of(std::int16_t{1}, std::int16_t{2}))) == wanted);
  BOOST_TEST(numbers(npy(">i2", "(2,)", "\0\1\0\2"s)) == wanted);
  BOOST_TEST(numbers(npy("<i4", "(2,)", bytes_of(1, 2))) == wanted);
  BOOST_TEST(numbers(npy("<i8", "(2,)", bytes_of(1L, 2L))) == wanted);
  BOOST_TEST(numbers(npy("|u1", "(2,)", "\1\2")) == wanted);
  BOOST_TEST(numbers(npy("<u2", "(2,)", "\1\0\2\0"s)) == wanted);
  BOOST_TEST(numbers(npy("<u4", "(2,)", bytes_of(1U, 2U))) == wanted);
  BOOST_TEST(numbers(npy("<u8", "(2,)", bytes_of(1UL, 2UL))) == wanted);
  BOOST_TEST(numbers(npy("|b1", "(2,)", "\0\1"s)) == (Floats{0, 1}));
}

BOOST_AUTO_TEST_CASE(half_floats_are_exact) {
  const auto value = [](std::uint16_t bits) {
    return numbers(npy("<f2", "(1,)", bytes_of(bits)))[0];
  };
  BOOST_TEST(value(0x3555) == 0.333251953125F);
  BOOST_TEST(value(0xc000) == -2.0F);
  BOOST_TEST(value(0x7bff) == 65504.0F);
  BOOST_TEST(value(0x0001) == std::ldexp(1.0F, -24));
  BOOST_TEST(value(0x0400) == std::ldexp(1.0F, -14));
  BOOST_TEST(std::isinf(value(0x7c00)));
  BOOST_TEST(std::isnan(value(0x7e00)));
}

BOOST_AUTO_TEST_CASE(fortran_order_is_turned_round) {
  // [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]]
  const auto bytes = bytes_of(1.F, 7.F, 3.F, 9.F, 5.F, 11.F, 2.F, 8.F, 4.F, 10.F, 6.F, 12.F);
  BOOST_TEST(numbers(npy("<f4", "(2, 3, 2)", bytes, "True")) ==
             (Floats{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
}

BOOST_AUTO_TEST_CASE(whole_numbers_are_whole_and_not_too_large) {
  const auto whole = [](const std::string& file) {
    return integers(std::get<Array>(parse_npy(as_byte_view(file)))).has_value();
  };
  BOOST_TEST(whole(npy("<f4", "(1,)", bytes_of(3.F))));
  BOOST_TEST(!whole(npy("<f4", "(1,)", bytes_of(3.5F))));
  BOOST_TEST(!whole(npy("<f4", "(1,)", bytes_of(NAN))));
  BOOST_TEST(!whole(npy("<u8", "(1,)", bytes_of(~0UL))));
}

BOOST_AUTO_TEST_CASE(what_is_no_array_is_explained) {
  for (const auto& [file, what] : kBad) {
    BOOST_TEST(contains(refused(file), what), refused(file));
    if (what.empty()) BOOST_TEST(refused(file).empty());
  }
}

BOOST_AUTO_TEST_CASE(safetensors_are_read_and_held_to_their_header) {
  const std::string values = bytes_of(1.F, 2.F) + "\1\2";
  const std::string file =
      tensors(R"({"__metadata__":{"a":"b"},"y":{"dtype":"U8","shape":[2],"data_offsets":[8,10]},)"
              R"("x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})",
              values);
  const auto parsed = parse_safetensors(as_byte_view(file));
  const auto& arrays = std::get<NamedArrays>(parsed);
  BOOST_TEST_REQUIRE(arrays.size() == 2U);
  BOOST_TEST(arrays[0].first == "x");
  BOOST_TEST(floats(arrays[0].second) == (Floats{1, 2}));
  BOOST_TEST(floats(arrays[1].second) == (Floats{1, 2}));
  BOOST_TEST(contains(no_tensors("1234567"), "is no safetensors file"));
  BOOST_TEST(contains(no_tensors(tensors("{}", "").substr(0, 9)), "cut short"));
  BOOST_TEST(contains(no_tensors(tensors("[1]", "")), "header"));
  BOOST_TEST(contains(
      no_tensors(tensors(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", "12345678")),
      "beyond the end"));
  BOOST_TEST(contains(
      no_tensors(tensors(R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "12345678")),
      "announces 3 numbers of float32"));
  BOOST_TEST(contains(
      no_tensors(tensors(R"({"x":{"dtype":"Q4","shape":[3],"data_offsets":[0,8]}})", "12345678")),
      "values of type Q4"));
  BOOST_TEST(contains(no_tensors(tensors(R"({"x":{"shape":[[3]]}})", "")), "header"));
}

BOOST_AUTO_TEST_CASE(members_of_an_archive_are_unpacked_up_to_a_limit) {
  const auto parsed = parse_npz(as_byte_view(npz()), 1000);
  const auto& members = std::get<Members>(parsed);
  BOOST_TEST_REQUIRE(members.size() == 2U);
  BOOST_TEST(members[0].first == "x");
  BOOST_TEST(as_text(members[0].second) == kTwo);
  BOOST_TEST(as_text(members[1].second) == kLabels);
  const auto why = [](const std::string& file, std::size_t most) {
    const auto read = parse_npz(as_byte_view(file), most);
    const auto* const text = std::get_if<std::string>(&read);
    return text != nullptr ? *text : "";
  };
  BOOST_TEST(contains(why(npz(), 200), "\"y\", which cannot be read: more than"));
  BOOST_TEST(contains(why(npz().substr(0, 300), 1000), "is no NPZ file, or cut short"));
  std::string bent = npz();
  bent[60] ^= 1;
  BOOST_TEST(contains(why(bent, 1000), "\"x\", which cannot be read"));
}

BOOST_AUTO_TEST_CASE(examples_come_from_every_kind_of_file) {
  const Files files;
  const auto check = [&](std::vector<std::filesystem::path> given) {
    const auto read = read_array_examples(given);
    BOOST_TEST(floats(read.inputs) == (Floats{1, 2, 3, 4}));
    BOOST_TEST(integers(read.answers).value() == (std::vector<std::int64_t>{0, 1}));
  };
  check({files.write("a.npz", npz())});
  check({files.write("x.npy", kTwo), files.write("y.npy", kLabels)});
  const std::string values = bytes_of(1.F, 2.F, 3.F, 4.F) + "\0\1"s;
  check({files.write("a.safetensors",
                     tensors(R"({"spectra":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                             R"("ill":{"dtype":"U8","shape":[2],"data_offsets":[16,18]}})",
                             values))});
  const auto bad = files.write(
      "b.safetensors", tensors(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                               R"("b":{"dtype":"U8","shape":[2,1,1],"data_offsets":[16,18]}})",
                               values));
  BOOST_CHECK_EXCEPTION(static_cast<void>(read_array_examples({{bad}})), DataError,
                        [](const DataError& error) {
                          return contains(error.what(), "it holds a (2 x 2), b (2 x 1 x 1)");
                        });
}

BOOST_AUTO_TEST_CASE(arrays_that_do_not_fit_the_task_are_explained) {
  const Files files;
  const auto x = files.write("x.npy", kTwo), y = files.write("y.npy", kLabels);
  BOOST_TEST(contains(complaint({x, y}, task_of({3})),
                      "x.npy has inputs of 2 x 2, of which an example is 2, but the task wants 3"));
  BOOST_TEST(contains(complaint({x}, task_of({2})), "needs another NPY file behind it"));
  const auto one = files.write("one.npy", npy("|u1", "(1,)", "\0"s));
  BOOST_TEST(contains(complaint({x, one}, task_of({2})), "one answer"));
  const auto label = files.write("label.npy", npy("|u1", "(2,)", "\0\7"s));
  BOOST_TEST(contains(complaint({x, label}, task_of({2})), "has the label 7 in example 1"));
  const auto part = files.write("part.npy", npy("<f4", "(2,)", bytes_of(0.F, 0.5F)));
  BOOST_TEST(contains(complaint({x, part}, task_of({2})), "no whole numbers"));
  const auto nan = files.write("nan.npy", npy("<f4", "(2, 2)", bytes_of(1.F, 2.F, 3.F, NAN)));
  BOOST_TEST(contains(complaint({nan, y}, task_of({2})),
                      "has an input that is no finite number (NaN or infinite) in example 1"));
  const auto none = files.write("none.npy", npy("<f4", "(0, 2)", ""));
  const auto no_labels = files.write("none-y.npy", npy("|u1", "(0,)", ""));
  BOOST_TEST(contains(complaint({none, no_labels}, task_of({2})), "holds no example"));
  const auto object = files.write("object.npy", npy("|O", "(2, 2)", "pickle"));
  BOOST_TEST(contains(complaint({object, y}, task_of({2})), "object.npy holds Python objects"));
  BOOST_TEST(
      contains(complaint({files.folder.path() / "nothing.npz"}, task_of({2})), "cannot open"));
}

BOOST_AUTO_TEST_CASE(numbers_may_be_predicted_from_arrays_and_groups_come_along) {
  const Files files;
  std::string inputs, answers, groups;
  for (int i = 0; i < 40; ++i) {
    inputs += bytes_of(static_cast<float>(i), 1.F);
    answers += bytes_of(static_cast<double>(i));
    groups += bytes_of(static_cast<std::int64_t>(i / 4));
  }
  const std::size_t end = inputs.size();
  const auto at = [](std::size_t from, std::size_t size) {
    return "[" + std::to_string(from) + "," + std::to_string(from + size) + "]";
  };
  const std::string header =
      R"({"x":{"dtype":"F32","shape":[40,2],"data_offsets":)" + at(0, end) +
      R"(},"y":{"dtype":"F64","shape":[40,1],"data_offsets":)" + at(end, 320) +
      R"(},"group":{"dtype":"I64","shape":[40],"data_offsets":)" + at(end + 320, 320) + "}}";
  model::DataFiles given;
  given.train = {files.write("a.safetensors", tensors(header, inputs + answers + groups))};
  given.min_validation = 1;
  model::Task task = task_of({2}, 1);
  task.loss = "squared";
  task.target_range = {0, 10};
  const Dataset read = read_dataset(given, task, 10);
  BOOST_TEST(read.train.count() + read.validation.count() == 40U);
  std::map<int, int> sides;  // of each group
  for (std::size_t i = 0; i < read.train.count(); ++i) {
    const float x = read.train.inputs[2 * i];
    BOOST_TEST(std::abs(read.train.values[i] - (x / 5 - 1)) < 1e-6);
    sides[static_cast<int>(x) / 4] |= 1;
  }
  for (std::size_t i = 0; i < read.validation.count(); ++i) {
    sides[static_cast<int>(read.validation.inputs[2 * i]) / 4] |= 2;
  }
  for (const auto& [group, side] : sides) BOOST_TEST(side != 3, group);
  BOOST_TEST(read.noticed.files.at(0).format == "float32, as they are");
}

BOOST_AUTO_TEST_CASE(several_yes_or_no_answers_are_a_row_of_them) {
  const Files files;
  std::string inputs;
  for (int i = 0; i < 40; ++i) inputs += bytes_of(static_cast<float>(i), 1.F);
  const auto answers = [](float odd) {
    std::string all;
    for (int i = 0; i < 40; ++i) {
      all += bytes_of(static_cast<float>(i % 2), i == 7 ? odd : 1.F, 0.F);
    }
    return all;
  };
  const auto named = [&](const char* name, float odd) {
    return files.write(name, npy("<f4", "(40, 3)", answers(odd)));
  };
  const auto x = files.write("x.npy", npy("<f4", "(40, 2)", inputs));
  model::Task task = task_of({2}, 3);
  task.loss = "binary-cross-entropy";
  model::DataFiles given;
  given.train = {x, named("y.npy", std::nanf(""))};
  given.min_validation = 1;
  const Dataset read = read_dataset(given, task, 10);
  BOOST_TEST(read.train.width == 3U);
  BOOST_TEST(read.train.count() + read.validation.count() == 40U);
  for (std::size_t i = 0; i < read.train.count(); ++i) {
    const int which = static_cast<int>(read.train.inputs[2 * i]);
    BOOST_TEST(read.train.targets[3 * i] == which % 2);
    BOOST_TEST(read.train.targets[3 * i + 1] == (which == 7 ? Samples::kNoTarget : 1));
  }
  BOOST_TEST(contains(complaint({x, named("two.npy", 2)}, task), "neither 0 nor 1, in example 7"));
  task.classes = 2;
  BOOST_TEST(contains(complaint({x, named("y.npy", 1)}, task), "wants 2 yes-or-no answers"));
  task.loss.clear();
  BOOST_TEST(contains(complaint({x, named("y.npy", 1)}, task), "one answer for each example"));
}

BOOST_AUTO_TEST_CASE(windows_of_a_sensor_as_they_lie_there) {
  const char* const named = std::getenv("KITH_DATA");
  const std::filesystem::path file =
      std::filesystem::path(named != nullptr ? named : KITH_DATA_DEFAULT) / "har/s01_sp.npz";
  if (!std::filesystem::exists(file)) {
    BOOST_TEST_MESSAGE(file.string() << " is not there; set KITH_DATA to a folder with it");
    return;
  }
  model::DataFiles given;
  given.train = {file};
  model::Task task = task_of({50, 6}, 5);
  task.model = "cnn1d", task.sizes = {8};
  BOOST_TEST(!model::problem(task).has_value());
  const Dataset read = read_dataset(given, task, 10);
  BOOST_TEST(read.train.count() + read.validation.count() == 193U);
  BOOST_TEST(read.train.inputs.size() == read.train.count() * 300);
  BOOST_TEST(read.noticed.files.at(0).format == "float16, as they are");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace array_test
