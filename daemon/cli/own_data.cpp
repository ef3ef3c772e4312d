#include "daemon/cli/own_data.hpp"

#include "daemon/membership/keys.hpp"

namespace kith::daemon {

std::vector<std::filesystem::path> absolute(const std::vector<std::string>& files) {
  std::vector<std::filesystem::path> all;
  for (const std::string& file : files) {
    all.push_back(std::filesystem::absolute(file).lexically_normal());
  }
  return all;
}

void split_as_when_running(Config& config) {
  const auto card = load_card(config.node.card);
  if (card && config.data.split_key.empty()) config.data.split_key = to_string(card->node);
}

}  // namespace kith::daemon
