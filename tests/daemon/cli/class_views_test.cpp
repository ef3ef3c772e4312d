#include "daemon/cli/class_views.hpp"

#include <boost/test/unit_test.hpp>

#include <vector>

namespace class_views_test {

using namespace kith::daemon;

const std::vector<std::string> kNames{"healthy", "ill", "never seen"};
const std::vector<std::uint64_t> kConfusion{90, 10, 0, 4, 6, 0, 0, 0, 0};

BOOST_AUTO_TEST_SUITE(class_views)

BOOST_AUTO_TEST_CASE(recall_is_of_those_that_are_and_precision_of_those_that_were_said) {
  const auto classes = explain_classes(kConfusion, kNames);
  BOOST_TEST(classes.at(1).at("recall").get<double>() == 0.6);
  BOOST_TEST(classes.at(1).at("precision").get<double>() == 6.0 / 16);
  BOOST_TEST(classes.at(1).at("f1").get<double>() == 12.0 / 26);
  BOOST_TEST(classes.at(1).at("mistaken").at("class").get<std::string>() == "healthy");
  BOOST_TEST(classes.at(0).at("mistaken").at("examples").get<int>() == 10);
}

BOOST_AUTO_TEST_CASE(what_is_not_defined_of_a_class_without_examples_is_null) {
  const auto classes = explain_classes(kConfusion, kNames);
  for (const char* what : {"recall", "precision", "f1", "mistaken"}) {
    BOOST_TEST(classes.at(2).at(what).is_null(), what);
  }
  BOOST_TEST(class_lines(classes, kConfusion).at(3).find("never seen         0         -") == 0);
}

BOOST_AUTO_TEST_CASE(the_matrix_is_left_out_where_it_would_be_too_wide_to_read) {
  BOOST_TEST(class_lines(explain_classes(kConfusion, kNames), kConfusion).size() == 9U);
  const std::vector<std::uint64_t> wide(400);
  const auto classes = explain_classes(wide, std::vector<std::string>(20, "one"));
  BOOST_TEST(class_lines(classes, wide).size() == 21U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace class_views_test
