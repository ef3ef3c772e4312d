#include "daemon/cli/views.hpp"

#include "daemon/learning/round_report.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/named.hpp"

#include <boost/algorithm/string/replace.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

std::string decimals(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string significant(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

/// Null, where a number would be infinite, is "?".
std::string number(const json& value, int digits) {
  return value.is_number() ? decimals(value.get<double>(), digits) : "?";
}

/// "0.82 [0.61, 1.03]", or nothing if there is no rho in it.
std::optional<std::string> rho_of(const json& opinion) {
  if (!opinion.is_object() || !opinion.contains("rho") || !opinion.at("rho").is_number()) {
    return std::nullopt;
  }
  std::string text = decimals(opinion.at("rho").get<double>(), 2);
  if (opinion.contains("low") && opinion.contains("high")) {
    text += " [" + number(opinion.at("low"), 2) + ", " + number(opinion.at("high"), 2) + "]";
  }
  return text;
}

std::string labelled(const std::string& label, const std::string& text) {
  constexpr std::size_t kWidth = 12;
  const std::size_t width = std::max(kWidth, label.size() + 1);
  return "  " + label + std::string(width - label.size(), ' ') + text;
}

std::string state_of(const json& peer) {
  if (!peer.at("connected").get<bool>()) return "offline";
  return peer.at("averaged").get<bool>() ? "in cluster" : "connected";
}

/// "Nobody answers at the member's addresses: ... (10.0.0.7:7700: Connection refused)"
std::string trouble_text(const json& trouble) {
  std::string detail;
  for (const char* part : {"address", "detail"}) {
    const std::string text = trouble.at(part);
    if (!text.empty()) detail += (detail.empty() ? "" : ": ") + text;
  }
  return trouble.at("help").get<std::string>() + (detail.empty() ? "" : " (" + detail + ")");
}

/// "kith 0.1.0, protocol 2"
std::string program(const json& runs) {
  if (runs.is_null()) return "-";
  return runs.at("agent").get<std::string>() + ", protocol " +
         std::to_string(runs.at("protocol").get<int>());
}

std::string charter_text(const json& charter) {
  return "version " + std::to_string(charter.at("number").get<std::uint64_t>()) + " (" +
         charter.at("fingerprint").get<std::string>() + ")";
}

/// What to mind of the version of the charter that a peer follows; nullopt if it is ours.
std::optional<std::string> other_charter(const json& charter) {
  if (charter.is_null() || charter.at("state") == "ours") return std::nullopt;
  if (charter.at("state") == "older") {
    return "FOLLOWS AN OLDER CHARTER: " + charter_text(charter) +
           "; if that stays so, its operator should look at its log";
  }
  return "FOLLOWS ANOTHER CHARTER, which this node has not taken: " + charter_text(charter) +
         "; if that stays so, see kith charter show, here and there";
}

/// "learning_rate 0.1, here 0.05; batch ..."; nothing if it is not known.
std::string difference_text(const json& fields) {
  if (!fields.is_array()) return "";
  std::string text;
  const auto value = [](const json& field, const char* side) {
    const std::string shown = field.at(side);
    return shown.empty() ? "not there" : shown;
  };
  for (const json& field : fields) {
    text += (text.empty() ? "" : "; ") + field.at("field").get<std::string>() + " " +
            value(field, "theirs") + ", here " + value(field, "ours");
  }
  return text;
}

/// What outweighs every score: trouble with the peer itself.
std::optional<std::string> obstacle(const json& peer) {
  if (!peer.at("ignored").is_null()) {
    const std::string fields = difference_text(peer.value("other_task", json()));
    return "IGNORED: " + peer.at("ignored").at("help").get<std::string>() +
           (fields.empty() ? "" : " (" + fields + ")");
  }
  if (!peer.at("trouble").is_null()) return trouble_text(peer.at("trouble"));
  return other_charter(peer.at("charter"));
}

std::string member_names(const json& members) {
  std::string names;
  for (const json& member : members) {
    names += (names.empty() ? "" : ", ") + member.at("name").get<std::string>();
  }
  return names;
}

std::string privacy_spent(const json& privacy) {
  const json& budget = privacy.at("budget");
  return "epsilon " + decimals(privacy.at("epsilon"), 2) +
         (budget.is_null() ? "" : " of " + decimals(budget, 2)) + " spent, delta " +
         privacy.at("delta").dump();
}

/// What the departure of a member did to the model.
std::string departure_text(const json& departed) {
  const std::string name = departed.at("name");
  const std::string text =
      name + ", by version " + departed.at("version").dump() + " of the charter: ";
  const auto averaged = departed.at("averaged").get<std::uint64_t>();
  if (averaged == 0) return text + "was never averaged with, so the model is none of its";
  const auto mean = [](const json& rounds) {
    return metric_text(rounds, rounds.value("metric", "accuracy")) + " in the " + rounds.at("rounds").dump() + " rounds ";
  };
  const json &before = departed.at("before"), &after = departed.at("after");
  return text + "averaged with in " + std::to_string(averaged) + " rounds, last in " +
         departed.at("last").dump() + "; served " +
         (before.is_null() ? "" : mean(before) + "before, ") +
         (after.is_null() ? "no round since" : mean(after) + "since") +
         " (validation); kith forget " + name + " takes out what it left";
}

/// From what a process is kept, should it be taken over; from what not, an alarm says.
std::string kept_from(const json& guards) {
  std::string kept;
  for (const json& guard : guards) {
    if (!guard.at("holds").get<bool>()) continue;
    kept += (kept.empty() ? "" : ", ") + guard.at("name").get<std::string>();
  }
  return kept;
}

}  // namespace

std::string metric_text(const json& evaluation, const std::string& metric) {
  if (evaluation.is_null()) return "-";
  const json value = evaluation.value(metric, json());
  if (!value.is_number()) return "not defined";
  const double number = value.get<double>();
  if (metric == "mae" || metric == "rmse" || metric == "perplexity") return significant(number);
  return decimals(100 * number, 1) + " %";
}

std::string metric_name(const std::string& metric) {
  static const std::map<std::string, std::string, std::less<>> kNames{
      {"r2", "R2"}, {"auroc", "AUROC"}, {"mae", "MAE"}, {"rmse", "RMSE"}, {"macro_f1", "macro F1"}};
  const auto found = kNames.find(metric);
  return found == kNames.end() ? boost::algorithm::replace_all_copy(metric, "_", " ") : found->second;
}

Lines status_lines(const json& status) {
  Lines lines{status.at("name").get<std::string>() + "  " + status.at("id").get<std::string>()};
  const auto line = [&](const std::string& label, const std::string& text) {
    lines.push_back(labelled(label, text));
  };
  const json& last = status.at("last_round");
  if (!last.is_null()) {
    const json& models = last.at("models");
    const std::string served = last.at("served");
    const char* const split = told_split(models.at(served));
    std::string alone = "not trained";
    const std::string metric = last.value("metric", "accuracy");
    if (models.contains("baseline")) {
      alone = metric_text(models.at("baseline").at(split), metric);
    }
    line(metric_name(metric),
         metric_text(models.at(served).at(split), metric) + " served, " + alone + " alone (" + split + ")");
    const std::string cluster = member_names(last.at("members"));
    line("cluster", cluster.empty() ? "nobody: no peer's model helped in the last round" : cluster);
    line("serves", last.at("served_reason"));
    const json privacy = last.value("privacy", json());
    if (!privacy.is_null()) line("privacy", privacy_spent(privacy));
  }
  const auto rounds = status.at("rounds").get<std::uint64_t>();
  line("round", std::to_string(status.at("finished_round").get<std::uint64_t>()) +
                    (rounds ? " of " + std::to_string(rounds) : "") + " done; " +
                    status.at("phase").get<std::string>());
  line("peers", std::to_string(status.at("connected").get<int>()) + " of " +
                    std::to_string(status.at("members").get<int>() - 1) + " connected");
  for (const auto& [label, whose] : {std::pair{"kith", "own_guards"}, {"worker", "guards"}}) {
    const std::string kept = kept_from(status.value(whose, json::array()));
    if (!kept.empty()) line(label, "confined: " + kept);
  }
  line("traffic",
       human_bytes(status.at("bytes_in")) + " in, " + human_bytes(status.at("bytes_out")) + " out");
  line("consortium", status.at("consortium").get<std::string>() + ", task " +
                         status.at("task").at("name").get<std::string>() + ", strategy " +
                         status.at("strategy").get<std::string>());
  const json& charter = status.at("charter");
  line("charter", charter_text(charter) + ", expires " + charter.at("expires").get<std::string>());
  for (const json& departed : status.at("expelled")) line("expelled", departure_text(departed));
  for (const json& alarm : status.at("alarms")) {
    const std::string severity = alarm.at("severity");
    line(severity == "error" ? "ALARM" : severity == "warning" ? "WARNING" : severity,
         alarm.at("what").get<std::string>() + " " + alarm.at("help").get<std::string>());
  }
  return lines;
}

Lines wrapped_lines(const Lines& lines, std::size_t columns) {
  constexpr std::size_t kIndent = 14;  // as labelled() has it
  Lines all;
  for (const std::string& line : lines) {
    if (columns <= 2 * kIndent || display_width(line) <= columns) {
      all.push_back(line);
      continue;
    }
    const std::size_t text = std::min(line.find_first_not_of(' '), line.size());
    std::string now = line.substr(0, text);
    std::size_t at = text;
    bool begun = false;  // a word of it is there
    while (at < line.size()) {
      const std::size_t end = std::min(line.find(' ', at + 1), line.size());
      const std::string word = line.substr(at, end - at);
      if (begun && display_width(now + word) > columns) {
        all.push_back(now);
        now = std::string(kIndent, ' ');
        now += word.substr(std::min(word.find_first_not_of(' '), word.size()));
      } else {
        now += word;
      }
      begun = true;
      at = end;
    }
    all.push_back(now);
  }
  return all;
}

Lines peers_lines(const json& peers, std::chrono::system_clock::time_point now) {
  using enum Table::Align;
  if (peers.empty()) return {"This node is the only member; kith invite brings in others."};
  Table table({left, left, left, right, left, right, right, right, right, right, left, left});
  table.add({"peer", "state", "since", "round", "rho", "rtt", "in", "out", "in/s", "out/s", "runs",
             "why"});
  for (const json& peer : peers) {
    const json& opinion = peer.at("opinion");
    const std::chrono::system_clock::time_point since{
        std::chrono::seconds(peer.at("since").get<std::int64_t>())};
    const json& snapshot = peer.at("snapshot");
    const json& round_trip = peer.at("round_trip_ms");
    const auto rho = rho_of(opinion);
    std::string why = obstacle(peer).value_or("");
    if (why.empty() && opinion.is_object()) why = opinion.value("reason", "");
    const auto bytes = [&](const char* key) {
      return human_bytes(static_cast<std::uint64_t>(peer.at(key).get<double>()));
    };
    table.add({peer.at("name"), state_of(peer),
               human_duration(std::chrono::duration_cast<std::chrono::seconds>(now - since)),
               snapshot.is_null() ? "-" : std::to_string(snapshot.at("round").get<std::uint64_t>()),
               rho.value_or("-"), round_trip.is_null() ? "-" : number(round_trip, 1) + " ms",
               bytes("bytes_in"), bytes("bytes_out"), bytes("bytes_in_per_second"),
               bytes("bytes_out_per_second"), program(peer.at("runs")), why});
  }
  return table.lines();
}

// ---- kith log -----------------------------------------------------------------------------------

namespace {

/// "hospital-b (0.31)", "hospital-b", or what else it is.
std::string audit_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("name")) {
    const json weight = value.value("weight", json());
    return value.at("name").get<std::string>() +
           (weight.is_number() ? " (" + number(weight, 2) + ")" : "");
  }
  if (!value.is_array()) return value.dump();
  std::string all;
  for (const json& item : value) all += (all.empty() ? "" : ", ") + audit_text(item);
  return all.empty() ? "nobody" : all;
}

}  // namespace

Lines audit_lines(const std::vector<json>& entries) {
  using enum Table::Align;
  Table table({right, left, left, left});
  table.add({"n", "at", "event", "what"});
  for (const json& entry : entries) {
    std::string what;
    for (const auto& [key, value] : entry.items()) {
      if (key == "n" || key == "at" || key == "event" || key == "prev") continue;
      what += (what.empty() ? "" : "  ") + key + "=" + audit_text(value);
    }
    table.add({std::to_string(entry.at("n").get<std::uint64_t>()), entry.at("at"),
               entry.at("event"), what});
  }
  return table.lines();
}

// ---- kith why -----------------------------------------------------------------------------------

const json& find_peer(const json& peers, std::string_view who) {
  std::vector<Named> named;
  for (const json& peer : peers) named.push_back({peer.at("name"), peer.at("id")});
  const auto found = meant_by(who, named);
  if (found.size() == 1) return peers.at(found.front());
  throw Failure(EX_USAGE, (found.empty() ? "there is no peer \""
                                         : "there is more than one peer whose id begins with \"") +
                              std::string(who) +
                              "\"; the peers of this node are: " + names_of(named));
}

namespace {

/// The first of a round's trials that had the peer in it, beside the best one kept before it.
json trial_of(const json& round, const std::string& id) {
  const json why = round.value("why", json());
  if (!why.is_object() || !why.contains("trials")) return nullptr;
  json without = nullptr;
  for (const json& trial : why.at("trials")) {
    const json& members = trial.at("members");
    if (std::ranges::find(members, json(id)) != members.end()) {
      return {{"round", round.at("round")},
              {"members", members},
              {"without", without},
              {"with", trial.at("loss")},
              {"kept", trial.at("kept")}};
    }
    if (trial.at("kept").get<bool>() || members.empty()) without = trial.at("loss");
  }
  return nullptr;
}

/// What convenor mode did about a peer in a round, in words; null if nothing.
json convenor_text(const json& round, const std::string& id) {
  const json why = round.value("why", json());
  if (!why.is_object() || !why.contains("convenor")) return nullptr;
  const json& said = why.at("convenor");
  const auto names = [&](const char* list) {
    return std::ranges::find(said.at(list), json(id)) != said.at(list).end();
  };
  if (said.at("refused").contains(id)) {
    return "assigned it to this node, which refuses it: " +
           said.at("refused").at(id).get<std::string>();
  }
  if (names("assigned")) return "assigned it to this node";
  if (names("elsewhere")) return "put it into another group: it is not averaged with";
  return nullptr;
}

/// Which average was taken in a round in place of the one that came of adding peer after peer, in
/// words; null if none.
json rival_text(const json& round) {
  const json why = round.value("why", json());
  if (!why.is_object() || !why.contains("rivals")) return nullptr;
  const json* taken = nullptr;
  std::string with;
  for (const auto& [name, rival] : why.at("rivals").items()) {
    const bool lower = taken == nullptr || rival.at("loss") < taken->at("loss");
    if (!rival.at("taken").get<bool>() || !lower) continue;
    taken = &rival;
    with = name == "half everybody"    ? "with everybody, my own model as half of it"
           : name.starts_with("best ") ? "with the " + name.substr(5) + " of the highest rho"
           : name == "everybody"       ? "with everybody"
           : name == "nobody"          ? "with nobody"
                                       : name;
  }
  if (taken == nullptr) return nullptr;
  return "in round " + std::to_string(round.at("round").get<std::uint64_t>()) + " the average " +
         with + " was clearly better than that of adding peer after peer, and was taken " +
         "(validation loss " + number(taken->at("loss"), 4) + ")";
}

json weight_of(const json& round, const std::string& id) {
  for (const json& member : round.at("members")) {
    if (member.at("id") == id) return member.at("weight");
  }
  return nullptr;
}

std::string trial_text(const json& trial) {
  const std::size_t others = trial.at("members").size() - 1;
  const std::string company = others == 0 ? "my own model"
                                          : "my own and " + std::to_string(others) +
                                                " other model" + (others == 1 ? "" : "s");
  return "averaging it with " + company + " took the validation loss from " +
         number(trial.at("without"), 4) + " to " + number(trial.at("with"), 4) + ": " +
         (trial.at("kept").get<bool>() ? "kept" : "not kept") + " (round " +
         std::to_string(trial.at("round").get<std::uint64_t>()) + ")";
}

std::string estimate_text(const json& estimate) {
  return number(estimate.at("mean"), 4) + " \u00b1 " + number(estimate.at("standard_error"), 4);
}

}  // namespace

json explain_peer(const json& peers, const json& rounds, std::string_view who) {
  const json& peer = find_peer(peers, who);
  const std::string name = peer.at("name"), id = peer.at("id");
  json why{{"name", name},
           {"id", id},
           {"state", state_of(peer)},
           {"quarantined", peer.at("quarantined")},
           {"ignored", peer.at("ignored")},
           {"trouble", peer.at("trouble")},
           {"charter", peer.at("charter")},
           {"snapshot", peer.at("snapshot")},
           {"opinion", peer.at("opinion")},
           {"convenor", rounds.empty() ? json() : convenor_text(rounds.back(), id)},
           {"instead", rounds.empty() ? json() : rival_text(rounds.back())},
           {"last_trial", nullptr},
           {"history", json::array()}};
  for (const json& round : rounds) {
    if (json trial = trial_of(round, id); !trial.is_null()) why["last_trial"] = std::move(trial);
    const json opinions = round.value("opinions", json::object());
    const json opinion = opinions.value(name, json::object());
    json entry{{"round", round.at("round")}, {"weight", weight_of(round, id)}};
    for (const char* key : {"rho", "low", "high", "admitted"}) {
      entry[key] = opinion.value(key, json());
    }
    why["history"].push_back(std::move(entry));
  }
  return why;
}

Lines why_lines(const json& why) {
  Lines lines{why.at("name").get<std::string>() + "  " + why.at("id").get<std::string>()};
  const auto line = [&](const std::string& label, const std::string& text) {
    lines.push_back(labelled(label, text));
  };
  const json& opinion = why.at("opinion");
  line("state", why.at("state"));
  if (!why.at("ignored").is_null()) {
    line("", "IGNORED: " + why.at("ignored").at("help").get<std::string>());
  } else if (!why.at("trouble").is_null()) {
    line("trouble", trouble_text(why.at("trouble")));
  }
  if (const auto other = other_charter(why.at("charter"))) line("charter", *other);
  if (opinion.is_object() && opinion.contains("reason")) {
    line("verdict", opinion.at("reason"));
  } else if (opinion.is_null()) {
    line("verdict", "not scored yet: no snapshot of it was fetched and compared so far");
  }
  if (const auto rho = rho_of(opinion)) {
    line("rho", *rho + " smoothed over " + std::to_string(opinion.value("scores", 0)) +
                    " scores; 1 is as useful as my own training, 0 no use");
  }
  if (opinion.is_object() && opinion.contains("newest")) {
    const json& newest = opinion.at("newest");
    if (const auto rho = rho_of(newest)) {
      line("newest", *rho + " in round " +
                         std::to_string(opinion.value("scored", std::uint64_t{0})) + ", on " +
                         std::to_string(newest.at("influence").value("examples", 0)) +
                         " validation examples");
      line("", "its model lowers the loss of the initial model by " +
                   estimate_text(newest.at("influence")) + ", my own training by " +
                   estimate_text(newest.at("own")));
    }
  }
  if (!why.at("convenor").is_null()) line("convenor", why.at("convenor"));
  if (!why.at("last_trial").is_null()) line("averaging", trial_text(why.at("last_trial")));
  if (opinion.is_object() && opinion.value("standing", 0.0) != 0) {
    const double standing = opinion.at("standing").get<double>();
    line("", std::string("by all rounds together it makes the average ") +
                 (standing > 0 ? "worse" : "better") + " by " + decimals(std::abs(standing), 1) +
                 " standard errors");
  }
  if (!why.at("instead").is_null()) line("", why.at("instead"));
  const json& snapshot = why.at("snapshot");
  if (snapshot.is_null()) {
    line("snapshot", "none of it has been fetched");
  } else {
    line("snapshot",
         "of its round " + std::to_string(snapshot.at("round").get<std::uint64_t>()) +
             ", here since my round " +
             std::to_string(snapshot.at("arrived_in_round").get<std::uint64_t>()) +
             (snapshot.at("refused").get<bool>() ? "; REFUSED: it is damaged or absurd, see the log"
                                                 : ""));
  }
  if (why.at("history").empty()) return lines;

  using enum Table::Align;
  Table table({right, left, left, right});
  table.add({"round", "rho", "admitted", "weight"});
  for (const json& entry : why.at("history")) {
    const json& admitted = entry.at("admitted");
    table.add({std::to_string(entry.at("round").get<std::uint64_t>()), rho_of(entry).value_or("-"),
               admitted.is_boolean() ? (admitted.get<bool>() ? "yes" : "no") : "-",
               entry.at("weight").is_null() ? "-" : number(entry.at("weight"), 3)});
  }
  lines.emplace_back();
  for (const std::string& row : table.lines()) lines.push_back("  " + row);
  return lines;
}

}  // namespace kith::daemon
