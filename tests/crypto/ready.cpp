#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

using kith::CryptoReady;
BOOST_TEST_GLOBAL_FIXTURE(CryptoReady);
