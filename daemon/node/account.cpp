#include "daemon/node/account.hpp"

#include "daemon/state/audit_log.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

/// What of the audit log people are told of who do not read it: what is rare, or should be.
constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kTold{{
    {"charter", "A version of the charter took effect"},
    {"adopted", "The operator chose a charter by hand"},
    {"charter_contradicted", "Stewards signed two charters of one number"},
    {"invited", "Somebody was invited"},
    {"application", "Somebody applied"},
    {"refused", "A model or an application was refused"},
    {"withdrawn", "An invitation was withdrawn"},
    {"denied", "The operator blocked a member"},
    {"allowed", "The operator took back a block"},
    {"convicted", "A member was proved to publish two models as one"},
    {"renewed", "A node has new keys or addresses"},
    {"renewed_elsewhere", "Somebody else used this node's node key"},
    {"forgot", "A member's models were taken out of this node's"},
    {"task_accepted", "The operator accepted another task"},
    {"cut_short", "A power cut cost the end of the audit log"},
}};

std::optional<double> optional_number(const json& object, const char* key) {
  const json value = object.is_object() ? object.value(key, json()) : json();
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

/// Adds up a counter that begins anew whenever the node does.
class Meter {
 public:
  void see(std::uint64_t count) {
    total_ += count < last_ ? count : count - last_;
    last_ = count;
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  std::uint64_t last_ = 0, total_ = 0;
};

std::string answer_to(const std::optional<Gain>& gain) {
  if (!gain) return "unknown";
  if (gain->low > 0 && gain->certain) return "yes";
  if (gain->high < 0 && gain->certain) return "no";
  return gain->mean > 0 ? "likely" : "not so far";
}

/// Every so many-th round of it, the newest included.
LearningCurve thinned(const LearningCurve& all, std::size_t points) {
  const std::size_t count = all.round.size(), step = (count + points - 1) / points;
  if (step <= 1) return all;
  LearningCurve some = all;
  const auto thin = [&](auto& column) {
    auto kept = std::decay_t<decltype(column)>();
    for (std::size_t i = (count - 1) % step; i < count; i += step) kept.push_back(column[i]);
    column = std::move(kept);
  };
  thin(some.round), thin(some.time), thin(some.served), thin(some.alone), thin(some.examples);
  thin(some.model), thin(some.circle), thin(some.epsilon), thin(some.bytes_in);
  thin(some.bytes_out);
  some.step = step;
  return some;
}

}  // namespace

Account account_of(const std::filesystem::path& state, std::size_t points) {
  Account account;
  const StoreView store(state);
  const auto newest = store.newest_round();
  std::map<std::string, Account::Partner> partners;
  Meter in, out;
  Account::Cost& cost = account.cost;
  LearningCurve curve = newest ? begun_curve(*newest) : LearningCurve();
  const auto add = [&](const json& report) {
    if (report.at("round") > newest->at("round")) return;  // finished while we read
    add_round(curve, report);
    const auto number = report.at("round").get<std::uint64_t>();
    const auto time = report.at("time").get<std::uint64_t>();
    if (cost.rounds++ == 0) cost.from = time;
    cost.to = std::max(cost.to, time);
    if (report.value("diverged", json()).is_string()) ++cost.given_up;
    const json seconds = report.value("seconds", json::object());
    for (const auto& [phase, spent] : seconds.items()) {
      if (spent.is_number()) cost.seconds[phase] += spent.get<double>();
    }
    in.see(report.value("bytes_in", std::uint64_t{0}));
    out.see(report.value("bytes_out", std::uint64_t{0}));
    for (const json& member : report.value("members", json::array())) {
      Account::Partner& partner = partners[member.at("name")];
      if (partner.rounds++ == 0) partner.first = number;
      partner.last = number;
    }
  };
  if (newest) {
    store.each_round(add);
    account.privacy = newest->value("privacy", json());
    for (const json& member : newest->value("members", json::array()))
      partners[member.at("name")].weight = optional_number(member, "weight");
    const json opinions = newest->value("opinions", json::object());
    for (const auto& [name, opinion] : opinions.items()) {
      const auto found = partners.find(name);
      if (found == partners.end()) continue;
      found->second.rho = optional_number(opinion, "rho");
      found->second.low = optional_number(opinion, "low");
      found->second.high = optional_number(opinion, "high");
    }
  }
  for (auto& [name, partner] : partners) {
    partner.name = name;
    account.partners.push_back(std::move(partner));
  }
  std::ranges::stable_sort(account.partners, std::greater(), &Account::Partner::rounds);
  cost.bytes_in = in.total(), cost.bytes_out = out.total();
  curve.gain = gain_of(curve);
  account.answer = answer_to(curve.gain);
  account.curve = thinned(curve, points);
  if (std::filesystem::exists(state / kAuditLog)) account.audit = audit_of(state / kAuditLog);
  return account;
}

Account::Audit audit_of(const std::filesystem::path& log) {
  Account::Audit audit;
  std::set<std::string> readers;
  std::map<std::string, Account::Event, std::less<>> events;
  const auto look = [&](const json& entry) {
    const std::string event = entry.at("event");
    if (event == "started") ++audit.starts;
    if (event == "published") {
      ++audit.published;
      for (const json& reader : entry.value("readers", json::array()))
        if (reader.is_string()) readers.insert(reader.get<std::string>());
    }
    const auto told = std::ranges::find(kTold, event, [](const auto& one) { return one.first; });
    if (told == kTold.end()) return;
    Account::Event& one = events[event];
    one.event = event, one.what = told->second, one.last = entry.at("at");
    ++one.count;
    const json name = entry.value("name", entry.value("for", json()));
    if (!name.is_string()) return;
    const std::string who = name;
    if (std::ranges::find(one.who, who) == one.who.end()) one.who.push_back(who);
  };
  const auto checked = verify_audit_log(log, look);
  if (const auto* fault = std::get_if<AuditFault>(&checked)) {
    audit.fault = fault->file.filename().string() + ", line " + std::to_string(fault->line) + ": " +
                  fault->what;
  } else {
    const auto& summary = std::get<AuditSummary>(checked);
    audit.entries = summary.entries;
    audit.hash = crypto::to_hex(summary.last);
  }
  audit.readers.assign(readers.begin(), readers.end());
  for (auto& [name, event] : events) audit.events.push_back(std::move(event));
  std::ranges::stable_sort(audit.events, {}, &Account::Event::last);
  return audit;
}

}  // namespace kith::daemon
