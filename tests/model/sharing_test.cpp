#include "model/sharing.hpp"

#include <boost/test/unit_test.hpp>

namespace sharing_test {

using namespace kith::model;

std::vector<Tensor> network() {
  return {{{"body.weight", {2, 2}}}, {{"head.bias", {1}}}, {{"norm.mean", {3}}, false}};
}

BOOST_AUTO_TEST_SUITE(sharing)

BOOST_AUTO_TEST_CASE(by_default_parameters_travel_and_running_statistics_stay) {
  auto tensors = network();
  BOOST_TEST(!assign_roles(Task{}, tensors));
  BOOST_TEST(schema_of(tensors, Role::shared).tensors.size() == 2U);
  BOOST_TEST(schema_of(tensors, Role::kept).tensors.front().name == "norm.mean");
}

BOOST_AUTO_TEST_CASE(what_is_frozen_does_not_travel_even_if_it_is_shared_by_name) {
  Task task;
  task.freeze = {"body.*"};
  auto tensors = network();
  BOOST_TEST(!assign_roles(task, tensors));
  BOOST_TEST((tensors[0].role == Role::frozen));
  task.freeze = {"*"};
  BOOST_TEST(assign_roles(task, tensors).value().find("nothing of the model is shared") == 0);
}

BOOST_AUTO_TEST_CASE(a_pattern_that_matches_nothing_is_named) {
  Task task;
  task.share = {"body.*", "tail.*"};
  auto tensors = network();
  BOOST_TEST(assign_roles(task, tensors).value().find("no tensor of the model is called tail.*") ==
             0);
}

BOOST_AUTO_TEST_CASE(a_slice_takes_out_and_puts_back_what_travels) {
  Task task;
  task.share = {"*.weight"};
  task.share_buffers = true;
  auto tensors = network();
  tensors.push_back({{"z.weight", {1}}});
  BOOST_TEST(!assign_roles(task, tensors));
  const Slice travels(tensors, Role::shared);
  BOOST_TEST(!travels.is_all());
  std::vector<float> whole{1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<float> taken{1, 2, 3, 4, 9};
  BOOST_TEST(travels.from(whole) == taken, boost::test_tools::per_element());
  std::vector<float> room;
  const auto seen = travels.view(whole, room);
  BOOST_TEST(std::vector<float>(seen.begin(), seen.end()) == taken,
             boost::test_tools::per_element());
  travels.into(whole, {0, 0, 0, 0, -1});
  const std::vector<float> mixed{0, 0, 0, 0, 5, 6, 7, 8, -1};
  BOOST_TEST(whole == mixed, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(where_all_travels_nothing_is_copied) {
  const std::vector<Tensor> tensors{{{"weight", {2}}}, {{"bias", {1}}}};
  const std::vector<float> whole{1, 2, 3};
  std::vector<float> room;
  BOOST_TEST((Slice(tensors, Role::shared).view(whole, room).data() == whole.data()));
  BOOST_TEST(room.empty());
}

BOOST_AUTO_TEST_CASE(patterns_that_would_take_for_ever_or_say_nothing_are_refused) {
  Task task;
  for (const std::string pattern : {"", "a b", "a,b", "*a*b*c*d*e*", "line\n"}) {
    task.share = {pattern};
    BOOST_TEST(pattern_problem(task).has_value(), pattern);
  }
  task.share = {};
  BOOST_TEST(pattern_problem(task).has_value());
  task.share = {"*.lora_*"};
  BOOST_TEST(!pattern_problem(task));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace sharing_test
