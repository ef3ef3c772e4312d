#include "daemon/node/alarms.hpp"

#include "daemon/learning/round_report.hpp"
#include "daemon/node/status.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

class Alarms {
 public:
  void error(std::string name, std::string what, std::string help) {
    add("error", std::move(name), std::move(what), std::move(help));
  }
  void warning(std::string name, std::string what, std::string help) {
    add("warning", std::move(name), std::move(what), std::move(help));
  }
  void notice(std::string name, std::string what, std::string help) {
    add("notice", std::move(name), std::move(what), std::move(help));
  }
  [[nodiscard]] std::vector<Alarm> take() {
    const auto rank = [](const Alarm& alarm) {
      return alarm.severity == "error" ? 0 : alarm.severity == "warning" ? 1 : 2;
    };
    std::ranges::stable_sort(all_, {}, rank);
    return std::move(all_);
  }

 private:
  void add(const char* severity, std::string name, std::string what, std::string help) {
    all_.push_back({std::move(name), severity, std::move(what), std::move(help)});
  }
  std::vector<Alarm> all_;
};

void judge_membership(const NodeStatus& status, Alarms& alarms) {
  const CharterReport& charter = status.charter;
  if (status.renewed_elsewhere) {
    alarms.error("renewed_elsewhere",
                 "Somebody has this node's node key, and has signed a later card with it.",
                 "kith key renew outbids that card; if the key was stolen, tell the stewards.");
  }
  if (!charter.member) {
    alarms.error("expelled", "The charter does not name this node any more; it learns alone.",
                 "Ask a steward why.");
  }
  if (!status.refused_by.empty()) {
    alarms.error("not_a_member",
                 "Others say that this node is no member: " +
                     boost::algorithm::join(status.refused_by, ", ") + ".",
                 "They follow a charter without it: ask a steward for the newest.");
  }
  for (const auto& rival : charter.rivals) {
    if (rival.settled) continue;
    alarms.error("charter_contradicted",
                 "A rival version " + std::to_string(rival.number) +
                     " of the charter is known; it changes nothing here.",
                 "kith charter show says who signed both; agree on the telephone which is right.");
  }
  if (charter.age == "expired" || charter.age == "grace") {
    alarms.error("charter_expired", "The charter expired on " + charter.expires + ".",
                 "Ask the stewards for a newer one, which kith charter propose --renew 365 begins.");
  } else if (charter.age == "expiring") {
    alarms.warning("charter_expires", "The charter expires on " + charter.expires + ".",
                   "Ask the stewards for a newer one, which kith charter propose --renew 365 begins.");
  }
  if (status.applications > 0) {
    alarms.notice("application",
                  std::to_string(status.applications) +
                      (status.applications == 1 ? " application waits." : " applications wait."),
                  "Compare the id on the telephone, then kith approve or kith deny.");
  }
}

/// " (learning_rate 0.1, here 0.05; batch ...)"; nothing if it is not known.
std::string difference_text(const std::optional<std::vector<DifferenceReport>>& fields) {
  std::string text;
  const auto shown = [](const std::string& value) { return value.empty() ? "not there" : value; };
  for (const auto& field : fields.value_or(std::vector<DifferenceReport>())) {
    text += (text.empty() ? " (" : "; ") + field.name + " " + shown(field.theirs) + ", here " +
            shown(field.ours);
  }
  return text.empty() ? text : text + ")";
}

void judge_exchange(const NodeStatus& status, Alarms& alarms) {
  if (!status.not_fetching.empty()) {
    alarms.error("not_fetching", "Nothing is fetched: " + status.not_fetching + ".",
                 "Make room on the disk, or raise limits.disk.");
  }
  for (const auto& other : status.other_tasks) {
    alarms.warning("other_task",
                   other.name + " learns another task" + difference_text(other.differs) +
                       ", and is ignored.",
                   "kith task --help says how to agree on one.");
  }
  if (status.members > 1 && status.connected == 0 && !status.listening.empty()) {
    alarms.warning("nobody_connected", "No other member is connected.",
                   "kith peers says for each why; look at the network and the firewall.");
  }
}

void judge_learning(const NodeStatus& status, Alarms& alarms) {
  if (!status.worker_trouble.empty()) {
    alarms.error("worker_lost", "The worker was lost: " + status.worker_trouble + ".",
                 "It is started again by itself; if that repeats, its reason is here and in the log.");
  }
  const json& last = status.last_round;
  if (last.is_object()) {
    if (const json why = last.value("diverged", json()); why.is_string()) {
      alarms.error("diverged", "The last round was given up: " + why.get<std::string>() + ".",
                   "See that the data are what they were; if it repeats, agree on a lower "
                   "learning_rate.");
    }
    const json privacy = last.value("privacy", json());
    if (privacy.is_object() && !privacy.value("published", true)) {
      alarms.warning("privacy_budget_spent",
                     "Nothing is published any more: that would go beyond privacy.epsilon.",
                     "The node goes on learning from its peers; raise the budget only if that was "
                     "agreed.");
    }
  }
  const std::uint64_t judges = status.examples.validation;
  if (judges > 0 && judges < kFewExamples) {
    alarms.notice("few_validation_examples",
                  "There are only " + std::to_string(judges) +
                      " examples to judge models with: one round's numbers say little.",
                  "Name more with data.validation_files if there are any; Kith goes by all rounds "
                  "together.");
  }
  for (const std::string& what : status.unknowable) {
    alarms.notice("cannot_be_known", "On this node's data, " + what + ".",
                  "Other examples help; until then believe its numbers with care. kith data check.");
  }
  for (const Guards* guards : {&status.own_guards, &status.guards}) {
    for (const Guard& guard : *guards) {
      if (guard.holds) continue;
      const char* who = guards == &status.guards ? "The worker" : "kith";
      alarms.warning("not_confined",
                     std::string(who) + " is not confined (" + guard.name + "): " + guard.what + ".",
                     "docs/threat-model.md says what each system can do about it.");
    }
  }
}

}  // namespace

std::vector<Alarm> alarms_of(const NodeStatus& status) {
  Alarms alarms;
  judge_membership(status, alarms);
  judge_exchange(status, alarms);
  judge_learning(status, alarms);
  return alarms.take();
}

}  // namespace kith::daemon
