#include "daemon/cli/account_page.hpp"

#include "daemon/cli/html.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/version.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr std::size_t kNamed = 6;      // of a long list, whom a sentence names
constexpr std::size_t kPartners = 12;  // rows of the table

constexpr const char* kAccountStyle = R"(
:root { color-scheme: light dark; --page: #fbfbf9; --card: #fff; --ink: #1d2226; --soft: #55606a; --line: #dcdfe0; --grid: #eceeee;
  --good: #0b5fb0; --bad: #b03a08; --alone: #6b7378; --warn: #8a5a00; }
@media screen and (prefers-color-scheme: dark) { :root { --page: #14181b; --card: #1b2024; --ink: #e8ebec; --soft: #a3aeb5;
  --line: #343c42; --grid: #272e33; --good: #62aef5; --bad: #f28a55; --alone: #98a3aa; --warn: #efb23f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .4rem; }
p { margin: .25rem 0 .6rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .9rem; }
.verdict { font-size: 1.3rem; line-height: 1.35; font-weight: 600; margin: 1rem 0 1.2rem; }
.verdict b.yes { color: var(--good); } .verdict b.no { color: var(--bad); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.2rem; margin: 0 0 1rem; }
.three { display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem 1.5rem; margin: 0 0 .8rem; }
.three div { border-left: 3px solid var(--line); padding-left: .7rem; }
.three div:last-child { border-color: var(--good); }
.three div:last-child.no { border-color: var(--bad); }
.three dt { color: var(--soft); font-size: .9rem; } .three dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.three small { display: block; font-size: .85rem; font-weight: 400; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem .3rem 0; text-align: left; border-bottom: 1px solid var(--grid); vertical-align: top; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 500; } tbody th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; } tbody tr:last-child > * { border-bottom: 0; }
dl.facts { display: grid; grid-template-columns: 9.5rem 1fr; gap: .2rem 1.2rem; margin: 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; overflow-wrap: anywhere; }
ul { list-style: none; margin: 0; padding: 0; }
li { border-left: 4px solid var(--alone); padding-left: .8rem; margin: .5rem 0; overflow-wrap: anywhere; }
li.error { border-color: var(--bad); } li.warning { border-color: var(--warn); }
li b { text-transform: uppercase; font-size: .75rem; letter-spacing: .04em; }
.bad { color: var(--bad); }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; } svg text.strong { fill: var(--ink); }
svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--soft); }
svg .served { stroke: var(--good); stroke-width: 2.5; fill: none; } svg .alone { stroke: var(--alone); stroke-width: 2; stroke-dasharray: 5 3; fill: none; }
svg circle.served { fill: var(--good); } svg circle.alone { fill: var(--alone); stroke-dasharray: none; }
footer { color: var(--soft); font-size: .8rem; } footer code { overflow-wrap: anywhere; }
code { font: .95em ui-monospace, "DejaVu Sans Mono", monospace; }
@media screen and (max-width: 36rem) { main { padding: 1rem .6rem 2rem; } section { padding: .8rem; overflow-x: auto; } table, svg { min-width: 34rem; } .three { grid-template-columns: 1fr; } dl.facts { grid-template-columns: 1fr; gap: 0; } dl.facts dd { margin-bottom: .4rem; } }
@page { size: A4; margin: 11mm 13mm; }
@media print { :root { --page: #fff; } body { font-size: 9pt; line-height: 1.3; } main { max-width: none; padding: 0; }
  h1 { font-size: 15pt; } .verdict { font-size: 12pt; margin: 4pt 0 6pt; } h2 { font-size: 10.5pt; margin: 0 0 2pt; break-after: avoid; } .three dd { font-size: 14pt; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 4pt 0 0; margin: 0 0 4pt; } svg { max-height: 38mm; } p { margin: 1pt 0 3pt; } th, td { padding: 1.5pt 6pt 1.5pt 0; } .three { margin: 0 0 3pt; } footer { font-size: 7.5pt; } tr, li, svg, .three { break-inside: avoid; } }
)";

// ---- Numbers for people ----

bool in_percent(const std::string& metric) {
  return metric != "mae" && metric != "rmse" && metric != "perplexity";
}

std::string formatted(const char* format, double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string quality(double value, const std::string& metric) {
  return metric_text({{metric, value}}, metric);
}

/// "+5.7 points", "-0.3": more is better.
std::string difference(double value, const std::string& metric, bool unit) {
  if (!in_percent(metric)) return formatted("%+.3g", value);
  return formatted("%+.1f", 100 * value) + (unit ? " points" : "");
}

std::string span_of(double seconds) {
  return human_duration(std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds)));
}

std::string times(std::uint64_t count) {
  return count == 1 ? "once" : std::to_string(count) + " times";
}

std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string some_of(std::vector<std::string> all) {
  const std::size_t more = all.size() > kNamed ? all.size() - kNamed : 0;
  all.resize(all.size() - more);
  return boost::algorithm::join(all, ", ") +
         (more > 0 ? " and " + std::to_string(more) + " more" : "");
}

// ---- Sentences that the page and the terminal share ----

std::string answer_in_words(const std::string& answer) {
  if (answer == "yes") return "Yes, it is better than training alone";
  if (answer == "no") return "No, it is worse than training alone";
  if (answer == "likely") return "Probably, but it is not certain yet";
  if (answer == "not so far") return "Not so far";
  return "Nobody can say yet";
}

std::string answer_in_numbers(const Account& account) {
  const auto& gain = account.curve.gain;
  if (!gain) {
    return account.curve.round.empty() ? "no round is finished."
                                       : "this node trains no model alone to compare with "
                                         "(learning.baseline), or it is not "
                                         "judged yet.";
  }
  const std::string& metric = account.curve.metric;
  std::string text = metric_name(metric) + " " + quality(gain->served, metric) +
                     " with the others, " + quality(gain->alone, metric) + " alone; " +
                     difference(gain->mean, metric, true);
  if (gain->certain) {
    text += ", and with 95 % between " + difference(gain->low, metric, false) + " and " +
            difference(gain->high, metric, false);
  }
  return text + ".";
}

std::string how_measured(const Account& account) {
  const auto& gain = account.curve.gain;
  if (!gain) return "";
  std::string text = gain->rounds == 1 ? "Of the last round"
                                       : "The mean of the last " + counted(gain->rounds, "round");
  text += ", on " + account.curve.split + " examples";
  if (gain->examples > 0) {
    text += " (" + std::to_string(gain->examples) +
            "). The interval counts how few they are, as if both models were judged on different "
            "ones: the true one is narrower.";
  } else if (gain->certain) {
    text +=
        ". The interval says how much the rounds differ, and not how few the examples are: other "
        "seeds show that (docs/pilot.md, week 3).";
  } else {
    text += ". Too few rounds for an interval.";
  }
  if (!account.curve.higher_is_better) text += " Less of this metric is better.";
  if (account.curve.split == "validation") {
    text +=
        " The node chooses by these very examples, so the gain looks larger than it is: with "
        "data.test it would be judged on examples that nothing was chosen by.";
  }
  return text;
}

using Facts = std::vector<std::pair<std::string, std::string>>;

Facts cost_facts(const Account& account) {
  const Account::Cost& cost = account.cost;
  constexpr std::array<std::pair<const char*, const char*>, 4> kPhases{
      {{"train", "training"},
       {"load", "loading models"},
       {"choose", "choosing partners"},
       {"test", "testing"}}};
  double computed = 0, waited = 0;
  for (const auto& [phase, seconds] : cost.seconds)
    (phase == "gather" ? waited : computed) += seconds;
  std::vector<std::string> parts;
  for (const auto& [phase, words] : kPhases) {
    const auto found = cost.seconds.find(phase);
    if (found != cost.seconds.end() && found->second >= 0.05 * computed && computed > 0)
      parts.push_back(std::string(words) + " " + span_of(found->second));
  }
  Facts facts;
  facts.emplace_back("computing",
                     span_of(computed) + " of this machine in " + counted(cost.rounds, "round") +
                         (parts.empty() ? "" : ": " + boost::algorithm::join(parts, ", ")));
  facts.emplace_back("waiting", span_of(waited) + " for models of others");
  facts.emplace_back("time", span_of(static_cast<double>(cost.to - cost.from)) +
                                 " from the first round to the newest");
  facts.emplace_back("received", human_bytes(cost.bytes_in));
  facts.emplace_back("sent",
                     human_bytes(cost.bytes_out) + ", what it passed on for others included");
  if (cost.given_up > 0)
    facts.emplace_back("given up", counted(cost.given_up, "round") + ", since training diverged");
  return facts;
}

Facts left_facts(const Account& account, const AccountHead& head) {
  Facts facts;
  if (account.audit) {
    std::vector<std::string> readers;
    for (const std::string& id : account.audit->readers) {
      if (id == head.id) continue;  // it reads its own
      const auto found = head.names.find(id);
      readers.push_back(found == head.names.end()
                            ? "a former member (" + id.substr(0, id.find('-')) + ")"
                            : found->second);
    }
    std::ranges::sort(readers);
    facts.emplace_back("models", counted(account.audit->published, "snapshot") +
                                     (readers.empty() ? ", which nobody but this node can read"
                                                      : ", each sealed to the members of then: " +
                                                            some_of(readers)));
  } else {
    facts.emplace_back("models", "not known: there is no audit log");
  }
  facts.emplace_back("examples", "none: they never leave this node's worker");
  if (account.privacy.is_object()) {
    const json budget = account.privacy.value("budget", json());
    facts.emplace_back(
        "privacy",
        "epsilon " + formatted("%.2f", account.privacy.at("epsilon").get<double>()) +
            (budget.is_number() ? " of " + formatted("%.2f", budget.get<double>()) : "") +
            " spent, delta " + account.privacy.at("delta").dump());
  } else {
    facts.emplace_back(
        "privacy",
        "no promise is made that a model tells nothing of an example (privacy.noise is 0)");
  }
  return facts;
}

std::string log_in_words(const Account& account) {
  if (!account.audit) return "There is no audit log yet.";
  if (!account.audit->fault.empty())
    return "The audit log is not whole: " + account.audit->fault +
           ". Ask why before you trust this page.";
  return "The audit log is whole: " + std::to_string(account.audit->entries) +
         " entries, the last of them " + account.audit->hash + ".";
}

std::string event_in_words(const Account::Event& event) {
  return event.what + (event.who.empty() ? "" : ": " + some_of(event.who));
}

constexpr const char* kNoAlarms = "None: the node runs, and has no alarm.";
constexpr const char* kNotRunning =
    "The node does not run now, so it tells of no alarm; kith doctor looks for what is wrong.";

std::string influence_of(const Account::Partner& partner) {
  if (!partner.rho) return "-";
  std::string text = formatted("%.2f", *partner.rho);
  if (partner.low && partner.high)
    text += " [" + formatted("%.2f", *partner.low) + ", " + formatted("%.2f", *partner.high) + "]";
  return text;
}

std::string share_of(const Account::Partner& partner, const Account& account) {
  const double share = 100.0 * static_cast<double>(partner.rounds) /
                       static_cast<double>(std::max<std::uint64_t>(1, account.cost.rounds));
  return std::to_string(partner.rounds) + " (" + formatted("%.0f", share) + " %)";
}

// ---- The chart ----

class Chart {
 public:
  Chart(const LearningCurve& curve, std::string& html) : curve_(curve), html_(html) {
    for (const auto* column : {&curve.served, &curve.alone}) {
      for (const auto& value : *column) {
        if (!value) continue;
        low_ = seen_ ? std::min(low_, *value) : *value;
        high_ = seen_ ? std::max(high_, *value) : *value;
        seen_ = true;
      }
    }
    const double pad =
        (high_ > low_ ? high_ - low_ : std::max(0.01, std::abs(high_) * 0.02)) * 0.08;
    low_ -= pad, high_ += pad;
  }

  void draw() {
    if (!seen_) return;
    const std::string& metric = curve_.metric;
    html_ +=
        "<svg viewBox=\"0 0 720 220\" role=\"img\" aria-label=\"" +
        html_escaped(metric_name(metric) + " over rounds " + std::to_string(curve_.round.front()) +
                     " to " + std::to_string(curve_.round.back()) + ": " +
                     at_the_end(curve_.served, "with the others") + ", " +
                     at_the_end(curve_.alone, "alone")) +
        "\">\n";
    ticks();
    text(0, 12, "", metric_name(metric) + (in_percent(metric) ? ", %" : ""));
    text((kLeft + kRight) / 2, 216, "middle", "round");
    line("axis", kLeft, kBottom, kRight, kBottom);
    column(curve_.alone, "alone"), column(curve_.served, "served");
    labels();
    html_ += "</svg>\n";
  }

 private:
  static constexpr double kLeft = 46, kRight = 614, kTop = 22, kBottom = 184;

  [[nodiscard]] double x(std::size_t i) const {
    const auto from = static_cast<double>(curve_.round.front()),
               to = static_cast<double>(curve_.round.back());
    if (to <= from) return (kLeft + kRight) / 2;
    return kLeft + (static_cast<double>(curve_.round[i]) - from) / (to - from) * (kRight - kLeft);
  }
  [[nodiscard]] double y(double value) const {
    return kBottom - (value - low_) / (high_ - low_) * (kBottom - kTop);
  }

  static std::string place(double value) { return formatted("%.1f", value); }

  std::string at_the_end(const std::vector<std::optional<double>>& values,
                         const std::string& what) const {
    const auto last = std::find_if(values.rbegin(), values.rend(),
                                   [](const auto& value) { return value.has_value(); });
    return what + " " +
           (last == values.rend() ? "not judged" : quality(**last, curve_.metric) + " at the end");
  }

  void line(const char* style, double x1, double y1, double x2, double y2) {
    html_ += std::string("<line class=\"") + style + "\" x1=\"" + place(x1) + "\" y1=\"" +
             place(y1) + "\" x2=\"" + place(x2) + "\" y2=\"" + place(y2) + "\"/>\n";
  }
  void text(double at_x, double at_y, const char* anchor, const std::string& what,
            const char* style = "") {
    html_ += "<text x=\"" + place(at_x) + "\" y=\"" + place(at_y) + "\"" +
             (*anchor ? std::string(" text-anchor=\"") + anchor + "\"" : "") +
             (*style ? std::string(" class=\"") + style + "\"" : "") + ">" + html_escaped(what) +
             "</text>\n";
  }

  /// 1, 2 or 5 times a power of ten, of which about `wanted` fit between.
  static double step_of(double span, double wanted) {
    const double rough = span / wanted, power = std::pow(10, std::floor(std::log10(rough)));
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor * power >= rough * 0.999) return factor * power;
    }
    return 10 * power;
  }

  void ticks() {
    const double factor = in_percent(curve_.metric) ? 100 : 1;
    const double step = step_of((high_ - low_) * factor, 4);
    for (double i = std::ceil(low_ * factor / step); i * step <= high_ * factor; ++i) {
      const double height = y(i * step / factor);
      line("grid", kLeft, height, kRight, height);
      text(kLeft - 7, height + 4, "end", formatted("%.4g", i * step + 0.0));
    }
    const auto from = static_cast<double>(curve_.round.front()),
               to = static_cast<double>(curve_.round.back());
    if (to <= from) return text(x(0), kBottom + 16, "middle", std::to_string(curve_.round.front()));
    const double round_step = std::max(1.0, step_of(to - from, 8));
    for (double i = std::ceil(from / round_step); i * round_step <= to; ++i) {
      const double at = kLeft + (i * round_step - from) / (to - from) * (kRight - kLeft);
      text(at, kBottom + 16, "middle", formatted("%.0f", i * round_step));
    }
  }

  void column(const std::vector<std::optional<double>>& values, const char* style) {
    std::string path;
    bool pen_down = false;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i]) path += (pen_down ? "L" : "M") + place(x(i)) + " " + place(y(*values[i]));
      pen_down = values[i].has_value();
    }
    html_ += std::string("<path class=\"") + style + "\" d=\"" + path + "\"/>\n";
    if (values.size() == 1 && values[0]) {
      html_ += std::string("<circle class=\"") + style + "\" cx=\"" + place(x(0)) + "\" cy=\"" +
               place(y(*values[0])) + "\" r=\"4\"/>\n";
    }
  }

  /// What each line is, where it ends.
  void labels() {
    constexpr double kApart = 15;
    std::optional<double> served = curve_.served.back(), alone = curve_.alone.back();
    double up = y(served.value_or(high_)), down = y(alone.value_or(low_));
    if (served && alone && std::abs(up - down) < kApart) {
      const double middle = (up + down) / 2, side = up <= down ? 1 : -1;
      up = middle - side * kApart / 2, down = middle + side * kApart / 2;
    }
    if (served) text(kRight + 8, up + 4, "", "with the others", "strong");
    if (alone) text(kRight + 8, down + 4, "", "alone", "strong");
  }

  const LearningCurve& curve_;
  std::string& html_;
  double low_ = 0, high_ = 1;
  bool seen_ = false;
};

// ---- The page ----

std::string fact_list(const Facts& facts) {
  std::string html = "<dl class=\"facts\">\n";
  for (const auto& [name, value] : facts)
    html += "<dt>" + html_escaped(name) + "</dt><dd>" + html_escaped(value) + "</dd>\n";
  return html + "</dl>\n";
}

std::string begun_section(const char* title) {
  return std::string("<section>\n<h2>") + title + "</h2>\n";
}

std::string gain_section(const Account& account) {
  const auto& gain = account.curve.gain;
  const std::string& metric = account.curve.metric;
  std::string html = begun_section("Gain over training alone");
  if (gain) {
    const auto tile = [&](const char* style, const std::string& name, const std::string& value,
                          const std::string& more) {
      html += std::string("<div") + style + "><dt>" + html_escaped(name) + "</dt><dd>" +
              html_escaped(value) + "<small>" + html_escaped(more) + "</small></dd></div>\n";
    };
    html += "<dl class=\"three\">\n";
    tile("", "with the others", quality(gain->served, metric), metric_name(metric));
    tile("", "alone", quality(gain->alone, metric), metric_name(metric));
    tile(account.answer == "no" ? " class=\"no\"" : "", "gain",
         difference(gain->mean, metric, true),
         gain->certain ? "95 % interval " + difference(gain->low, metric, false) + " to " +
                             difference(gain->high, metric, false)
                       : "no interval yet");
    html += "</dl>\n";
  }
  Chart(account.curve, html).draw();
  return html + "<p class=\"soft\">" + html_escaped(how_measured(account)) + "</p>\n</section>\n";
}

std::string partner_section(const Account& account) {
  std::string html = begun_section("With whom");
  if (account.partners.empty()) {
    return html +
           "<p>With nobody: no member's model helped this node in any round.</p>\n</section>\n";
  }
  html +=
      "<table>\n<thead><tr><th scope=\"col\">member</th><th scope=\"col\" class=\"number\">rounds "
      "averaged "
      "with</th><th scope=\"col\" class=\"number\">first to last round</th><th scope=\"col\" "
      "class=\"number\">weight "
      "now</th><th scope=\"col\" class=\"number\">influence</th></tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < std::min(kPartners, account.partners.size()); ++i) {
    const Account::Partner& partner = account.partners[i];
    const auto cell = [&](const std::string& text) {
      html += "<td class=\"number\">" + html_escaped(text) + "</td>";
    };
    html += "<tr><th scope=\"row\">" + html_escaped(partner.name) + "</th>";
    cell(share_of(partner, account));
    cell(std::to_string(partner.first) + " to " + std::to_string(partner.last));
    cell(partner.weight ? formatted("%.2f", *partner.weight) : "not in it");
    cell(influence_of(partner));
    html += "</tr>\n";
  }
  html += "</tbody>\n</table>\n";
  if (account.partners.size() > kPartners)
    html += "<p class=\"soft\">and " + std::to_string(account.partners.size() - kPartners) +
            " more, with whom it averaged less often.</p>\n";
  return html +
         "<p class=\"soft\">Influence: 1 means as useful to this node as its own training, 0 no "
         "use, below 0 "
         "harmful; its interval in brackets.</p>\n</section>\n";
}

std::string happened_section(const Account& account) {
  std::string html = begun_section("What needs somebody");
  if (!account.alarms || account.alarms->empty()) {
    html += "<p>" + html_escaped(account.alarms ? kNoAlarms : kNotRunning) + "</p>\n";
  } else {
    html += "<ul>\n";
    for (const Alarm& alarm : *account.alarms) {
      html += "<li class=\"" + html_escaped(alarm.severity) + "\"><b>" +
              html_escaped(alarm.severity) + "</b> " + html_escaped(alarm.what) +
              " <span class=\"soft\">" + html_escaped(alarm.help) + "</span></li>\n";
    }
    html += "</ul>\n";
  }
  html += "</section>\n";
  if (!account.audit || account.audit->events.empty()) return html;
  html += begun_section("What happened") +
          "<table>\n<thead><tr><th scope=\"col\">what</th><th scope=\"col\" class=\"number\">how "
          "often</th><th "
          "scope=\"col\" class=\"number\">last</th></tr></thead>\n<tbody>\n";
  for (const Account::Event& event : account.audit->events) {
    html += "<tr><td>" + html_escaped(event_in_words(event)) + "</td><td class=\"number\">" +
            times(event.count) + "</td><td class=\"number\">" +
            html_escaped(event.last.substr(0, 10)) + "</td></tr>\n";
  }
  return html + "</tbody>\n</table>\n</section>\n";
}

std::string subtitle(const Account& account, const AccountHead& head) {
  std::string text = "Task " + head.task + " in the consortium " + head.consortium;
  if (account.cost.rounds > 0) {
    const std::string from = date(account.cost.from), to = date(account.cost.to);
    text += "; " + counted(account.cost.rounds, "round") +
            (from == to ? " on " + from : " from " + from + " to " + to);
  }
  return text;
}

}  // namespace

std::string account_page(const Account& account, const AccountHead& head) {
  const std::string title = "What " + head.name + " gains by learning with others";
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<title>" +
      html_escaped(title) + "</title>\n<style>" + kAccountStyle +
      "</style>\n</head>\n<body>\n<main>\n<h1>" + html_escaped(title) +
      "</h1>\n<p class=\"soft\">" + html_escaped(subtitle(account, head)) +
      "</p>\n<p class=\"verdict\"><b class=\"" +
      (account.answer == "yes"  ? "yes"
       : account.answer == "no" ? "no"
                                : "open") +
      "\">" + html_escaped(answer_in_words(account.answer)) +
      "</b>: " + html_escaped(answer_in_numbers(account)) + "</p>\n";
  html += gain_section(account) + partner_section(account);
  html += begun_section("What it cost") + fact_list(cost_facts(account)) + "</section>\n";
  html += begun_section("What left the building") + fact_list(left_facts(account, head)) +
          "</section>\n";
  html += happened_section(account);
  const bool whole = !account.audit || account.audit->fault.empty();
  html +=
      std::string("<footer><p") + (whole ? "" : " class=\"bad\"") + ">" +
      html_escaped(log_in_words(account)) + "</p>\n<p>Made on " + date(head.made) + " by kith " +
      html_escaped(version()) + " from the history of the node <code>" + html_escaped(head.id) +
      "</code>, charter <code>" + html_escaped(head.fingerprint) +
      "</code>. The numbers are this node's own word.</p></footer>\n</main>\n</body>\n</html>\n";
  return html;
}

Lines account_lines(const Account& account, const AccountHead& head) {
  Lines lines{"What " + head.name + " gains by learning with others", subtitle(account, head), "",
              answer_in_words(account.answer) + ": " + answer_in_numbers(account)};
  if (const std::string how = how_measured(account); !how.empty()) lines.push_back(how);
  const auto facts = [&](const char* title, const Facts& all) {
    lines.insert(lines.end(), {"", title});
    Table table({Table::Align::left, Table::Align::left});
    for (const auto& [name, value] : all) table.add({"  " + name, value});
    for (std::string& line : table.lines()) lines.push_back(std::move(line));
  };
  lines.insert(lines.end(), {"", "With whom"});
  if (account.partners.empty()) lines.emplace_back("  nobody");
  Table table({Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right});
  if (!account.partners.empty()) table.add({"  member", "rounds", "weight now", "influence"});
  for (const Account::Partner& partner : account.partners) {
    table.add({"  " + partner.name, share_of(partner, account),
               partner.weight ? formatted("%.2f", *partner.weight) : "-", influence_of(partner)});
  }
  for (std::string& line : table.lines()) lines.push_back(std::move(line));
  facts("What it cost", cost_facts(account));
  facts("What left the building", left_facts(account, head));
  lines.insert(lines.end(), {"", "What needs somebody"});
  if (!account.alarms || account.alarms->empty())
    lines.push_back(std::string("  ") + (account.alarms ? kNoAlarms : kNotRunning));
  for (const Alarm& alarm : account.alarms.value_or(std::vector<Alarm>()))
    lines.push_back("  " + alarm.severity + ": " + alarm.what + " " + alarm.help);
  if (account.audit && !account.audit->events.empty()) {
    Facts happened;
    for (const Account::Event& event : account.audit->events)
      happened.emplace_back(event.last.substr(0, 10),
                            event_in_words(event) + " (" + times(event.count) + ")");
    facts("What happened", happened);
  }
  lines.insert(lines.end(), {"", log_in_words(account)});
  return lines;
}

}  // namespace kith::daemon
