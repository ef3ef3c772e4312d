#include "model/pipe/breach.hpp"

#include "model/pipe/fd.hpp"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <vector>

namespace kith::pipe {

bool send_against_limits(int socket, std::string_view text, std::span<const int> files) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  std::vector<char> control(CMSG_SPACE(files.size_bytes()));
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!files.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(files.size_bytes());
    std::memcpy(CMSG_DATA(rights), files.data(), files.size_bytes());
  }
  while (sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno != EPIPE && errno != ECONNRESET) throw_errno("cannot write to the worker pipe");
    return false;
  }
  return true;
}

}  // namespace kith::pipe
