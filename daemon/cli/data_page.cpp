#include "daemon/cli/data_page.hpp"

#include "crypto/hash.hpp"
#include "daemon/cli/html.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>

namespace kith::daemon {
namespace {

constexpr std::size_t kPictures = 24;
constexpr int kBarWidth = 10, kBarHeight = 60;  // pixels

constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Kith: data check</title>
<style>
:root { color-scheme: light dark; --page: #fbfbf9; --card: #fff; --ink: #1d2226; --soft: #5b656d; --line: #dcdfe0;
  --good: #0b5fb0; --bad: #b8430f; }
@media (prefers-color-scheme: dark) { :root { --page: #14181b; --card: #1b2024; --ink: #e8ebec; --soft: #9ba6ad;
  --line: #343c42; --good: #62aef5; --bad: #f28a55; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.25rem;
  margin: 0 0 1.25rem; overflow-x: auto; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
.verdict { font-size: 1.15rem; margin: .5rem 0 1.5rem; } .mend { color: var(--bad); }
.soft { color: var(--soft); font-size: .875rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .8rem .4rem 0; text-align: right; border-bottom: 1px solid var(--line); vertical-align: middle; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 500; color: var(--soft); font-size: .85rem; }
rect { fill: var(--good); } figure { display: inline-block; margin: 0 .75rem .75rem 0; text-align: center; }
img { width: 84px; height: 84px; image-rendering: pixelated; display: block; }
</style></head><body><main>
)";

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", value);
  return text;
}

/// Bars, with what each stands for as its title.
std::string bars(const std::vector<std::uint64_t>& counts, const std::vector<std::string>& names) {
  const auto most = static_cast<double>(std::max<std::uint64_t>(1, *std::ranges::max_element(counts)));
  const std::string width = std::to_string(kBarWidth * static_cast<int>(counts.size()));
  std::string svg = "<svg role=\"img\" width=\"" + width + "\" height=\"" +
                    std::to_string(kBarHeight) + "\">";
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto height = static_cast<int>(
        std::ceil(kBarHeight * static_cast<double>(counts[i]) / most));
    svg += "<rect x=\"" + std::to_string(kBarWidth * static_cast<int>(i)) + "\" y=\"" +
           std::to_string(kBarHeight - height) + "\" width=\"" + std::to_string(kBarWidth - 1) +
           "\" height=\"" + std::to_string(height) + "\"><title>" + html_escaped(names[i]) + ": " +
           std::to_string(counts[i]) + "</title></rect>";
  }
  return svg + "</svg>";
}

std::string drawn(const data::Histogram& histogram) {
  std::vector<std::string> names;
  const double step =
      (histogram.high - histogram.low) / static_cast<double>(histogram.counts.size());
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double from = histogram.low + step * static_cast<double>(i);
    names.push_back(short_number(from) + " to " + short_number(from + step));
  }
  return bars(histogram.counts, names) + "<div class=\"soft\">" + short_number(histogram.low) +
         " to " + short_number(histogram.high) + "</div>";
}

std::string drawn(const std::vector<data::ClassShare>& values) {
  std::vector<std::uint64_t> counts;
  std::vector<std::string> names;
  for (const auto& value : values) counts.push_back(value.train), names.push_back(value.name);
  return bars(counts, names);
}

std::string row(const std::vector<std::string>& cells, const char* kind = "td") {
  std::string html = "<tr>";
  for (const std::string& cell : cells) {
    html += std::string("<") + kind + ">" + cell + "</" + kind + ">";
  }
  return html + "</tr>\n";
}

std::string count(std::uint64_t number) { return number == 0 ? "" : std::to_string(number); }

std::string class_table(const data::CheckReport& report) {
  std::string html = "<section><h2>Classes</h2><table>\n" +
                     row({"class", "training", "validation", "test"}, "th");
  for (const auto& one : report.classes) {
    html += row({html_escaped(one.name), std::to_string(one.train), std::to_string(one.validation),
                 std::to_string(one.test)});
  }
  return html + "</table></section>\n";
}

std::string column_table(const data::CheckReport& report) {
  std::string html =
      "<section><h2>Columns</h2><table>\n" +
      row({"column", "kind", "missing", "below", "above", "unknown", "training rows"}, "th");
  for (const auto& column : report.columns) {
    html += row({html_escaped(column.name), column.kind, count(column.missing), count(column.below),
                 count(column.above), count(column.unknown),
                 column.numbers ? drawn(*column.numbers) : drawn(column.values)});
  }
  return html + "</table></section>\n";
}

void put(Bytes& bytes, std::uint32_t number, int size) {
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(number >> 8 * i & 0xffU));
}

/// A picture of one or three channels as the model sees it, in the oldest format of all.
std::string bitmap(std::span<const float> pixels, std::size_t channels, std::size_t height,
                   std::size_t width) {
  const std::size_t line = (3 * width + 3) / 4 * 4;
  Bytes bytes;
  put(bytes, 0x4d42, 2), put(bytes, static_cast<std::uint32_t>(54 + line * height), 4);
  put(bytes, 0, 4), put(bytes, 54, 4), put(bytes, 40, 4);
  put(bytes, static_cast<std::uint32_t>(width), 4), put(bytes, static_cast<std::uint32_t>(height), 4);
  put(bytes, 1, 2), put(bytes, 24, 2);
  for (int i = 0; i < 6; ++i) put(bytes, 0, 4);
  for (std::size_t y = height; y-- > 0;) {  // the lowest line first
    for (std::size_t x = 0; x < width; ++x) {
      for (std::size_t c = 3; c-- > 0;) {  // blue first
        const std::size_t plane = channels == 3 ? c : 0;
        const float value = pixels[(plane * height + y) * width + x];
        put(bytes, static_cast<std::uint32_t>(std::clamp((value + 1) * 127.5F, 0.0F, 255.0F)), 1);
      }
    }
    bytes.resize(bytes.size() + line - 3 * width);
  }
  std::string text = crypto::to_base64(bytes);  // of the other alphabet, without its end
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return "data:image/bmp;base64," + text;
}

/// What an example should answer.
std::string answer_of(const data::Samples& train, const model::Task& task, std::size_t i) {
  if (!train.values.empty()) {
    return short_number(model::unscaled_target(task, static_cast<double>(train.values[i])));
  }
  if (train.width == 1) return model::class_name(task, static_cast<std::size_t>(train.targets[i]));
  std::string all;
  for (std::size_t k = 0; k < train.width; ++k) {
    if (train.targets[i * train.width + k] != 1) continue;
    all += (all.empty() ? "" : ", ") + model::class_name(task, k);
  }
  return all.empty() ? "nothing" : all;
}

std::string contact_sheet(const data::Dataset& dataset, const model::Task& task) {
  if (task.input.size() != 3 || (task.input[0] != 1 && task.input[0] != 3)) return "";
  const std::size_t channels = task.input[0], height = task.input[1], width = task.input[2];
  const data::Samples& train = dataset.train;
  std::string html = "<section><h2>Pictures, as the model sees them</h2>\n";
  const std::size_t size = train.inputs.size() / train.count();
  for (std::size_t i = 0; i < std::min(kPictures, train.count()); ++i) {
    const auto pixels = std::span(train.inputs).subspan(i * size, size);
    const std::string name = answer_of(train, task, i);
    html += "<figure><img alt=\"an example of " + html_escaped(name) + "\" src=\"" +
            bitmap(pixels, channels, height, width) + "\">" + html_escaped(name) + "</figure>\n";
  }
  return html + "</section>\n";
}

std::string list(const char* title, const std::vector<std::string>& sentences, const char* style) {
  if (sentences.empty()) return "";
  std::string html = std::string("<section><h2>") + title + "</h2><ul class=\"" + style + "\">\n";
  for (const std::string& sentence : sentences) html += "<li>" + html_escaped(sentence) + "</li>\n";
  return html + "</ul></section>\n";
}

}  // namespace

std::string data_page(const data::CheckReport& report, const data::Dataset& dataset,
                      const model::Task& task) {
  std::string html = kHead;
  html += "<h1>Data for " + html_escaped(task.name) + "</h1>\n<p class=\"verdict\">";
  html += report.fine() ? "Fine." : "<span class=\"mend\">To be mended.</span>";
  html += " " + std::to_string(report.train) + " examples to train on, " +
          std::to_string(report.validation) + " to validate with, " + std::to_string(report.test) +
          " to test with";
  if (report.groups > 0) html += "; " + std::to_string(report.groups) + " groups";
  html += ".</p>\n" + list("What to mend", report.to_mend, "mend") +
          list("What else was noticed", report.notes, "");
  if (!report.classes.empty()) html += class_table(report);
  if (report.target) {
    html += "<section><h2>What is predicted</h2>" + drawn(*report.target) + "</section>\n";
  }
  if (!report.columns.empty()) html += column_table(report);
  if (model::data_kind(task) == model::DataKind::pictures) html += contact_sheet(dataset, task);
  return html + "</main></body></html>\n";
}

}  // namespace kith::daemon
