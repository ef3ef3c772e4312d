#include "crypto/init.hpp"

#include <sodium.h>

#include <stdexcept>

namespace kith::crypto {

void init() {
  if (sodium_init() < 0) {
    throw std::runtime_error("no source of randomness: make /dev/urandom readable");
  }
}

}  // namespace kith::crypto
