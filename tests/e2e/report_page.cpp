// Reads the results of a simulation and writes the page that shows them: report_page < results.json
// > report.html

#include "daemon/simulation/report.hpp"

#include <iostream>

int main() { std::cout << kith::daemon::report_html(nlohmann::json::parse(std::cin)); }
