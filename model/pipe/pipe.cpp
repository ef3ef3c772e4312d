#include "model/pipe/pipe.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <system_error>

namespace kith::pipe {
namespace {

// Room for two, so that a second file is seen, and closed, rather than cut off by the kernel.
constexpr std::size_t kFilesSeen = 2;

union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(kFilesSeen * sizeof(int))> bytes;
};

/// Takes ownership of every descriptor that came with a message.
std::array<Fd, kFilesSeen> files_of(msghdr& header) {
  std::array<Fd, kFilesSeen> files;
  std::size_t found = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count && found < files.size(); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      files[found++] = Fd(fd);
    }
  }
  return files;
}

}  // namespace

bool Pipe::send(const Message& message) {
  assert(!message.text.empty() && message.text.size() <= kMaxMessage);
  iovec text{const_cast<char*>(message.text.data()), message.text.size()};
  msghdr header{};
  header.msg_iov = &text;
  header.msg_iovlen = 1;
  Control control{};
  if (message.file) {
    const int fd = message.file.get();
    header.msg_control = &control;
    header.msg_controllen = CMSG_SPACE(sizeof fd);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  }
  while (!closed_ && sendmsg(socket_.get(), &header, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno != EPIPE && errno != ECONNRESET) throw_errno("cannot write to the worker pipe");
    closed_ = true;
  }
  return !closed_;
}

std::optional<Message> Pipe::receive() { return read(0); }
std::optional<Message> Pipe::try_receive() { return read(MSG_DONTWAIT); }

std::optional<Message> Pipe::read(int flags) {
  if (closed_) return std::nullopt;
  Message message{std::string(kMaxMessage, '\0')};
  iovec text{message.text.data(), message.text.size()};
  Control control{};
  msghdr header{};
  header.msg_iov = &text;
  header.msg_iovlen = 1;
  header.msg_control = &control;
  header.msg_controllen = sizeof control;
  ssize_t size = 0;
  do {
    size = recvmsg(socket_.get(), &header, flags | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    if (errno != ECONNRESET) throw_errno("cannot read from the worker pipe");
    closed_ = true;
    return std::nullopt;
  }
  auto files = files_of(header);
  if (size == 0 || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || files[1]) {
    closed_ = true;
    return std::nullopt;
  }
  message.text.resize(static_cast<std::size_t>(size));
  message.file = std::move(files[0]);
  return message;
}

std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw_errno("cannot make the worker pipe");
  }
  return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace kith::pipe
