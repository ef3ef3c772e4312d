#include "daemon/system/interrupts.hpp"

#include <csignal>
#include <unistd.h>

namespace kith::daemon {

std::atomic<bool> interrupted = false;

namespace {

void on_interrupt(int) {
  if (interrupted.exchange(true)) _exit(130);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace kith::daemon
