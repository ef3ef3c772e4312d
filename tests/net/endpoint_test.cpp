#include "net/endpoint.hpp"

#include <boost/test/unit_test.hpp>

namespace endpoint_test {

using kith::net::parse_endpoint;

BOOST_AUTO_TEST_SUITE(endpoint_tests)

BOOST_AUTO_TEST_CASE(host_and_port_are_split) {
  BOOST_TEST(parse_endpoint("node-1:7700")->host == "node-1");
  BOOST_TEST(parse_endpoint("[::1]:7700")->host == "::1");
  BOOST_TEST(parse_endpoint("[::1]:7700")->port == "7700");
  for (const char* bad :
       {"", ":", ":1", "host", "host:", "host:99999", "host:1x", "::1:7700", "[]:1"}) {
    BOOST_TEST(!parse_endpoint(bad).has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace endpoint_test
