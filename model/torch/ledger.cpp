#include "model/torch/ledger.hpp"

#include "crypto/hash.hpp"
#include "model/torch/error.hpp"
#include "model/torch/stored.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <string>

namespace kith::worker {
namespace {

constexpr const char* kLedgerFormat =
    "kith privacy ledger 1: sampling, noise, steps done, published";
constexpr const char* kDigest = "digest ";

/// The last line: whichever byte was damaged, the ledger is called damaged.
std::string digest_of(const std::string& content) {
  return kDigest + crypto::to_hex(crypto::hash(as_byte_view(content))) + "\n";
}

/// The shortest text that reads back as the same number.
std::string text_of(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

template <class Number>
bool read(std::istringstream& words, Number& value) {
  std::string word;
  words >> word;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size();
}

template <class Entry>
std::vector<model::PrivateSteps> steps_of(const std::vector<Entry>& entries,
                                          std::uint64_t Entry::*count) {
  std::vector<model::PrivateSteps> steps;
  for (const Entry& entry : entries) steps.push_back({entry.step, entry.*count});
  return steps;
}

}  // namespace

Ledger::Ledger(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / pipe::kLedgerFile;
  const auto file = read_stored(path);
  if (!file) return;
  const auto refuse = [&](const std::string& why) {
    throw WorkerError(pipe::FailureKind::data,
                      path.string() + " " + why +
                          ", and without it nobody knows what this node has spent of its "
                          "examples' privacy; restore it, or set node.state to a new folder");
  };
  const std::string text(reinterpret_cast<const char*>(file->data()), file->size());
  const std::string content = text.substr(0, text.find(kDigest));
  if (text != content + digest_of(content)) refuse("is damaged");
  std::istringstream lines(content);
  std::string line;
  if (!std::getline(lines, line) || line != kLedgerFormat) refuse("is not of this version of kith");
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    Entry entry;
    const bool sane = read(words, entry.step.sampling) && read(words, entry.step.noise) &&
                      read(words, entry.done) && read(words, entry.published) &&
                      entry.step.sampling >= 0 && entry.step.sampling <= 1 &&
                      entry.step.noise > 0 && entry.published <= entry.done && words.eof();
    if (!sane) refuse("is damaged");
    entries_.push_back(entry);
  }
}

Ledger::Spent Ledger::spend(const model::PrivateSteps& steps, double delta, double budget) {
  std::vector<Entry> entries = entries_;
  auto entry = std::ranges::find(entries, steps.step, &Entry::step);
  if (entry == entries.end()) entry = entries.insert(entries.end(), {steps.step});
  entry->done += steps.count;
  Spent spent;
  spent.epsilon = model::epsilon(steps_of(entries, &Entry::done), delta);
  spent.publish = budget == 0 || spent.epsilon <= budget;
  if (spent.publish) {
    for (Entry& one : entries) one.published = one.done;
  } else {
    spent.epsilon = model::epsilon(steps_of(entries, &Entry::published), delta);
  }
  entries_ = std::move(entries);
  return spent;
}

std::string Ledger::text() const {
  std::string text = std::string(kLedgerFormat) + "\n";
  for (const Entry& entry : entries_) {
    text += text_of(entry.step.sampling) + " " + text_of(entry.step.noise) + " " +
            std::to_string(entry.done) + " " + std::to_string(entry.published) + "\n";
  }
  return text + digest_of(text);
}

}  // namespace kith::worker
