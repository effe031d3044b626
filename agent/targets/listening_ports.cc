#include "agent/targets/listening_ports.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/directory.h"
#include "base/file.h"

namespace pilotlight::agent {
namespace {

constexpr absl::string_view kListen = "0A";  // TCP_LISTEN, include/net/tcp_states.h
// The kernel lists listeners before all other sockets (tcp_seq_start() in net/ipv4/tcp_ipv4.c).
constexpr size_t kMaxTableBytes = size_t{1} << 20;

// The words of the address, each in the machine's byte order, as the kernel prints them with %08X.
std::optional<std::string> HostOf(absl::string_view hex) {
  std::array<uint32_t, 4> words = {};
  if (hex.size() != 8 && hex.size() != 32) return std::nullopt;
  for (size_t i = 0; i < hex.size() / 8; ++i) {
    if (!absl::SimpleHexAtoi(hex.substr(i * 8, 8), &words[i])) return std::nullopt;
  }
  const bool is_mapped = hex.size() == 32 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
  char text[INET6_ADDRSTRLEN] = {};
  if (hex.size() == 8 || is_mapped) {
    const uint32_t address = is_mapped ? words[3] : words[0];
    if (address == INADDR_ANY) return "127.0.0.1";
    inet_ntop(AF_INET, &address, text, sizeof(text));
    return text;
  }
  // Nearly always of both families.
  if (std::ranges::all_of(words, [](uint32_t word) { return word == 0; })) return "127.0.0.1";
  inet_ntop(AF_INET6, words.data(), text, sizeof(text));
  return absl::StrCat("[", text, "]");
}

absl::flat_hash_set<uint64_t> SocketInodes(const std::string& directory) {
  absl::flat_hash_set<uint64_t> inodes;
  for (const std::string& name : ListDirectory(directory)) {
    std::array<char, 64> target = {};
    const ssize_t size = readlink(absl::StrCat(directory, "/", name).c_str(), target.data(), target.size());
    if (size <= 0) continue;
    absl::string_view text(target.data(), static_cast<size_t>(size));
    uint64_t inode = 0;
    if (absl::ConsumePrefix(&text, "socket:[") && absl::ConsumeSuffix(&text, "]") &&
        absl::SimpleAtoi(text, &inode)) {
      inodes.insert(inode);
    }
  }
  return inodes;
}

}  // namespace

std::vector<TcpListener> ParseTcpTable(absl::string_view text) {
  std::vector<TcpListener> listeners;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() < 10 || fields[3] != kListen) continue;
    const std::vector<absl::string_view> local = absl::StrSplit(fields[1], ':');
    TcpListener listener;
    uint32_t port = 0;
    if (local.size() != 2 || !absl::SimpleHexAtoi(local[1], &port) || port == 0 || port > UINT16_MAX ||
        !absl::SimpleAtoi(fields[9], &listener.inode)) {
      continue;
    }
    std::optional<std::string> host = HostOf(local[0]);
    if (!host.has_value()) continue;
    listener.at = {.host = *std::move(host), .port = static_cast<uint16_t>(port)};
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

std::vector<ListeningPort> ListeningPorts(pid_t pid, const std::string& proc_root) {
  const std::string process = absl::StrCat(proc_root, "/", pid);
  const absl::flat_hash_set<uint64_t> own = SocketInodes(process + "/fd");
  std::vector<ListeningPort> ports;
  if (own.empty()) return ports;
  for (const char* const table : {"/net/tcp", "/net/tcp6"}) {
    const absl::StatusOr<std::string> text = ReadFileStart(process + table, kMaxTableBytes);
    if (!text.ok()) continue;
    for (TcpListener& listener : ParseTcpTable(*text)) {
      if (own.contains(listener.inode)) ports.push_back(std::move(listener.at));
    }
  }
  std::ranges::sort(ports);
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  if (ports.size() > kMaxListeningPorts) ports.resize(kMaxListeningPorts);
  return ports;
}

}  // namespace pilotlight::agent
