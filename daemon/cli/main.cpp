// The command line: which verbs there are, and what exit status every failure becomes.
#include "crypto/init.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "daemon/system/own_memory.hpp"
#include "daemon/system/utf8.hpp"
#include "daemon/system/version.hpp"

#include <exception>
#include <iostream>
#include <sys/stat.h>

namespace {

using namespace kith::daemon;

int guarded(const Chosen& verb) {
  try {
    return verb();
  } catch (const Interrupted&) {
    std::cerr << "\nkith: interrupted; nothing was left running\n";
    return 130;
  } catch (const Failure& failure) {
    std::cerr << "kith: " << failure.what() << "\n";
    return failure.code();
  } catch (const std::bad_alloc&) {
    std::cerr << "kith: there is not enough memory; free some, or give this machine more\n";
    return EX_OSERR;
  } catch (const std::exception& error) {
    std::cerr << "kith: " << error.what() << "\n";
    return EX_SOFTWARE;
  }
}

void tell_of_unlocked_memory() {
  log::warn("memory_not_locked",
            {{"what", "the system lets this process lock no more memory: keys may go into swap"},
             {"help",
              "raise the limit (ulimit -l, or LimitMEMLOCK= of a service), or see that swap is off "
              "or encrypted"}});
}

}  // namespace

int main(int argc, char** argv) {
  ::umask(077);  // what this program writes is its user's alone
  close_own_memory();
  CLI::App app{
      "Kith: personalised federated learning, peer to peer: each node finds whom it pays to learn "
      "with.",
      "kith"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "kith " + version(), "print the version");
  const int names = guarded([&] {
    check_names(argc, argv);
    return EX_OK;
  });
  if (names != EX_OK) return names;
  Chosen chosen;
  const auto verbs = {
      add_init_verb,   add_join_verb,      add_invite_verbs,  add_run_verb,      add_node_verbs,
      add_doctor_verb, add_dashboard_verb, add_charter_verbs, add_key_verbs,     add_task_verbs,
      add_data_verbs,  add_model_verbs,    add_worker_verbs,  add_evaluate_verb, add_predict_verb,
      add_forget_verb, add_export_verbs,   add_log_verbs,     add_backup_verbs,  add_limits_verb,
      add_report_verb, add_support_verb,   add_simulate_verb, add_testnet_verbs, add_help_verbs};
  for (const auto add : verbs) add(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EX_OK : EX_USAGE;
  }
  return guarded([&] {
    kith::crypto::init();
    kith::crypto::on_unlocked_memory(tell_of_unlocked_memory);
    return chosen();
  });
}
