#pragma once

#include "crypto/init.hpp"

namespace kith {

/// Base of fixtures whose members are keys: libsodium must be ready before they are made.
struct CryptoReady {
  CryptoReady() { crypto::init(); }
};

}  // namespace kith
