#pragma once

#include "daemon/cli/answer.hpp"

#include <CLI/CLI.hpp>

/// Every verb of `kith`.  Each of these adds some; the file of that name has them.
namespace kith::daemon {

void add_init_verb(CLI::App& app, Chosen& chosen);     ///< init
void add_join_verb(CLI::App& app, Chosen& chosen);     ///< join
void add_invite_verbs(CLI::App& app, Chosen& chosen);  ///< invite, pending, approve
void add_run_verb(CLI::App& app, Chosen& chosen);      ///< run
void add_charter_verbs(CLI::App& app, Chosen& chosen);
void add_task_verbs(CLI::App& app, Chosen& chosen);
void add_data_verbs(CLI::App& app, Chosen& chosen);     ///< data check
void add_key_verbs(CLI::App& app, Chosen& chosen);
void add_node_verbs(CLI::App& app, Chosen& chosen);    ///< status, peers, why, classes, deny, allow
void add_doctor_verb(CLI::App& app, Chosen& chosen);   ///< doctor
void add_dashboard_verb(CLI::App& app, Chosen& chosen);  ///< dashboard
void add_evaluate_verb(CLI::App& app, Chosen& chosen);
void add_predict_verb(CLI::App& app, Chosen& chosen);
void add_model_verbs(CLI::App& app, Chosen& chosen);  ///< model check
void add_worker_verbs(CLI::App& app, Chosen& chosen);  ///< worker check
void add_forget_verb(CLI::App& app, Chosen& chosen);
void add_export_verbs(CLI::App& app, Chosen& chosen);  ///< export, verify
void add_log_verbs(CLI::App& app, Chosen& chosen);
void add_backup_verbs(CLI::App& app, Chosen& chosen);  ///< backup, restore
void add_limits_verb(CLI::App& app, Chosen& chosen);
void add_testnet_verbs(CLI::App& app, Chosen& chosen);  ///< demo, testnet
void add_support_verb(CLI::App& app, Chosen& chosen);  ///< support-bundle
void add_report_verb(CLI::App& app, Chosen& chosen);   ///< report
void add_simulate_verb(CLI::App& app, Chosen& chosen);
void add_help_verbs(CLI::App& app, Chosen& chosen);  ///< help, version

}  // namespace kith::daemon
