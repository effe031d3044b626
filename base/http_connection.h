// What cpp-httplib does with a connection, within bounds: it has a deadline for each read and write alone,
// and a thread for each connection however slow it is.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "base/unique_fd.h"

namespace pilotlight {

// Who is at the other end, for limits: an IPv4 address, or the network of an IPv6 one (/64), as that is what
// one machine has of them.
std::string PeerOf(int socket);

// So many connections of a peer are served at once, so that one cannot keep the threads from the others; its
// next ones wait for their turn. Thread-safe.
class PeerLimit {
 public:
  explicit PeerLimit(size_t max_served) : max_served_(max_served) {}

  // Takes the connection. Whether it is to be served now, to be paired with Leave(). Of those that wait, the
  // ones beyond kMaxWaiting are closed.
  std::optional<UniqueFd> Enter(const std::string& peer, UniqueFd connection);
  // The peer's next one to be served in its place, to be paired with Leave() too.
  std::optional<UniqueFd> Leave(const std::string& peer);

  static constexpr size_t kMaxWaiting = 128;  // of a peer

 private:
  struct Peer {
    size_t served = 0;
    std::deque<UniqueFd> waiting;
  };
  const size_t max_served_;
  Mutex mutex_;
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
};

// One connection, plain or with TLS, whose other end has to keep up: of a request and of its answer, each
// waits for it for kPatience at most, and a second more for each kLeastBytesPerSecond that came or went.
class HttpConnection final : public httplib::Stream {
 public:
  static constexpr std::chrono::seconds kPatience{10};
  static constexpr size_t kLeastBytesPerSecond = size_t{16} << 10;

  // `context` is null for plain text.
  HttpConnection(UniqueFd socket, SSL_CTX* context);
  ~HttpConnection() override;

  // Of TLS; false when there is none to be had.
  bool Handshake();
  SSL* ssl() const { return ssl_; }
  // Waits for the first byte of the next request; false when there is none after `patience`.
  bool WaitForRequest(std::chrono::milliseconds patience);

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* bytes, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_.get(); }

 private:
  using Clock = std::chrono::steady_clock;
  // Of one way. Only the time counts that was waited for the other end.
  struct Progress {
    Clock::duration waited{};
    size_t bytes = 0;
  };

  bool HasReceived() const { return begin_ < end_ || (ssl_ != nullptr && SSL_pending(ssl_) > 0); }
  // Until the socket is ready for `events`; false after `patience`.
  bool Wait(short events, Clock::duration patience) const;
  // The same, as long as the other end may take.
  bool Wait(short events, Progress& progress) const;
  // Until SSL can go on after `result`; false when it cannot.
  bool WaitForSsl(int result, Progress& progress) const;
  // As recv(), but waits.
  ssize_t Receive(char* bytes, size_t size);

  const UniqueFd socket_;
  SSL* ssl_ = nullptr;
  mutable Progress request_;
  mutable Progress answer_;
  // What was received and not asked for yet: cpp-httplib asks for single bytes of headers.
  char buffer_[4096];
  size_t begin_ = 0;
  size_t end_ = 0;
};

// A server of cpp-httplib, Base, that serves its connections so.
template <typename Base>
class BoundedServer final : public Base {
 public:
  template <typename... Arguments>
  explicit BoundedServer(size_t connections_of_peer, Arguments&&... arguments)
      : Base(std::forward<Arguments>(arguments)...), peers_(connections_of_peer) {}

 private:
  // In a thread of the pool.
  bool process_and_close_socket(socket_t socket) override {
    const std::string peer = PeerOf(socket);
    for (std::optional<UniqueFd> connection = peers_.Enter(peer, UniqueFd(socket)); connection;
         connection = peers_.Leave(peer)) {
      Serve(*std::move(connection));
    }
    return true;
  }

  void Serve(UniqueFd socket) {
    SSL_CTX* context = nullptr;
    if constexpr (std::is_same_v<Base, httplib::SSLServer>) context = this->ssl_context();
    HttpConnection connection(std::move(socket), context);
    if (context != nullptr && !connection.Handshake()) return;
    bool closed = false;
    for (size_t left = this->keep_alive_max_count_; left > 0 && !closed && IsRequested(connection); --left) {
      const auto set_up = [&connection](httplib::Request& request) { request.ssl = connection.ssl(); };
      if (!this->process_request(connection, /*close_connection=*/left == 1, closed, set_up)) return;
    }
  }

  // Gives up when the server stops.
  bool IsRequested(HttpConnection& connection) const {
    constexpr std::chrono::milliseconds kStep(100);
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(this->keep_alive_timeout_sec_);
    while (this->svr_sock_ != INVALID_SOCKET && std::chrono::steady_clock::now() < deadline) {
      if (connection.WaitForRequest(kStep)) return true;
    }
    return false;
  }

  PeerLimit peers_;
};

}  // namespace pilotlight
