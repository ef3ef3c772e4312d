#include "daemon/cli/new_node.hpp"

#include "daemon/cli/own_data.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "net/endpoint.hpp"
#include "net/label.hpp"

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> texts(const std::vector<fs::path>& files) {
  return {files.begin(), files.end()};
}

void check_files(const char* option, const std::vector<std::string>& files) {
  for (const std::string& given : files) {
    if (!fs::exists(given)) {
      throw Failure(EX_NOINPUT, std::string(option) + ": there is no file " + given);
    }
  }
}

}  // namespace

void NewNode::add_to(CLI::App& verb) {
  place.add_to(verb);
  verb.add_option("--name", name, "the node's name, for people")->capture_default_str();
  verb.add_option("--listen", listen, "host:port to listen on")->capture_default_str();
  verb.add_option("--address", address, "host:port at which the others reach it, if not the same");
  verb.add_option("--train", train, "this node's data: the files of data.train");
  verb.add_option("--validation", validation,
                  "data to judge models with: the files of data.validation_files");
  verb.add_option("--test", test, "held-out data: the files of data.test");
}

KeyFiles NewNode::key_files() const {
  if (const auto config = place.load()) {
    return {config->node.key, config->node.channel_key, config->node.card};
  }
  const Config::Node names;
  return {folder() / names.key, folder() / names.channel_key, folder() / names.card};
}

fs::path NewNode::charter() const {
  const auto config = place.load();
  return config ? config->consortium.charter : folder() / Config::Consortium().charter;
}

Config NewNode::config() const {
  Config made;
  made.node.name = name;
  made.node.listen = {listen};
  made.task.name = "my-task";
  made.data.train = train.empty() ? std::vector<fs::path>{"train-images.idx", "train-labels.idx"}
                                  : absolute(train);
  made.data.validation_files = absolute(validation);
  made.data.test = absolute(test);
  return made;
}

crypto::Identity NewNode::make() const {
  if (!folder().empty()) on_disk("create", [&] { fs::create_directories(folder()); });
  return make_keys(key_files());
}

void NewNode::check() const {
  if (!net::is_label(name)) {
    throw Failure(EX_USAGE, "--name is 1 to 64 printable characters of one script");
  }
  if (!net::parse_endpoint(listen)) {
    throw Failure(EX_USAGE, "--listen is like \"0.0.0.0:7700\", not \"" + listen + "\"");
  }
  if (!net::are_addresses(addresses())) {
    throw Failure(EX_USAGE, "--address is like \"host:7700\", not \"" + address + "\"");
  }
  check_files("--train", train);
  check_files("--validation", validation);
  check_files("--test", test);
}

json NewNode::to_json() const {
  return {{"name", name},
          {"listen", listen},
          {"address", address},
          {"train", texts(absolute(train))},
          {"validation", texts(absolute(validation))},
          {"test", texts(absolute(test))}};
}

void NewNode::fill(const json& before) {
  const NewNode untold;
  if (name == untold.name) name = before.at("name");
  if (listen == untold.listen) listen = before.at("listen");
  if (address.empty()) address = before.at("address");
  if (train.empty()) train = before.at("train").get<std::vector<std::string>>();
  if (validation.empty() && before.contains("validation")) {
    validation = before.at("validation").get<std::vector<std::string>>();
  }
  if (test.empty()) test = before.at("test").get<std::vector<std::string>>();
}

std::string NewNode::data_hint() const {
  return train.empty() ? "Set [data] in " + file().string() + ": the files to learn from." : "";
}

std::string NewNode::unreachable_hint() const {
  return addresses().empty()
             ? "No --address was given, so nobody can dial this node: it dials the others."
             : "";
}

std::vector<std::string> NewNode::addresses() const {
  if (!address.empty()) return {address};
  const auto endpoint = net::parse_endpoint(listen);
  const bool everywhere = endpoint && (endpoint->host == "0.0.0.0" || endpoint->host == "::");
  return everywhere ? std::vector<std::string>{} : std::vector{listen};
}

}  // namespace kith::daemon
