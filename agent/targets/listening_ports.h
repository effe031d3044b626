// Where a process takes TCP connections.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pilotlight::agent {

struct ListeningPort {
  std::string host;  // where to connect from within its network namespace: "127.0.0.1", "[::1]", "10.0.0.7"
  uint16_t port = 0;

  friend auto operator<=>(const ListeningPort&, const ListeningPort&) = default;
};

struct TcpListener {
  ListeningPort at;
  uint64_t inode = 0;  // of its socket
};

// The sockets of /proc/PID/net/tcp or tcp6 in state LISTEN (proc_net_tcp.rst of the kernel's documentation).
// Lines that make no sense are left out.
std::vector<TcpListener> ParseTcpTable(absl::string_view text);

// Those that the process itself holds, in order, each once; at most `kMaxListeningPorts`. Empty when it is
// gone or another user's.
inline constexpr size_t kMaxListeningPorts = 32;
std::vector<ListeningPort> ListeningPorts(pid_t pid, const std::string& proc_root = "/proc");

}  // namespace pilotlight::agent
