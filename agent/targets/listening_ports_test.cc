#include "agent/targets/listening_ports.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace pilotlight::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

TEST(ParseTcpTableTest, TakesListenersOfBothFamilies) {
  const auto listeners = ParseTcpTable(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1770 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41 1 0\n"
      "   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0\n"
      "   2: 0100007F:1770 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 43 1 0\n"
      "   3: 0700000A:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 44 1 0\n"
      "   0: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 "
      "00:00000000 00000000     0        0 45 1 0\n"
      "   1: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 "
      "00:00000000 00000000     0        0 46 1 0\n"
      "   2: 0000000000000000FFFF00000100007F:1F93 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 "
      "00:00000000 00000000     0        0 47 1 0\n");
  std::vector<ListeningPort> ports;
  for (const TcpListener& listener : listeners) ports.push_back(listener.at);
  EXPECT_THAT(ports, ElementsAre(ListeningPort{"127.0.0.1", 6000}, ListeningPort{"127.0.0.1", 80},
                                 ListeningPort{"10.0.0.7", 8080}, ListeningPort{"127.0.0.1", 8081},
                                 ListeningPort{"[::1]", 8082}, ListeningPort{"127.0.0.1", 8083}));
  EXPECT_EQ(listeners[0].inode, 41u);
}

TEST(ParseTcpTableTest, LeavesOutWhatMakesNoSense) {
  EXPECT_THAT(ParseTcpTable("0: 01:02 0 0A 0 0 0 0 0 7\n0: 0100007F:FFFFF 0 0A 0 0 0 0 0 7\n"
                            "0: 0100007G:0050 0 0A 0 0 0 0 0 7\n0: 0100007F:0050 0 0A 0 0 0 0 0 x\n0: 0A\n"),
              IsEmpty());
}

// A port, and what it is called.
struct OpenPort {
  UniqueFd socket;
  ListeningPort at;
};

OpenPort Open(bool listening) {
  OpenPort open{UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(open.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  if (listening) {
    EXPECT_EQ(listen(open.socket.get(), 1), 0);
  }
  socklen_t size = sizeof(address);
  EXPECT_EQ(getsockname(open.socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  open.at = {"127.0.0.1", ntohs(address.sin_port)};
  return open;
}

TEST(ListeningPortsTest, AreThoseOfTheProcessAlone) {
  const OpenPort listening = Open(/*listening=*/true);
  const OpenPort bound = Open(/*listening=*/false);
  EXPECT_THAT(ListeningPorts(getpid()), Contains(listening.at));
  EXPECT_THAT(ListeningPorts(getpid()), Not(Contains(bound.at)));
  EXPECT_THAT(ListeningPorts(getppid()), Not(Contains(listening.at)));
  EXPECT_THAT(ListeningPorts(0x3fffffff), IsEmpty());
}

}  // namespace
}  // namespace pilotlight::agent
