// What a collector costs: feeds a real pilotlight-collector with the windows of a fleet and asks it
// questions. Prints the figures of docs/performance.md; run it by `./dev bench collector`.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/flags.h"
#include "tests/support/collector_client.h"
#include "tests/support/collector_process.h"

namespace pilotlight::collector {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The default is the fleet that the peers were measured with: 200 services for six hours, one profile a
// minute of each, 194 stacks with 379 samples in a profile.
struct Fleet {
  int services = 200;
  int services_per_agent = 10;
  int minutes = 360;
  int stacks = 194;        // of a profile
  int known_stacks = 400;  // of a service: each profile has some of them
  int samples = 379;       // of a profile
  int repeats = 15;        // of a question
  std::string program = PILOTLIGHT_BIN_DIR "/pilotlight-collector";
};

double Seconds(SteadyClock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// A service's code: stacks of depth 12 to 30, each of which leaves an earlier one somewhere in its second
// half.
class Service {
 public:
  Service(const Fleet& fleet, int number)
      : name_(absl::StrCat("service-", number)), random_(static_cast<unsigned>(number)) {
    stacks_.push_back({"runtime.goexit", "net/http.(*conn).serve", "main.(*server).ServeHTTP"});
    int function = 0;
    while (static_cast<int>(stacks_.size()) < fleet.known_stacks) {
      std::vector<std::string> stack = stacks_[static_cast<size_t>(Draw(static_cast<int>(stacks_.size())))];
      const int length = static_cast<int>(stack.size());
      stack.resize(static_cast<size_t>(std::max(3, length / 2 + Draw(length / 2 + 1))));
      const auto depth = static_cast<size_t>(12 + Draw(19));
      while (stack.size() < depth) {
        // Half of the functions are those of libraries, which all services have in common.
        ++function;
        stack.push_back(
            function % 2 == 0
                ? absl::StrCat("golang.org/x/library", function % 20, ".(*Type).Method", function % 700)
                : absl::StrCat("example.com/", name_, "/package", function % 30, ".function", function));
      }
      stacks_.push_back(std::move(stack));
    }
  }

  void AddSeries(const Fleet& fleet, Window& window) {
    Series series;
    series.labels = {{std::string(kServiceLabel), name_}, {"namespace", "shop"}, {"pod", name_ + "-7d9f"}};
    series.period = 1'000'000'000 / 99;
    std::vector<int> order(stacks_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    std::shuffle(order.begin(), order.end(), random_);
    int left = fleet.samples;
    for (int i = 0; i < fleet.stacks; ++i) {
      const int rest = fleet.stacks - i - 1;
      const int count = i + 1 == fleet.stacks ? left : 1 + Draw(std::max(1, std::min(left - rest, 8)));
      left -= count;
      NodeId node = StackTrie::kRoot;
      for (const std::string& function : stacks_[order[i]]) {
        node = window.trie.Child(node, window.trie.InternFrame(FrameView{.function = function,
                                                                         .file = "main.go",
                                                                         .mapping = "app",
                                                                         .line = 42,
                                                                         .kind = FrameKind::kGo,
                                                                         .symbolized = true}));
      }
      series.samples.push_back({node, static_cast<uint64_t>(count), count * series.period});
    }
    MergeSamples(series.samples);
    window.series.push_back(std::move(series));
  }

 private:
  int Draw(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  const std::string name_;
  std::mt19937 random_;
  std::vector<std::vector<std::string>> stacks_;
};

// What the kernel knows of the program under test.
double CpuSeconds(pid_t pid) {
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat")).value_or("");
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(stat.rfind(')') + 2), ' ');
  return (std::atof(fields[11].c_str()) + std::atof(fields[12].c_str())) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}
void PrintMemory(pid_t pid) {
  const std::string status = ReadFile(absl::StrCat("/proc/", pid, "/status")).value_or("");
  const auto mebibytes = [&status](absl::string_view field) {
    const size_t at = status.find(field.data(), 0, field.size());
    return at == std::string::npos ? 0 : std::atof(status.c_str() + at + field.size()) / 1024;
  };
  std::printf("  RSS %.0f MiB, at most %.0f MiB\n", mebibytes("VmRSS:"), mebibytes("VmHWM:"));
}

double Percentile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

// One agent's whole history, as fast as the collector takes it.
void Feed(const Fleet& fleet, int port, int agent, absl::Time start) {
  std::vector<Service> services;
  for (int i = 0; i < fleet.services_per_agent; ++i) {
    services.emplace_back(fleet, agent * fleet.services_per_agent + i);
  }
  AgentStream stream(port, absl::StrCat("agent-", agent), GRPC_COMPRESS_DEFLATE);
  stream.SendHello();
  std::thread receiver([&stream, &fleet] {
    for (int i = 0; i < fleet.minutes; ++i) {
      const auto response = stream.Receive();
      if (!response || !response->has_acknowledgement()) {
        std::fprintf(stderr, "not acknowledged: %s\n",
                     response ? response->ShortDebugString().c_str() : "ended");
        std::exit(1);
      }
    }
  });
  for (int minute = 0; minute < fleet.minutes; ++minute) {
    Window window;
    window.start = start + absl::Minutes(minute);
    window.duration = absl::Seconds(10);
    window.interval = absl::Seconds(60);
    window.source = "ebpf";
    for (Service& service : services) service.AddSeries(fleet, window);
    stream.Send(window, static_cast<uint64_t>(minute + 1));
  }
  receiver.join();
}

uint64_t DirectoryBytes(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    struct stat info {};
    if (entry.is_regular_file() && ::stat(entry.path().c_str(), &info) == 0) {
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

// The time from a window's sending to its acknowledgement, one at a time, in milliseconds.
std::vector<double> AcknowledgementTimes(const Fleet& fleet, int port, absl::Time start) {
  Service service(fleet, 0);
  AgentStream stream(port, "latency");
  stream.SendHello();
  std::vector<double> times;
  for (uint64_t sequence = 1; sequence <= 200; ++sequence) {
    Window window;
    window.start = start;
    window.duration = absl::Seconds(10);
    window.interval = absl::Seconds(60);
    window.source = "ebpf";
    service.AddSeries(fleet, window);
    const auto begin = SteadyClock::now();
    stream.Send(window, sequence);
    stream.Receive();
    times.push_back(Seconds(SteadyClock::now() - begin) * 1000);
  }
  return times;
}

class Questions {
 public:
  Questions(const Fleet& fleet, int port, pid_t pid, absl::Time end)
      : fleet_(fleet), client_(port), pid_(pid), end_(end) {}

  void FlameGraph(const char* what, const std::string& selector, absl::Duration length) {
    size_t nodes = 0;
    Measure(absl::StrCat("flame graph, ", what, ", ", absl::FormatDuration(length)), [&] {
      v1::FlameGraphRequest request;
      Select(selector, length, *request.mutable_selection());
      v1::FlameGraphResponse response;
      grpc::ClientContext context;
      Check(client_.stub().FlameGraph(&context, request, &response));
      nodes = static_cast<size_t>(response.parent_size());
      samples_ = response.quality().samples();
    });
    std::printf("    %zu nodes, %llu samples\n", nodes, static_cast<unsigned long long>(samples_));
  }

  void Series(absl::Duration length) {
    Measure(absl::StrCat("series by service, ", absl::FormatDuration(length)), [&] {
      v1::SeriesRequest request;
      Select("{}", length, *request.mutable_selection());
      request.add_group_by(std::string(kServiceLabel));
      v1::SeriesResponse response;
      grpc::ClientContext context;
      Check(client_.stub().Series(&context, request, &response));
    });
  }

  void LabelValues(absl::Duration length) {
    Measure(absl::StrCat("label values, ", absl::FormatDuration(length)), [&] {
      v1::LabelValuesRequest request;
      request.set_name("pod");
      request.set_start_unix_ns(absl::ToUnixNanos(end_ - length));
      request.set_end_unix_ns(absl::ToUnixNanos(end_));
      v1::LabelValuesResponse response;
      grpc::ClientContext context;
      Check(client_.stub().LabelValues(&context, request, &response));
    });
  }

 private:
  void Select(const std::string& selector, absl::Duration length, v1::Selection& selection) const {
    selection.set_selector(selector);
    selection.set_start_unix_ns(absl::ToUnixNanos(end_ - length));
    selection.set_end_unix_ns(absl::ToUnixNanos(end_));
  }

  template <typename Question>
  void Measure(const std::string& name, const Question& question) const {
    std::vector<double> times;
    const double cpu_before = CpuSeconds(pid_);
    for (int i = 0; i < fleet_.repeats; ++i) {
      const auto begin = SteadyClock::now();
      question();
      times.push_back(Seconds(SteadyClock::now() - begin) * 1000);
    }
    std::printf("  %-36s p50 %8.1f ms   max %8.1f ms   CPU %8.1f ms\n", name.c_str(), Percentile(times, 0.5),
                Percentile(times, 1), (CpuSeconds(pid_) - cpu_before) * 1000 / fleet_.repeats);
    std::fflush(stdout);
  }

  static void Check(const grpc::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "%s\n", status.error_message().c_str());
    std::exit(1);
  }

  const Fleet& fleet_;
  QueryClient client_;
  const pid_t pid_;
  const absl::Time end_;
  uint64_t samples_ = 0;
};

void Run(const Fleet& fleet) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/store";
  CollectorProcess collector(fleet.program, path);
  if (!collector.running()) {
    std::fprintf(stderr, "the collector did not start: %s\n", collector.first_line().c_str());
    std::exit(1);
  }
  const pid_t pid = collector.process().pid();
  const absl::Time end = absl::Now();
  const absl::Time start = end - absl::Minutes(fleet.minutes);
  const int agents = fleet.services / fleet.services_per_agent;
  const double profiles = static_cast<double>(agents) * fleet.services_per_agent * fleet.minutes;
  const double samples = profiles * fleet.samples;

  std::printf(
      "%d agents with %d services each, %d minutes: %.0f profiles of %d stacks, %.1f million samples\n",
      agents, fleet.services_per_agent, fleet.minutes, profiles, fleet.stacks, samples / 1e6);
  const double cpu_before = CpuSeconds(pid);
  const auto begin = SteadyClock::now();
  // A few at a time, as making the windows takes more than storing them.
  constexpr int kAtOnce = 4;
  for (int first = 0; first < agents; first += kAtOnce) {
    std::vector<std::thread> threads;
    for (int agent = first; agent < std::min(agents, first + kAtOnce); ++agent) {
      threads.emplace_back(
          [&fleet, &collector, agent, start] { Feed(fleet, collector.grpc_port(), agent, start); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const double seconds = Seconds(SteadyClock::now() - begin);
  const double cpu = CpuSeconds(pid) - cpu_before;
  std::printf("ingest\n  %.0f profiles/s (generator on the same cores)\n", profiles / seconds);
  std::printf("  %.3f ms of CPU per profile, %.2f CPU-s per million samples\n", cpu * 1000 / profiles,
              cpu / (samples / 1e6));
  PrintMemory(pid);
  std::printf("  on disk %.2f kB per profile\n", static_cast<double>(DirectoryBytes(path)) / 1000 / profiles);
  const std::vector<double> times =
      AcknowledgementTimes(fleet, collector.grpc_port(), end - absl::Minutes(1));
  std::printf("  acknowledged after p50 %.1f ms, p99 %.1f ms\n", Percentile(times, 0.5),
              Percentile(times, 0.99));

  std::printf("questions, each %d times\n", fleet.repeats);
  Questions questions(fleet, collector.grpc_port(), pid, end);
  for (const absl::Duration length : {absl::Minutes(15), absl::Hours(1), absl::Hours(6)}) {
    questions.FlameGraph("one service", "{service=\"service-7\"}", length);
  }
  for (const absl::Duration length : {absl::Minutes(15), absl::Hours(1), absl::Hours(6)}) {
    questions.FlameGraph("all services", "{}", length);
  }
  questions.Series(absl::Hours(1));
  questions.Series(absl::Hours(6));
  questions.LabelValues(absl::Hours(6));
  PrintMemory(pid);
}

}  // namespace
}  // namespace pilotlight::collector

int main(int argc, char** argv) {
  pilotlight::collector::Fleet fleet;
  CLI::App app("Measures pilotlight-collector.", "collector_benchmark");
  app.add_option("--services", fleet.services, "Services in all")->capture_default_str();
  app.add_option("--minutes", fleet.minutes, "Length of the history; one profile a minute")
      ->capture_default_str();
  app.add_option("--stacks", fleet.stacks, "Stacks of a profile")->capture_default_str();
  app.add_option("--repeats", fleet.repeats, "How often each question is asked")->capture_default_str();
  app.add_option("--program", fleet.program, "The collector")->capture_default_str();
  if (const auto exit_code = pilotlight::ParseFlags(app, argc, argv)) return *exit_code;
  pilotlight::collector::Run(fleet);
  return 0;
}
