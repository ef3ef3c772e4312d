#include "daemon/state/kept_files.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace kith::daemon {
namespace {

constexpr auto kAgain = std::chrono::seconds(10);

}  // namespace

void KeptFiles::put(const std::filesystem::path& file, Bytes bytes) {
  waiting_[file] = std::make_shared<const Bytes>(std::move(bytes));
  write(file);
}

void KeptFiles::stop() {
  stopping_ = true;
  again_.cancel();
}

void KeptFiles::write(const std::filesystem::path& file) {
  disk_.post([this, file, bytes = waiting_.at(file)] {
    std::string why;
    try {
      write_whole(file, *bytes);
    } catch (const Failure& failure) {
      why = failure.what();
    }
    net::asio::post(io_, [this, file, bytes, why] {
      const auto waiting = waiting_.find(file);
      const bool newest = waiting != waiting_.end() && waiting->second == bytes;
      if (newest && why.empty()) waiting_.erase(waiting);
      if (newest && !why.empty()) refused(file, why);
    });
  });
}

void KeptFiles::refused(const std::filesystem::path& file, const std::string& why) {
  log::error("file_not_kept", {{"file", file.string()}, {"what", why}, {"help", "it is tried again"}});
  if (stopping_) return;
  again_.expires_after(kAgain);
  again_.async_wait([this](net::error_code ec) {
    if (ec || stopping_) return;
    for (const auto& [each, bytes] : waiting_) write(each);
  });
}

}  // namespace kith::daemon
