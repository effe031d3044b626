#include "base/http_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pilotlight {
namespace {

struct Address {
  sockaddr_storage storage{};
  bool known = false;
};

Address AddressOf(int socket, decltype(::getpeername)& name_of) {
  Address address;
  socklen_t size = sizeof(address.storage);
  address.known = name_of(socket, reinterpret_cast<sockaddr*>(&address.storage), &size) == 0;
  return address;
}

void ToText(const Address& address, std::string& ip, int& port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.known && address.storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.storage);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    port = ntohs(v4.sin_port);
  } else if (address.known && address.storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    port = ntohs(v6.sin6_port);
  }
  ip = text;
}

}  // namespace

std::string PeerOf(int socket) {
  const Address address = AddressOf(socket, ::getpeername);
  if (!address.known) return "";
  if (address.storage.ss_family == AF_INET) {
    const in_addr& v4 = reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr;
    return std::string(reinterpret_cast<const char*>(&v4), sizeof(v4));
  }
  if (address.storage.ss_family != AF_INET6) return "";
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr;
  constexpr size_t kV4Offset = 12;
  constexpr size_t kNetworkBytes = 8;
  if (IN6_IS_ADDR_V4MAPPED(&v6) != 0) {
    return std::string(reinterpret_cast<const char*>(&v6) + kV4Offset, sizeof(in_addr));
  }
  return std::string(reinterpret_cast<const char*>(&v6), kNetworkBytes);
}

std::optional<UniqueFd> PeerLimit::Enter(const std::string& peer, UniqueFd connection) {
  const MutexLock lock(mutex_);
  Peer& entry = peers_[peer];
  if (entry.served < max_served_) {
    ++entry.served;
    return connection;
  }
  if (entry.waiting.size() < kMaxWaiting) entry.waiting.push_back(std::move(connection));
  return std::nullopt;
}

std::optional<UniqueFd> PeerLimit::Leave(const std::string& peer) {
  const MutexLock lock(mutex_);
  const auto entry = peers_.find(peer);
  if (!entry->second.waiting.empty()) {
    UniqueFd next = std::move(entry->second.waiting.front());
    entry->second.waiting.pop_front();
    return next;
  }
  if (--entry->second.served == 0) peers_.erase(entry);
  return std::nullopt;
}

HttpConnection::HttpConnection(UniqueFd socket, SSL_CTX* context) : socket_(std::move(socket)) {
  // Each wait is a poll() with a deadline.
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
  if (context == nullptr) return;
  ssl_ = SSL_new(context);
  if (ssl_ != nullptr) SSL_set_fd(ssl_, socket_.get());
}

HttpConnection::~HttpConnection() {
  if (ssl_ != nullptr) {
    SSL_shutdown(ssl_);  // says farewell, and waits for none
    SSL_free(ssl_);
  }
  ::shutdown(socket_.get(), SHUT_RDWR);
}

bool HttpConnection::Handshake() {
  if (ssl_ == nullptr) return false;
  Progress handshake;
  while (true) {
    ERR_clear_error();
    const int result = SSL_accept(ssl_);
    if (result == 1) return true;
    if (!WaitForSsl(result, handshake)) {
      // After a fatal error it must not say farewell.
      SSL_free(std::exchange(ssl_, nullptr));
      return false;
    }
  }
}

bool HttpConnection::WaitForRequest(std::chrono::milliseconds patience) {
  request_ = {};
  answer_ = {};
  return HasReceived() || Wait(POLLIN, patience);
}

bool HttpConnection::is_readable() const { return HasReceived() || Wait(POLLIN, request_); }

bool HttpConnection::is_writable() const { return Wait(POLLOUT, answer_); }

ssize_t HttpConnection::read(char* bytes, size_t size) {
  if (begin_ == end_) {
    const ssize_t received = Receive(buffer_, sizeof(buffer_));
    if (received <= 0) return received;
    request_.bytes += static_cast<size_t>(received);
    begin_ = 0;
    end_ = static_cast<size_t>(received);
  }
  const size_t count = std::min(size, end_ - begin_);
  std::memcpy(bytes, buffer_ + begin_, count);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t HttpConnection::Receive(char* bytes, size_t size) {
  while (true) {
    if (ssl_ != nullptr) {
      ERR_clear_error();
      const int received = SSL_read(ssl_, bytes, static_cast<int>(size));
      if (received > 0) return received;
      if (!WaitForSsl(received, request_)) return -1;
      continue;
    }
    const ssize_t received = ::recv(socket_.get(), bytes, size, 0);
    if (received >= 0) return received;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !Wait(POLLIN, request_)) return -1;
  }
}

ssize_t HttpConnection::write(const char* bytes, size_t size) {
  // So much at a time that progress is seen.
  constexpr size_t kMostBytes = size_t{64} << 10;
  size = std::min(size, kMostBytes);
  ssize_t sent = 0;
  while (sent <= 0 && size > 0) {
    if (ssl_ != nullptr) {
      ERR_clear_error();
      const int result = SSL_write(ssl_, bytes, static_cast<int>(size));
      if (result <= 0 && !WaitForSsl(result, answer_)) return -1;
      sent = result;
    } else {
      sent = ::send(socket_.get(), bytes, size, MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR && (errno != EAGAIN || !Wait(POLLOUT, answer_))) return -1;
    }
  }
  answer_.bytes += static_cast<size_t>(sent);
  return sent;
}

void HttpConnection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ToText(AddressOf(socket_.get(), ::getpeername), ip, port);
}

void HttpConnection::get_local_ip_and_port(std::string& ip, int& port) const {
  ToText(AddressOf(socket_.get(), ::getsockname), ip, port);
}

bool HttpConnection::Wait(short events, Clock::duration patience) const {
  const Clock::time_point deadline = Clock::now() + patience;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() < 0) return false;
    pollfd waiter = {socket_.get(), events, 0};
    const int ready = ::poll(&waiter, 1, static_cast<int>(left.count()) + 1);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool HttpConnection::Wait(short events, Progress& progress) const {
  const Clock::duration allowed = kPatience + std::chrono::seconds(progress.bytes / kLeastBytesPerSecond);
  if (progress.waited >= allowed) return false;
  const Clock::time_point begin = Clock::now();
  const bool is_ready = Wait(events, allowed - progress.waited);
  progress.waited += Clock::now() - begin;
  return is_ready;
}

bool HttpConnection::WaitForSsl(int result, Progress& progress) const {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Wait(POLLIN, progress);
    case SSL_ERROR_WANT_WRITE:
      return Wait(POLLOUT, progress);
    default:
      return false;
  }
}

}  // namespace pilotlight
