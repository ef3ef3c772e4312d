// The command line: what `kith VERB` does, and what exit status every failure becomes.
#include "crypto/init.hpp"
#include "crypto/key_file.hpp"
#include "daemon/api/ask_node.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/membership/charter_file.hpp"
#include "daemon/cli/charter_verbs.hpp"
#include "daemon/config/config.hpp"
#include "daemon/system/console.hpp"
#include "daemon/api/control.hpp"
#include "daemon/testnet/demo.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/cli/export_verbs.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/cli/forget_verb.hpp"
#include "daemon/cli/key_verbs.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/cli/limit_views.hpp"
#include "daemon/system/interrupts.hpp"
#include "daemon/system/log.hpp"
#include "daemon/cli/membership_verbs.hpp"
#include "daemon/node/node.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/simulation/simulation.hpp"
#include "daemon/simulation/summary.hpp"
#include "daemon/learning/strategy.hpp"
#include "daemon/cli/task_verbs.hpp"
#include "daemon/system/version.hpp"
#include "daemon/cli/views.hpp"
#include "net/endpoint.hpp"
#include "net/member_card.hpp"

#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <iostream>

namespace {

namespace fs = std::filesystem;
using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
using nlohmann::json;

// --- run ---------------------------------------------------------------------------------------

constexpr auto kCharterLook = 500ms;  // between looks at the charter's file
constexpr auto kTellOfRival = 2s;     // to those who do not count any more, before we hang up

/// The node, until it is stopped (false), or the charter names other members or its keys are other
/// ones (true): then another
/// one takes its place, made of what is on the disk.
bool live(Config config, const crypto::NodeKeys& keys, CharterWatch& charter) {
  net::asio::io_context io(1);  // the thread that thinks: this one
  const fs::path rival = rival_file(config.consortium.charter);
  const bool forked_before = fs::exists(rival);
  Node node(io, std::move(config), keys);
  std::exception_ptr failed;
  bool ended = false, interrupted = false, renewed = false;
  net::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](net::error_code ec, int) {
    if (ec) return;
    interrupted = true;
    std::signal(SIGINT, SIG_DFL);  // a second Ctrl-C does not wait
    node.stop();
  });
  net::asio::steady_timer tick(io);
  const std::function<void()> watch = [&] {
    tick.expires_after(kCharterLook);
    tick.async_wait([&](net::error_code ec) {
      if (ec || ended) return;
      try {
        const auto change = charter.look(std::chrono::system_clock::now());
        renewed = change == CharterWatch::Change::node;
        if (change == CharterWatch::Change::files) node.follow_charter();  // warns, if it cannot
      } catch (const Failure&) {
        failed = std::current_exception();
      }
      if (!renewed && !failed) return watch();
      if (failed || forked_before || !fs::exists(rival)) return node.stop();
      node.follow_charter();  // tells the peers of the rival
      tick.expires_after(kTellOfRival);
      tick.async_wait([&](net::error_code over) {
        if (!over && !ended) node.stop();
      });
    });
  };
  if (charter.watches()) watch();
  auto life = [&]() -> net::awaitable<void> { co_await node.run(); };
  net::asio::co_spawn(io, std::move(life), [&](std::exception_ptr error) {
    ended = true;
    if (error) failed = error;
    if (!renewed) signals.cancel();  // else it may still be interrupted
    tick.cancel();
    node.stop();
  });
  while (!ended && io.run_one() > 0) continue;
  io.run_for(renewed ? kCharterLook : 2s);  // for goodbyes; a dial under way is not waited for
  if (failed) std::rethrow_exception(failed);
  return renewed && !interrupted;
}

int run_node(const Place& place) {
  const fs::path waiting = place.config().parent_path() / "join.json";
  if (!fs::exists(place.config()) && fs::exists(waiting)) {
    throw Failure(EX_NOINPUT, "this node waits to be taken in; kith join --dir " +
                                  place.directory.string() + " goes on");
  }
  Config configured = load_config(place.config());
  check_works_on_network(configured);
  log::configure(configured.log.level, configured.log.format);
  const fs::path key_file = configured.node.keys;
  crypto::NodeKeys keys = load_keys(key_file);
  CharterWatch charter(std::move(configured));
  Config config = charter.follow(std::chrono::system_clock::now());
  while (live(std::move(config), keys, charter)) {
    config = charter.follow(std::chrono::system_clock::now());
    try {
      keys = load_keys(key_file);
    } catch (const Failure& failure) {
      log::error("keys_not_read",
                 {{"what", failure.what()}, {"help", "the node goes on with those it has"}});
    }
  }
  return EX_OK;
}

// --- status, peers and why ---------------------------------------------------------------------

json ask(const Place& place, const std::string& target) {
  return ask_node(load_config(place.config()), "GET", target);
}

void print(const Lines& lines) {
  for (const std::string& line : lines) std::cout << line << "\n";
}

// --- testnet and demo --------------------------------------------------------------------------

void add_plan(CLI::App& verb, TestnetPlan& plan) {
  verb.add_option("--nodes", plan.nodes, "how many nodes")->capture_default_str();
  verb.add_option("--groups", plan.groups, "hidden groups, each with its own turn of the pictures")
      ->capture_default_str();
  verb.add_option("--rounds", plan.rounds, "rounds each node learns")->capture_default_str();
  verb.add_option("--seed", plan.seed, "of data, model and training")->capture_default_str();
  verb.add_option("--images", plan.images, "images each node has")->capture_default_str();
  verb.add_option("--test-images", plan.test_images, "held-out images a node, for the table")
      ->capture_default_str();
  verb.add_option("--data", plan.data, "folder of Fashion-MNIST's IDX files")
      ->capture_default_str();
}

int print_comparison(const Comparison& comparison, const Testnet& testnet, bool as_json) {
  if (as_json) {
    std::cout << to_json(comparison, testnet).dump(2) << "\n";
  } else {
    print(table(comparison, testnet));
    std::cout << "\n";
    print(verdict(comparison));
  }
  return comparison.good() ? EX_OK : 1;
}

int run_demo_verb(const TestnetPlan& plan, fs::path directory, bool keep, bool as_json) {
  catch_interrupts();
  const bool temporary = directory.empty();
  if (temporary) {
    std::string pattern = (fs::temp_directory_path() / "kith-demo-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      throw Failure(EX_CANTCREAT, "cannot make a folder in " + fs::temp_directory_path().string());
    directory = pattern;
  }
  struct Cleanup {
    fs::path directory;
    ~Cleanup() {
      std::error_code ignored;
      if (!directory.empty()) fs::remove_all(directory, ignored);
    }
  } cleanup{temporary && !keep ? directory : fs::path()};
  std::ostream& out = as_json ? std::cerr : std::cout;
  out << plan.nodes << " nodes with " << plan.images << " images each, in " << plan.groups
      << " hidden groups; nobody is told who is alike.\n"
      << std::endl;
  const Testnet testnet = create_testnet(directory, plan);
  const Comparison comparison = run_demo(testnet, out);
  const int code = print_comparison(comparison, testnet, as_json);
  if (keep || !temporary)
    out << "\nThe nodes' folders, with configurations, logs and state: " << directory.string()
        << "\n";
  return code;
}

int guarded(const std::function<int()>& verb) {
  try {
    return verb();
  } catch (const Interrupted&) {
    std::cerr << "\nkith: interrupted; nothing was left running\n";
    return 130;
  } catch (const Failure& failure) {
    std::cerr << "kith: " << failure.what() << "\n";
    return failure.code();
  } catch (const crypto::KeyFileError& error) {
    std::cerr << "kith: " << error.what() << "\n";
    return EX_NOPERM;
  } catch (const std::exception& error) {
    std::cerr << "kith: " << error.what() << "\n";
    return EX_SOFTWARE;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Kith: learn with those whose data is like yours; peer to peer, no server.", "kith"};
  app.require_subcommand(1);
  bool as_json = false;
  std::function<int()> chosen;
  const auto add = [&](const std::string& name, const std::string& help,
                       std::function<int()> action) {
    CLI::App* verb = app.add_subcommand(name, help);
    verb->final_callback([&chosen, action = std::move(action)] { chosen = action; });
    return verb;
  };
  const auto add_json = [&](CLI::App* verb) { verb->add_flag("--json", as_json, "print JSON"); };

  add_membership_verbs(app, chosen);

  Place place;
  CLI::App* verb = add("run", "run the node until it is stopped", [&] { return run_node(place); });
  place.add_to(*verb);

  add_charter_verbs(app, chosen);
  add_task_verbs(app, chosen);
  add_key_verbs(app, chosen);

  verb = add("status", "how the node is doing: first of all, whether it is better than alone", [&] {
    const json status = ask(place, "/v1/status");
    print(as_json ? Lines{status.dump(2)} : status_lines(status));
    return EX_OK;
  });
  place.add_to(*verb);
  add_json(verb);

  verb = add("peers", "every peer: connection, score with its interval, and why", [&] {
    const json peers = ask(place, "/v1/peers");
    print(as_json ? Lines{peers.dump(2)} : peers_lines(peers, std::chrono::system_clock::now()));
    return EX_OK;
  });
  place.add_to(*verb);
  add_json(verb);

  std::string peer;
  unsigned rounds = 20;
  verb = add("why", "the numbers behind one peer being averaged with or not", [&] {
    const json last = ask(place, "/v1/rounds?last=" + std::to_string(rounds));
    const json why = explain_peer(ask(place, "/v1/peers"), last, peer);
    print(as_json ? Lines{why.dump(2)} : why_lines(why));
    return EX_OK;
  });
  verb->add_option("PEER", peer, "its name, or its node id or the beginning of it")->required();
  verb->add_option("--rounds", rounds, "how many of the newest rounds to show")
      ->capture_default_str();
  place.add_to(*verb);
  add_json(verb);

  const auto add_consent = [&](const std::string& name, const std::string& help) {
    CLI::App* consent = add(name, help, [&, name] {
      if (name == "deny" && deny_applicant(place.config(), peer)) return EX_OK;
      const std::string id = find_peer(ask(place, "/v1/peers"), peer).at("id");
      const json done =
          ask_node(load_config(place.config()), "POST", "/v1/" + name, json{{"id", id}});
      print({as_json ? done.dump(2)
                     : (name == "deny" ? "Denied " : "Allowed ") + id +
                           (name == "deny" ? "; kith allow undoes it." : ".")});
      return EX_OK;
    });
    consent->add_option("PEER", peer, "its name, or its node id or the beginning of it")
        ->required();
    place.add_to(*consent);
    add_json(consent);
  };
  add_consent("deny",
              "have nothing to do with a peer, whatever the charter says, or with who applies");
  add_consent("allow", "undo deny");
  add_forget_verb(app, chosen);

  add_export_verbs(app, chosen);

  std::size_t entries = 50;
  fs::path audit_file;
  const auto audit_log = [&] {
    return audit_file.empty() ? load_config(place.config()).node.state / kAuditLog : audit_file;
  };
  verb = app.add_subcommand("log", "the audit log: what came in, was averaged, left the building");
  verb->require_subcommand(1);
  const auto add_log = [&](const std::string& name, const std::string& help,
                           std::function<int()> action) {
    CLI::App* part = verb->add_subcommand(name, help);
    part->final_callback([&chosen, action = std::move(action)] { chosen = action; });
    part->add_option("FILE", audit_file, "another one than this node's");
    place.add_to(*part);
    add_json(part);
    return part;
  };
  add_log("show", "the newest entries",
          [&] {
            const auto newest = read_audit_log(audit_log(), entries);
            print(as_json ? Lines{json(newest).dump(2)} : audit_lines(newest));
            return EX_OK;
          })
      ->add_option("--last", entries, "how many")
      ->capture_default_str();
  add_log("verify", "whether every entry still follows the one before it", [&] {
    const fs::path file = audit_log();
    const auto checked = verify_audit_log(file);
    if (const auto* fault = std::get_if<AuditFault>(&checked)) {
      throw Failure(EX_DATAERR,
                    file.string() + ":" + std::to_string(fault->line) + ": " + fault->what);
    }
    const auto& [count, last, from, to] = std::get<AuditSummary>(checked);
    if (as_json) {
      print({json{{"entries", count}, {"last", crypto::to_hex(last)}, {"from", from}, {"to", to}}
                 .dump(2)});
      return EX_OK;
    }
    print({"All " + std::to_string(count) + " entries are whole, from " + from + " to " + to + ".",
           "Who notes this elsewhere can prove them later: entry " + std::to_string(count) + " is",
           "  " + crypto::to_hex(last)});
    return EX_OK;
  });

  verb =
      add("limits", "what a node never exceeds, whatever its peers do, and what happens then", [&] {
        // Also where there is no node: then those that can be set have their defaults.
        const Config::Limits configured =
            fs::exists(place.config()) ? load_config(place.config()).limits : Config::Limits{};
        const json limits = limits_json(configured);
        print(as_json ? Lines{limits.dump(2)} : limits_lines(limits));
        return EX_OK;
      });
  place.add_to(*verb);
  add_json(verb);

  TestnetPlan plan;
  fs::path directory;
  bool keep = false;
  verb = add("demo", "the whole thing on this machine: real nodes find out whom to learn with",
             [&] { return run_demo_verb(plan, directory, keep, as_json); });
  add_plan(*verb, plan);
  verb->add_option("--dir", directory, "keep the nodes' folders here (must be new)");
  verb->add_flag("--keep", keep, "keep the nodes' folders, and say where");
  add_json(verb);

  fs::path scenario_file, out_directory, source;
  std::vector<unsigned> seeds;
  std::vector<std::string> strategies;
  bool any_program = false;
  verb = add("simulate", "many nodes in one process and virtual time: compares strategies", [&] {
    catch_interrupts();
    Scenario scenario = load_scenario(scenario_file);
    if (!source.empty()) scenario.data.plan.source = source;
    if (!seeds.empty()) scenario.simulation.seeds = seeds;
    if (!strategies.empty()) scenario.simulation.strategies.clear();
    for (const std::string& only : strategies) {
      scenario.simulation.strategies.push_back(parse_strategy(only));
    }
    if (out_directory.empty()) out_directory = scenario_file.stem();
    std::ostream& progress = as_json ? std::cerr : std::cout;
    const json results =
        simulate(scenario, out_directory,
                 any_program ? Reuse::of_any_program : Reuse::of_this_program, progress);
    if (as_json) {
      std::cout << results.dump() << "\n";
      return EX_OK;
    }
    std::cout << "\n" << scenario.simulation.name << "\n\n";
    print(summary_table(results));
    std::cout << "\nTo look at, in a browser: " << (out_directory / "report.html").string()
              << "\nEverything, round by round: " << (out_directory / "results.json").string()
              << "\n";
    return EX_OK;
  });
  verb->add_option("SCENARIO", scenario_file, "a TOML file; docs/simulation.md says what is in it")
      ->required();
  verb->add_option("--out", out_directory,
                   "folder for the results (the scenario's name, here); what this program finished "
                   "there is not done again");
  verb->add_option("--source", source, "folder of the data set, in place of partition.source");
  verb->add_option("--seeds", seeds, "only these, with commas between")->delimiter(',');
  verb->add_option("--strategies", strategies, "only these, with commas between")->delimiter(',');
  verb->add_flag("--any-program", any_program, "nor is what another build of kith finished there");
  add_json(verb);

  verb = app.add_subcommand("testnet",
                            "the demo in pieces, for nodes that run elsewhere (containers)");
  verb->require_subcommand(1);
  std::string strategy = "lia";
  const auto add_step = [&](const std::string& name, const std::string& help,
                            std::function<int()> action) {
    CLI::App* step = verb->add_subcommand(name, help);
    step->final_callback([&chosen, action = std::move(action)] { chosen = action; });
    step->add_option("DIR", directory, "the testnet's folder")->required();
    return step;
  };
  CLI::App* step = add_step("create", "write data, keys and configurations of all nodes", [&] {
    create_testnet(directory, plan);
    std::cout << "Made a testnet in " << directory.string()
              << "; start its nodes with: kith run --dir " << directory.string() << "/lia/node-1\n";
    return EX_OK;
  });
  add_plan(*step, plan);
  step->add_option("--host-prefix", plan.host_prefix,
                   "node i is host PREFIXi; without it all are on 127.0.0.1");
  step->add_option("--port", plan.port, "with --host-prefix")->capture_default_str();
  step = add_step("watch", "show running nodes until they have finished", [&] {
    catch_interrupts();
    watch(open_testnet(directory), parse_strategy(strategy), std::cout, [] {});
    return EX_OK;
  });
  step->add_option("--strategy", strategy, "lia, fedavg or oracle")->capture_default_str();
  step = add_step("report", "print the table of what was watched", [&] {
    const Testnet testnet = open_testnet(directory);
    return print_comparison(compare(testnet, read_outcomes(testnet)), testnet, as_json);
  });
  add_json(step);

  add("version", "print the version", [] {
    std::cout << "kith " << version() << "\n";
    return EX_OK;
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EX_OK : EX_USAGE;
  }
  return guarded([&] {
    crypto::init();
    return chosen();
  });
}
