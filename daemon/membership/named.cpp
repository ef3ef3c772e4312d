#include "daemon/membership/named.hpp"

#include <boost/algorithm/string/join.hpp>

#include <set>

namespace kith::daemon {

std::vector<std::size_t> meant_by(std::string_view who, const std::vector<Named>& all) {
  std::vector<std::size_t> by_name, by_id;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == who) by_name.push_back(i);
    if (!who.empty() && all[i].id.starts_with(who)) by_id.push_back(i);
  }
  return by_name.empty() ? by_id : by_name;
}

std::string names_of(const std::vector<Named>& all) {
  std::set<std::string> names;
  for (const Named& each : all) names.insert(each.name.empty() ? "-" : each.name);
  return names.empty() ? "none" : boost::algorithm::join(names, ", ");
}

}  // namespace kith::daemon
