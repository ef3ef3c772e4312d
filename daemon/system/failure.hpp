#pragma once

#include <stdexcept>
#include <string>
#include <sysexits.h>

namespace kith::daemon {

/// This run cannot go on.  The message is one sentence that says what to do, for the operator;
/// `code` is the exit status of the process, from <sysexits.h>:
///
///   EX_USAGE 64 wrong command line      EX_CANTCREAT 73 cannot create a file or a socket
///   EX_DATAERR 65 a file is damaged     EX_IOERR 74 the disk failed or is full
///   EX_NOINPUT 66 a file is missing     EX_TEMPFAIL 75 busy; the same again later may work
///   EX_UNAVAILABLE 69 nobody answers    EX_NOPERM 77 not allowed
///   EX_SOFTWARE 70 our bug              EX_CONFIG 78 wrong configuration
class Failure : public std::runtime_error {
 public:
  Failure(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] int code() const { return code_; }

 private:
  int code_;
};

/// Ended by Ctrl-C: exit status 130.
struct Interrupted {};

}  // namespace kith::daemon
