#include "crypto/hash.hpp"
#include "crypto/init.hpp"
#include "crypto/noise.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

// One side of a connection for noise_interop_test.py: a handshake, then every record's plaintext is
// sent back.  On the wire each message is two bytes of length, most significant first, and itself.
//
// usage: noise_peer listen PROLOGUE              prints its port and its public key
//        noise_peer connect PROLOGUE PORT KEY    prints its public key
//
// Handshake payloads are sent back too: the responder's is what it read, the initiator's last is
// what the responder said.  Ends with 0 when the other side closes, with 1 when it is not
// authentic.
namespace {

using namespace kith;
using namespace kith::crypto;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {
    if (descriptor < 0) fail("socket");
  }
  ~Socket() { ::close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }

  void send(ByteView message) const {
    const auto size = static_cast<unsigned>(message.size());
    Bytes frame{static_cast<std::byte>(size >> 8), static_cast<std::byte>(size)};
    frame.insert(frame.end(), message.begin(), message.end());
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t n = ::send(descriptor_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
      if (n < 0) fail("send");
      sent += static_cast<std::size_t>(n);
    }
  }

  // nullopt if the other side has closed.
  [[nodiscard]] std::optional<Bytes> receive() const {
    Bytes length(2);
    if (!fill(length)) return std::nullopt;
    Bytes message(std::to_integer<std::size_t>(length[0]) << 8 |
                  std::to_integer<std::size_t>(length[1]));
    if (!fill(message)) return std::nullopt;
    return message;
  }

 private:
  [[nodiscard]] bool fill(std::span<std::byte> buffer) const {
    if (buffer.empty()) return true;
    const ssize_t n = ::recv(descriptor_, buffer.data(), buffer.size(), MSG_WAITALL);
    if (n < 0) fail("recv");
    return static_cast<std::size_t>(n) == buffer.size();
  }

  int descriptor_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr* generic(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

// Sends back whatever comes, until one side has had enough; the exit status.
int converse(const Socket& socket, Handshake handshake) {
  Bytes payload;
  while (!handshake.finished()) {
    if (handshake.my_turn()) {
      socket.send(handshake.write(payload));
      continue;
    }
    const auto message = socket.receive();
    if (!message) return EXIT_FAILURE;
    auto read = handshake.read(*message);
    if (!read) return EXIT_FAILURE;
    payload = std::move(*read);
  }
  Transport transport = handshake.split();
  while (const auto record = socket.receive()) {
    Bytes plaintext, answer;
    if (!transport.open(*record, plaintext)) return EXIT_FAILURE;
    transport.seal(plaintext, answer);
    socket.send(answer);
  }
  return EXIT_SUCCESS;
}

int listen(ByteView prologue) {
  const auto key = DhKey::generate();
  const Socket acceptor(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(acceptor.descriptor(), generic(address), size) != 0) fail("bind");
  if (::listen(acceptor.descriptor(), 1) != 0) fail("listen");
  if (::getsockname(acceptor.descriptor(), generic(address), &size) != 0) fail("getsockname");
  std::cout << ntohs(address.sin_port) << ' ' << to_hex(key.public_key()) << std::endl;

  const Socket socket(::accept(acceptor.descriptor(), nullptr, nullptr));
  return converse(socket, Handshake::responder(key, prologue));
}

int connect(ByteView prologue, std::uint16_t port, const DhPublicKey& responder) {
  const auto key = DhKey::generate();
  std::cout << to_hex(key.public_key()) << std::endl;
  const Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = loopback(port);
  if (::connect(socket.descriptor(), generic(address), sizeof address) != 0) fail("connect");
  return converse(socket, Handshake::initiator(key, responder, prologue));
}

int run(std::span<const char* const> arguments) {
  const std::string_view role = arguments.size() > 1 ? arguments[1] : "";
  if (role == "listen" && arguments.size() == 3) return listen(as_byte_view(arguments[2]));
  if (role == "connect" && arguments.size() == 5) {
    DhPublicKey responder{};
    const auto key = from_hex(arguments[4]);
    if (!key || key->size() != responder.size()) throw std::runtime_error("not a key");
    std::ranges::copy(*key, responder.begin());
    const auto port = static_cast<std::uint16_t>(std::stoul(arguments[3]));
    return connect(as_byte_view(arguments[2]), port, responder);
  }
  throw std::runtime_error("usage: noise_peer listen PROLOGUE | connect PROLOGUE PORT KEY");
}

}  // namespace

int main(int count, char** arguments) {
  try {
    init();
    return run(std::span<const char* const>(arguments, static_cast<std::size_t>(count)));
  } catch (const std::exception& error) {
    std::cerr << "noise_peer: " << error.what() << '\n';
    return 2;
  }
}
