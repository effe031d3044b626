// Fills a collector with a day of a made-up shop, for the test of its page:
//   page_history GRPC_PORT SERVICES HOURS
// Each service has Go stacks with a scheduler, a garbage collector and system calls. "checkout" has two
// versions, the newer one since a quarter of the time; it encodes more JSON. "deep" has one profile of 50,000
// stacks.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/support/collector_client.h"

namespace pilotlight {
namespace {

constexpr absl::Duration kStep = absl::Minutes(10);
constexpr int64_t kPeriod = 1'000'000'000 / 99;
constexpr int kServicesPerAgent = 25;
constexpr int kDeepStacks = 50'000;

constexpr absl::string_view kNames[] = {"checkout", "search",  "cart",   "payment", "catalog", "stock",
                                        "shipping", "pricing", "review", "gateway", "session", "mail"};

// "{}" stands for the service. The number is the samples per window of a service of one core.
struct Template {
  absl::string_view stack;
  double samples;
};
constexpr absl::string_view kHandler =
    "runtime.goexit;net/http.(*conn).serve;net/http.serverHandler.ServeHTTP;net/http.(*ServeMux).ServeHTTP;"
    "example.com/shop/{}.(*Server).ServeHTTP;";
constexpr Template kOfHandler[] = {
    {"example.com/shop/{}.(*Server).list;example.com/shop/{}.(*Store).Query;database/sql.(*DB).QueryContext;"
     "database/sql.(*DB).query;github.com/lib/pq.(*conn).query;github.com/lib/pq.(*conn).recv;"
     "bufio.(*Reader).Read;internal/poll.(*FD).Read;syscall.read;entry_SYSCALL_64;do_syscall_64;tcp_recvmsg",
     60},
    {"example.com/shop/{}.(*Server).list;example.com/shop/{}.(*Store).Query;database/sql.(*Rows).Scan;"
     "database/sql.convertAssignRows;reflect.Value.Set",
     45},
    {"example.com/shop/{}.(*Server).list;encoding/json.Marshal;encoding/json.(*encodeState).marshal;"
     "encoding/json.structEncoder.encode;encoding/json.arrayEncoder.encode;encoding/json.stringEncoder",
     90},
    {"example.com/shop/{}.(*Server).list;encoding/json.Marshal;encoding/json.(*encodeState).marshal;"
     "encoding/json.structEncoder.encode;strconv.AppendFloat",
     35},
    {"example.com/shop/{}.(*Server).list;encoding/json.Marshal;runtime.growslice;runtime.mallocgc", 40},
    {"example.com/shop/{}.(*Server).rank;example.com/shop/ranking.Score[go.shape.struct { Weight float64 }];"
     "math.Exp",
     150},
    {"example.com/shop/{}.(*Server).rank;sort.Slice;sort.pdqsort_func;example.com/shop/"
     "{}.(*Server).rank.func1",
     80},
    {"example.com/shop/{}.(*Server).rank;runtime.mapaccess2_faststr;aeshashbody", 55},
    {"crypto/tls.(*Conn).Write;crypto/tls.(*halfConn).encrypt;crypto/internal/fips140/aes/gcm.seal", 50},
    {"compress/gzip.(*Writer).Write;compress/flate.(*compressor).deflate;compress/"
     "flate.(*compressor).findMatch",
     70},
    {"log/slog.(*Logger).Info;log/slog.(*JSONHandler).Handle;internal/poll.(*FD).Write;syscall.write;"
     "entry_SYSCALL_64;do_syscall_64;vfs_write",
     30},
    {"example.com/shop/{}.(*Server).list;runtime.chanrecv1;runtime.gopark;runtime.mcall;runtime.park_m;"
     "runtime.schedule;runtime.findRunnable;runtime.stealWork",
     70},
    {"runtime.mallocgc;runtime.gcAssistAlloc;runtime.gcDrainN;runtime.scanobject", 12},
};
constexpr Template kOfRuntime[] = {
    {"runtime.goexit;runtime.gcBgMarkWorker;runtime.systemstack;runtime.gcDrain;runtime.scanobject", 60},
    {"runtime.goexit;runtime.gcBgMarkWorker;runtime.systemstack;runtime.gcDrain;runtime.markroot", 20},
    {"runtime.mcall;runtime.park_m;runtime.schedule;runtime.findRunnable;runtime.netpoll;entry_SYSCALL_64;"
     "do_syscall_64;ep_poll",
     25},
};

FrameKind KindOf(absl::string_view function) {
  for (const absl::string_view kernel : {"entry_", "do_syscall", "tcp_", "vfs_", "ep_poll"}) {
    if (absl::StartsWith(function, kernel)) return FrameKind::kKernel;
  }
  return FrameKind::kGo;
}

NodeId Intern(StackTrie& trie, const std::vector<std::string>& stack) {
  NodeId node = StackTrie::kRoot;
  for (const std::string& function : stack) {
    const FrameKind kind = KindOf(function);
    node = trie.Child(node, trie.InternFrame({.function = function,
                                              .file = "main.go",
                                              .mapping = kind == FrameKind::kKernel ? "[kernel]" : "app",
                                              .line = 7,
                                              .kind = kind,
                                              .symbolized = true}));
  }
  return node;
}

class Shop {
 public:
  Shop(int services, absl::Time start, absl::Time end) : services_(services), start_(start), end_(end) {}

  int agents() const { return (services_ + kServicesPerAgent - 1) / kServicesPerAgent; }

  Window At(int agent, absl::Time time) {
    Window window;
    window.start = time;
    window.duration = absl::Seconds(10);
    window.interval = kStep;
    window.source = "ebpf";
    const int last = std::min(services_, (agent + 1) * kServicesPerAgent);
    for (int service = agent * kServicesPerAgent; service < last; ++service) AddSeries(service, time, window);
    if (agent == 0 && time + kStep >= end_) AddDeepSeries(window);
    return window;
  }

 private:
  static std::string Name(int service) {
    const int names = static_cast<int>(std::size(kNames));
    const std::string name(kNames[service % names]);
    return service < names ? name : absl::StrCat(name, "-", service / names);
  }

  void AddSeries(int service, absl::Time time, Window& window) {
    const bool is_new = service == 0 && time > end_ - (end_ - start_) / 4;
    Series series;
    series.labels = {{std::string(kServiceLabel), Name(service)},
                     {"namespace", "shop"},
                     {"pod", Name(service) + "-7d9f5c-x2x4p"},
                     {"version", is_new ? "1.5.0" : "1.4.0"}};
    series.period = kPeriod;
    // Busier by day, and each service by its own size.
    const double day = 2 * M_PI * absl::ToDoubleHours(time - start_) / 24;
    const double size = 2.5 / (1 + 0.25 * service) * (1 + 0.4 * std::sin(day + service));
    for (const Template& of : kOfHandler) {
      const bool grew = is_new && absl::StrContains(of.stack, "encoding/json");
      AddSample(absl::StrCat(kHandler, of.stack), service, of.samples * size * (grew ? 1.8 : 1), window,
                series);
    }
    for (const Template& of : kOfRuntime) AddSample(of.stack, service, of.samples * size, window, series);
    series.loss.frames = 900;
    series.loss.unsymbolized_frames = service % 7 == 3 ? 80 : 0;
    series.loss.lost_samples = service % 11 == 2 ? 30 : 0;
    MergeSamples(series.samples);
    window.series.push_back(std::move(series));
  }

  // One service has a busy scheduler, another one much garbage.
  static double Factor(absl::string_view stack, int service) {
    if (absl::StrContains(stack, "runtime.mcall")) return service == 2 ? 3 : 0.4;
    if (absl::StrContains(stack, "runtime.gc")) return service == 4 ? 2.5 : 0.4;
    return 1;
  }

  void AddSample(absl::string_view stack, int service, double mean, Window& window, Series& series) {
    const auto count =
        static_cast<uint64_t>(std::poisson_distribution<int>(mean * Factor(stack, service))(random_));
    if (count == 0) return;
    std::vector<std::string> frames;
    for (const absl::string_view frame : absl::StrSplit(stack, ';')) {
      frames.push_back(absl::StrJoin(absl::StrSplit(frame, "{}"), Name(service)));
    }
    series.samples.push_back({Intern(window.trie, frames), count, static_cast<int64_t>(count) * kPeriod});
  }

  void AddDeepSeries(Window& window) {
    Series series;
    series.labels = {{std::string(kServiceLabel), "deep"}, {"namespace", "shop"}};
    series.period = kPeriod;
    std::vector<std::pair<NodeId, int>> nodes = {{StackTrie::kRoot, 0}};
    while (static_cast<int>(nodes.size()) <= kDeepStacks) {
      const auto newest = static_cast<int>(nodes.size());
      const bool near_by = Draw(2) == 0;
      const auto [parent, depth] = nodes[near_by ? std::max(0, newest - 1 - Draw(20)) : Draw(newest)];
      if (depth >= 60) continue;
      const std::string function = absl::StrCat("example.com/deep/package", newest % 40, ".function", newest);
      const NodeId node = window.trie.Child(
          parent,
          window.trie.InternFrame({.function = function, .kind = FrameKind::kGo, .symbolized = true}));
      const int count = 1 + Draw(40) / 39 * Draw(200);
      series.samples.push_back({node, static_cast<uint64_t>(count), count * kPeriod});
      nodes.emplace_back(node, depth + 1);
    }
    MergeSamples(series.samples);
    window.series.push_back(std::move(series));
  }

  int Draw(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  const int services_;
  const absl::Time start_;
  const absl::Time end_;
  std::mt19937 random_{1};
};

int Run(int port, int services, int hours) {
  const absl::Time end = absl::Now() - absl::Minutes(1);
  const absl::Time start = end - absl::Hours(hours);
  Shop shop(services, start, end);
  for (int agent = 0; agent < shop.agents(); ++agent) {
    AgentStream stream(port, absl::StrCat("agent-", agent), GRPC_COMPRESS_DEFLATE);
    stream.SendHello(absl::StrCat("worker-", agent));
    uint64_t sequence = 0;
    uint64_t acknowledged = 0;
    constexpr uint64_t kInFlight = 8;
    const auto receive = [&] {
      const auto response = stream.Receive();
      if (response && response->has_acknowledgement()) ++acknowledged;
      return response && response->has_acknowledgement();
    };
    for (absl::Time time = start; time < end; time += kStep) {
      stream.Send(shop.At(agent, time), ++sequence);
      if (sequence - acknowledged >= kInFlight && !receive()) break;
    }
    while (acknowledged < sequence) {
      if (receive()) continue;
      std::fprintf(stderr, "page_history: a window was not acknowledged\n");
      return 1;
    }
  }
  std::printf("%s\n", absl::FormatTime(absl::RFC3339_sec, end, absl::UTCTimeZone()).c_str());
  return 0;
}

}  // namespace
}  // namespace pilotlight

int main(int argc, char** argv) {
  int numbers[3] = {0, 200, 24};
  for (int i = 1; i < argc && i <= 3; ++i) {
    if (!absl::SimpleAtoi(argv[i], &numbers[i - 1])) return 2;
  }
  if (numbers[0] == 0) {
    std::fprintf(stderr, "page_history GRPC_PORT [SERVICES [HOURS]]\n");
    return 2;
  }
  return pilotlight::Run(numbers[0], numbers[1], numbers[2]);
}
